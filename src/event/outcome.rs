//! Steps, rows and sessions, and how they ended.

use super::cause::{Cause, Failure};
use super::status::Status;
use crate::session::Place;
use crate::transcript::SafeText;

/// Which step an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepId {
    /// Counted from 1 over `open`, `step`, `close` as the file has them; the group's number for steps in a group.
    pub number: usize,
    /// `name`, or the action: `EHLO client.example`.
    pub title: SafeText,
    /// Whether the title is its `name`.
    pub named: bool,
    pub place: Place,
    /// In `repeat`, from 1.
    pub repetition: Option<u32>,
    /// Of `retry`, from 1.
    pub attempt: u32,
}

/// Which row an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowId {
    /// From 1, in the order of the file.
    pub number: u64,
    /// Its key, or its number if the session names no key.
    pub key: SafeText,
    /// Whether `key` is from the row's column, and not its number.
    pub has_key: bool,
    /// Its place: `people.csv:3`.
    pub place: SafeText,
    /// Of the batch's `[retry]`, from 1.
    pub attempt: u32,
    /// Which of `--repeat` and `--duration`, from 1.
    pub repetition: Option<u64>,
}

/// One run of a whole session without rows, if there may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionAttempt {
    /// Which of `--repeat` and `--duration`, from 1.
    pub repetition: Option<u64>,
    /// Of `[retry]`, from 1.
    pub attempt: u32,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// Answered otherwise than expected.
    Failed(Failure),
    /// No answer to judge.
    Error(Failure),
    Skipped(SkipReason),
}

impl Verdict {
    /// Failed if there was an answer to judge, error if there was none.
    pub fn of(failure: Failure) -> Self {
        if failure.cause.has_answer() { Self::Failed(failure) } else { Self::Error(failure) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its `if` was false.
    Condition,
    /// An earlier failure stopped the session, or the connection is unusable.
    EarlierFailure,
    /// `opportunistic` and not offered.
    NotOffered,
    /// A message that all its recipients have had before, as the ledger says or an earlier attempt.
    AlreadySent,
    /// A message whose recipients are all in a list of `[rows] exclude`.
    Excluded,
    /// It is not in the part of the session that was asked for.
    Deselected,
    /// The server lacks what the session's `requires` names: the session is skipped.
    MissingCapability,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Status,
    /// The first failure.
    pub failure: Option<Failure>,
    /// Steps that ran, whatever came of them.
    pub steps_run: usize,
    /// Skipped as a whole, and why (`requires`).
    pub skipped: Option<SafeText>,
}

impl Outcome {
    /// It failed before any step ran.
    pub fn failed(failure: Failure) -> Self {
        Self { status: failure.status, failure: Some(failure), steps_run: 0, skipped: None }
    }

    /// What it is after an earlier attempt that found recipients refused for good: they came first, and no success with
    /// the others covers them. That a message may have been delivered still comes before all else.
    #[must_use]
    pub fn after_refusal(mut self, refused: &Failure) -> Self {
        let own = self.failure.take();
        let failure = match own {
            Some(mut own) if own.status == Status::IoErr || own.status.is_signal() => {
                own.details.others.push(refused.clone());
                own
            }
            own => {
                let mut failure = refused.clone();
                // What failed in a step was reported there; that a server was not reached is reported only here.
                let unreached =
                    |cause: &Cause| matches!(cause, Cause::CannotConnect { .. } | Cause::CannotResolve { .. });
                failure.details.others.extend(own.filter(|own| unreached(&own.cause)));
                failure
            }
        };
        if !self.status.is_signal() {
            self.status = failure.status;
        }
        self.failure = Some(failure);
        self
    }
}
