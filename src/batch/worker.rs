//! One connection after another, as long as there are turns.

use super::feed::{WorkerFeed, may_try_again};
use super::heard::Heard;
use super::queue::{Queue, Task};
use super::{Hearing, Plan};
use crate::event::{Fact, Observer, Status, Turn};
use crate::exec::{Clock, Lane, Ready};
use crate::net::SystemClock;
use crate::session::RetrySettings;
use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

/// What a connection that was had and lost is tried again with, where `[retry]` says nothing.
const AGAIN: RetrySettings =
    RetrySettings { times: 5, wait: Duration::from_millis(100), backoff: 2.0, max_wait: Some(Duration::from_secs(5)) };

pub struct Worker<'w, 'p, 'o> {
    ready: &'w Ready<'p>,
    plan: &'w Plan<'p>,
    queue: &'w Queue,
    clock: &'w SystemClock,
    observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
    lane: Lane,
}

impl<'w, 'p, 'o> Worker<'w, 'p, 'o> {
    pub fn new(
        ready: &'w Ready<'p>,
        plan: &'w Plan<'p>,
        queue: &'w Queue,
        clock: &'w SystemClock,
        observer: &'w Mutex<&'o mut (dyn Observer + Send)>,
        lane: Lane,
    ) -> Self {
        Self { ready, plan, queue, clock, observer, lane }
    }

    pub fn run(mut self) {
        let mut network = (self.plan.network)();
        let mut failures = 0;
        while let Some(task) = self.queue.wait(self.clock) {
            let heard = RefCell::new(Heard::default());
            let mut hearing = Hearing { shared: self.observer, feed: &heard, statistics: self.plan.statistics };
            if task.row.broken.is_some() {
                self.tell_broken(task, &mut hearing);
                continue;
            }
            self.tell_turn(&task, &mut hearing);
            let mut feed = WorkerFeed::new(self.plan, self.queue, self.clock, &heard, task);
            let outcome = self.ready.connection(&mut self.lane, &mut feed, network.as_mut(), self.clock, &mut hearing);
            feed.give_back();
            if let Some(why) = &outcome.skipped {
                self.queue.skip(why.clone());
                return;
            }
            if !self.plan.rows {
                feed.end_of_session(&outcome);
                continue;
            }
            let turns = feed.turns;
            if self.clock.interrupted().is_some() {
                return;
            }
            if turns > 0 {
                failures = 0;
                // `[[close]]` failed, or a step of `open` did that lets the session go on; or they are all that was played.
                if outcome.status != Status::Passed || self.plan.left_out {
                    self.queue.count(&outcome);
                }
                continue;
            }
            failures += 1;
            self.queue.no_connection(&outcome);
            let again = match self.plan.retry {
                Some(retry) => Some(retry),
                None => self.queue.has_progress().then_some(AGAIN),
            };
            let Some(again) = again.filter(|again| failures <= again.times) else { return };
            // Where nothing failed the server has closed between two rows.
            if outcome.status != Status::Passed && !may_try_again(&outcome) {
                return;
            }
            self.clock.sleep_until(self.clock.now() + super::queue::wait_before(&again, failures));
        }
    }

    /// A whole session begins, once more or again.
    fn tell_turn(&self, task: &Task, hearing: &mut Hearing<'_, '_>) {
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        if !self.plan.rows && (task.repetition.is_some() || self.plan.retry.is_some()) {
            let turn = Turn { repetition: task.repetition, attempt };
            self.lane.tell(self.clock, hearing, Fact::TurnStarted { turn });
        }
    }

    /// A row that is none needs no connection.
    fn tell_broken(&self, task: Task, hearing: &mut Hearing<'_, '_>) {
        let outcome = self.ready.broken_row(&self.lane, task.row, self.clock, hearing);
        self.queue.end_of(super::RowState::Failed, &outcome);
    }
}
