//! The executor: runs a session's steps over a stream, judges the replies, and emits what happens. The loops over rows
//! and steps are in this file; an action gets a `StepContext` and never the executor.
//!
//! It knows sockets and clocks only through traits (`ports`, `prepare::Clock`): `net/` has the real ones, tests have their
//! own. What needs no connection is in `prepare/`. `tests/house` has the order in which modules import each other.

mod actions;
mod attempts;
mod checks;
mod connection;
mod connections;
mod connector;
mod context;
mod error;
mod events;
mod exchange;
mod flow;
mod message;
mod outbox;
mod ports;
mod prepared_session;
mod read_outcome;
mod row_source;
mod rows;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::event::{
    CertificateProblem, ContentAnswer, RawContent, RawDialogue, RecipientResult, Rejection, RowResult,
};
/// What a run is given, and the time.
pub use crate::prepare::{
    CheckTlsInput, Clock, ConnectOptions, Interrupt, LocalHost, Row, RunOptions, ServerTarget, TlsInput, TlsLimits,
    TlsOptions, TlsTrust,
};
/// What the traits speak of, for those who implement them.
pub use crate::session::{CloseMode, PeerFacts, Server, ServerAddress, TlsFacts, TlsVersion};
pub use crate::session::{ledger_recipient, message_id_of};
pub use events::ConnectionLabel;
pub use ports::{ConnectError, ConnectionInfo, MailExchanger, Network, Stream, TlsError, TlsRefusal};
pub use prepared_session::{CheckedRow, FileFindings, PreparedSession};
pub use row_source::{DeliveryIntent, RowSource, SingleRun};

use crate::event::{Fact, Observer, Outcome, RowRecord, SkipReason};
use crate::prepare::{Renderer, RowContext, RunContext, outside_failure};
use crate::session::{
    Action, FollowingMessage, MessageNumbering, Session, Sources, Step, count_messages_of, has_always,
};
use attempts::{fail_before_start, run_attempts, step_id};
use connections::Connections;
use connector::Connector;
use context::{RunProgress, StepContext, lacks_required};
use error::StepError;
use events::{EventSink, MAIN};
use exchange::pause;
use flow::{Flow, StepPosition};
use message::discard_queued;
use rows::{has_captures, has_own_commands, invalid_row, is_deaf, is_ready, is_usable};

/// Runs a session to its end. Everything is read and rendered that can be before the first byte is sent.
pub fn run(
    session: &Session,
    options: &RunOptions,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut label = ConnectionLabel::default();
    let outcome = match PreparedSession::new(session, options, sources, clock, observer) {
        Ok(prepared) => prepared.run_connection(&mut label, &mut SingleRun::default(), network, clock, observer),
        Err(outcome) => *outcome,
    };
    label.emit(clock, observer, Fact::SessionFinished { outcome: &outcome });
    outcome
}

impl PreparedSession<'_> {
    /// Runs one connection: `open`, `step` for each row that `rows` gives, `close`. The failures of rows are reported to
    /// `rows`; the outcome is that of the connection, and of the one run of a session without rows.
    pub fn run_connection(
        &self,
        label: &mut ConnectionLabel,
        rows: &mut dyn RowSource,
        network: &mut dyn Network,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let events = EventSink::new(observer, clock, self.secrets.clone(), label);
        let mut executor = Executor::new(self, events, rows, network);
        let session = executor.run.session;
        let [open, steps, close] = StepPosition::sections(session);
        let mut flow = executor.connect_first();
        flow = executor.run_steps(&session.open, open, flow);
        let opened = executor.progress.failure.is_none();
        let mut row_failed = false;
        if session.rows.is_some() {
            (flow, row_failed) = executor.run_rows(steps, flow);
        } else if let Some(row) = executor.rows.next() {
            // The one run comes after a failure of `open` too, for what is `always`. It ends with the session.
            executor.begin_row(row, false);
            flow = executor.run_steps(&session.steps, steps, flow);
        }
        // `on_fail = "quit"` stops the steps, and [[close]] runs as if nothing had happened.
        executor.progress.close_only = flow == Flow::CloseOnly;
        let closing = if executor.progress.close_only { Flow::Continue } else { flow };
        flow = flow.max(executor.run_steps(&session.close, close, closing));
        label.started = executor.events.started;
        executor.end(flow, row_failed && opened)
    }
}

/// Runs steps over the connections of a session: control flow, and the first failure.
struct Executor<'a> {
    run: RunContext<'a>,
    events: EventSink<'a>,
    row: RowContext,
    connector: Connector<'a>,
    connections: Connections<'a>,
    rows: &'a mut dyn RowSource,
    progress: RunProgress,
}

impl<'a> Executor<'a> {
    fn new(
        prepared: &'a PreparedSession<'_>,
        events: EventSink<'a>,
        rows: &'a mut dyn RowSource,
        network: &'a mut dyn Network,
    ) -> Self {
        let (run, values) = (prepared.run(), prepared.values.clone());
        let row = RowContext::new(values.scope, values.moment, MessageNumbering::new(run.session));
        let is_domain = run.options.target.mx.is_some();
        let connector = Connector::new(network, values.server, is_domain, values.client_name, values.tls);
        let progress = RunProgress { requires_checked: run.session.requires.is_empty(), ..RunProgress::default() };
        Self { run, events, row, connector, connections: Connections::default(), rows, progress }
    }

    /// Opens the default connection, unless the first step does it.
    fn connect_first(&mut self) -> Flow {
        let first = self.run.session.sections().into_iter().flatten().next();
        if first.is_some_and(|step| step.action.begins_with_connect()) {
            return Flow::Continue;
        }
        let expects_greeting = first.is_some_and(|step| step.action.awaits_greeting());
        let main = self.connections.main();
        let (run, scope) = (&self.run, &mut self.row.scope);
        let Err(error) = self.connector.connect(run, &mut self.events, scope, main, expects_greeting) else {
            return Flow::Continue;
        };
        self.progress.interrupted = error.interrupt(self.events.clock);
        self.progress.failure = Some(outside_failure(self.run, error));
        Flow::Abort
    }

    /// The row loop: runs the steps for each row that this connection gets. `list` is the section's position, `flow` what
    /// `open` left. Gives what is left to `close`, and whether a row failed.
    fn run_rows(&mut self, list: StepPosition<'a>, mut flow: Flow) -> (Flow, bool) {
        let session = self.run.session;
        let following = FollowingMessage::in_next_row(&session.steps, list.index, MAIN);
        let list = StepPosition { following, ..list };
        let (captures, own_commands) = (has_captures(&session.steps), has_own_commands(&session.steps));
        let (mut to_reset, mut any_failed) = (false, false);
        while flow == Flow::Continue || self.connections.is_in_flight() {
            // Asking for a row may wait.
            let Some(row) = self.rows.next() else { break };
            self.events.now();
            // What has come after an envelope that left already is its replies.
            let in_flight = self.connections.is_in_flight();
            let begun = self.connections.begin_queued_row() || row.error.is_some();
            let reset = !begun && std::mem::take(&mut to_reset);
            if !begun && !is_ready(session, self.connections.main(), &mut self.events, reset) {
                self.rows.finished(&row, RowResult::not_started());
                return (Flow::SkipRest, any_failed);
            }
            let kept = captures.then(|| self.row.scope.clone());
            self.begin_row(row, in_flight);
            let (left, failed) = self.run_row(list);
            any_failed |= failed || self.row.row.earlier_refusal.is_some();
            if let Some(scope) = kept {
                self.row.scope = scope;
            }
            // A row's failure is that row's alone.
            flow = if left == Flow::SkipRest { flow } else { flow.max(left) };
            let main = self.connections.main();
            to_reset = failed && own_commands && main.log.has_open_transaction();
            if !is_usable(main) {
                flow = if failed { flow.max(Flow::SkipRest) } else { flow };
                self.return_unread_rows();
                if !self.connections.is_in_flight() {
                    break;
                }
            }
        }
        discard_queued(self.connections.main(), &mut self.events);
        (flow, any_failed)
    }

    /// Runs the steps for one row; gives what they left, and whether the row failed.
    fn run_row(&mut self, list: StepPosition<'a>) -> (Flow, bool) {
        let session = self.run.session;
        if let Some(id) = &self.row.row.id {
            self.events.emit(MAIN, Fact::RowStarted { row: id });
        }
        let (before, steps) = (self.progress.failure.take(), self.progress.steps_run);
        let flow = match self.row.row.error.take() {
            None => self.run_steps(&session.steps, list, Flow::Continue),
            Some(why) => {
                self.progress.failure = Some(invalid_row(session, &self.events.secrets, &self.row.row.place, &why));
                Flow::Continue
            }
        };
        let failure = std::mem::replace(&mut self.progress.failure, before);
        let failed = failure.is_some();
        let outcome = self.progress.outcome(failure, self.progress.steps_run - steps);
        if let Some(id) = &self.row.row.id {
            // A failure of its own is reported as it is; a success does not cover what was refused before.
            let refused = self.row.row.earlier_refusal.as_deref().filter(|_| outcome.failure.is_none());
            let refused = refused.map(|refused| outcome.clone().after_refusal(refused));
            let outcome = refused.as_ref().unwrap_or(&outcome);
            self.events.emit(MAIN, Fact::RowFinished { row: id, outcome });
        }
        let traffic = self.connections.row_traffic(&self.events.secrets);
        self.finish_row(outcome, traffic);
        self.row.scope.set_row(None);
        (flow, failed)
    }

    /// A row begins. `in_flight`: all of its message has left already.
    fn begin_row(&mut self, row: Row, in_flight: bool) {
        self.row.begin(row);
        self.progress.record = RowRecord::new(in_flight);
        self.connections.begin_row();
    }

    /// Reports to the row source how the row ended. `replies` came, and `raw` is what they said.
    fn finish_row(&mut self, outcome: Outcome, (raw, replies): (RawDialogue, usize)) {
        let record = std::mem::take(&mut self.progress.record);
        let result = record.into_result(outcome, raw, replies, self.row.message_id.clone());
        self.rows.finished(&self.row.row, result);
    }

    /// Gives rows back whose messages are in flight, if the server is gone and has not read them.
    fn return_unread_rows(&mut self) {
        if !self.connections.is_in_flight() {
            return;
        }
        let main = self.connections.main();
        // A server that never took a BDAT on this connection has delivered nothing that came through it.
        let refused_bdat = self.run.shared.chunking.is_disabled() && !main.outbox.delivered;
        let knows_no_bdat = refused_bdat && matches!(main.server.last_code(), 500 | 502 | 504);
        if knows_no_bdat || is_deaf(main, &mut self.events) {
            for row in main.outbox.take_queued_rows() {
                self.rows.finished(&row, RowResult::not_started());
            }
        }
    }

    /// The step loop: runs the steps of a section, or of a group. `flow` is what earlier steps left.
    fn run_steps(&mut self, steps: &'a [Step], list: StepPosition<'a>, mut flow: Flow) -> Flow {
        for (step, position) in list.steps(steps) {
            let position = position.after(flow > Flow::Continue, self.progress.close_only);
            // What is `always` in a group runs though the group does not.
            let is_reduced = flow > Flow::Continue && !step.always;
            let runs = !is_reduced || matches!(&step.action, Action::Steps(members) if has_always(members));
            if step.deselected {
                self.skip(step, position, SkipReason::Deselected);
            } else if flow == Flow::Abort || !runs {
                self.skip(step, position, SkipReason::EarlierFailure);
            } else if is_reduced {
                flow = flow.max(self.run_step(step, position, flow));
            } else {
                for repetition in 1..=step.repeat_count() {
                    let position = position.in_repetition(step, repetition);
                    if position.repetition.is_some() {
                        self.row.scope.set_loop(position.repetition);
                    }
                    let left = self.run_step(step, position, Flow::Continue);
                    let left = self.end_repetition(step, position, repetition, left);
                    flow = flow.max(left);
                    if left > Flow::Continue {
                        break;
                    }
                }
            }
        }
        flow
    }

    /// Gives what a repetition left: a signal ends the step between two of them.
    fn end_repetition(&mut self, step: &'a Step, position: StepPosition<'a>, repetition: u32, mut flow: Flow) -> Flow {
        if step.repeat.is_some() {
            // What a surrounding group counts is its own again.
            self.row.scope.set_loop(None);
        }
        if repetition >= step.repeat_count() {
            return flow;
        }
        // Steps whose condition is false wait for nothing that would notice a signal.
        if flow == Flow::Continue
            && !self.connections.is_in_flight()
            && let Some(interrupt) = self.events.clock.interrupted()
        {
            let mut context = self.context(step, position.connection);
            flow = fail_before_start(&mut context, position, StepError::interrupted(interrupt));
        }
        if flow > Flow::Continue {
            self.skip_messages(step);
        }
        flow
    }

    /// Runs a step once, with its own variables. `before` matters to a group of which only what is `always` runs.
    fn run_step(&mut self, step: &'a Step, position: StepPosition<'a>, before: Flow) -> Flow {
        let is_in_flight = self.connections.is_in_flight();
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
                    Ok(()) => match self.run_steps(members, position, before) {
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

    /// What an action of this step may use, over the connection of this name.
    fn context(&mut self, step: &'a Step, connection: &str) -> StepContext<'_, 'a> {
        StepContext {
            run: self.run,
            step,
            events: &mut self.events,
            row: &mut self.row,
            connector: &mut self.connector,
            connection: self.connections.get(connection),
            rows: self.rows,
            progress: &mut self.progress,
        }
    }

    /// What follows a failure is not begun: a ledger must not take the row for one that is done with.
    fn skip_messages(&mut self, step: &Step) {
        self.progress.record.unsent_messages |= count_messages_of(step) > 0;
    }

    /// Emits that a step, or a group with all its steps, does not run.
    fn skip(&mut self, step: &Step, position: StepPosition<'_>, mut reason: SkipReason) {
        if reason == SkipReason::EarlierFailure {
            self.skip_messages(step);
            if self.progress.skipped.is_some() && self.progress.failure.is_none() {
                // Nothing failed: the session was skipped before it came to this step.
                reason = SkipReason::MissingCapability;
            }
        }
        let secrets = &self.events.secrets;
        let renderer = Renderer { session: self.run.session, scope: &self.row.scope, secrets };
        let id = step_id(&renderer, step, position, 1, None);
        self.events.emit_skipped(position.connection, &id, reason);
    }

    /// Ends all connections, and says how the session ended. `row_failed`: what failed after a row follows from it, and
    /// changes no status.
    fn end(mut self, flow: Flow, row_failed: bool) -> Outcome {
        if flow == Flow::Continue {
            // A session without a step that needs them has come to the point where `requires` is checked.
            let main = self.connections.main();
            lacks_required(&self.run, &self.connector, &self.events, main, &mut self.progress);
        }
        let traffic = self.connections.row_traffic(&self.events.secrets);
        let connections = std::mem::take(&mut self.connections);
        connections.disconnect(&mut self.events, flow, self.progress.interrupted.is_some());
        let failure = self.progress.failure.take().filter(|_| !row_failed);
        let mut outcome = self.progress.outcome(failure, self.progress.steps_run);
        outcome.skipped = outcome.skipped.filter(|_| outcome.failure.is_none());
        if self.run.session.rows.is_none() {
            self.finish_row(outcome.clone(), traffic);
        }
        outcome
    }
}
