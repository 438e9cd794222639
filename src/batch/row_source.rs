//! The rows of one connection: taken from the queue, recorded in the ledger, and finished there.

use super::ledger::{LedgerUpdate, RecipientUpdate, SendingRow};
use super::options::WorkerOptions;
use super::queue::{NextTask, RowQueue, RowTask};
use super::retry::{is_retryable, retry_delay};
use super::row_end::RowEnd;
use super::row_state::{
    any, is_skipped, merge_refusals, reason, recorded_reason, refusal, row_state, status_of_deferred,
};
use super::tally::RowState;
use crate::event::{Cause, Failure, Outcome, RecipientOutcome, RowId, Status, TransactionRefusal};
use crate::exec::{Clock, DeliveryIntent, RecipientResult, Row, RowResult, RowSource};
use crate::session::{Place, RetrySettings};
use crate::transcript::SafeText;
use std::collections::VecDeque;
use std::time::Duration;

/// The rows of one connection.
pub struct WorkerRowSource<'w, 'p> {
    options: &'w WorkerOptions<'p>,
    queue: &'w RowQueue,
    clock: &'w dyn Clock,
    /// The task that the connection is opened for.
    first: Option<RowTask>,
    current: Option<RowTask>,
    /// Tasks that were taken from the queue to be looked at before their turn.
    peeked: VecDeque<RowTask>,
    /// The row whose BDAT was refused: it goes first over the next connection, with DATA.
    repeated: Option<RowTask>,
    /// Rows that were begun.
    pub rows_begun: u32,
    /// Rows that were not given back because the connection was lost.
    completed: u32,
    /// The number of the next attempt at the last row that was deferred, and the pause before it.
    pub next_attempt: Option<(u32, Duration)>,
}

impl<'w, 'p> WorkerRowSource<'w, 'p> {
    /// The rows of a connection that is opened for the task `first`.
    pub fn new(options: &'w WorkerOptions<'p>, queue: &'w RowQueue, clock: &'w dyn Clock, first: RowTask) -> Self {
        Self {
            options,
            queue,
            clock,
            first: Some(first),
            current: None,
            peeked: VecDeque::new(),
            repeated: None,
            rows_begun: 0,
            completed: 0,
            next_attempt: None,
        }
    }

    /// The next task of the queue, at the rate that was asked for. For the first one the rate was waited for before connecting.
    fn wait_for_next_task(&mut self) -> Option<RowTask> {
        let task = match self.first.take() {
            Some(task) => return Some(task),
            None if !self.options.has_rows || self.rows_begun >= self.options.per_connection => return None,
            None => match self.queue.next_task(self.clock.now()) {
                NextTask::Ready(task) => *task,
                NextTask::NotBefore(_) | NextTask::Exhausted => return None,
            },
        };
        if let Some(rate) = self.options.rate {
            rate.wait_for_slot(self.clock);
            if self.clock.interrupted().is_some() {
                self.queue.put_back(task);
                return None;
            }
        }
        Some(task)
    }

    /// The connection has ended: rows that were not begun go back to the queue.
    pub fn put_back_unfinished(&mut self) {
        while let Some(task) = self.peeked.pop_back() {
            if !task.intent_recorded {
                self.queue.put_back(task);
                continue;
            }
            // Each row in flight is finished by the executor. If one were not, it may have been delivered.
            let cause = Cause::DeliveryUnknown { why: SafeText::new("the row was not finished") };
            let failure = Failure::new(Status::IoErr, Place::default(), cause);
            let outcome = Outcome::failed(failure);
            self.finish(task, &RowResult { outcome, started: true, ..RowResult::not_started() });
        }
        for task in self.first.take().into_iter().chain(self.repeated.take()) {
            self.queue.put_back(task);
        }
    }

    /// A row whose intent was recorded before its turn did not leave after all: it is pending again.
    fn release_peeked(&mut self, row: &Row) {
        let peeked = self.peeked.iter_mut().find(|task| task.row.id == row.id && task.intent_recorded);
        if let Some(task) = peeked {
            task.intent_recorded = false;
            self.queue.record(LedgerUpdate {
                session: self.queue.options().session.clone(),
                key: task.key.clone(),
                state: None,
                message_id: None,
                reply: None,
                recipients: Vec::new(),
                maybe_sent_before: task.maybe_sent_before,
                skipped: false,
                counts_attempt: false,
            });
        }
    }

    /// The row's attempt has ended: records its state, and puts it into the queue again if it is to be retried.
    fn finish(&mut self, mut task: RowTask, result: &RowResult) {
        self.completed += 1;
        let outcome = &result.outcome;
        let found = row_state(result);
        let mut state = found;
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        let retry = self
            .options
            .retry
            .filter(|retry| attempt <= retry.times && state.is_some_and(|state| is_retryable(state, outcome)));
        let nothing_new = state == Some(RowState::Deferred)
            || (state == Some(RowState::Refused) && any(result, RecipientOutcome::Deferred));
        // A row whose BDAT was refused is sent with DATA over the next connection.
        let is_repeated = self.options.has_rows
            && state == Some(RowState::Deferred)
            && result.refusal == Some(TransactionRefusal::Chunking);
        if task.maybe_sent_before && retry.is_none() && nothing_new && !is_repeated {
            // The attempt before this one may have been delivered: this one changes nothing of that.
            state = Some(RowState::Unknown);
        }
        let earlier = task.row.earlier_refusal.clone().filter(|_| retry.is_none());
        if state == Some(RowState::Sent) && earlier.is_some() {
            state = Some(RowState::Refused);
        }
        let result = match &earlier {
            Some(refused) => &RowResult { outcome: outcome.clone().after_refusal(refused), ..result.clone() },
            None => result,
        };
        // What an earlier attempt left unknown, and this one did not decide, keeps its reason.
        let keeps_reason = task.maybe_sent_before
            && found != Some(RowState::Unknown)
            && !matches!(state, Some(RowState::Sent | RowState::Refused));
        let why = state.filter(|_| !keeps_reason).and_then(|state| recorded_reason(state, result));
        self.record(&mut task, state, why, result);
        let status = match state {
            Some(RowState::Deferred) if self.row_of(&task).is_recorded => status_of_deferred(result),
            Some(RowState::Unknown) => Status::worst([Status::IoErr, result.outcome.status]),
            _ => result.outcome.status,
        };
        let end = RowEnd { state, status, reason: state.and_then(|state| reason(state, result)) };
        self.queue.count_sender(result.refusal == Some(TransactionRefusal::Sender), outcome);
        if is_repeated {
            self.queue.add_steps(&result.outcome);
            self.repeated = Some(next_attempt(task, end, result));
            return;
        }
        match (state, retry) {
            (None, _) if is_skipped(outcome) && result.all_excluded => self.queue.exclude_row(&task, &result.outcome),
            (None, _) if !is_skipped(outcome) => self.queue.abandon(&result.outcome),
            (Some(_), Some(retry)) => self.defer(task, end, &retry, result),
            _ => self.queue.finish_row(&task, &end, &result.outcome),
        }
    }

    fn record(&self, task: &mut RowTask, state: Option<RowState>, why: Option<String>, result: &RowResult) {
        // An invalid row is not recorded: another one may have its key.
        if task.row.error.is_none() {
            let state = state.filter(|state| *state != RowState::Failed);
            self.queue.record(LedgerUpdate {
                session: self.queue.options().session.clone(),
                key: task.key.clone(),
                state,
                message_id: result.message_id.clone(),
                reply: why,
                recipients: ledger_recipients(&result.recipients, &mut task.recorded_recipients),
                maybe_sent_before: task.maybe_sent_before,
                skipped: is_skipped(&result.outcome),
                counts_attempt: state.is_some() && !std::mem::replace(&mut task.attempt_recorded, true),
            });
        }
    }

    /// The row is tried again later, for the recipients that were deferred.
    fn defer(&mut self, task: RowTask, end: RowEnd, retry: &RetrySettings, result: &RowResult) {
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        let wait = retry_delay(retry, attempt);
        self.next_attempt = Some((attempt + 1, wait));
        self.queue.defer(next_attempt(task, end, result), self.clock.now() + wait, &result.outcome);
    }

    /// A row as the executor gets it.
    fn row_of(&self, task: &RowTask) -> Row {
        let is_recorded = self.options.has_rows || self.queue.options().ledger.is_some();
        Row { is_recorded, ..task.row.clone() }
    }
}

/// The row as it is tried again, for the recipients that were deferred.
fn next_attempt(mut task: RowTask, end: RowEnd, result: &RowResult) -> RowTask {
    let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
    task.row.message_id = result.message_id.clone().or(task.row.message_id);
    task.row.earlier_refusal = merge_refusals(task.row.earlier_refusal.take(), refusal(result));
    let decided = result.recipients.iter().filter(|one| one.outcome != RecipientOutcome::Deferred);
    task.row.excluded.extend(decided.map(|one| one.name.clone()));
    let id = task.row.id.get_or_insert_with(|| RowId {
        number: 1,
        key: SafeText::default(),
        has_key: false,
        place: SafeText::default(),
        attempt,
        repetition: task.repetition,
    });
    id.attempt = attempt + 1;
    task.last_end = Some(match task.maybe_sent_before {
        true => RowEnd { state: Some(RowState::Unknown), status: Status::IoErr, ..end },
        false => end,
    });
    task.intent_recorded = false;
    task.attempt_recorded = false;
    task.recorded_recipients.clear();
    task
}

/// Recipients as the ledger stores them. `recorded` are those for whom the ledger has counted this attempt.
fn ledger_recipients(results: &[RecipientResult], recorded: &mut Vec<String>) -> Vec<RecipientUpdate> {
    results
        .iter()
        .map(|one| RecipientUpdate {
            name: one.name.clone(),
            outcome: one.outcome,
            reply: one.reply.as_str().to_owned(),
            counts_attempt: add_name(recorded, &one.name),
        })
        .collect()
}

/// The recipients that were refused or deferred before the content of this message, and those of earlier messages. None if
/// the session writes the content itself.
fn earlier_recipients(intent: &DeliveryIntent<'_>, task: &mut RowTask) -> Vec<RecipientUpdate> {
    let mut earlier = Vec::new();
    if !intent.recipients.is_empty() {
        earlier = ledger_recipients(intent.earlier, &mut task.recorded_recipients);
    }
    for one in &mut earlier {
        if task.maybe_sent_before && one.outcome == RecipientOutcome::Deferred {
            one.outcome = RecipientOutcome::Unknown;
            one.reply.clear();
        }
    }
    earlier
}

/// Adds a name; false if it was there.
fn add_name(names: &mut Vec<String>, name: &str) -> bool {
    let is_new = !names.iter().any(|known| known == name);
    if is_new {
        names.push(name.to_owned());
    }
    is_new
}

impl RowSource for WorkerRowSource<'_, '_> {
    fn next(&mut self) -> Option<Row> {
        let in_flight = self.peeked.front().is_some_and(|task| task.intent_recorded);
        if !in_flight && (self.clock.interrupted().is_some() || self.queue.is_stopped()) {
            return None;
        }
        let task = match self.peeked.pop_front() {
            // It waited for the rate when it was taken.
            Some(task) => task,
            None => self.wait_for_next_task()?,
        };
        self.rows_begun += 1;
        self.queue.mark_progress(self.clock.now());
        let row = self.row_of(&task);
        self.current = Some(task);
        Some(row)
    }

    fn peek(&mut self, index: usize) -> Option<Row> {
        let begun = usize::try_from(self.rows_begun).unwrap_or(usize::MAX).saturating_add(self.peeked.len());
        let most = usize::try_from(self.options.per_connection).unwrap_or(usize::MAX);
        let is_last = !self.options.has_rows || begun >= most;
        if self.peeked.len() == index && !is_last && self.clock.interrupted().is_none() {
            let task = self.queue.take_for_pipeline(self.clock.now(), self.options.connections)?;
            match self.options.rate {
                Some(rate) if !rate.try_take_slot(self.clock.now()) => self.queue.put_back(task),
                _ => self.peeked.push_back(task),
            }
        }
        self.peeked.get(index).map(|task| self.row_of(task))
    }

    fn record_intent(&mut self, intents: &[DeliveryIntent<'_>]) -> Result<(), String> {
        let options = self.queue.options();
        if let Some(ledger) = &options.ledger {
            let mut sending = Vec::new();
            for intent in intents {
                let task = match intent.ahead.checked_sub(1) {
                    None => self.current.as_mut(),
                    Some(index) => self.peeked.get_mut(index),
                };
                let Some(task) = task else { continue };
                let earlier = earlier_recipients(intent, task);
                let name = |name: &String| (name.clone(), add_name(&mut task.recorded_recipients, name));
                sending.push(SendingRow {
                    earlier,
                    recipients: intent.recipients.iter().map(name).collect(),
                    key: task.key.clone(),
                    message_id: intent.message_id.map(str::to_owned),
                    counts_attempt: !std::mem::replace(&mut task.attempt_recorded, true),
                });
            }
            ledger.record_intents(&options.session, sending).map_err(|why| {
                // A message before its turn is tried again when that comes.
                if intents.iter().any(|intent| intent.ahead == 0) {
                    self.queue.stop();
                }
                format!("the ledger cannot be written: {why}")
            })?;
        }
        for index in intents.iter().filter_map(|intent| intent.ahead.checked_sub(1)) {
            if let Some(task) = self.peeked.get_mut(index) {
                task.intent_recorded = true;
            }
        }
        Ok(())
    }

    fn finished(&mut self, row: &Row, result: RowResult) {
        if self.current.as_ref().is_none_or(|task| task.row.id != row.id) {
            return self.release_peeked(row);
        }
        let Some(task) = self.current.take() else { return };
        // A session that was skipped as a whole is counted as such, and recorded as nothing.
        if !self.options.has_rows && result.outcome.skipped.is_some() {
            return;
        }
        // The server had closed before it heard of this row. If another row was run over the connection the run goes on,
        // and if not the row is only given back if no step of it ran.
        if !result.started && (self.completed > 0 || result.outcome.failure.is_none()) {
            self.rows_begun = self.rows_begun.saturating_sub(1);
            self.queue.put_back(task);
            return;
        }
        self.finish(task, &result);
    }
}
