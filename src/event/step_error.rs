//! What can go wrong while a step runs: a cause, the status that follows from it, and what it leaves of the connection.

use super::cause::{Cause, Failure, FailureDetails};
use super::status::Status;
use crate::session::{Place, SourceMap, Span};
use crate::transcript::{SafeText, Secrets};

/// A step's failure, before it has a place.
#[derive(Debug)]
pub struct StepError {
    pub status: Status,
    pub cause: Cause,
    /// Nothing more may be sent on the connection: it is closed at once, without QUIT.
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
    pub mismatches: Vec<SafeText>,
    /// What else failed of the same step.
    pub others: Vec<StepError>,
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

    /// Places it, unless it has a place.
    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    /// A rendered value is not valid, or a source has none.
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

    /// A file cannot be read.
    pub fn unreadable(secrets: &Secrets, what: impl AsRef<[u8]>) -> Self {
        Self::new(Status::NoInput, Cause::Unreadable { what: secrets.shown(what) })
    }

    /// Content was complete, and no reply came (RFC 1047).
    pub fn delivery_unknown(secrets: &Secrets, why: &str) -> Self {
        Self::closing(Status::IoErr, Cause::DeliveryUnknown { why: secrets.shown(why) })
    }

    /// Says which parts of an expectation were not met.
    pub fn with_mismatches(mut self, mismatches: Vec<SafeText>) -> Self {
        if !mismatches.is_empty() {
            self.details.get_or_insert_default().mismatches = mismatches;
        }
        self
    }

    /// Keeps what else failed of the same step, flat.
    pub fn with(mut self, others: impl IntoIterator<Item = StepError>) -> Self {
        for mut other in others {
            self.closes_connection |= other.closes_connection;
            let nested = other.details.as_mut().map(|details| std::mem::take(&mut details.others)).unwrap_or_default();
            let others = &mut self.details.get_or_insert_default().others;
            others.push(other);
            others.extend(nested);
        }
        self
    }

    /// Each by itself, itself first.
    pub fn into_list(mut self) -> Vec<Self> {
        let others = self.details.as_mut().map(|details| std::mem::take(&mut details.others)).unwrap_or_default();
        std::iter::once(self).chain(others).collect()
    }

    /// [`StepError::at`] for what else failed, too.
    pub fn all_at(mut self, span: &Span) -> Self {
        if let Some(details) = &mut self.details {
            details.others = std::mem::take(&mut details.others).into_iter().map(|other| other.at(span)).collect();
        }
        self.at(span)
    }

    /// `place` is used if there is no nearer one; `sources` has the places of what else failed.
    pub fn failure_in(mut self, place: Place, sources: &SourceMap) -> Failure {
        let others = self.details.as_mut().map(|details| std::mem::take(&mut details.others)).unwrap_or_default();
        let others = others.into_iter().map(|other| {
            let near = other.span.as_ref().map_or_else(|| place.clone(), |span| sources.place(span));
            other.failure(near)
        });
        let others = others.collect();
        let mut failure = self.failure(place);
        failure.details.others = others;
        failure
    }

    /// The failure at `place`, alone.
    pub fn failure(self, place: Place) -> Failure {
        let mismatches = self.details.map(|details| details.mismatches).unwrap_or_default();
        let details = FailureDetails { mismatches, others: Vec::new() };
        Failure { details, ..Failure::new(self.status, place, self.cause) }
    }
}
