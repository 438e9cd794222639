//! A logged dialogue as a script for `serve`.

use super::dialogue::{ContentTracker, LogEvent, LoggedDialogue, LoggedEvent, Side, reply_code};
use crate::smtp::lines::LineEnd;
use crate::smtp::transaction::bdat_octets;
use crate::transcript::LineBody;
use std::fmt;

/// How many octets at most stand for those of BDAT that a log does not have.
pub const LONGEST_CHUNK: usize = 65_536;

/// A script that was made from a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogScript {
    pub text: String,
    /// For each line of the script the line of the log, from 1; 0 if the log has no lines.
    pub log_lines: Vec<usize>,
}

/// Writes the dialogue as a transcript that is also a script of a server (docs/serve.md). Initial responses of AUTH and answers to a
/// 334 are `[secret]`, which stands for any value. Pauses of the client and what only the client noticed are left out.
pub fn write_script(dialogue: &LoggedDialogue) -> LogScript {
    let mut script = ScriptWriter {
        dialogue,
        script: LogScript::default(),
        log_line: 0,
        phase: Phase::Commands,
        content: ContentTracker::default(),
    };
    dialogue.events.iter().filter(|logged| logged.connection.is_none()).for_each(|logged| script.add(logged));
    script.script
}

/// What the client's next line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Commands,
    /// It answers to AUTH.
    Auth,
    /// STARTTLS was sent.
    Starttls,
    /// STARTTLS got its 220: the handshake is next.
    Handshake,
    /// The handshake failed, or the connection ended.
    Over,
}

struct ScriptWriter<'a> {
    dialogue: &'a LoggedDialogue,
    script: LogScript,
    /// The line of the log that is written now.
    log_line: usize,
    phase: Phase,
    content: ContentTracker,
}

impl ScriptWriter<'_> {
    fn add(&mut self, logged: &LoggedEvent) {
        self.log_line = logged.line;
        match &logged.event {
            LogEvent::Connected => {
                self.direction("connected");
                (self.phase, self.content) = (Phase::Commands, ContentTracker::default());
            }
            _ if self.phase == Phase::Over => {}
            LogEvent::Line { side: Side::Client, body } => self.client_line(body),
            LogEvent::Line { side: Side::Server, body } => self.server_line(body),
            LogEvent::MissingContent => self.missing_content(),
            LogEvent::TlsStarted { .. } => self.handshake(),
            LogEvent::TlsFailed(_) => {
                self.handshake();
                self.phase = Phase::Over;
            }
            LogEvent::TlsClosed => self.direction("TLS closed by the client"),
            LogEvent::Closed { by, reset } => {
                self.direction(match (by, reset) {
                    (Side::Client, _) => "closed by the client",
                    (Side::Server, false) => "closed by the server",
                    (Side::Server, true) => "reset by the server",
                });
                self.phase = Phase::Over;
            }
            LogEvent::HalfClosed | LogEvent::Paused(_) | LogEvent::NoReply(_) | LogEvent::Note(_) => {}
        }
    }

    fn push(&mut self, line: fmt::Arguments<'_>) {
        self.script.text += &format!("{line}\n");
        self.script.log_lines.push(self.log_line);
    }

    fn direction(&mut self, what: &str) {
        self.push(format_args!("*: {what}"));
    }

    fn handshake(&mut self) {
        self.direction("TLS started");
        self.phase = Phase::Commands;
    }

    /// Content that the log does not have: nothing of it is compared.
    fn missing_content(&mut self) {
        self.push(format_args!("C: ."));
        self.content.note(Side::Client, b".");
    }

    fn client_line(&mut self, body: &LineBody) {
        if self.phase == Phase::Handshake && !self.dialogue.fidelity.handshakes {
            self.handshake();
        }
        let bytes = body.bytes().unwrap_or_default();
        if self.content.is_in_content() {
            self.content.note(Side::Client, bytes);
            self.push(format_args!("C: {body}"));
            return;
        }
        let line = String::from_utf8_lossy(bytes);
        let mut words = line.split_ascii_whitespace();
        let (verb, mechanism, response) = (words.next().unwrap_or_default(), words.next(), words.next());
        let shown = match self.phase {
            Phase::Auth if bytes != b"*" => "[secret]".to_owned(),
            Phase::Auth => "*".to_owned(),
            _ if verb.eq_ignore_ascii_case("AUTH") => {
                self.phase = Phase::Auth;
                match (mechanism, response) {
                    (Some(mechanism), Some(_)) => format!("AUTH {mechanism} [secret]"),
                    _ => body.to_string(),
                }
            }
            _ => {
                let starttls = verb.eq_ignore_ascii_case("STARTTLS");
                self.phase = if starttls { Phase::Starttls } else { Phase::Commands };
                body.to_string()
            }
        };
        self.push(format_args!("C: {shown}"));
        if !self.dialogue.fidelity.content {
            self.missing_octets(bytes);
        }
    }

    /// Octets in place of those that BDAT announces and the log does not have: their number counts, and nothing of them is compared.
    fn missing_octets(&mut self, line: &[u8]) {
        let octets = bdat_octets(line).and_then(|octets| usize::try_from(octets).ok()).unwrap_or(0);
        if octets > 0 {
            let body = LineBody::plain(vec![b'x'; octets.min(LONGEST_CHUNK)], LineEnd::Missing);
            self.push(format_args!("C: {body}"));
        }
    }

    fn server_line(&mut self, body: &LineBody) {
        if self.content.is_in_content() && !self.dialogue.fidelity.content {
            self.missing_content();
        }
        self.push(format_args!("S: {body}"));
        let bytes = body.bytes().unwrap_or_default();
        self.content.note(Side::Server, bytes);
        if bytes.get(3) == Some(&b'-') {
            return;
        }
        self.phase = match (self.phase, reply_code(bytes)) {
            (Phase::Auth, Some(334)) => Phase::Auth,
            (Phase::Starttls, Some(220)) => Phase::Handshake,
            _ => Phase::Commands,
        };
    }
}
