//! What a log shows: lines, handshakes, ends of connections, in order.

use crate::smtp::lines::LineEnd;
use crate::transcript::LineBody;
use std::time::Duration;

/// One of the two sides of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}

/// Something that a log shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    Line {
        side: Side,
        body: LineBody,
    },
    /// The client sent content here that the log does not have.
    MissingContent,
    /// A TLS handshake was done. `verified` is `None` if the log does not say whether the certificate was verified.
    TlsStarted {
        verified: Option<bool>,
    },
    /// A TLS handshake failed, and why.
    TlsFailed(String),
    /// The client ended TLS, and the connection goes on in plain text.
    TlsClosed,
    Closed {
        by: Side,
        reset: bool,
    },
    /// The client closed its sending half.
    HalfClosed,
    /// A connection begins.
    Connected,
    Paused(Duration),
    /// The client gave up waiting for a reply, with what the log says about it.
    NoReply(String),
    /// A comment at this place of the session file.
    Note(String),
}

/// A [`LogEvent`] with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The line of the log, counted from 1; 0 if the log has no lines.
    pub line: usize,
    /// The name of its connection, as in `C[b]`; `None` for the main one.
    pub connection: Option<String>,
    pub event: LogEvent,
}

/// What a format can show. What it cannot show is a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFidelity {
    /// Whether the log has the content of messages.
    pub content: bool,
    /// Whether each TLS handshake is in the log. Otherwise a handshake is assumed after STARTTLS if the dialogue goes on.
    pub handshakes: bool,
    /// Whether line ends are in the log.
    pub line_ends: bool,
}

/// A dialogue as a log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDialogue {
    pub fidelity: LogFidelity,
    /// `host:port`, `host`, or the path of a UNIX socket, if the log names the server.
    pub server: Option<String>,
    pub events: Vec<LoggedEvent>,
    /// How many connections of the log are not imported.
    pub other_connections: usize,
    /// The line of the log, counted from 1, whose end seems to be in the next line.
    pub wrapped: Option<usize>,
}

impl LoggedDialogue {
    pub fn new(fidelity: LogFidelity) -> Self {
        Self { fidelity, server: None, events: Vec::new(), other_connections: 0, wrapped: None }
    }

    /// Adds an event of the main connection.
    pub fn push(&mut self, line: usize, event: LogEvent) {
        self.events.push(LoggedEvent { line, connection: None, event });
    }

    /// Adds a line that ended in CRLF, or of which the log does not tell the end. It has no secret.
    pub fn push_line(&mut self, line: usize, side: Side, bytes: &[u8]) {
        self.push(line, LogEvent::Line { side, body: LineBody::plain(bytes, LineEnd::CrLf) });
    }

    /// Whether there is a line of this side.
    pub fn has_line_of(&self, wanted: Side) -> bool {
        self.events.iter().any(|logged| matches!(&logged.event, LogEvent::Line { side, .. } if *side == wanted))
    }

    /// Says of the last handshake whether the certificate was verified.
    pub fn set_verified(&mut self, is: bool) {
        let last = self.events.iter_mut().rev().find_map(|logged| match &mut logged.event {
            LogEvent::TlsStarted { verified } => Some(verified),
            _ => None,
        });
        if let Some(verified) = last {
            *verified = Some(is);
        }
    }

    /// The last line of this side, if no line of the other side came after it.
    pub fn last_line_of(&self, wanted: Side) -> Option<&LineBody> {
        self.events.iter().rev().find_map(|logged| match &logged.event {
            LogEvent::Line { side, body } => Some((*side == wanted).then_some(body)),
            _ => None,
        })?
    }
}

/// Follows a dialogue to tell content from commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentTracker {
    /// The last reply is a 354.
    awaited: bool,
    /// Its content had its dot.
    ended: bool,
}

impl ContentTracker {
    /// Takes the next line of the dialogue.
    pub fn note(&mut self, side: Side, line: &[u8]) {
        match side {
            Side::Server => {
                let awaited = reply_code(line) == Some(354) && line.get(3) != Some(&b'-');
                *self = Self { awaited, ended: false };
            }
            Side::Client => self.ended |= line == b".",
        }
    }

    /// Whether the last reply is a 354, so that what the client sends in one go is content.
    pub fn awaits_content(self) -> bool {
        self.awaited
    }

    /// Whether the client's next line is content.
    pub fn is_in_content(self) -> bool {
        self.awaited && !self.ended
    }
}

/// Whether a line begins like a reply: three digits, then a space, a hyphen or nothing.
pub fn is_reply(line: &[u8]) -> bool {
    match line {
        [a, b, c, rest @ ..] => {
            [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && matches!(rest.first(), None | Some(b' ' | b'-'))
        }
        _ => false,
    }
}

/// The code of a line that begins like a reply.
pub fn reply_code(line: &[u8]) -> Option<u16> {
    is_reply(line).then(|| line[..3].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}
