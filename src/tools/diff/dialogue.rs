//! What a server answered, command by command.

use crate::smtp::reply::Reply;

/// The dialogue of a session: one entry for each connection, in the order in which they were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedDialogue {
    pub connections: Vec<ObservedConnection>,
}

/// A connection. One that is opened again after its end is a second one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedConnection {
    /// `main`, or the name in `C[b]`.
    pub name: String,
    pub exchanges: Vec<ObservedExchange>,
}

/// A command, and what the server answered to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedExchange {
    /// The command as the transcript shows it, or a description in parentheses: `(greeting)`.
    pub command: String,
    /// `a.txt:12`: the line of the transcript, or of the session file. Empty if it is unknown.
    pub place: String,
    /// More than one after content over LMTP. Empty if no answer came.
    pub answers: Vec<ServerAnswer>,
}

/// What a server can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAnswer {
    Reply(Reply),
    /// A line that is not SMTP.
    NotSmtp(String),
    Closed,
    Reset,
    TlsStarted,
    /// The handshake failed, and why.
    TlsFailed(String),
}

impl ObservedDialogue {
    /// Whether the server said anything.
    pub fn has_answers(&self) -> bool {
        self.answers().next().is_some()
    }

    /// How many replies there are.
    pub fn reply_count(&self) -> usize {
        self.answers().filter(|answer| matches!(answer, ServerAnswer::Reply(_))).count()
    }

    fn answers(&self) -> impl Iterator<Item = &ServerAnswer> {
        self.connections.iter().flat_map(|connection| &connection.exchanges).flat_map(|exchange| &exchange.answers)
    }
}

impl ObservedExchange {
    /// The first word of the command, in upper case.
    pub fn verb(&self) -> String {
        self.command.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase()
    }

    /// Whether its reply lists capabilities (RFC 5321 §4.1.1.1, RFC 2033 §4.1).
    pub fn lists_capabilities(&self) -> bool {
        matches!(self.verb().as_str(), "EHLO" | "LHLO")
    }
}
