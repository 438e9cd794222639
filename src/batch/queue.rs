//! The rows that are to be run, and the counts of what became of them: shared by all workers.

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

/// A row to run; without `[rows]`, a run of the whole session.
#[derive(Clone, Debug, Default)]
pub struct RowTask {
    /// What the executor gets.
    pub row: Row,
    /// The row's name in the ledger.
    pub key: String,
    /// The number of the repetition under `--repeat` and `--duration`, from 1.
    pub repetition: Option<u64>,
    /// Its delivery intent was recorded before its turn: all of its message is in flight.
    pub intent_recorded: bool,
    /// An earlier run may have delivered it.
    pub maybe_sent_before: bool,
    /// How the last attempt at the row ended.
    pub last_result: Option<(RowState, Status)>,
}

/// Opens the rows again, from the beginning.
pub type ReopenRows = Box<dyn FnMut() -> Result<RowReader, SourceError> + Send>;

/// Where rows come from.
pub enum RowStream {
    /// The rows of a file; read again from the beginning `repeats_left` times.
    Rows {
        reader: Box<RowReader>,
        key: Option<String>,
        repeats_left: u64,
        /// The number of this repetition, from 1.
        repetition: u64,
        reopen: ReopenRows,
        until: Option<Instant>,
    },
    /// The whole session, `remaining` times or until `until`.
    Times {
        remaining: u64,
        number: u64,
        until: Option<Instant>,
    },
    Exhausted,
}

/// The rows of a batch, shared by its workers.
pub struct RowQueue {
    options: BatchOptions,
    state: Mutex<QueueState>,
}

struct QueueState {
    stream: RowStream,
    ready: VecDeque<RowTask>,
    /// Rows that are retried, by the time when they are due and the order in which they were deferred.
    deferred: BTreeMap<(Instant, u64), RowTask>,
    /// How many times a row was deferred so far.
    deferrals: u64,
    tally: Tally,
    statuses: Vec<Status>,
    failure: Option<Failure>,
    skipped: Option<SafeText>,
    steps_run: usize,
    /// How many rows were read so far.
    taken: usize,
    /// No more rows are handed out.
    stopped: bool,
    /// A worker has begun a row.
    progress: bool,
    connection_failure: Option<Failure>,
}

/// What [`RowQueue::next_task`] found.
pub enum NextTask {
    Ready(Box<RowTask>),
    /// The next row is due then.
    NotBefore(Instant),
    Exhausted,
}

impl RowQueue {
    /// A queue over these rows.
    pub fn new(stream: RowStream, options: BatchOptions) -> Self {
        let state = QueueState {
            stream,
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

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// The number of rows in all, if it is known; for a file, estimated from how much of it was read.
    pub fn expected_rows(&self) -> Option<usize> {
        let state = self.state();
        match &state.stream {
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

    /// What holds for all rows.
    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// The next row that can be run now.
    pub fn next_task(&self, now: Instant) -> NextTask {
        let mut state = self.state();
        while !state.stopped {
            if let Some(task) = state.ready.pop_front() {
                return NextTask::Ready(Box::new(task));
            }
            if state.fill(&self.options, now) {
                continue;
            }
            // Deferred rows come after all others.
            let Some(earliest) = state.deferred.first_entry() else { break };
            let (due, _) = *earliest.key();
            if due > now {
                return NextTask::NotBefore(due);
            }
            return NextTask::Ready(Box::new(earliest.remove()));
        }
        NextTask::Exhausted
    }

    /// A row for a worker that is still running one, if there are enough for all `connections`: no row waits for another
    /// one if another worker could begin it. Never blocks.
    pub fn take_for_pipeline(&self, now: Instant, connections: u32) -> Option<RowTask> {
        let mut state = self.state();
        let enough = usize::try_from(connections).unwrap_or(usize::MAX);
        let waits = matches!(&state.stream, RowStream::Rows { reader, .. } if reader.is_stream);
        while state.ready.len() < enough && !waits && !state.stopped && state.fill(&self.options, now) {}
        if state.stopped || state.ready.len() < enough { None } else { state.ready.pop_front() }
    }

    /// Whether no more rows are handed out.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits for the next row; `None` if there is none left.
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

    /// Takes back a row of which nothing was done.
    pub fn put_back(&self, task: RowTask) {
        self.state().ready.push_front(task);
    }

    /// A worker has begun a row.
    pub fn mark_progress(&self) {
        self.state().progress = true;
    }

    /// Whether any worker has begun a row.
    pub fn has_progress(&self) -> bool {
        self.state().progress
    }

    /// Counts a row whose last attempt has ended.
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

    /// Keeps a row for another attempt at `due`.
    pub fn defer(&self, task: RowTask, due: Instant, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            // Its failure counts if the run ends before that attempt.
            state.connection_failure.get_or_insert_with(|| failure.clone());
        }
        state.deferrals += 1;
        let place = (due, state.deferrals);
        state.deferred.insert(place, task);
    }

    /// Counts a row that an interruption ended before anything of it was sent.
    pub fn abandon(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.pending += 1;
        state.steps_run += outcome.steps_run;
    }

    /// Counts a row whose steps are all deselected.
    pub fn skip_row(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.skipped += 1;
        state.add_outcome(outcome);
    }

    /// Counts what a worker did besides rows, such as `[[close]]`.
    pub fn add_outcome(&self, outcome: &Outcome) {
        self.state().add_outcome(outcome);
    }

    /// Notes a connection over which no row was begun.
    pub fn add_connection_failure(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            state.connection_failure = Some(failure.clone());
        }
    }

    /// The session is skipped as a whole, because the server lacks what it requires.
    pub fn skip_session(&self, why: SafeText) {
        let mut state = self.state();
        state.skipped = Some(why);
        state.stopped = true;
    }

    /// Hands out no more rows, because the ledger cannot be written.
    pub fn stop(&self) {
        self.state().stopped = true;
    }

    /// Records a row in the ledger, if there is one.
    pub fn record(&self, update: LedgerUpdate) {
        if let Some(ledger) = &self.options.ledger {
            ledger.update(update);
        }
    }

    /// All workers have ended: counts the rows that are left, and returns how the session ended.
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
