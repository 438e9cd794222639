//! The errors of connections and deadlines.

use super::ports::{TlsError, TlsRefusal};
use super::read_outcome::{Malformed, StreamEnd};
use crate::event::{Cause, Status};
use crate::session::Session;
use crate::smtp::timeouts::Timeout;
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
    /// The deadline of a reply that begins now: the step's, the session's, or RFC 5321's for what is waited for.
    pub fn of_reply(session: &Session, now: Instant, step: Option<Duration>, wait: Timeout) -> Self {
        match step.or(session.timeout) {
            Some(duration) => Self::after(now, duration, None),
            None => Self::after(now, wait.limit(), wait.section()),
        }
    }

    /// `duration` after `now`. A duration that no clock can hold never passes: a year is used.
    pub fn after(now: Instant, duration: Duration, section: Option<&'static str>) -> Self {
        let at = now.checked_add(duration).unwrap_or(now + Duration::from_secs(31_536_000));
        Self { at, duration, section }
    }
}

impl StepError {
    /// A deadline passed.
    pub fn timed_out(secrets: &Secrets, waiting_for: &str, deadline: Deadline) -> Self {
        let (limit, section) = (deadline.duration, deadline.section);
        Self::closing(
            Status::TempFail,
            Cause::TimedOut { waiting_for: secrets.shown(waiting_for), limit, section, may_expect_tls: false },
        )
    }

    /// The connection ended when a reply was due, or writing failed.
    pub fn lost(secrets: &Secrets, end: &StreamEnd) -> Self {
        let why = secrets.shown(end.description());
        match end {
            // What came is not what TLS wants: not an end, but a peer that does not keep to the protocol.
            StreamEnd::Garbled(_) | StreamEnd::Alert(_) => {
                Self::closing(Status::Protocol, Cause::TlsFailed { why, after_handshake: true })
            }
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
            TlsError::RefusedHere { why, chosen_version } => {
                let chosen_version = chosen_version.map(|version| secrets.shown(version));
                Self::closing(Status::Config, Cause::TlsRefused { why: secrets.shown(why), chosen_version })
            }
            TlsError::NotTls { why, said: _ } | TlsError::Refused(TlsRefusal { why, .. }) | TlsError::Other(why) => {
                Self::closing(Status::Protocol, Cause::TlsFailed { why: secrets.shown(why), after_handshake: false })
            }
        }
    }
}
