//! Opens one connection after another as long as there are rows.

use super::observer::SharedObserver;
use super::options::WorkerOptions;
use super::queue::{RowQueue, RowTask};
use super::retry::{is_temporary, retry_delay};
use super::row_source::WorkerRowSource;
use super::tally::RowState;
use crate::event::{Fact, Observer, SessionAttempt, Status};
use crate::exec::{Clock, ConnectionLabel, PreparedSession};
use crate::net::SystemClock;
use crate::session::RetrySettings;
use std::sync::Mutex;
use std::time::Duration;

/// How a lost connection is retried if the session has no `[retry]`.
const DEFAULT_RETRY: RetrySettings =
    RetrySettings { times: 5, wait: Duration::from_millis(100), backoff: 2.0, max_wait: Some(Duration::from_secs(5)) };

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
        let mut failures = 0;
        while let Some(task) = self.queue.wait_for_task(self.clock) {
            let mut observer = SharedObserver { observer: self.observer, statistics: self.options.statistics };
            if task.row.error.is_some() {
                self.report_invalid_row(task, &mut observer);
                continue;
            }
            self.announce_session_run(&task, &mut observer);
            let mut rows = WorkerRowSource::new(self.options, self.queue, self.clock, task);
            let outcome =
                self.session.run_connection(&mut self.label, &mut rows, network.as_mut(), self.clock, &mut observer);
            rows.put_back_unfinished();
            if let Some(why) = &outcome.skipped {
                self.queue.skip_session(why.clone());
                return;
            }
            if !self.options.has_rows {
                continue;
            }
            let rows_begun = rows.rows_begun;
            if self.clock.interrupted().is_some() {
                return;
            }
            if rows_begun > 0 {
                failures = 0;
                // `[[close]]` failed, or a step of `open` with `on_fail = "continue"`; or there are no other steps.
                if outcome.status != Status::Passed || self.options.all_deselected {
                    self.queue.add_outcome(&outcome);
                }
                continue;
            }
            failures += 1;
            self.queue.add_connection_failure(&outcome);
            let again = match self.options.retry {
                Some(retry) => Some(retry),
                None => self.queue.has_progress().then_some(DEFAULT_RETRY),
            };
            let Some(again) = again.filter(|again| failures <= again.times) else { return };
            // If nothing failed the server has closed the connection between two rows.
            if outcome.status != Status::Passed && !is_temporary(outcome.status) {
                return;
            }
            self.clock.sleep_until(self.clock.now() + retry_delay(&again, failures));
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

    /// Reports an invalid row without connecting.
    fn report_invalid_row(&self, task: RowTask, observer: &mut SharedObserver<'_, '_>) {
        let outcome = self.session.report_invalid_row(&self.label, task.row, self.clock, observer);
        self.queue.finish_row(RowState::Failed, &outcome);
    }
}
