//! Opens one connection after another as long as there are rows.

use super::observer::SharedObserver;
use super::options::WorkerOptions;
use super::queue::{RowQueue, RowTask};
use super::reconnect::Reconnector;
use super::retry::is_temporary;
use super::row_end::RowEnd;
use super::row_source::WorkerRowSource;
use super::tally::RowState;
use crate::event::{Cause, Fact, Failure, Note, Observer, Outcome, SessionAttempt, Status};
use crate::exec::{Clock, ConnectionLabel, PreparedSession};
use crate::net::SystemClock;
use crate::session::Place;
use crate::transcript::SafeText;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a worker in a pause looks whether rows are left.
const POLL: Duration = Duration::from_millis(500);

/// A worker: one connection at a time.
pub struct Worker<'w, 'p, 'o> {
    session: &'w PreparedSession<'p>,
    options: &'w WorkerOptions<'p>,
    queue: &'w RowQueue,
    clock: &'w SystemClock,
    observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
    label: ConnectionLabel,
}

impl<'w, 'p, 'o> Worker<'w, 'p, 'o> {
    /// A worker whose connections have this label.
    pub fn new(
        session: &'w PreparedSession<'p>,
        options: &'w WorkerOptions<'p>,
        queue: &'w RowQueue,
        clock: &'w SystemClock,
        observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
        label: ConnectionLabel,
    ) -> Self {
        Self { session, options, queue, clock, observer, label }
    }

    /// Runs rows until there are none left, or no connection can be made.
    pub fn run(mut self) {
        let mut network = (self.options.network)();
        let mut reconnector = Reconnector::new(self.options.patience, self.options.retry);
        // A row that could not begin keeps its turn.
        let mut has_slot = false;
        while let Some(task) = self.queue.wait_for_task(self.clock) {
            let mut observer = SharedObserver { observer: self.observer, statistics: self.options.statistics };
            if task.row.error.is_some() {
                self.report_invalid_row(task, &mut observer);
                continue;
            }
            if !std::mem::replace(&mut has_slot, true)
                && let Some(rate) = self.options.rate
            {
                rate.wait_for_slot(self.clock);
            }
            if self.clock.interrupted().is_some() {
                return self.queue.put_back(task);
            }
            self.announce_session_run(&task, &mut observer);
            let began = self.clock.now();
            let mut rows = WorkerRowSource::new(self.options, self.queue, self.clock, task);
            let outcome =
                self.session.run_connection(&mut self.label, &mut rows, network.as_mut(), self.clock, &mut observer);
            rows.put_back_unfinished();
            if let Some(why) = &outcome.skipped {
                self.queue.skip_session(why.clone());
                return;
            }
            if !self.options.has_rows {
                self.announce_retry(rows.next_attempt, &mut observer);
                has_slot = false;
                continue;
            }
            let rows_begun = rows.rows_begun;
            if self.clock.interrupted().is_some() {
                return;
            }
            if rows_begun > 0 {
                reconnector.opened();
                has_slot = false;
                // `[[close]]` failed, or a step of `open` with `on_fail = "continue"`; or there are no other steps.
                if outcome.status != Status::Passed || self.options.all_deselected {
                    self.queue.add_outcome(&outcome);
                }
                continue;
            }
            self.queue.add_steps(&outcome);
            let is_temporary = outcome.status == Status::Passed || is_temporary(outcome.status);
            let now = self.clock.now();
            let next = reconnector.failed(began, now, self.queue.last_opened());
            let Some(next) = next.filter(|_| is_temporary) else {
                return self.queue.give_up(open_failure(outcome), !is_temporary);
            };
            let duration = next.saturating_duration_since(now);
            self.label.emit(self.clock, &mut observer, Fact::Paused { duration });
            self.wait_until(next);
        }
    }

    /// Waits, unless a signal comes, or other workers have taken the last row or stopped the batch.
    fn wait_until(&self, next: Instant) {
        while self.clock.now() < next && self.clock.interrupted().is_none() && self.queue.has_rows_left() {
            self.clock.sleep_until(next.min(self.clock.now() + POLL));
        }
    }

    /// Reports that a whole session begins, if it is repeated or retried.
    fn announce_session_run(&self, task: &RowTask, observer: &mut SharedObserver<'_, '_>) {
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        if !self.options.has_rows && (task.repetition.is_some() || self.options.retry.is_some()) {
            let turn = SessionAttempt { repetition: task.repetition, attempt };
            self.label.emit(self.clock, observer, Fact::AttemptStarted { turn });
        }
    }

    /// Reports that a whole session is run again after a pause.
    fn announce_retry(&self, next_attempt: Option<(u32, Duration)>, observer: &mut SharedObserver<'_, '_>) {
        if let (Some((attempt, wait)), Some(retry)) = (next_attempt, self.options.retry)
            && self.clock.interrupted().is_none()
        {
            let note = Note::SessionRetrying { attempt, times: retry.times.saturating_add(1), wait };
            self.label.emit(self.clock, observer, Fact::Noted(note));
        }
    }

    /// Reports an invalid row without connecting.
    fn report_invalid_row(&self, task: RowTask, observer: &mut SharedObserver<'_, '_>) {
        let outcome = self.session.report_invalid_row(&self.label, task.row.clone(), self.clock, observer);
        let reason = outcome.failure.as_ref().map(|failure| failure.cause.to_string());
        let end = RowEnd { state: Some(RowState::Failed), status: outcome.status, reason };
        self.queue.finish_row(&task, &end, &outcome);
    }
}

/// Why no row was begun over a connection. If nothing failed the server has closed it before the row.
fn open_failure(outcome: Outcome) -> Failure {
    outcome.failure.unwrap_or_else(|| {
        let why = SafeText::new("the server closed it before a row was begun");
        Failure::new(Status::Unavailable, Place::default(), Cause::ConnectionLost { why })
    })
}
