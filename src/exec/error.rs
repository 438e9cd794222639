//! What can go wrong while a step runs: a cause, the status that follows from it, and what it leaves of the connection.

use super::ports::{Clock, Interrupt, TlsError};
use super::read_outcome::{Malformed, StreamEnd};
use super::secrets::Secrets;
use crate::event::{Cause, Failure, FailureDetails, Status, Verdict};
use crate::session::{Place, SourceError, SourceMap, Span};
use crate::transcript::SafeText;
use std::time::{Duration, Instant};

/// A step's failure, before it has a place.
#[derive(Debug)]
pub struct StepError {
    pub status: Status,
    pub cause: Cause,
    /// Whether nothing more may be sent on the connection: it is closed at once, without QUIT.
    pub closes_connection: bool,
    /// Where it went wrong, if that is not the step.
    pub span: Option<Span>,
    /// Boxed: it is seldom there.
    pub details: Option<Box<ErrorDetails>>,
}

/// The details of an error.
#[derive(Debug, Default)]
pub struct ErrorDetails {
    /// Which parts of an expectation were not met.
    pub parts: Vec<SafeText>,
    /// What else failed of the same step.
    pub also: Vec<StepError>,
}

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
    /// The connection is still in step: QUIT may be sent.
    pub fn new(status: Status, cause: Cause) -> Self {
        Self { status, cause, closes_connection: false, span: None, details: None }
    }

    /// Nothing more may be sent.
    pub fn closing(status: Status, cause: Cause) -> Self {
        Self { closes_connection: true, ..Self::new(status, cause) }
    }

    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    pub fn bad_value(secrets: &Secrets, what: impl AsRef<[u8]>) -> Self {
        Self::new(Status::DataErr, Cause::BadValue { what: secrets.shown(what) })
    }

    /// Names the row if a value of a row is not valid.
    pub fn in_row(mut self, secrets: &Secrets, place: &str) -> Self {
        if let Cause::BadValue { what } = &mut self.cause
            && !place.is_empty()
        {
            *what = SafeText::new(format!("{} ({})", what.as_str(), secrets.shown(place)));
        }
        self
    }

    pub fn unreadable(secrets: &Secrets, what: impl AsRef<[u8]>) -> Self {
        Self::new(Status::NoInput, Cause::Unreadable { what: secrets.shown(what) })
    }

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

    pub fn timed_out(secrets: &Secrets, waiting_for: &str, deadline: Deadline) -> Self {
        let (limit, section) = (deadline.duration, deadline.section);
        Self::closing(Status::TempFail, Cause::TimedOut { waiting_for: secrets.shown(waiting_for), limit, section })
    }

    pub fn lost(secrets: &Secrets, end: &StreamEnd) -> Self {
        let why = secrets.shown(end.description());
        match end {
            // What came is not what TLS wants: not an end, but a peer that does not keep to the protocol.
            StreamEnd::Garbled(_) => Self::closing(Status::Protocol, Cause::TlsFailed { why, after_handshake: true }),
            _ => Self::closing(Status::Unavailable, Cause::ConnectionLost { why }),
        }
    }

    /// Content was complete, and no reply came (RFC 1047).
    pub fn delivery_unknown(secrets: &Secrets, why: &str) -> Self {
        Self::closing(Status::IoErr, Cause::DeliveryUnknown { why: secrets.shown(why) })
    }

    pub fn malformed(malformed: &Malformed) -> Self {
        let cause = match malformed {
            Malformed::Reply(error) => Cause::NotSmtp(error.clone()),
            Malformed::LineTooLong => Cause::LineTooLong,
        };
        Self::closing(Status::Protocol, cause)
    }

    pub fn interrupted(interrupt: Interrupt) -> Self {
        Self::closing(signal_status(interrupt), Cause::Interrupted { signal: interrupt.name })
    }

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

    /// Says which parts of an expectation were not met.
    pub fn with_unmet(mut self, parts: Vec<SafeText>) -> Self {
        if !parts.is_empty() {
            self.details.get_or_insert_default().parts = parts;
        }
        self
    }

    /// Keeps what else failed of the same step, flat.
    pub fn with(mut self, others: impl IntoIterator<Item = StepError>) -> Self {
        for mut other in others {
            self.closes_connection |= other.closes_connection;
            let behind = other.details.as_mut().map(|details| std::mem::take(&mut details.also)).unwrap_or_default();
            let also = &mut self.details.get_or_insert_default().also;
            also.push(other);
            also.extend(behind);
        }
        self
    }

    /// Each by itself, itself first.
    pub fn apart(mut self) -> Vec<Self> {
        let also = self.details.as_mut().map(|details| std::mem::take(&mut details.also)).unwrap_or_default();
        std::iter::once(self).chain(also).collect()
    }

    /// [`StepError::at`] for what else failed, too.
    pub fn all_at(mut self, span: &Span) -> Self {
        if let Some(details) = &mut self.details {
            details.also = std::mem::take(&mut details.also).into_iter().map(|other| other.at(span)).collect();
        }
        self.at(span)
    }

    /// `place` is used if there is no nearer one; `sources` has the places of what else failed.
    pub fn failure_in(mut self, place: Place, sources: &SourceMap) -> Failure {
        let also = self.details.as_mut().map(|details| std::mem::take(&mut details.also)).unwrap_or_default();
        let also = also.into_iter().map(|other| {
            let near = other.span.as_ref().map_or_else(|| place.clone(), |span| sources.place(span));
            other.failure(near)
        });
        let also = also.collect();
        let mut failure = self.failure(place);
        failure.details.others = also;
        failure
    }

    pub fn failure(self, place: Place) -> Failure {
        let mismatches = self.details.map(|details| details.parts).unwrap_or_default();
        let details = FailureDetails { mismatches, others: Vec::new() };
        Failure { details, ..Failure::new(self.status, place, self.cause) }
    }
}

/// Failed if there was an answer to judge, error if there was none.
pub fn verdict(failure: Failure) -> Verdict {
    if failure.cause.has_answer() { Verdict::Failed(failure) } else { Verdict::Error(failure) }
}

/// 143 if the system asked for it (SIGTERM), 130 if a person did.
pub fn signal_status(interrupt: Interrupt) -> Status {
    if interrupt.name.contains("TERM") { Status::Terminated } else { Status::Interrupted }
}
