//! The turns that are to be taken, and what became of them: shared by all connections.

mod fill;

use super::ledger::LedgerUpdate;
use super::options::BatchOptions;
use super::tally::{RowState, Tally};
use crate::event::{Failure, Outcome, Status};
use crate::exec::{Clock, Row};
use crate::session::SourceError;
use crate::source::RowReader;
use crate::transcript::SafeText;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A turn that is to be taken.
#[derive(Clone, Debug, Default)]
pub struct RowTask {
    pub row: Row,
    /// Its name in the ledger.
    pub key: String,
    /// Which of `--repeat` and `--duration`.
    pub repetition: Option<u64>,
    /// All of its message left before its turn.
    pub intent_recorded: bool,
    /// An earlier run's attempt at it may have been delivered.
    pub maybe_sent_before: bool,
    /// How the last attempt at it ended.
    pub last_result: Option<(RowState, Status)>,
}

/// Opens the rows once more.
pub type ReopenRows = Box<dyn FnMut() -> Result<RowReader, SourceError> + Send>;

/// Where turns come from.
pub enum RowStream {
    /// Rows; `again` times more, from the beginning.
    Rows {
        reader: RowReader,
        key: Option<String>,
        repeats_left: u64,
        /// How many times they were begun.
        repetition: u64,
        reopen: ReopenRows,
        until: Option<Instant>,
    },
    /// The same turn so many times, or until then.
    Times {
        remaining: u64,
        number: u64,
        until: Option<Instant>,
    },
    Exhausted,
}

pub struct RowQueue {
    options: BatchOptions,
    state: Mutex<QueueState>,
}

struct QueueState {
    turns: RowStream,
    ready: VecDeque<RowTask>,
    /// By when they are due, and by the order in which they were deferred.
    deferred: BTreeMap<(Instant, u64), RowTask>,
    /// How many turns were deferred so far.
    deferrals: u64,
    tally: Tally,
    statuses: Vec<Status>,
    failure: Option<Failure>,
    skipped: Option<SafeText>,
    steps_run: usize,
    /// Turns that were taken from where they come from.
    taken: usize,
    /// Why no more turns are taken.
    stopped: bool,
    /// A connection got as far as a turn.
    progress: bool,
    connection_failure: Option<Failure>,
}

/// What a look for a turn gave.
pub enum NextTask {
    Ready(Box<RowTask>),
    /// None before then.
    NotBefore(Instant),
    Exhausted,
}

impl RowQueue {
    pub fn new(turns: RowStream, options: BatchOptions) -> Self {
        let state = QueueState {
            turns,
            ready: VecDeque::new(),
            deferred: BTreeMap::new(),
            deferrals: 0,
            tally: Tally::default(),
            statuses: Vec::new(),
            failure: None,
            skipped: None,
            steps_run: 0,
            taken: 0,
            stopped: false,
            progress: false,
            connection_failure: None,
        };
        Self { options, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// How many turns there are in all, as far as that can be told: of a file by how much of it was read.
    pub fn expected_rows(&self) -> Option<usize> {
        let state = self.state();
        match &state.turns {
            RowStream::Rows { reader, repeats_left: 0, until: None, .. } => {
                let part = reader.fraction_read().filter(|part| *part > 0.0 && state.taken > 0)?;
                Some((state.taken as f64 / part) as usize)
            }
            RowStream::Times { remaining, until: None, .. } => {
                usize::try_from(*remaining).ok()?.checked_add(state.taken)
            }
            RowStream::Rows { .. } | RowStream::Times { .. } => None,
            RowStream::Exhausted => Some(state.taken),
        }
    }

    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// The next turn that can be taken now.
    pub fn next_task(&self, now: Instant) -> NextTask {
        let mut state = self.state();
        while !state.stopped {
            if let Some(task) = state.ready.pop_front() {
                return NextTask::Ready(Box::new(task));
            }
            if state.fill(&self.options, now) {
                continue;
            }
            // Deferred rows come again after the others.
            let Some(earliest) = state.deferred.first_entry() else { break };
            let (due, _) = *earliest.key();
            if due > now {
                return NextTask::NotBefore(due);
            }
            return NextTask::Ready(Box::new(earliest.remove()));
        }
        NextTask::Exhausted
    }

    /// A turn for a connection that has one, as long as there are enough for `connections`: none waits for a reply that
    /// others could have begun. It waits for nothing.
    pub fn take_for_pipeline(&self, now: Instant, connections: u32) -> Option<RowTask> {
        let mut state = self.state();
        let enough = usize::try_from(connections).unwrap_or(usize::MAX);
        let waits = matches!(&state.turns, RowStream::Rows { reader, .. } if reader.is_stream);
        while state.ready.len() < enough && !waits && !state.stopped && state.fill(&self.options, now) {}
        if state.stopped || state.ready.len() < enough { None } else { state.ready.pop_front() }
    }

    /// Whether no more turns are taken.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits until there is a turn, or none to come.
    pub fn wait_for_task(&self, clock: &dyn Clock) -> Option<RowTask> {
        while clock.interrupted().is_none() {
            match self.next_task(clock.now()) {
                NextTask::Ready(task) => return Some(*task),
                NextTask::NotBefore(due) => clock.sleep_until(due),
                NextTask::Exhausted => return None,
            }
        }
        None
    }

    /// A turn of which nothing was done.
    pub fn put_back(&self, task: RowTask) {
        self.state().ready.push_front(task);
    }

    pub fn mark_progress(&self) {
        self.state().progress = true;
    }

    /// Whether any connection got as far as a turn.
    pub fn has_progress(&self) -> bool {
        self.state().progress
    }

    /// The end of a turn's last attempt.
    pub fn finish_row(&self, state_of_row: RowState, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.count(state_of_row);
        state.add_outcome(outcome);
        if state_of_row == RowState::Unknown {
            state.statuses.push(Status::IoErr);
        }
        if self.options.fail_fast && outcome.status != Status::Passed {
            state.stopped = true;
        }
    }

    /// A turn that comes again.
    pub fn defer(&self, task: RowTask, due: Instant, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            // Its failure counts if the run ends before its time comes.
            state.connection_failure.get_or_insert_with(|| failure.clone());
        }
        state.deferrals += 1;
        let place = (due, state.deferrals);
        state.deferred.insert(place, task);
    }

    /// A turn that an interruption ended before anything could be known of it.
    pub fn abandon(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.pending += 1;
        state.steps_run += outcome.steps_run;
    }

    /// A turn whose steps were all left out.
    pub fn skip_row(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.skipped += 1;
        state.add_outcome(outcome);
    }

    /// What a connection did beside its turns.
    pub fn add_outcome(&self, outcome: &Outcome) {
        self.state().add_outcome(outcome);
    }

    /// A connection that did not get as far as a turn.
    pub fn add_connection_failure(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            state.connection_failure = Some(failure.clone());
        }
    }

    pub fn skip_session(&self, why: SafeText) {
        let mut state = self.state();
        state.skipped = Some(why);
        state.stopped = true;
    }

    /// No more turns are taken: the ledger cannot be written.
    pub fn stop(&self) {
        self.state().stopped = true;
    }

    pub fn record(&self, update: LedgerUpdate) {
        if let Some(ledger) = &self.options.ledger {
            ledger.update(update);
        }
    }

    /// All connections have ended: counts what is left, and says how the session ended.
    pub fn finish(&self, interrupted: Option<&'static str>) -> Outcome {
        let mut state = self.state();
        let left: Vec<RowTask> = std::mem::take(&mut state.deferred).into_values().collect();
        let left: Vec<RowTask> = left.into_iter().chain(std::mem::take(&mut state.ready)).collect();
        let mut waiting = false;
        for task in left {
            match task.last_result {
                Some((last, status)) => {
                    state.tally.count(last);
                    state.statuses.push(status);
                    if let Some(refused) = task.row.earlier_refusal {
                        state.statuses.push(refused.status);
                        state.failure.get_or_insert(*refused);
                    }
                }
                None => {
                    state.tally.pending += 1;
                    waiting = true;
                }
            }
        }
        if state.skipped.is_none() {
            waiting |= state.count_rest(&self.options, interrupted.is_some());
        }
        if let Some(failure) = state.connection_failure.take().filter(|_| waiting || !state.statuses.is_empty()) {
            if waiting {
                state.statuses.push(failure.status);
            }
            if state.failure.is_none() && state.statuses.iter().any(|status| *status != Status::Passed) {
                state.failure = Some(failure);
            }
        }
        if state.tally.unknown_before > 0 {
            state.statuses.push(Status::IoErr);
        }
        let status = match interrupted {
            Some("SIGTERM") => Status::Terminated,
            Some(_) => Status::Interrupted,
            None => Status::worst(std::mem::take(&mut state.statuses)),
        };
        let skipped = state.skipped.take();
        Outcome { status, failure: state.failure.take(), steps_run: state.steps_run, skipped }
    }
}

impl QueueState {
    fn add_outcome(&mut self, outcome: &Outcome) {
        self.steps_run += outcome.steps_run;
        let worst = Status::worst(self.statuses.drain(..).chain([outcome.status]));
        self.statuses.push(worst);
        if let Some(failure) = outcome.failure.as_ref().filter(|_| outcome.status != Status::Passed) {
            self.failure.get_or_insert_with(|| failure.clone());
        }
    }
}
