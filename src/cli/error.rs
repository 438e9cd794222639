//! The error that ends a command.

use crate::batch::ledger::LedgerError;
use crate::event::Status;

/// Why a command failed: its exit status, and what is printed on standard error.
#[derive(Debug)]
pub struct CommandError {
    pub status: Status,
    /// What is wrong, one or more lines. Empty if it has been printed already.
    pub message: String,
    /// What to do about it, printed after `help: `.
    pub help: Option<String>,
}

impl CommandError {
    /// An error without help.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), help: None }
    }

    /// The command line is wrong (`EX_USAGE`).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    /// A file, a row or a value is not valid (`EX_DATAERR`).
    pub fn invalid_data(message: impl Into<String>) -> Self {
        Self::new(Status::DataErr, message)
    }

    /// An output cannot be created (`EX_CANTCREAT`).
    pub fn cannot_create(message: impl Into<String>) -> Self {
        Self::new(Status::CantCreate, message)
    }

    /// The error has been printed already.
    pub fn printed(status: Status) -> Self {
        Self::new(status, "")
    }

    /// Puts what the error is about, such as an option, in front of the message.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.message = format!("{prefix}: {}", self.message);
        self
    }

    /// Adds what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        Self::new(error.status, error.message)
    }
}
