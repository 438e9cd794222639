//! The errors of sources, and interruptions.

use super::clock::{Clock, Interrupt};
use crate::event::{Cause, Status, StepError};
use crate::session::SourceError;
use crate::transcript::Secrets;

impl StepError {
    /// A source has no value, or cannot be read.
    pub fn source(secrets: &Secrets, clock: &dyn Clock, error: &SourceError) -> Self {
        // A signal ends a command and a question, too.
        if let Some(interrupt) = clock.interrupted() {
            return Self::interrupted(interrupt);
        }
        match error {
            SourceError::Refused(what) => Self::bad_value(secrets, what),
            SourceError::Unreadable(what) => Self::unreadable(secrets, what),
        }
    }

    /// A signal asked the program to end.
    pub fn interrupted(interrupt: Interrupt) -> Self {
        Self::closing(signal_status(interrupt), Cause::Interrupted { signal: interrupt.name })
    }

    /// The interruption, if that is what went wrong.
    pub fn interrupt(&self, clock: &dyn Clock) -> Option<Interrupt> {
        if matches!(self.cause, Cause::Interrupted { .. }) { clock.interrupted() } else { None }
    }
}

/// 143 if the system asked for it (SIGTERM), 129 if the terminal is gone (SIGHUP), 130 if a person did.
pub fn signal_status(interrupt: Interrupt) -> Status {
    Status::of_signal(interrupt.name)
}
