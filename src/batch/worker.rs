//! One connection after another, as long as there are turns.

use super::queue::{RowQueue, RowTask};
use super::row_source::{WorkerRowSource, is_connection_retryable};
use super::row_state::RowObservation;
use super::{SharedObserver, WorkerOptions};
use crate::event::{Fact, Observer, SessionAttempt, Status};
use crate::exec::{Clock, ConnectionLabel, PreparedSession};
use crate::net::SystemClock;
use crate::session::RetrySettings;
use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

/// What a connection that was had and lost is tried again with, where `[retry]` says nothing.
const DEFAULT_RETRY: RetrySettings =
    RetrySettings { times: 5, wait: Duration::from_millis(100), backoff: 2.0, max_wait: Some(Duration::from_secs(5)) };

pub struct Worker<'w, 'p, 'o> {
    ready: &'w PreparedSession<'p>,
    plan: &'w WorkerOptions<'p>,
    queue: &'w RowQueue,
    clock: &'w SystemClock,
    observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
    lane: ConnectionLabel,
}

impl<'w, 'p, 'o> Worker<'w, 'p, 'o> {
    pub fn new(
        ready: &'w PreparedSession<'p>,
        plan: &'w WorkerOptions<'p>,
        queue: &'w RowQueue,
        clock: &'w SystemClock,
        observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
        lane: ConnectionLabel,
    ) -> Self {
        Self { ready, plan, queue, clock, observer, lane }
    }

    pub fn run(mut self) {
        let mut network = (self.plan.network)();
        let mut failures = 0;
        while let Some(task) = self.queue.wait_for_task(self.clock) {
            let heard = RefCell::new(RowObservation::default());
            let mut hearing = SharedObserver { shared: self.observer, feed: &heard, statistics: self.plan.statistics };
            if task.row.error.is_some() {
                self.report_invalid_row(task, &mut hearing);
                continue;
            }
            self.announce_session_run(&task, &mut hearing);
            let mut feed = WorkerRowSource::new(self.plan, self.queue, self.clock, &heard, task);
            let outcome = self.ready.connection(&mut self.lane, &mut feed, network.as_mut(), self.clock, &mut hearing);
            feed.put_back_unfinished();
            if let Some(why) = &outcome.skipped {
                self.queue.skip_session(why.clone());
                return;
            }
            if !self.plan.has_rows {
                feed.finish_session(&outcome);
                continue;
            }
            let turns = feed.turns;
            if self.clock.interrupted().is_some() {
                return;
            }
            if turns > 0 {
                failures = 0;
                // `[[close]]` failed, or a step of `open` did that lets the session go on; or they are all that was played.
                if outcome.status != Status::Passed || self.plan.all_deselected {
                    self.queue.add_outcome(&outcome);
                }
                continue;
            }
            failures += 1;
            self.queue.add_connection_failure(&outcome);
            let again = match self.plan.retry {
                Some(retry) => Some(retry),
                None => self.queue.has_progress().then_some(DEFAULT_RETRY),
            };
            let Some(again) = again.filter(|again| failures <= again.times) else { return };
            // Where nothing failed the server has closed between two rows.
            if outcome.status != Status::Passed && !is_connection_retryable(&outcome) {
                return;
            }
            self.clock.sleep_until(self.clock.now() + super::queue::retry_delay(&again, failures));
        }
    }

    /// A whole session begins, once more or again.
    fn announce_session_run(&self, task: &RowTask, hearing: &mut SharedObserver<'_, '_>) {
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        if !self.plan.has_rows && (task.repetition.is_some() || self.plan.retry.is_some()) {
            let turn = SessionAttempt { repetition: task.repetition, attempt };
            self.lane.emit(self.clock, hearing, Fact::AttemptStarted { turn });
        }
    }

    /// A row that is none needs no connection.
    fn report_invalid_row(&self, task: RowTask, hearing: &mut SharedObserver<'_, '_>) {
        let outcome = self.ready.broken_row(&self.lane, task.row, self.clock, hearing);
        self.queue.finish_row(super::RowState::Failed, &outcome);
    }
}
