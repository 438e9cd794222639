//! The step loop: lists of steps and groups, conditions, repetition, and what of it still runs after a failure.

use super::attempts::{fail_before_start, run_attempts, step_id};
use super::connection::{ByteCounts, SmtpConnection};
use super::context::{Connector, RunProgress, StepContext, lacks_required};
use super::error::StepError;
use super::events::{EventSink, MAIN};
use super::exchange::pause;
use super::flow::{Flow, StepPosition};
use super::row_source::RowSource;
use crate::event::{Cause, Fact, Outcome, SkipReason, Verdict};
use crate::event::{RawDialogue, RowRecord, RowResult};
use crate::prepare::{Renderer, Row, RowContext, RunContext};
use crate::session::FollowingMessage;
use crate::session::{Action, Step};
use crate::session::{count_messages_of, has_always};
use crate::smtp::reply::Reply;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

/// Runs lists of steps over the connections of a session.
pub struct StepRunner<'a> {
    pub run: RunContext<'a>,
    pub events: EventSink<'a>,
    pub row: RowContext,
    pub connector: Connector<'a>,
    pub rows: &'a mut dyn RowSource,
    pub progress: RunProgress,
    /// `main` first, so that it is the first to say QUIT; then the one used last at the end.
    connections: Vec<SmtpConnection<'a>>,
    bytes: Rc<ByteCounts>,
}

impl<'a> StepRunner<'a> {
    pub fn new(
        run: RunContext<'a>,
        events: EventSink<'a>,
        row: RowContext,
        connector: Connector<'a>,
        rows: &'a mut dyn RowSource,
    ) -> Self {
        let progress = RunProgress { requires_checked: run.session.requires.is_empty(), ..RunProgress::default() };
        Self { run, events, row, connector, rows, progress, connections: Vec::new(), bytes: Rc::default() }
    }

    /// The connection of this name; one that was never used is new and not open.
    fn connection(&mut self, name: &str) -> &mut SmtpConnection<'a> {
        let known = self.connections.iter().position(|connection| connection.name == name);
        let index = if name == MAIN { 0 } else { self.connections.len() - usize::from(known.is_some()) };
        let connection = match known {
            Some(known) if known == index => return &mut self.connections[index],
            Some(known) => self.connections.remove(known),
            None => SmtpConnection::new(name, self.bytes.clone()),
        };
        self.connections.insert(index, connection);
        &mut self.connections[index]
    }

    /// The default connection, and where its events go.
    pub fn main(&mut self) -> (&mut SmtpConnection<'a>, &mut EventSink<'a>) {
        self.connection(MAIN);
        (&mut self.connections[0], &mut self.events)
    }

    /// Opens the default connection. `expects_greeting`: the first step waits for the greeting.
    pub fn connect_main(&mut self, expects_greeting: bool) -> Result<(), StepError> {
        self.connection(MAIN);
        self.connector.connect(&self.run, &mut self.events, &mut self.connections[0], expects_greeting)
    }

    /// Compares what the default connection's server offers with `requires`, unless that was done.
    pub fn check_required(&mut self) {
        self.connection(MAIN);
        lacks_required(&self.run, &self.connector, &self.events, &self.connections[0], &mut self.progress);
    }

    /// All connections, to be ended.
    pub fn take_connections(&mut self) -> Vec<SmtpConnection<'a>> {
        std::mem::take(&mut self.connections)
    }

    /// What an action of this step may use, over the connection of this name.
    pub fn context(&mut self, step: &'a Step, connection: &str) -> StepContext<'_, 'a> {
        self.connection(connection);
        let index = if connection == MAIN { 0 } else { self.connections.len() - 1 };
        StepContext {
            run: self.run,
            step,
            events: &mut self.events,
            row: &mut self.row,
            connector: &mut self.connector,
            connection: &mut self.connections[index],
            rows: self.rows,
            progress: &mut self.progress,
        }
    }

    /// Whether the next message has left as a whole: its turn comes whatever happens.
    pub fn is_in_flight(&self) -> bool {
        let mut first = self.connections.iter().filter_map(|connection| connection.outbox.first_queued());
        first.any(|queued| queued.fully_sent)
    }

    /// The next row's turn has come. Gives whether something of its message has left.
    pub fn begin_queued_row(&mut self) -> bool {
        self.connections.iter_mut().any(|connection| connection.outbox.begin_row())
    }

    /// A row begins. `in_flight`: all of its message has left already.
    pub fn begin_row(&mut self, row: Row, in_flight: bool) {
        self.row.begin(row);
        self.progress.record = RowRecord::new(in_flight);
        self.connections.iter_mut().for_each(|connection| connection.log.begin_row());
    }

    /// What the row's replies said, on all connections, and how many there were.
    pub fn row_traffic(&mut self) -> (RawDialogue, usize) {
        let secrets = &self.events.secrets;
        let text = |reply: &Reply| {
            let last = reply.lines.last().map(Vec::as_slice).unwrap_or_default();
            let line = [reply.code.to_string().as_bytes(), b" ", last].concat();
            secrets.shown(line.trim_ascii_end()).as_str().to_owned()
        };
        let connections = self.connections.iter().enumerate();
        // Of several at the same moment the first one.
        let latest = connections.max_by_key(|(index, one)| (one.log.row.last_reply_at, Reverse(*index)));
        let latest = latest.map(|(index, _)| index);
        let replies = self.connections.iter().map(|one| one.log.row.replies).sum();
        let dialogues = self.connections.iter_mut().enumerate().map(|(index, one)| {
            let last_reply = one.server.reply.as_ref().map(|facts| &facts.reply).filter(|_| Some(index) == latest);
            one.log.dialogue(last_reply, &text)
        });
        (dialogues.fold(RawDialogue::default(), RawDialogue::and), replies)
    }

    /// Reports to the row source how the row ended. `replies` came, and `raw` is what they said.
    pub fn finish_row(&mut self, outcome: Outcome, (raw, replies): (RawDialogue, usize)) {
        let record = std::mem::take(&mut self.progress.record);
        let is_lost = outcome.failure.as_ref().is_some_and(|one| matches!(one.cause, Cause::ConnectionLost { .. }));
        let result = RowResult {
            outcome,
            recipients: record.recipients,
            refused_at: record.refused_at,
            raw,
            started: !is_lost || replies > 0 || record.intent_recorded,
            unsent_messages: record.unsent_messages,
            message_id: self.row.message_id.clone(),
        };
        self.rows.finished(&self.row.row, result);
    }

    /// Runs a list of steps: a section, whose steps are counted, or a group's. `flow` is what earlier steps left.
    pub fn run_list(&mut self, steps: &'a [Step], list: StepPosition<'a>, is_section: bool, mut flow: Flow) -> Flow {
        let mut index = list.index;
        for (offset, step) in steps.iter().enumerate() {
            let next_index = index + count_messages_of(step);
            let following = match steps.get(offset + 1) {
                Some(next) => FollowingMessage::of(next, next_index, list.connection, list.repetition),
                None => list.following,
            };
            let position = StepPosition {
                number: if is_section { list.number + offset + 1 } else { list.number },
                index,
                connection: step.on.as_deref().unwrap_or(list.connection),
                after_failure: flow > Flow::Continue || self.progress.close_only,
                // What follows does not see this step's own variables; after a failure it may not run at all.
                following: following.filter(|_| step.with.is_empty() && flow == Flow::Continue),
                ..list
            };
            index = next_index;
            // What is `always` in a group runs though the group does not.
            let is_reduced = flow > Flow::Continue && !step.always;
            let runs = !is_reduced || matches!(&step.action, Action::Steps(members) if has_always(members));
            if step.deselected {
                self.skip(step, position, SkipReason::Deselected);
            } else if flow == Flow::Abort || !runs {
                self.skip(step, position, SkipReason::EarlierFailure);
            } else if is_reduced {
                flow = flow.max(self.run_once(step, position, flow));
            } else {
                for repetition in 1..=step.repeat_count() {
                    let own = self.begin_repetition(step, position, repetition);
                    let result = self.run_once(step, own, Flow::Continue);
                    let (result, goes_on) = self.end_repetition(step, own, repetition, result);
                    flow = flow.max(result);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        flow
    }

    /// The position of a step in this repetition of it, counted from 1.
    fn begin_repetition(&mut self, step: &'a Step, position: StepPosition<'a>, repetition: u32) -> StepPosition<'a> {
        let following = match repetition < step.repeat_count() {
            // The next time its own variables are others.
            true => FollowingMessage::again(step, position.index, position.connection, repetition + 1)
                .filter(|_| step.with.is_empty()),
            false => position.following,
        };
        let repetition = if step.repeat.is_some() { Some(repetition) } else { position.repetition };
        if repetition.is_some() {
            self.row.scope.set_loop(repetition);
        }
        StepPosition { repetition, following, ..position }
    }

    /// Gives what a repetition left, and whether another one follows.
    fn end_repetition(
        &mut self,
        step: &'a Step,
        position: StepPosition<'a>,
        repetition: u32,
        mut flow: Flow,
    ) -> (Flow, bool) {
        if step.repeat.is_some() {
            // What a surrounding group counts is its own again.
            self.row.scope.set_loop(None);
        }
        let is_last = repetition >= step.repeat_count();
        // Steps whose condition is false wait for nothing that would notice a signal.
        if flow == Flow::Continue
            && !is_last
            && !self.is_in_flight()
            && let Some(interrupt) = self.events.clock.interrupted()
        {
            let mut context = self.context(step, position.connection);
            flow = fail_before_start(&mut context, position, StepError::interrupted(interrupt));
        }
        if flow > Flow::Continue && !is_last {
            self.skip_messages(step);
        }
        (flow, flow == Flow::Continue && !is_last)
    }

    /// Runs a step once, with its own variables. `before` matters to a group of which only what is `always` runs.
    fn run_once(&mut self, step: &'a Step, position: StepPosition<'a>, before: Flow) -> Flow {
        let is_in_flight = self.is_in_flight();
        let mut context = self.context(step, position.connection);
        context.update_scope();
        match context.own_values(&step.with) {
            Ok(with) => context.row.scope.push_layer(with),
            Err(error) => return fail_before_start(&mut context, position, error),
        }
        let holds = step.condition.as_ref().map_or(Ok(true), |condition| context.renderer().evaluate(condition));
        let result = match (holds, &step.action) {
            (Err(error), _) => Ok(fail_before_start(&mut context, position, error)),
            (Ok(false), _) => Err(SkipReason::Condition),
            (Ok(true), Action::Steps(members)) => {
                let delay = step.delay.filter(|_| before == Flow::Continue);
                let paused = delay.map_or(Ok(()), |delay| pause(context.events, &context.connection.name, delay));
                Ok(match paused {
                    Err(error) => fail_before_start(&mut context, position, error),
                    Ok(()) => match self.run_list(members, position, false, before) {
                        Flow::SkipRest => Flow::after_failure(step.on_fail),
                        flow => flow,
                    },
                })
            }
            (Ok(true), _) => run_attempts(&mut context, position, is_in_flight),
        };
        let flow = result.unwrap_or_else(|reason| {
            self.skip(step, position, reason);
            Flow::Continue
        });
        self.row.scope.pop_layer();
        flow
    }

    /// What follows a failure is not begun: a ledger must not take the row for one that is done with.
    fn skip_messages(&mut self, step: &Step) {
        if count_messages_of(step) > 0 {
            self.progress.record.unsent_messages = true;
        }
    }

    /// Emits that a step, or a group with all its steps, does not run.
    fn skip(&mut self, step: &Step, position: StepPosition<'_>, reason: SkipReason) {
        if reason == SkipReason::EarlierFailure {
            self.skip_messages(step);
        }
        let secrets = &self.events.secrets;
        let renderer = Renderer { session: self.run.session, scope: &self.row.scope, secrets };
        let id = step_id(&renderer, step, position, 1, None);
        self.events.emit(position.connection, Fact::StepStarted { step: &id });
        let reason = match reason {
            // Nothing failed: the session was skipped before it came to this step.
            SkipReason::EarlierFailure if self.progress.skipped.is_some() && self.progress.failure.is_none() => {
                SkipReason::MissingCapability
            }
            reason => reason,
        };
        let verdict = Verdict::Skipped(reason);
        let fact = Fact::StepFinished { step: &id, verdict: &verdict, elapsed: Duration::ZERO };
        self.events.emit(position.connection, fact);
    }
}
