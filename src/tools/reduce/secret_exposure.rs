//! Finds out whether a session would send a secret outside of TLS that the whole session sends inside of it.

use crate::session::{Action, Expression, RawBytes, Session, StarttlsMode, Step, Template, ValueSource, Visitor};
use std::collections::{BTreeMap, BTreeSet};

/// What protects what a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protection {
    Nothing,
    /// STARTTLS without a greeting of the client before it, which servers may refuse.
    EarlyStarttls,
    Tls,
}

/// Commands that carry no secret of their own.
const HARMLESS: [&str; 9] = ["EHLO", "HELO", "LHLO", "STARTTLS", "NOOP", "RSET", "QUIT", "DATA", "VRFY"];

/// What protects the secrets of a session, for the numbers of its steps.
#[derive(Clone, Debug, Default)]
pub struct SecretExposure {
    /// Steps that use a secret, or are part of a literal AUTH dialogue.
    own: BTreeMap<usize, Protection>,
    /// Whatever the steps of these numbers send.
    sent: BTreeMap<usize, Protection>,
}

impl SecretExposure {
    /// The exposure of the whole session. `numbers` are those of the steps that are in no group.
    pub fn new(session: &Session, numbers: &[usize]) -> Self {
        let mut walk = ExposureWalk::new(session);
        for (step, number) in session.sections().into_iter().flatten().zip(numbers) {
            walk.add(step, *number, None);
        }
        walk.found
    }

    /// Whether `session`, a part of this one, sends no secret with less protection.
    pub fn allows(&self, session: &Session, numbers: &[usize]) -> bool {
        let part = Self::new(session, numbers);
        let is_kept = |whole: &BTreeMap<usize, Protection>, (number, protection): (&usize, &Protection)| {
            whole.get(number).is_none_or(|least| protection >= least)
        };
        let secret = |number: &usize| self.own.contains_key(number);
        part.own.iter().all(|one| is_kept(&self.own, one))
            && part.sent.iter().filter(|(number, _)| secret(number)).all(|one| is_kept(&self.sent, one))
    }
}

/// What is known of a connection.
#[derive(Clone, Copy)]
struct ConnectionExposure {
    protection: Protection,
    has_greeted: bool,
    in_auth: bool,
}

struct ExposureWalk<'s> {
    session: &'s Session,
    names: BTreeSet<String>,
    connections: BTreeMap<&'s str, ConnectionExposure>,
    found: SecretExposure,
}

impl<'s> ExposureWalk<'s> {
    fn new(session: &'s Session) -> Self {
        Self {
            session,
            names: names_of_secrets(session),
            connections: BTreeMap::new(),
            found: SecretExposure::default(),
        }
    }

    /// What a new connection of that name is like.
    fn start(&self, name: &str) -> ConnectionExposure {
        let named = self.session.named_servers.iter().find(|(known, _)| known == name).map(|(_, server)| server);
        let server = named.or(self.session.server.as_ref());
        let has_tls = server.is_some_and(|server| server.source.trim_start().starts_with("smtps:"));
        let protection = if has_tls { Protection::Tls } else { Protection::Nothing };
        ConnectionExposure { protection, has_greeted: false, in_auth: false }
    }

    fn add(&mut self, step: &'s Step, number: usize, group: Option<&'s str>) {
        let on = step.on.as_deref().or(group);
        if let Action::Steps(members) | Action::Pipeline(members) = &step.action {
            members.iter().for_each(|member| self.add(member, number, on));
            return;
        }
        let name = on.unwrap_or("main");
        let fresh = self.start(name);
        let mut state = self.connections.get(name).copied().unwrap_or(fresh);
        let line = literal_line(&step.action);
        let verb =
            line.unwrap_or_default().split([' ', '\r', '\n', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match &step.action {
            Action::Connect | Action::Close(_) => state = fresh,
            Action::EndTls => state.protection = Protection::Nothing,
            Action::Hello { .. } => state.has_greeted = true,
            Action::Starttls { policy, .. } => {
                let is_certain = state.has_greeted || *policy == StarttlsMode::Required;
                let gained = if is_certain { Protection::Tls } else { Protection::EarlyStarttls };
                state = ConnectionExposure { protection: state.protection.max(gained), ..state };
            }
            Action::Tls | Action::Login => state.protection = Protection::Tls,
            _ if matches!(verb.as_str(), "EHLO" | "HELO" | "LHLO") => state.has_greeted = true,
            _ => {}
        }
        if sends_text(&step.action) && !HARMLESS.contains(&verb.as_str()) {
            // The answers to AUTH are words of base64.
            state.in_auth = verb == "AUTH" || (state.in_auth && line.is_none_or(|line| !line.trim().contains(' ')));
            if state.in_auth || matches!(step.action, Action::Auth(_)) || self.uses_secret(step) {
                lower(&mut self.found.own, number, state.protection);
            }
            lower(&mut self.found.sent, number, state.protection);
        }
        self.connections.insert(name, state);
    }

    fn uses_secret(&self, step: &'s Step) -> bool {
        let mut search = SecretSearch { walk: self, is_found: false };
        search.visit_step(step);
        search.is_found
    }
}

fn lower(known: &mut BTreeMap<usize, Protection>, number: usize, protection: Protection) {
    let least = known.entry(number).or_insert(protection);
    *least = protection.min(*least);
}

/// Whether what the session says is part of the action.
fn sends_text(action: &Action) -> bool {
    matches!(
        action,
        Action::Send(_)
            | Action::Raw(_)
            | Action::Bdat { .. }
            | Action::Body { .. }
            | Action::Auth(_)
            | Action::Message(_)
            | Action::Xclient(_)
    )
}

/// The text of a command line.
fn literal_line(action: &Action) -> Option<&str> {
    match action {
        Action::Send(line) | Action::Raw(RawBytes::Text(line)) => Some(line.source.trim_start()),
        Action::Raw(RawBytes::Bytes(octets)) => std::str::from_utf8(octets).ok().map(str::trim_start),
        Action::Raw(RawBytes::Parts(parts)) => match parts.first() {
            Some(RawBytes::Text(text)) => Some(text.source.trim_start()),
            _ => None,
        },
        _ => None,
    }
}

/// The names of secrets, and of the variables that are made of them.
fn names_of_secrets(session: &Session) -> BTreeSet<String> {
    let mut names = session.secret_names();
    names.extend(session.secrets.iter().map(|secret| secret.name.clone()));
    let own = session.all_steps().flat_map(|step| &step.with);
    let variables: Vec<_> = session.vars.iter().chain(own).collect();
    loop {
        let made = variables.iter().filter(|variable| match &variable.source {
            ValueSource::Template(template) => session.templates.uses(template, |name| names.contains(name)),
            _ => false,
        });
        let more: Vec<String> =
            made.map(|variable| variable.name.clone()).filter(|name| !names.contains(name)).collect();
        if more.is_empty() {
            return names;
        }
        names.extend(more);
    }
}

/// Looks for a secret in what a step uses.
struct SecretSearch<'w, 's> {
    walk: &'w ExposureWalk<'s>,
    is_found: bool,
}

impl<'s> Visitor<'s> for SecretSearch<'_, 's> {
    fn visit_template(&mut self, template: &'s Template) {
        self.is_found |= self.walk.session.templates.uses(template, |name| self.walk.names.contains(name));
    }

    /// What a step expects is not sent.
    fn visit_expression(&mut self, _expression: &'s Expression) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SourceError, SourceFile, Sources, load};
    use std::path::Path;

    struct NoFiles;

    impl Sources for NoFiles {
        fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
            Err(SourceError::Unreadable(format!("{}: no such file", path.display())))
        }

        fn env(&self, _: &str) -> Result<Option<String>, SourceError> {
            Ok(None)
        }
    }

    /// A session of these inline steps.
    fn session(head: &str, steps: &[&str]) -> Session {
        let text = format!("{head}\nstep = [ {{ expect = 220 }}, {} ]\n[secrets]\npw = 'x'\n", steps.join(", "));
        load("s.toml", &text, &NoFiles, &[]).map_err(|found| found.render(false)).expect("the session is valid")
    }

    #[test]
    fn a_secret_stays_inside_tls() {
        const TLS: &str = "{ starttls = true }";
        const EHLO: &str = "{ ehlo = 'c.example' }";
        const AUTH: &str = "{ send = 'AUTH PLAIN {{ pw }}', expect = 'any' }";
        const NOOP: &str = "{ send = 'NOOP', expect = 'any' }";
        const LOGIN: &str = "{ send = 'AUTH LOGIN', expect = 'any' }";
        const WORD: &str = "{ send = 'c2VjcmV0', expect = 'any' }";
        const AGAIN: &str = "{ close = true }, { connect = true }, { expect = 220 }";
        let table: &[(&[&str], &[usize], bool, &str)] = &[
            (&[EHLO, TLS, EHLO, AUTH], &[0, 1, 2, 3], true, "the whole session"),
            (&[EHLO, TLS, EHLO, AUTH], &[0, 1, 3], true, "without the second EHLO"),
            (&[EHLO, TLS, EHLO, AUTH], &[0, 2, 3], false, "without STARTTLS"),
            (&[EHLO, TLS, EHLO, AUTH], &[1, 3], false, "without the EHLO that STARTTLS needs"),
            (&[EHLO, TLS, EHLO, AUTH, NOOP], &[4], true, "without the secret"),
            (&[EHLO, AUTH], &[1], true, "a session without TLS"),
            (&[EHLO, AUTH, TLS], &[0, 1], true, "a secret before TLS"),
            (&[EHLO, TLS, LOGIN, WORD], &[0, 3], false, "an answer to AUTH"),
            (&[EHLO, TLS, LOGIN, WORD, NOOP], &[0, 4], true, "a command after AUTH"),
            (
                &["{ steps = [ { ehlo = 'c' }, { starttls = true }, { auth = { user = 'a', password = 'b' } } ] }"],
                &[0],
                true,
                "a group",
            ),
        ];
        for (steps, kept, expected, why) in table {
            let whole = session("server = 'smtp://mx.example'", steps);
            let numbers: Vec<usize> = (0..=steps.len()).collect();
            let part =
                session("server = 'smtp://mx.example'", &kept.iter().map(|index| steps[*index]).collect::<Vec<_>>());
            let kept: Vec<usize> = std::iter::once(0).chain(kept.iter().map(|index| index + 1)).collect();
            assert_eq!(SecretExposure::new(&whole, &numbers).allows(&part, &kept), *expected, "{why}");
        }
        let both = [EHLO, TLS, AGAIN, EHLO, TLS, AUTH].join(", ");
        let whole =
            SecretExposure::new(&session("server = 'smtp://mx.example'", &[&both]), &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let first_only = [EHLO, TLS, AGAIN, EHLO, AUTH].join(", ");
        let part = session("server = 'smtp://mx.example'", &[&first_only]);
        assert!(!whole.allows(&part, &[0, 1, 2, 3, 4, 5, 6, 8]), "TLS of another connection does not count");
    }

    #[test]
    fn a_secret_made_into_another_value_stays_one() {
        let head = "server = 'smtp://mx.example'\nvars = { line = 'x' }";
        let step =
            ["{ starttls = 'required' }", "{ send = 'X {{ word }}', expect = 'any', with = { word = '{{ pw }}' } }"];
        let whole = SecretExposure::new(&session(head, &step), &[0, 1, 2]);
        assert!(!whole.allows(&session(head, &step[1..]), &[0, 2]));
        let smtps = session("server = 'smtps://mx.example'", &step[1..]);
        assert!(whole.allows(&smtps, &[0, 2]), "TLS from the first byte");
    }
}
