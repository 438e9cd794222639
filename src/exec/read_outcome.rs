//! What may come of waiting and of writing.

use super::ports::TlsRefusal;
use crate::prepare::Interrupt;
use crate::session::ReplyFacts;
use crate::smtp::reply::{Reply, ReplyError};

/// How the server ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    Fin,
    Reset,
    /// The system's word for it.
    Failed(String),
    /// The server ended TLS with an alert that says why.
    Alert(TlsRefusal),
    /// Inside TLS came what is not TLS.
    Garbled(String),
    /// There was no connection any more.
    Absent,
}

impl StreamEnd {
    pub fn description(&self) -> &str {
        match self {
            Self::Fin => "the server closed the connection",
            Self::Reset => "the server reset the connection",
            Self::Failed(why) | Self::Garbled(why) => why,
            Self::Alert(refusal) => &refusal.why,
            Self::Absent => "the connection was closed before (a step with connect = true opens a new one)",
        }
    }
}

/// Why what came is not SMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    Reply(ReplyError),
    LineTooLong,
}

/// What came of waiting for a reply.
#[derive(Debug)]
pub enum ReadOutcome {
    Reply(ReplyFacts),
    Ended(StreamEnd),
    /// The deadline passed; whether a part of a reply had come.
    Nothing {
        partial: bool,
    },
    Malformed(Malformed),
    Interrupted(Interrupt),
}

impl ReadOutcome {
    /// The reply that came.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Reply(facts) => Some(&facts.reply),
            _ => None,
        }
    }

    /// Whether it is a 2yz reply.
    pub fn accepts(&self) -> bool {
        self.reply().is_some_and(|reply| reply.code.class() == 2)
    }

    /// Whether it is a 4yz or 5yz reply.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Reply(facts) if matches!(facts.reply.code.class(), 4 | 5))
    }
}

/// Why reading or writing stopped.
#[derive(Debug)]
pub enum TransferError {
    TimedOut,
    Ended(StreamEnd),
    Interrupted(Interrupt),
    /// The server sent something while content was being written.
    Early,
}

/// What a look before writing found.
#[derive(Debug)]
pub enum QuietCheck {
    Quiet,
    Ended(StreamEnd),
    /// The server sent something: as text, and as what reading made of it.
    Unsolicited {
        text: Vec<u8>,
        outcome: ReadOutcome,
    },
}
