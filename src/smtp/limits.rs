//! The client's time limits of RFC 5321 §4.5.3.2.

use std::time::Duration;

/// What a client waits for, and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Greeting,
    Mail,
    Rcpt,
    DataInitiation,
    DataBlock,
    DataTermination,
    /// RFC 5321 names no limit for other commands; five minutes is what the others have.
    Other,
}

impl Wait {
    pub fn limit(self) -> Duration {
        let _ = self;
        todo!()
    }

    /// The section that sets it, for messages: `RFC 5321 §4.5.3.2.1`.
    pub fn section(self) -> Option<&'static str> {
        let _ = self;
        todo!()
    }

    /// What a command line waits for, by its verb, compared without regard to case.
    pub fn of_command(line: &[u8]) -> Self {
        let _ = line;
        todo!()
    }
}
