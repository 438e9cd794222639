//! What one connection gets, and what it heard of each row.

use super::ledger::{Ledger, LedgerUpdate, SendingRow};
use super::queue::{self, NextTask, RowQueue, RowTask};
use super::row_state::{self, RowObservation};
use super::tally::RowState;
use super::{WorkerOptions, is_temporary};
use crate::event::{Cause, Failure, Outcome, RecipientOutcome, RowId, Status};
use crate::exec::{Clock, DeliveryIntent, Row, RowSource};
use std::cell::RefCell;
use std::collections::VecDeque;

/// The rows of one connection.
pub struct WorkerRowSource<'w, 'p> {
    pub plan: &'w WorkerOptions<'p>,
    pub queue: &'w RowQueue,
    pub clock: &'w dyn Clock,
    pub heard: &'w RefCell<RowObservation>,
    /// That for which the connection is opened.
    pub first: Option<RowTask>,
    current: Option<RowTask>,
    /// The rows behind it that were taken already.
    peeked: VecDeque<RowTask>,
    /// Rows that had their turn.
    pub turns: u32,
    /// Rows whose turn was not over with the loss of the connection.
    completed: u32,
    /// The Message-ID and row of a whole session's turn.
    message_id: Option<String>,
}

impl<'w, 'p> WorkerRowSource<'w, 'p> {
    pub fn new(
        plan: &'w WorkerOptions<'p>,
        queue: &'w RowQueue,
        clock: &'w dyn Clock,
        heard: &'w RefCell<RowObservation>,
        first: RowTask,
    ) -> Self {
        let first = Some(first);
        Self {
            plan,
            queue,
            clock,
            heard,
            first,
            current: None,
            peeked: VecDeque::new(),
            turns: 0,
            completed: 0,
            message_id: None,
        }
    }

    /// The next row of the queue, in its time.
    fn wait_for_next_task(&mut self) -> Option<RowTask> {
        let task = match self.first.take() {
            Some(task) => task,
            None if !self.plan.has_rows || self.turns >= self.plan.per_connection => return None,
            None => match self.queue.next_task(self.clock.now()) {
                NextTask::Ready(task) => *task,
                NextTask::NotBefore(_) | NextTask::Exhausted => return None,
            },
        };
        if let Some(rate) = self.plan.rate {
            rate.wait_for_slot(self.clock);
            if self.clock.interrupted().is_some() {
                self.queue.put_back(task);
                return None;
            }
        }
        Some(task)
    }

    /// The connection has ended: rows whose turn did not come go back to where they were.
    pub fn put_back_unfinished(&mut self) {
        while let Some(task) = self.peeked.pop_back() {
            if !task.intent_recorded {
                self.queue.put_back(task);
                continue;
            }
            // Nothing that was in flight goes without its turn; if it did, it may have been delivered.
            let why = crate::transcript::SafeText::new("its turn did not come");
            let place = crate::session::Place::default();
            let failure = Failure::new(Status::IoErr, place, Cause::DeliveryUnknown { why });
            let outcome = Outcome { status: Status::IoErr, failure: Some(failure), steps_run: 0, skipped: None };
            self.current = Some(task);
            self.finish_row_attempt(&outcome, None);
        }
        if let Some(task) = self.first.take() {
            self.queue.put_back(task);
        }
    }

    /// The end of a session without rows.
    pub fn finish_session(&mut self, outcome: &Outcome) {
        let message_id = self.message_id.take();
        self.finish_row_attempt(outcome, message_id.as_deref());
    }

    fn finish_row_attempt(&mut self, outcome: &Outcome, message_id: Option<&str>) {
        let Some(mut task) = self.current.take() else { return };
        let heard = self.heard.take();
        let lost = matches!(outcome.failure.as_ref().map(|failure| &failure.cause), Some(Cause::ConnectionLost { .. }));
        if lost && heard.replies == 0 && !heard.sealed && self.completed > 0 {
            // The server had closed before it heard of this row. Another one had its end here: so it comes to an end.
            self.queue.put_back(task);
            return;
        }
        self.completed += 1;
        let left_out = self.plan.all_deselected && outcome.status == Status::Passed;
        let mut state = heard.state(outcome).filter(|_| !left_out);
        let attempt = task.row.id.as_ref().map_or(1, |id| id.attempt);
        let again = self
            .plan
            .retry
            .filter(|retry| attempt <= retry.times && state.is_some_and(|state| queue::is_retryable(state, outcome)));
        let nothing_new = state == Some(RowState::Deferred)
            || (state == Some(RowState::Refused) && heard.any(RecipientOutcome::Deferred));
        if task.maybe_sent_before && again.is_none() && nothing_new {
            // The attempt before this one may have been delivered: what came of this one changes nothing of that.
            state = Some(RowState::Unknown);
        }
        let earlier = task.row.earlier_refusal.clone().filter(|_| again.is_none());
        if state == Some(RowState::Sent) && earlier.is_some() {
            state = Some(RowState::Refused);
        }
        let outcome = match &earlier {
            Some(refused) => &outcome.clone().after_refusal(refused),
            None => outcome,
        };
        // A row that is none is not the ledger's: another one may have its key.
        if task.row.error.is_none() {
            self.queue.record(LedgerUpdate {
                session: self.queue.options().session.clone(),
                key: task.key.clone(),
                state: state.filter(|state| *state != RowState::Failed),
                message_id: message_id.map(str::to_owned),
                reply: state.and_then(|state| heard.decided_by(state, outcome)),
                recipients: heard.recipients.clone(),
                unknown: task.maybe_sent_before,
            });
        }
        let Some(state) = state else {
            match left_out {
                true => self.queue.skip_row(outcome),
                false => self.queue.abandon(outcome),
            }
            return;
        };
        if let Some(retry) = again {
            task.row.message_id = message_id.map(str::to_owned).or(task.row.message_id);
            task.row.earlier_refusal = row_state::merge_refusals(task.row.earlier_refusal.take(), heard.refusal());
            let reached = heard.recipients.into_iter().filter(|(_, outcome, _)| *outcome != RecipientOutcome::Deferred);
            task.row.excluded.extend(reached.map(|(address, _, _)| address));
            let id = task.row.id.get_or_insert_with(|| RowId {
                number: 1,
                key: crate::transcript::SafeText::default(),
                place: crate::transcript::SafeText::default(),
                attempt,
                repetition: task.repetition,
            });
            id.attempt = attempt + 1;
            task.last_result = Some(match task.maybe_sent_before {
                true => (RowState::Unknown, Status::IoErr),
                false => (state, outcome.status),
            });
            task.intent_recorded = false;
            let due = self.clock.now() + queue::retry_delay(&retry, attempt);
            self.queue.defer(task, due, outcome);
            return;
        }
        self.queue.finish_row(state, outcome);
    }
}

impl WorkerRowSource<'_, '_> {
    /// What became of the row's earlier messages rides in the commit that lets the next one leave: a kill leaves it known.
    fn record_earlier_messages(&self, ledger: &Ledger, messages: &[DeliveryIntent<'_>]) {
        let heard = &self.heard.borrow().recipients;
        let another = messages.iter().find(|message| message.ahead == 0 && !message.recipients.is_empty());
        if let (Some(task), Some(message), false) = (&self.current, another, heard.is_empty()) {
            ledger.update(LedgerUpdate {
                session: self.queue.options().session.clone(),
                key: task.key.clone(),
                state: None,
                message_id: message.message_id.map(str::to_owned),
                reply: None,
                recipients: heard.clone(),
                unknown: task.maybe_sent_before,
            });
        }
    }
}

impl RowSource for WorkerRowSource<'_, '_> {
    fn next(&mut self) -> Option<Row> {
        let in_flight = self.peeked.front().is_some_and(|task| task.intent_recorded);
        if !in_flight && (self.clock.interrupted().is_some() || self.queue.is_stopped()) {
            return None;
        }
        let task = match self.peeked.pop_front() {
            // It had its time when it was taken.
            Some(task) => task,
            None => self.wait_for_next_task()?,
        };
        self.turns += 1;
        self.queue.mark_progress();
        self.heard.replace(RowObservation {
            sealed: task.intent_recorded,
            in_flight: task.intent_recorded,
            ..RowObservation::default()
        });
        let row = task.row.clone();
        self.current = Some(task);
        Some(row)
    }

    fn peek(&mut self, behind: usize) -> Option<Row> {
        let begun = usize::try_from(self.turns).unwrap_or(usize::MAX).saturating_add(self.peeked.len());
        let is_last = !self.plan.has_rows || begun >= usize::try_from(self.plan.per_connection).unwrap_or(usize::MAX);
        if self.peeked.len() == behind && !is_last && self.clock.interrupted().is_none() {
            let task = self.queue.take_for_pipeline(self.clock.now(), self.plan.connections)?;
            match self.plan.rate {
                Some(rate) if !rate.try_take_slot(self.clock.now()) => self.queue.put_back(task),
                _ => self.peeked.push_back(task),
            }
        }
        self.peeked.get(behind).map(|task| task.row.clone())
    }

    fn give_back(&mut self, _row: Row) {
        self.turns = self.turns.saturating_sub(1);
        if let Some(task) = self.current.take() {
            self.queue.put_back(task);
        }
    }

    fn release_unsent(&mut self, but: usize) {
        for task in self.peeked.iter_mut().skip(but).filter(|task| task.intent_recorded) {
            task.intent_recorded = false;
            self.queue.record(LedgerUpdate {
                session: self.queue.options().session.clone(),
                key: task.key.clone(),
                state: None,
                message_id: None,
                reply: None,
                recipients: Vec::new(),
                unknown: task.maybe_sent_before,
            });
        }
    }

    fn record_intent(&mut self, messages: &[DeliveryIntent<'_>]) -> Result<(), String> {
        let options = self.queue.options();
        if let Some(ledger) = &options.ledger {
            self.record_earlier_messages(ledger, messages);
            let task = |ahead: usize| match ahead.checked_sub(1) {
                None => self.current.as_ref(),
                Some(index) => self.peeked.get(index),
            };
            let sending = messages.iter().filter_map(|message| {
                let message_id = message.message_id.map(str::to_owned);
                Some(SendingRow {
                    key: task(message.ahead)?.key.clone(),
                    message_id,
                    recipients: message.recipients.clone(),
                })
            });
            ledger.record_intents(&options.session, sending.collect()).map_err(|why| {
                // What is only ahead of its turn is tried again when that comes.
                if messages.iter().any(|message| message.ahead == 0) {
                    self.queue.stop();
                }
                format!("the ledger cannot be written: {why}")
            })?;
        }
        for message in messages {
            match message.ahead.checked_sub(1) {
                None => self.heard.borrow_mut().seal(&message.recipients),
                Some(index) => self.peeked.iter_mut().skip(index).take(1).for_each(|task| task.intent_recorded = true),
            }
        }
        Ok(())
    }

    fn message_skipped(&mut self) {
        self.heard.borrow_mut().left_out = true;
    }

    fn content_end_written(&mut self, replies: usize) {
        let mut heard = self.heard.borrow_mut();
        heard.due = Some(replies);
        heard.unsure = true;
    }

    fn finished(&mut self, _row: &Row, outcome: &Outcome, message_id: Option<&str>) {
        if self.plan.has_rows {
            self.finish_row_attempt(outcome, message_id);
        } else {
            self.message_id = message_id.map(str::to_owned);
        }
    }

    fn keeps_ledger(&self) -> bool {
        self.plan.has_rows || self.queue.options().ledger.is_some()
    }

    fn is_batch(&self) -> bool {
        self.plan.has_rows
    }
}

/// Whether a connection that did not get as far as a turn may be tried again.
pub fn is_connection_retryable(outcome: &Outcome) -> bool {
    is_temporary(outcome.status)
}
