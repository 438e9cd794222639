//! The rows that are to be run, and the counts of what became of them: shared by all workers.

mod fill;
mod finish;

use super::end::{BatchStatuses, LeftReasons};
use super::ledger::LedgerUpdate;
use super::options::BatchOptions;
use super::row_end::{RowEnd, RowReport};
use super::tally::Tally;
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
    /// How the last attempt at the row ended, if it is tried again.
    pub last_end: Option<RowEnd>,
    /// The ledger has counted this attempt.
    pub attempt_recorded: bool,
    /// The recipients for whom the ledger has counted this attempt.
    pub recorded_recipients: Vec<String>,
    /// The line of the file where it begins; 0 if it is no row of a file.
    line: u64,
    /// It was counted against the limit when it was first handed out.
    counted: bool,
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

/// A sender that is refused this often in a row is refused for all rows.
const MAX_REFUSED_SENDERS: u32 = 3;

struct QueueState {
    stream: RowStream,
    ready: VecDeque<RowTask>,
    /// Rows that are retried, by the time when they are due and the order in which they were deferred.
    deferred: BTreeMap<(Instant, u64), RowTask>,
    /// How many times a row was deferred so far.
    deferrals: u64,
    tally: Tally,
    statuses: BatchStatuses,
    reasons: LeftReasons,
    /// The first failure of a row, and of what is no row.
    failure: Option<Failure>,
    /// The first failure of a row that is tried again. It counts if the run ends before that.
    deferral_failure: Option<Failure>,
    skipped: Option<SafeText>,
    steps_run: usize,
    /// How many rows were read so far.
    taken: usize,
    /// No more rows are handed out.
    stopped: bool,
    /// How many more rows may be handed out for the first time.
    limit: Option<u64>,
    /// The keys that were asked for and have not been seen yet.
    unseen_keys: Vec<String>,
    /// When a worker last began a row, so that `open` had passed.
    last_opened: Option<Instant>,
    /// Why a worker gave up to open a connection.
    open_failure: Option<Failure>,
    /// How many rows in a row had their sender refused.
    refused_senders: u32,
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
            statuses: BatchStatuses::default(),
            reasons: LeftReasons::default(),
            failure: None,
            deferral_failure: None,
            skipped: None,
            steps_run: 0,
            taken: 0,
            stopped: false,
            limit: options.limit,
            unseen_keys: options.keys.clone(),
            last_opened: None,
            open_failure: None,
            refused_senders: 0,
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

    /// Why rows are left, as far as it is known.
    pub fn reasons(&self) -> LeftReasons {
        self.state().reasons.clone()
    }

    /// The number of rows in all, if it is known; for a file, estimated from how much of it was read.
    pub fn expected_rows(&self) -> Option<usize> {
        let state = self.state();
        let all = state.rows_of_stream();
        // Rows that no limit selects are not expected.
        let selected = state.limit.and_then(|left| usize::try_from(left).ok()).map(|left| left + state.begun());
        match (all, selected) {
            (Some(all), Some(selected)) => Some(all.min(selected)),
            (all, selected) => all.or(selected),
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
            if let Some(task) = state.take_ready() {
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
        if state.stopped || state.ready.len() < enough { None } else { state.take_ready() }
    }

    /// Whether there may be a row to hand out, now or later.
    pub fn has_rows_left(&self) -> bool {
        let state = self.state();
        let unread = !matches!(state.stream, RowStream::Exhausted) && state.limit != Some(0);
        !state.stopped && (unread || !state.ready.is_empty() || !state.deferred.is_empty())
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
    pub fn mark_progress(&self, now: Instant) {
        self.state().last_opened = Some(now);
    }

    /// When a worker last began a row.
    pub fn last_opened(&self) -> Option<Instant> {
        self.state().last_opened
    }

    /// Counts a row whose last attempt has ended, and reports it.
    pub fn finish_row(&self, task: &RowTask, end: &RowEnd, outcome: &Outcome) {
        self.report(task, end, false);
        let mut state = self.state();
        state.count_end(end, outcome.failure.as_ref());
        state.steps_run += outcome.steps_run;
        if end.state.is_none() && task.counted {
            // A row that `if` skipped does not count.
            state.limit = state.limit.map(|left| left + 1);
        }
        if self.options.fail_fast && outcome.status != Status::Passed {
            state.stopped = true;
        }
    }

    /// Says how an attempt at a row ended.
    fn report(&self, task: &RowTask, end: &RowEnd, is_retried: bool) {
        if let (Some(listener), Some(row)) = (&self.options.on_row, &task.row.id) {
            listener(&RowReport { row, end, is_retried });
        }
    }

    /// Keeps a row for another attempt at `due`.
    pub fn defer(&self, task: RowTask, due: Instant, outcome: &Outcome) {
        if let Some(end) = &task.last_end {
            self.report(&task, end, true);
        }
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            state.deferral_failure.get_or_insert_with(|| failure.clone());
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

    /// Counts a row whose recipients are all excluded.
    pub fn exclude_row(&self, task: &RowTask, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.excluded += 1;
        state.steps_run += outcome.steps_run;
        if task.counted {
            state.limit = state.limit.map(|left| left + 1);
        }
    }

    /// Counts what a worker did besides rows, such as `[[close]]`.
    pub fn add_outcome(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        state.statuses.add(outcome.status);
        state.keep_failure(outcome.failure.as_ref().filter(|_| outcome.status != Status::Passed));
    }

    /// Counts the steps of a connection over which no row was begun.
    pub fn add_steps(&self, outcome: &Outcome) {
        self.state().steps_run += outcome.steps_run;
    }

    /// A worker gives up to open a connection. `ends_batch`: the failure is not temporary, so that no other worker goes on.
    pub fn give_up(&self, failure: Failure, ends_batch: bool) {
        let mut state = self.state();
        // The last worker to give up says why rows are left, unless a failure that is not temporary stopped the batch.
        if ends_batch || !state.stopped {
            state.open_failure = Some(failure);
        }
        state.stopped |= ends_batch;
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

    /// Counts rows in a row whose sender was refused. After three of them the batch stops, as if `open` had failed.
    pub fn count_sender(&self, refused: bool, outcome: &Outcome) {
        let mut state = self.state();
        state.refused_senders = if refused { state.refused_senders + 1 } else { 0 };
        let is_last = state.refused_senders >= MAX_REFUSED_SENDERS;
        drop(state);
        if let Some(failure) = outcome.failure.clone().filter(|_| is_last) {
            self.give_up(failure, true);
        }
    }

    /// Records a row in the ledger, if there is one.
    pub fn record(&self, update: LedgerUpdate) {
        if let Some(ledger) = &self.options.ledger {
            ledger.update(update);
        }
    }
}
