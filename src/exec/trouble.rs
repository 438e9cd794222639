//! What can go wrong while a step runs: a cause, the status that follows from it, and what it leaves of the connection.

use super::answer::{End, Malformed};
use super::narrate::Narrator;
use super::ports::{Interrupt, TlsFailure};
use crate::event::{Cause, Failure, More, Status, Verdict};
use crate::session::{Place, SourceError, SourceMap, Span};
use crate::transcript::Shown;
use std::time::Duration;

/// A step's failure, before it is known where the step stands.
#[derive(Debug)]
pub struct Trouble {
    pub status: Status,
    pub cause: Cause,
    /// Whether nothing more may be sent on the connection: it is closed at once, without QUIT.
    pub severs: bool,
    /// Where it went wrong, where that is not the step.
    pub span: Option<Span>,
    /// Boxed: it is seldom there.
    pub rest: Option<Box<Rest>>,
}

/// What else is to be said of a trouble.
#[derive(Debug, Default)]
pub struct Rest {
    /// Which parts of an expectation were not met.
    pub parts: Vec<Shown>,
    /// What else failed of the same step.
    pub also: Vec<Trouble>,
}

/// A deadline, and how it came to be: for the message when it passes.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub at: std::time::Instant,
    pub duration: Duration,
    /// The section that sets it, where it is a default.
    pub section: Option<&'static str>,
}

impl Trouble {
    /// The connection is still in step: QUIT may be sent.
    pub fn new(status: Status, cause: Cause) -> Self {
        Self { status, cause, severs: false, span: None, rest: None }
    }

    /// Nothing more may be sent.
    pub fn severing(status: Status, cause: Cause) -> Self {
        Self { severs: true, ..Self::new(status, cause) }
    }

    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    pub fn bad_value(narrator: &Narrator<'_>, what: impl AsRef<[u8]>) -> Self {
        Self::new(Status::DataErr, Cause::BadValue { what: narrator.shown(what) })
    }

    /// Says which row it was, where a value of a row is not valid.
    pub fn in_row(mut self, narrator: &Narrator<'_>, place: &str) -> Self {
        if let Cause::BadValue { what } = &mut self.cause
            && !place.is_empty()
        {
            *what = Shown::new(format!("{} ({})", what.as_str(), narrator.shown(place)));
        }
        self
    }

    pub fn unreadable(narrator: &Narrator<'_>, what: impl AsRef<[u8]>) -> Self {
        Self::new(Status::NoInput, Cause::Unreadable { what: narrator.shown(what) })
    }

    pub fn source(narrator: &Narrator<'_>, error: &SourceError) -> Self {
        // A signal ends a command and a question, too.
        if let Some(interrupt) = narrator.clock.interrupted() {
            return Self::interrupted(interrupt);
        }
        match error {
            SourceError::Refused(what) => Self::bad_value(narrator, what),
            SourceError::Unreadable(what) => Self::unreadable(narrator, what),
        }
    }

    pub fn timed_out(narrator: &Narrator<'_>, waiting_for: &str, limit: Limit) -> Self {
        let (limit, section) = (limit.duration, limit.section);
        Self::severing(Status::TempFail, Cause::TimedOut { waiting_for: narrator.shown(waiting_for), limit, section })
    }

    pub fn lost(narrator: &Narrator<'_>, end: &End) -> Self {
        let why = narrator.shown(end.words());
        match end {
            // What came is not what TLS wants: not an end, but a peer that does not keep to the protocol.
            End::Garbled(_) => Self::severing(Status::Protocol, Cause::TlsFailed { why, behind: true }),
            _ => Self::severing(Status::Unavailable, Cause::Lost { why }),
        }
    }

    /// Content was complete, and no reply came (RFC 1047).
    pub fn delivery_unknown(narrator: &Narrator<'_>, why: &str) -> Self {
        Self::severing(Status::IoErr, Cause::DeliveryUnknown { why: narrator.shown(why) })
    }

    pub fn malformed(malformed: &Malformed) -> Self {
        let cause = match malformed {
            Malformed::Reply(error) => Cause::NotSmtp(error.clone()),
            Malformed::LineTooLong => Cause::LineTooLong,
        };
        Self::severing(Status::Protocol, cause)
    }

    pub fn interrupted(interrupt: Interrupt) -> Self {
        Self::severing(signal_status(interrupt), Cause::Interrupted { signal: interrupt.name })
    }

    pub fn tls(narrator: &Narrator<'_>, failure: TlsFailure, limit: Limit) -> Self {
        match failure {
            TlsFailure::Certificate { why, details, connected_again: _ } => Self::severing(
                Status::NoPerm,
                Cause::Certificate {
                    why: narrator.shown(why),
                    details: details.iter().map(|detail| narrator.shown(detail)).collect(),
                },
            ),
            TlsFailure::TimedOut => Self::timed_out(narrator, "the TLS handshake", limit),
            TlsFailure::Settings(what) => Self { severs: true, ..Self::bad_value(narrator, what) },
            TlsFailure::NotTls { why, said: _ } | TlsFailure::Other(why) => {
                Self::severing(Status::Protocol, Cause::TlsFailed { why: narrator.shown(why), behind: false })
            }
        }
    }

    /// The interruption, where that is what went wrong.
    pub fn interrupt(&self, clock: &dyn super::Clock) -> Option<Interrupt> {
        if matches!(self.cause, Cause::Interrupted { .. }) { clock.interrupted() } else { None }
    }

    /// Says which parts of an expectation were not met.
    pub fn not_meeting(mut self, parts: Vec<Shown>) -> Self {
        if !parts.is_empty() {
            self.rest.get_or_insert_default().parts = parts;
        }
        self
    }

    /// Keeps what else failed of the same step, flat.
    pub fn with(mut self, others: impl IntoIterator<Item = Trouble>) -> Self {
        for mut other in others {
            self.severs |= other.severs;
            let behind = other.rest.as_mut().map(|rest| std::mem::take(&mut rest.also)).unwrap_or_default();
            let also = &mut self.rest.get_or_insert_default().also;
            also.push(other);
            also.extend(behind);
        }
        self
    }

    /// Each by itself, itself first.
    pub fn apart(mut self) -> Vec<Self> {
        let also = self.rest.as_mut().map(|rest| std::mem::take(&mut rest.also)).unwrap_or_default();
        std::iter::once(self).chain(also).collect()
    }

    /// [`Trouble::at`] for what else failed, too.
    pub fn all_at(mut self, span: &Span) -> Self {
        if let Some(rest) = &mut self.rest {
            rest.also = std::mem::take(&mut rest.also).into_iter().map(|other| other.at(span)).collect();
        }
        self.at(span)
    }

    /// `place` is where it is where no place is nearer; `sources` tell the places of what else failed.
    pub fn failure_in(mut self, place: Place, sources: &SourceMap) -> Failure {
        let also = self.rest.as_mut().map(|rest| std::mem::take(&mut rest.also)).unwrap_or_default();
        let also = also.into_iter().map(|other| {
            let near = other.span.as_ref().map_or_else(|| place.clone(), |span| sources.place(span));
            other.failure(near)
        });
        let also = also.collect();
        let mut failure = self.failure(place);
        failure.more.also = also;
        failure
    }

    pub fn failure(self, place: Place) -> Failure {
        let parts = self.rest.map(|rest| rest.parts).unwrap_or_default();
        let more = More { parts, also: Vec::new() };
        Failure { more, ..Failure::new(self.status, place, self.cause) }
    }
}

/// Failed where there was an answer to judge, error where there was none.
pub fn verdict(failure: Failure) -> Verdict {
    if failure.cause.answered() { Verdict::Failed(failure) } else { Verdict::Error(failure) }
}

/// 143 where the system asked (SIGTERM), 130 where a person did.
pub fn signal_status(interrupt: Interrupt) -> Status {
    if interrupt.name.contains("TERM") { Status::Terminated } else { Status::Interrupted }
}
