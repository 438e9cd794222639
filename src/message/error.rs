//! Why a message cannot be built.

use std::fmt;

/// What cannot be part of a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The header's name, or the address.
    pub field: String,
    pub why: String,
}

impl MessageError {
    /// An error in the header or address `field`.
    pub(super) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl std::error::Error for MessageError {}

/// Why a message was not built.
#[derive(Debug)]
pub enum BuildError {
    Message(MessageError),
    /// A file could not be read.
    Source(std::io::Error),
}

impl From<MessageError> for BuildError {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::Source(error)
    }
}
