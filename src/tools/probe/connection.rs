//! What happened on one connection of a probe.

use super::report::ProbeReply;
use super::script::step;
use crate::event::{Cause, Event, Fact, Failure, Note, Observer, RedactedLine, Verdict};
use crate::session::TlsFacts;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What happened on one connection. All text is escaped.
#[derive(Default)]
pub struct ProbeConnection {
    pub address: Option<String>,
    /// What the server's name resolved to.
    pub resolved: Vec<IpAddr>,
    /// With `--mx`, the mail exchanger that was connected to.
    pub exchanger: Option<String>,
    pub tls: Option<TlsFacts>,
    /// Why the server refused the handshake, if it did.
    pub refused: Option<HandshakeRefusal>,
    /// In place of a greeting came the beginning of a TLS record.
    pub greets_in_tls: bool,
    /// A line that begins like a reply came before TLS.
    pub replies_unencrypted: bool,
    /// By the name of the step.
    pub failures: Vec<(String, Failure)>,
    exchanges: Vec<CommandRecord>,
    times: ConnectionTimes,
    /// The name of the step that runs.
    step: String,
}

/// The server refused a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeRefusal {
    pub why: String,
    /// It refuses the client's certificate, or its absence.
    pub of_certificate: bool,
}

/// How long what belongs to no command took, and the moments that it is counted from.
#[derive(Default)]
struct ConnectionTimes {
    started: Option<Instant>,
    /// The last line, or the beginning of the step.
    last: Option<Instant>,
    connect: Option<Duration>,
    handshake: Option<Duration>,
}

/// A command and its reply.
struct CommandRecord {
    /// The step that sent it.
    step: String,
    sent: Instant,
    /// The code, when the reply is complete.
    code: Option<u16>,
    lines: Vec<String>,
    elapsed: Duration,
    /// What came after the reply and before TLS.
    extra: Vec<String>,
}

impl ProbeConnection {
    /// The reply to the command of a step.
    pub fn reply(&self, step: &str) -> Option<ProbeReply> {
        let record = self.record(step)?;
        Some(ProbeReply { code: record.code?, lines: record.lines.clone() })
    }

    /// From a step's command to the end of its reply.
    pub fn round_trip(&self, step: &str) -> Option<Duration> {
        self.record(step).filter(|record| record.code.is_some()).map(|record| record.elapsed)
    }

    /// Resolving and connecting.
    pub fn connect_time(&self) -> Option<Duration> {
        self.times.connect
    }

    /// From the reply before it to the end of the handshake.
    pub fn handshake_time(&self) -> Option<Duration> {
        self.times.handshake
    }

    /// How the step failed.
    pub fn failure(&self, step: &str) -> Option<&Failure> {
        self.failures.iter().find_map(|(name, failure)| (name == step).then_some(failure))
    }

    /// What came unencrypted between the reply to STARTTLS and the handshake.
    pub fn injected(&self) -> Option<String> {
        let untrusted = self.failure(step::HANDSHAKE).is_some_and(|one| matches!(one.cause, Cause::Certificate { .. }));
        let extra = &self.record(step::HANDSHAKE).filter(|_| self.tls.is_some() || untrusted)?.extra;
        (!extra.is_empty()).then(|| extra.join(" / "))
    }

    fn record(&self, step: &str) -> Option<&CommandRecord> {
        self.exchanges.iter().find(|record| record.step == step)
    }

    fn begin_command(&mut self, now: Instant) {
        let step = self.step.clone();
        let record = CommandRecord {
            step,
            sent: now,
            code: None,
            lines: Vec::new(),
            elapsed: Duration::ZERO,
            extra: Vec::new(),
        };
        self.exchanges.push(record);
    }

    fn add_line(&mut self, line: &RedactedLine<'_>, now: Instant) {
        let mut text = String::new();
        line.notation(&mut text);
        // An alert or a handshake (RFC 8446 §5.1).
        self.greets_in_tls |=
            self.step == step::GREETING && [r"\x15\x03", r"\x16\x03"].iter().any(|one| text.starts_with(one));
        let text = without_end_mark(&text);
        let is_encrypted = self.tls.is_some();
        // RFC 5321 §4.2: a code of three digits.
        self.replies_unencrypted |= !is_encrypted && text.len() > 3 && text.bytes().take(3).all(|b| b.is_ascii_digit());
        let Some(record) = self.exchanges.last_mut() else { return };
        if record.code.is_some() {
            if !is_encrypted {
                record.extra.push(text.to_owned());
            }
            return;
        }
        // Cut after the code and its separator; both are ASCII.
        record.lines.push(text.get(4..).unwrap_or_default().to_owned());
        record.code = line.final_reply_code();
        record.elapsed = now.saturating_duration_since(record.sent);
    }
}

fn is_of_handshake(failure: &Failure) -> bool {
    matches!(
        failure.cause,
        Cause::Certificate { .. } | Cause::TlsRefused { .. } | Cause::TlsFailed { after_handshake: false, .. }
    )
}

/// The transcript's notation of a line without the mark of its end (`\n`, `\c`).
fn without_end_mark(line: &str) -> &str {
    let Some(body) = line.strip_suffix("\\n").or_else(|| line.strip_suffix("\\c")) else { return line };
    // A backslash of the line is written twice.
    let backslashes = body.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if backslashes % 2 == 0 { body } else { line }
}

impl Observer for ProbeConnection {
    fn observe(&mut self, event: &Event<'_>) {
        let now = Instant::now();
        let since = |from: Option<Instant>| from.map(|from| now.saturating_duration_since(from));
        match &event.fact {
            Fact::SessionStarted { .. } => self.times.started = Some(now),
            Fact::HostResolved { addresses, .. } => self.resolved.clone_from(addresses),
            Fact::Connected { address } => {
                self.address = Some(address.to_string());
                self.times.connect = since(self.times.started);
            }
            Fact::StepStarted { step } => {
                self.step = step.title.to_string();
                self.times.last = Some(now);
                if self.step == step::GREETING {
                    self.begin_command(now);
                }
            }
            Fact::StepFinished { step, verdict: Verdict::Failed(failure) | Verdict::Error(failure), .. } => {
                let is_early = self.tls.is_none() && step.title.as_str() == step::GREETING && is_of_handshake(failure);
                let step = if is_early { step::HANDSHAKE } else { step.title.as_str() };
                self.failures.push((step.to_owned(), failure.clone()));
            }
            Fact::LineSent(_) => self.begin_command(now),
            Fact::LineReceived(line) => {
                self.times.last = Some(now);
                self.add_line(line, now);
            }
            Fact::TlsStarted { tls, .. } => {
                self.times.handshake = since(self.times.last);
                self.tls = Some((*tls).clone());
                // With smtps:// the greeting is due from now on.
                if let Some(record) =
                    self.exchanges.last_mut().filter(|record| record.step == step::GREETING && record.code.is_none())
                {
                    record.sent = now;
                }
            }
            Fact::Noted(Note::HandshakeRefused { why, of_certificate }) => {
                self.refused = Some(HandshakeRefusal { why: why.to_string(), of_certificate: *of_certificate });
            }
            Fact::Noted(Note::MailExchanger { host, .. }) => self.exchanger = Some(host.to_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_end_mark;

    #[test]
    fn the_mark_of_an_end_is_no_part_of_a_line() {
        for (line, text) in [
            ("250 x", "250 x"),
            ("250 x\\n", "250 x"),
            ("250 x\\c", "250 x"),
            (r"250 \\c", r"250 \\c"),
            (r"250 \\\c", r"250 \\"),
            ("", ""),
        ] {
            assert_eq!(without_end_mark(line), text);
        }
    }
}
