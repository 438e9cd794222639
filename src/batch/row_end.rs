//! How attempts at rows end.

use super::tally::RowState;
use crate::event::{RowId, Status};
use std::sync::Arc;

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

/// What is said of a row when an attempt at it has ended.
pub struct RowReport<'r> {
    /// Which row, and which attempt.
    pub row: &'r RowId,
    /// How the attempt ended.
    pub end: &'r RowEnd,
    /// The row is tried again in this run.
    pub is_retried: bool,
}

/// Is called after each attempt at a row, from the threads of all workers.
pub type RowListener = Arc<dyn Fn(&RowReport<'_>) + Send + Sync>;
