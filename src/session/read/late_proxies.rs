//! Finds `proxy` steps that come too late: the PROXY header is the first thing on a connection, before the greeting and
//! before TLS.

use crate::session::{Action, Diagnostic, Expectation, Session, Step};
use std::collections::HashSet;

/// The errors of `proxy` steps that come after a step that is sure to read a reply or to begin TLS on the same connection.
pub(in crate::session) fn late_proxies(session: &Session) -> Vec<Diagnostic> {
    let mut finder = LateProxies { begun: HashSet::new(), found: Vec::new() };
    for steps in session.sections() {
        finder.visit(steps, "main");
    }
    finder.found
}

struct LateProxies<'s> {
    /// The connections on which a dialogue has begun.
    begun: HashSet<&'s str>,
    found: Vec<Diagnostic>,
}

impl<'s> LateProxies<'s> {
    /// Visits steps whose connection is `group`'s, unless they name another.
    fn visit(&mut self, steps: &'s [Step], group: &'s str) {
        for step in steps {
            let connection = step.on.as_deref().unwrap_or(group);
            let before = step.condition.is_some().then(|| self.begun.clone());
            match &step.action {
                Action::Steps(members) => self.visit(members, connection),
                Action::Connect => drop(self.begun.remove(connection)),
                Action::Proxy(_) if self.begun.contains(connection) => self.report(step),
                _ if begins_dialogue(step) => drop(self.begun.insert(connection)),
                _ => {}
            }
            // It may not run.
            if let Some(before) = before {
                self.begun.retain(|name| before.contains(name));
            }
        }
    }

    fn report(&mut self, step: &Step) {
        let text = "\"proxy\" comes after the greeting or the beginning of TLS";
        let wrong = Diagnostic::error(step.span.clone(), text);
        self.found.push(wrong.with_help("the PROXY header is the first thing on a connection: move it to the front, or write `connect = true` before it"));
    }
}

/// Whether the step reads a reply or starts TLS. A server that waits for the header is silent.
fn begins_dialogue(step: &Step) -> bool {
    let awaits_silence = step.expect.as_ref().is_some_and(Expectation::accepts_silence);
    match &step.action {
        Action::Wait => !awaits_silence,
        Action::Login | Action::Tls | Action::Pipeline(_) | Action::Message(_) => true,
        Action::Sleep(_) | Action::Proxy(_) | Action::Connect | Action::Close(_) | Action::EndTls => false,
        _ => step.expect.is_some() && !awaits_silence,
    }
}

#[cfg(test)]
mod tests {
    use crate::session::load;
    use crate::session::read::tests::Files;

    /// The numbers of the lines with an error, for steps that are written one per line.
    fn errors(steps: &[&str]) -> Vec<usize> {
        let text = format!("server = \"smtp://x\"\nstep = [\n{},\n]\n", steps.join(",\n"));
        let Err(found) = load("case.toml", &text, &Files::default(), &[]) else { return Vec::new() };
        found.list.iter().map(|error| found.sources.place(&error.span).line - 2).collect()
    }

    #[test]
    fn a_header_after_a_reply_or_tls_on_the_same_connection_is_late() {
        const PROXY: &str = "{ proxy = { unknown = true, version = 1 } }";
        const GREETING: &str = "{ expect = 220 }";
        let table: [(&[&str], &[usize], &str); 15] = [
            (&[PROXY, GREETING], &[], "first"),
            (&[GREETING, PROXY], &[2], "after the greeting"),
            (&["{ login = true }", PROXY], &[2], "after a login"),
            (&["{ tls = true }", PROXY, GREETING], &[2], "inside TLS"),
            (&["{ sleep = \"1ms\" }", PROXY], &[], "a pause says nothing"),
            (&["{ expect = \"silence\" }", PROXY], &[], "a server that waits for the header"),
            (&["{ raw = \"PROXY \" }", PROXY], &[], "nothing was read"),
            (&["{ raw = \"PROXY \", expect = \"silence\" }", PROXY], &[], "silence is no reply"),
            (&["{ raw = \"x\\r\\n\", expect = \"any\" }", PROXY], &[2], "a reply was read"),
            (&[GREETING, "{ close = true }", "{ connect = true }", PROXY], &[], "another connection"),
            (&[GREETING, "{ on = \"b\", proxy = { unknown = true, version = 1 } }"], &[], "a named connection"),
            (&["{ if = \"session.sent > 0\", expect = 220 }", PROXY], &[], "the greeting may not be read"),
            (&[GREETING, "{ if = \"session.sent > 0\", proxy = { unknown = true, version = 1 } }"], &[2], "if it runs"),
            (&["{ steps = [ { expect = 220 }, { proxy = { unknown = true, version = 1 } } ] }"], &[1], "in a group"),
            (&[PROXY, PROXY, GREETING], &[], "two headers, as of two proxies"),
        ];
        for (steps, expected, why) in table {
            assert_eq!(errors(steps), expected, "{why}");
        }
    }
}
