//! The turns that are to be taken, and what became of them: shared by all connections.

use super::ledger::{Claimed, Ended, Ledger};
use super::{RowState, Shard, Tally, is_temporary};
use crate::event::{Failure, Outcome, RowId, Status};
use crate::exec::{Clock, Row};
use crate::session::SourceError;
use crate::source::{RowReader, SourceRow};
use crate::transcript::Shown;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows that are taken from the file, and claimed in the ledger, at a time.
const GROUP: usize = 32;

/// A turn that is to be taken.
#[derive(Clone, Debug, Default)]
pub struct Task {
    pub row: Row,
    /// Its name in the ledger.
    pub key: String,
    /// Whether it was given back already, since its connection had gone.
    pub returned: bool,
    /// Which of `--repeat` and `--duration`.
    pub repetition: Option<u64>,
    /// All of its message left before its turn.
    pub sealed: bool,
    /// An earlier run's attempt at it may have been delivered.
    pub unknown: bool,
    /// How the last attempt at it ended.
    pub last: Option<(RowState, Status)>,
}

/// Opens the rows once more.
pub type Reopen = Box<dyn FnMut() -> Result<RowReader, SourceError> + Send>;

/// Where turns come from.
pub enum Turns {
    /// Rows; `again` times more, from the beginning.
    Rows {
        reader: RowReader,
        key: Option<String>,
        again: u64,
        /// How many times they were begun.
        round: u64,
        reopen: Reopen,
        until: Option<Instant>,
    },
    /// The same turn so many times, or until then.
    Times {
        left: u64,
        number: u64,
        until: Option<Instant>,
    },
    Over,
}

/// What `[rows]`, the command line and the ledger say of all turns.
#[derive(Default)]
pub struct Terms {
    /// The session's name in the ledger.
    pub session: String,
    pub shard: Option<Shard>,
    pub ledger: Option<std::sync::Arc<Ledger>>,
    pub resend_unknown: bool,
    /// Ends with the first failure.
    pub fail_fast: bool,
    /// Whether turns are counted as repetitions.
    pub repeats: bool,
}

pub struct Queue {
    terms: Terms,
    state: Mutex<State>,
}

struct State {
    turns: Turns,
    ready: VecDeque<Task>,
    deferred: Vec<(Instant, Task)>,
    tally: Tally,
    statuses: Vec<Status>,
    failure: Option<Failure>,
    skipped: Option<Shown>,
    steps_run: usize,
    /// Why no more turns are taken.
    stopped: bool,
    /// A connection got as far as a turn.
    progress: bool,
    connection_failure: Option<Failure>,
}

/// What a look for a turn gave.
pub enum Taken {
    Task(Box<Task>),
    /// None before then.
    Later(Instant),
    Nothing,
}

impl Queue {
    pub fn new(turns: Turns, terms: Terms) -> Self {
        let state = State {
            turns,
            ready: VecDeque::new(),
            deferred: Vec::new(),
            tally: Tally::default(),
            statuses: Vec::new(),
            failure: None,
            skipped: None,
            steps_run: 0,
            stopped: false,
            progress: false,
            connection_failure: None,
        };
        Self { terms, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The next turn that can be taken now.
    pub fn take(&self, now: Instant) -> Taken {
        let mut state = self.state();
        while !state.stopped {
            if let Some(task) = state.ready.pop_front() {
                return Taken::Task(Box::new(task));
            }
            if state.fill(&self.terms, now) {
                continue;
            }
            // Deferred rows come again after the others.
            let earliest = state.deferred.iter().enumerate().min_by_key(|(_, (due, _))| *due);
            let Some((index, due)) = earliest.map(|(index, (due, _))| (index, *due)) else { break };
            if due > now {
                return Taken::Later(due);
            }
            let (_, task) = state.deferred.swap_remove(index);
            return Taken::Task(Box::new(task));
        }
        Taken::Nothing
    }

    /// A turn for a connection that has one, as long as there are enough for `connections`: none waits for a reply that
    /// others could have begun. It waits for nothing.
    pub fn take_ahead(&self, now: Instant, connections: u32) -> Option<Task> {
        let mut state = self.state();
        let enough = usize::try_from(connections).unwrap_or(usize::MAX);
        let waits = matches!(&state.turns, Turns::Rows { reader, .. } if reader.is_stream);
        while state.ready.len() < enough && !waits && !state.stopped && state.fill(&self.terms, now) {}
        if state.stopped || state.ready.len() < enough { None } else { state.ready.pop_front() }
    }

    /// Whether no more turns are taken.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits until there is a turn, or none to come.
    pub fn wait(&self, clock: &dyn Clock) -> Option<Task> {
        while clock.interrupted().is_none() {
            match self.take(clock.now()) {
                Taken::Task(task) => return Some(*task),
                Taken::Later(due) => clock.sleep_until(due),
                Taken::Nothing => return None,
            }
        }
        None
    }

    /// A turn of which nothing was done.
    pub fn give_back(&self, task: Task) {
        self.state().ready.push_front(task);
    }

    pub fn made_progress(&self) {
        self.state().progress = true;
    }

    /// Whether any connection got as far as a turn.
    pub fn has_progress(&self) -> bool {
        self.state().progress
    }

    /// The end of a turn's last attempt.
    pub fn end_of(&self, state_of_row: RowState, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.count(state_of_row);
        state.count(outcome);
        if state_of_row == RowState::Unknown {
            state.statuses.push(Status::IoErr);
        }
        if self.terms.fail_fast && outcome.status != Status::Passed {
            state.stopped = true;
        }
    }

    /// A turn that comes again.
    pub fn defer(&self, task: Task, due: Instant, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            // Its failure counts if the run ends before its time comes.
            state.connection_failure.get_or_insert_with(|| failure.clone());
        }
        state.deferred.push((due, task));
    }

    /// A turn that an interruption ended before anything could be known of it.
    pub fn abandon(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.tally.pending += 1;
        state.steps_run += outcome.steps_run;
    }

    /// What a connection did beside its turns.
    pub fn count(&self, outcome: &Outcome) {
        self.state().count(outcome);
    }

    /// A connection that did not get as far as a turn.
    pub fn no_connection(&self, outcome: &Outcome) {
        let mut state = self.state();
        state.steps_run += outcome.steps_run;
        if let Some(failure) = &outcome.failure {
            state.connection_failure = Some(failure.clone());
        }
    }

    pub fn skip(&self, why: Shown) {
        let mut state = self.state();
        state.skipped = Some(why);
        state.stopped = true;
    }

    /// No more turns are taken: the ledger cannot be written.
    pub fn stop(&self) {
        self.state().stopped = true;
    }

    pub fn record(&self, ended: Ended) {
        if let Some(ledger) = &self.terms.ledger {
            ledger.ended(ended);
        }
    }

    /// All connections have ended: counts what is left, and says how the session ended.
    pub fn end(&self, interrupted: Option<&'static str>) -> Outcome {
        let mut state = self.state();
        let left: Vec<Task> = std::mem::take(&mut state.deferred).into_iter().map(|(_, task)| task).collect();
        let left: Vec<Task> = left.into_iter().chain(std::mem::take(&mut state.ready)).collect();
        let mut waiting = false;
        for task in left {
            match task.last {
                Some((last, status)) => {
                    state.tally.count(last);
                    state.statuses.push(status);
                }
                None => {
                    state.tally.pending += 1;
                    waiting = true;
                }
            }
        }
        if interrupted.is_none() && state.skipped.is_none() {
            waiting |= state.count_rest(&self.terms);
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

impl State {
    fn count(&mut self, outcome: &Outcome) {
        self.steps_run += outcome.steps_run;
        let worst = Status::worst(self.statuses.drain(..).chain([outcome.status]));
        self.statuses.push(worst);
        if let Some(failure) = outcome.failure.as_ref().filter(|_| outcome.status != Status::Passed) {
            self.failure.get_or_insert_with(|| failure.clone());
        }
    }

    /// Takes more turns from where they come from; whether there were any.
    fn fill(&mut self, terms: &Terms, now: Instant) -> bool {
        match &mut self.turns {
            Turns::Over => false,
            Turns::Times { left, number, until } => {
                if *left == 0 || until.is_some_and(|until| now >= until) {
                    self.turns = Turns::Over;
                    return false;
                }
                *left -= 1;
                *number += 1;
                let repetition = terms.repeats.then_some(*number);
                let task = Task { key: ONLY.to_owned(), repetition, ..Task::default() };
                if terms.ledger.is_some() {
                    return self.claim(vec![(task, 1)], terms);
                }
                self.ready.push_back(task);
                true
            }
            Turns::Rows { .. } => self.fill_rows(terms, now),
        }
    }

    fn fill_rows(&mut self, terms: &Terms, now: Instant) -> bool {
        let mut group = Vec::new();
        let mut over = false;
        {
            let Turns::Rows { reader, key, again, round, reopen, until } = &mut self.turns else { return false };
            if until.is_some_and(|until| now >= until) {
                self.turns = Turns::Over;
                return false;
            }
            let most = if reader.is_stream { 1 } else { GROUP };
            let mut read = 0;
            while read < most && !over {
                match reader.next_row() {
                    Ok(Some(row)) => {
                        read += 1;
                        group.extend(task(row, key.as_deref(), terms, terms.repeats.then_some(*round)));
                    }
                    Ok(None) if *again > 0 && reader.next_number() > 1 => {
                        *again -= 1;
                        *round += 1;
                        match reopen() {
                            Ok(again) => *reader = again,
                            Err(_) => over = true,
                        }
                    }
                    Ok(None) => over = true,
                    Err(error) => {
                        let (status, what) = match error {
                            SourceError::Refused(what) => (Status::DataErr, what),
                            SourceError::Unreadable(what) => (Status::NoInput, what),
                        };
                        self.statuses.push(status);
                        let cause = crate::event::Cause::Unreadable { what: Shown::new(what) };
                        self.failure.get_or_insert(Failure { status, place: crate::session::Place::default(), cause });
                        over = true;
                    }
                }
            }
        }
        if over {
            self.turns = Turns::Over;
        }
        if group.is_empty() {
            return !over;
        }
        if terms.ledger.is_some() {
            return self.claim(group, terms);
        }
        self.ready.extend(group.into_iter().map(|(task, _)| task));
        true
    }

    /// Takes those that the ledger leaves to this run.
    fn claim(&mut self, group: Vec<(Task, u64)>, terms: &Terms) -> bool {
        let Some(ledger) = &terms.ledger else { return false };
        let names: Vec<_> = group
            .iter()
            .filter(|(task, _)| task.row.broken.is_none())
            .map(|(task, number)| (task.key.clone(), *number))
            .collect();
        let claimed = match ledger.claim(&terms.session, names, terms.resend_unknown) {
            Ok(claimed) => claimed,
            Err(why) => {
                let cause =
                    crate::event::Cause::BadValue { what: Shown::new(format!("the ledger cannot be written: {why}")) };
                let failure = Failure { status: Status::CantCreate, place: crate::session::Place::default(), cause };
                self.statuses.push(Status::CantCreate);
                self.failure.get_or_insert(failure);
                self.tally.pending += group.len();
                self.stopped = true;
                return false;
            }
        };
        let mut claimed = claimed.into_iter();
        for (mut task, _) in group {
            if task.row.broken.is_some() {
                self.ready.push_back(task);
                continue;
            }
            match claimed.next().unwrap_or(Claimed::Held) {
                Claimed::Mine { message_id, done, unknown } => {
                    task.unknown = unknown;
                    task.row.message_id = message_id;
                    task.row.done = done;
                    self.ready.push_back(task);
                }
                Claimed::SentBefore => self.tally.sent_before += 1,
                Claimed::RefusedBefore => self.tally.refused_before += 1,
                Claimed::UnknownBefore => self.tally.unknown_before += 1,
                Claimed::Held => self.tally.held += 1,
                Claimed::Twice => {
                    task.row.broken = Some(format!("the key {} came before in this file", Shown::new(&task.key)));
                    self.ready.push_back(task);
                }
            }
        }
        true
    }

    /// Counts the rows that nobody took; whether there were any.
    fn count_rest(&mut self, terms: &Terms) -> bool {
        let Turns::Rows { reader, key, .. } = &mut self.turns else { return false };
        let mut count = 0;
        while let Ok(Some(row)) = reader.next_row() {
            count += usize::from(task(row, key.as_deref(), terms, None).is_some());
        }
        self.tally.pending += count;
        count > 0
    }
}

/// The key of a session's only turn.
const ONLY: &str = "-";

/// A row as a turn; `None` where it is another shard's.
fn task(row: SourceRow, key: Option<&str>, terms: &Terms, repetition: Option<u64>) -> Option<(Task, u64)> {
    let SourceRow { number, place, value } = row;
    let (mut value, mut broken) = match value {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    };
    let mut name = number.to_string();
    if let (Some(column), Some(row)) = (key, &value) {
        match row.text(column) {
            Some(key) if !key.is_empty() || terms.ledger.is_none() => name = key,
            _ => {
                broken = Some(format!("the row has no {}, which names it", Shown::new(column)));
                value = None;
            }
        }
    }
    if terms.shard.is_some_and(|shard| !shard.has(&name)) {
        return None;
    }
    let id = RowId { number, key: Shown::new(&name), attempt: 1, repetition };
    let row = Row { id: Some(id), place, value, broken, ..Row::default() };
    Some((Task { row, key: name, ..Task::default() }, number))
}

/// Whether a failed attempt may be followed by another.
pub fn may_come_again(state: RowState, status: Status) -> bool {
    state == RowState::Deferred && is_temporary(status)
}

/// How long to wait before attempt `attempt` + 1, with a jitter of a fifth.
pub fn wait_before(retry: &crate::session::RetrySettings, attempt: u32) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let longest = retry.max_wait.unwrap_or(Duration::from_secs(24 * 3600)).as_secs_f64();
    let wait = (retry.wait.as_secs_f64() * retry.backoff.powi(exponent)).min(longest);
    Duration::from_secs_f64(wait * (0.9 + 0.2 * fastrand::f64()))
}
