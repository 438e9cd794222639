//! The end of a batch: the rows that are left are counted, and the status is decided.

use super::{QueueState, RowQueue, RowStream, RowTask};
use crate::batch::row_end::RowEnd;
use crate::batch::tally::RowState;
use crate::event::{Cause, Failure, Outcome, Status};
use crate::session::Place;
use crate::transcript::SafeText;

impl RowQueue {
    /// All workers have ended: counts the rows that are left, and returns how the session ended. `interrupted` is the status of
    /// the signal that ended the run.
    pub fn finish(&self, interrupted: Option<Status>) -> Outcome {
        let mut state = self.state();
        for task in std::mem::take(&mut state.deferred).into_values().chain(std::mem::take(&mut state.ready)) {
            let Some(end) = task.last_end.clone() else {
                state.tally.pending += 1;
                if !task.counted {
                    state.limit = state.limit.map(|left| left.saturating_sub(1));
                }
                continue;
            };
            self.report(&task, &end, false);
            state.count_end(&end, None);
            if let Some(refused) = task.row.earlier_refusal {
                state.statuses.add(refused.status);
                state.keep_failure(Some(&refused));
            }
        }
        if state.skipped.is_none() {
            state.count_rest(&self.options, interrupted.is_some());
        }
        let mut open = None;
        if interrupted.is_none() && state.tally.pending > 0 {
            open = state.open_failure.take();
        }
        if let Some(failure) = &open {
            state.reasons.set_pending(failure);
        }
        let open_status = open.as_ref().map(|failure| failure.status);
        if state.tally.unknown_before > 0 {
            state.statuses.add(Status::IoErr);
        }
        if state.tally.refused_before > 0 {
            state.statuses.add(Status::Failed);
        }
        if interrupted.is_none() && state.skipped.is_none() {
            state.check_keys();
        }
        if state.failure.is_none() && (open.is_some() || state.statuses.any_failed()) {
            state.failure = open.or(state.deferral_failure.take());
        }
        let status = interrupted.unwrap_or_else(|| state.statuses.status(open_status));
        let skipped = state.skipped.take();
        Outcome { status, failure: state.failure.take(), steps_run: state.steps_run, skipped }
    }
}

impl QueueState {
    /// Counts a row that is not tried again in this run.
    pub(super) fn count_end(&mut self, end: &RowEnd, failure: Option<&Failure>) {
        let Some(row) = end.state else {
            self.tally.skipped += 1;
            return;
        };
        self.tally.count(row);
        if row == RowState::Deferred {
            self.statuses.add_left(end.status);
            self.reasons.add_deferred(end.reason.as_deref().unwrap_or("no reply"));
        } else {
            self.statuses.add(end.status);
        }
        self.keep_failure(failure.filter(|_| end.status != Status::Passed));
    }

    /// Keeps the first failure.
    pub(super) fn keep_failure(&mut self, failure: Option<&Failure>) {
        if let (None, Some(failure)) = (&self.failure, failure) {
            self.failure = Some(failure.clone());
        }
    }

    /// The next row that was read. A row is counted against the limit when it is first handed out.
    pub(super) fn take_ready(&mut self) -> Option<RowTask> {
        if !self.ready.front()?.counted {
            match &mut self.limit {
                Some(0) => return None,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let task = self.ready.pop_front()?;
        Some(RowTask { counted: true, ..task })
    }

    /// How many rows of the stream there are, if that is known.
    pub(super) fn rows_of_stream(&self) -> Option<usize> {
        match &self.stream {
            RowStream::Rows { reader, repeats_left: 0, until: None, .. } => {
                let part = reader.fraction_read().filter(|part| *part > 0.0 && self.taken > 0)?;
                Some((self.taken as f64 / part) as usize)
            }
            RowStream::Times { remaining, until: None, .. } => {
                usize::try_from(*remaining).ok()?.checked_add(self.taken)
            }
            RowStream::Rows { .. } | RowStream::Times { .. } => None,
            RowStream::Exhausted => Some(self.taken),
        }
    }

    /// How many rows were handed out, or are not to be run again.
    pub(super) fn begun(&self) -> usize {
        self.taken.saturating_sub(self.ready.iter().filter(|task| !task.counted).count())
    }

    /// Fails if a key that was asked for is not in the rows.
    fn check_keys(&mut self) {
        if let (Some(key), RowStream::Exhausted) = (self.unseen_keys.first(), &self.stream) {
            let cause = Cause::BadValue { what: SafeText::new(format!("--key {key}: no row has this key")) };
            self.statuses.add(Status::DataErr);
            self.keep_failure(Some(&Failure::new(Status::DataErr, Place::default(), cause)));
        }
    }
}
