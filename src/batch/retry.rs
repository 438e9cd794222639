//! Which failed attempts are tried again, and when.

use super::tally::RowState;
use crate::event::{Cause, Failure, Outcome, Status};
use crate::session::RetrySettings;
use std::time::Duration;

/// Whether trying again may help.
pub fn is_temporary(status: Status) -> bool {
    matches!(status, Status::TempFail | Status::Unavailable | Status::NoHost)
}

/// Whether a failed attempt at a row may be followed by another.
pub fn is_retryable(state: RowState, outcome: &Outcome) -> bool {
    let some_deferred = || outcome.failure.as_ref().is_some_and(has_deferred_recipients);
    state == RowState::Deferred && (is_temporary(outcome.status) || some_deferred())
}

/// Whether recipients were deferred besides those that were refused permanently. Which of them came first decides the
/// status, and not whether the others may get the message later.
fn has_deferred_recipients(failure: &Failure) -> bool {
    let Cause::Recipients { refused, stopped: false } = &failure.cause else { return false };
    refused.iter().any(|one| one.is_temporary())
        || failure.details.others.iter().any(|other| is_temporary(other.status))
}

/// How long to wait before attempt `attempt` + 1, with a random deviation of up to a tenth in either direction.
pub fn retry_delay(retry: &RetrySettings, attempt: u32) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let longest = retry.max_wait.unwrap_or(Duration::from_secs(24 * 3600)).as_secs_f64();
    let wait = (retry.wait.as_secs_f64() * retry.backoff.powi(exponent)).min(longest);
    Duration::from_secs_f64(wait * (0.9 + 0.2 * fastrand::f64()))
}
