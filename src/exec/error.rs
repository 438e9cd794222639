//! The errors of connections, deadlines and interruptions.

use super::ports::{Clock, Interrupt, TlsError};
use super::read_outcome::{Malformed, StreamEnd};
use crate::event::{Cause, Status};
use crate::session::SourceError;
use crate::transcript::Secrets;
use std::time::{Duration, Instant};

pub use crate::event::StepError;

/// A deadline, and how it came to be: for the message when it passes.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    pub at: Instant,
    pub duration: Duration,
    /// The section that sets it, if it is a default.
    pub section: Option<&'static str>,
}

impl Deadline {
    /// `duration` after `now`. A duration that no clock can hold never passes: a year is used.
    pub fn after(now: Instant, duration: Duration, section: Option<&'static str>) -> Self {
        let at = now.checked_add(duration).unwrap_or(now + Duration::from_secs(31_536_000));
        Self { at, duration, section }
    }
}

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

    /// A deadline passed.
    pub fn timed_out(secrets: &Secrets, waiting_for: &str, deadline: Deadline) -> Self {
        let (limit, section) = (deadline.duration, deadline.section);
        Self::closing(Status::TempFail, Cause::TimedOut { waiting_for: secrets.shown(waiting_for), limit, section })
    }

    /// The connection ended when a reply was due, or writing failed.
    pub fn lost(secrets: &Secrets, end: &StreamEnd) -> Self {
        let why = secrets.shown(end.description());
        match end {
            // What came is not what TLS wants: not an end, but a peer that does not keep to the protocol.
            StreamEnd::Garbled(_) => Self::closing(Status::Protocol, Cause::TlsFailed { why, after_handshake: true }),
            _ => Self::closing(Status::Unavailable, Cause::ConnectionLost { why }),
        }
    }

    /// What came is not SMTP.
    pub fn malformed(malformed: &Malformed) -> Self {
        let cause = match malformed {
            Malformed::Reply(error) => Cause::NotSmtp(error.clone()),
            Malformed::LineTooLong => Cause::LineTooLong,
        };
        Self::closing(Status::Protocol, cause)
    }

    /// A signal asked the program to end.
    pub fn interrupted(interrupt: Interrupt) -> Self {
        Self::closing(signal_status(interrupt), Cause::Interrupted { signal: interrupt.name })
    }

    /// A TLS handshake failed.
    pub fn tls(secrets: &Secrets, failure: TlsError, deadline: Deadline) -> Self {
        match failure {
            TlsError::Certificate { problem, why, details, connected_again: _ } => Self::closing(
                Status::NoPerm,
                Cause::Certificate {
                    problem,
                    why: secrets.shown(why),
                    details: details.iter().map(|detail| secrets.shown(detail)).collect(),
                },
            ),
            TlsError::TimedOut => Self::timed_out(secrets, "the TLS handshake", deadline),
            TlsError::Settings(what) => Self { closes_connection: true, ..Self::bad_value(secrets, what) },
            TlsError::NotTls { why, said: _ } | TlsError::Other(why) => {
                Self::closing(Status::Protocol, Cause::TlsFailed { why: secrets.shown(why), after_handshake: false })
            }
        }
    }

    /// The interruption, if that is what went wrong.
    pub fn interrupt(&self, clock: &dyn Clock) -> Option<Interrupt> {
        if matches!(self.cause, Cause::Interrupted { .. }) { clock.interrupted() } else { None }
    }
}

/// 143 if the system asked for it (SIGTERM), 130 if a person did.
pub fn signal_status(interrupt: Interrupt) -> Status {
    if interrupt.name.contains("TERM") { Status::Terminated } else { Status::Interrupted }
}
