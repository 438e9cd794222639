//! How attempts at rows end.

use super::tally::RowState;
use crate::event::Status;

/// How an attempt at a row ended.
#[derive(Clone, Debug)]
pub struct RowEnd {
    /// The row's state; `None`: all its steps were skipped.
    pub state: Option<RowState>,
    /// The status that the row adds to that of the batch.
    pub status: Status,
    /// The reply that decided the state, or what went wrong. Safe to print.
    pub reason: Option<String>,
}
