//! Why a session cannot be exported.

use crate::event::Status;
use crate::session::Place;
use std::fmt;

/// Why a session cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportError {
    /// 65, or 66 if a file cannot be read.
    pub status: Status,
    /// The step's place, if a step is to blame. Its file is empty otherwise.
    pub place: Place,
    pub message: String,
    /// What to do about it; empty if there is nothing to say.
    pub help: String,
}

impl ExportError {
    pub fn new(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status: Status::DataErr, place, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.file.is_empty() {
            write!(f, "{}:{}:{}: ", self.place.file, self.place.line, self.place.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExportError {}
