//! The turns of the `step` section: one for each row, and one where there are none.

use super::RowResult;
use super::actions::{self, FollowingMessage};
use super::error::{StepError, signal_status};
use super::executor::{Executor, MAIN};
use super::read_outcome::{QuietCheck, ReadOutcome};
use super::steps::Flow;
use crate::event::{Fact, Failure, Outcome, Status};
use crate::session::{Action, CloseMode, Session, Span, Step, all_steps};
use crate::smtp::timeouts::Timeout;
use std::time::Duration;

/// How long the end is awaited that a 421 announces.
const PATIENCE: Duration = Duration::from_secs(2);

/// Plays the rows that this connection gets. `flow` is what `open` left; gives what is left to `close`, and whether a row
/// failed.
pub fn play(executor: &mut Executor<'_>, number: &mut usize, mut flow: Flow) -> (Flow, bool) {
    let (session, open) = (executor.session, *number);
    if session.rows.is_none() {
        // The one turn is taken after a failure of `open` too, for what is `always`. It ends with the session.
        if let Some(row) = executor.row_source.next() {
            executor.begin_row(row, false);
            flow = executor.section(&session.steps, number, flow, None);
        }
        return (flow, false);
    }
    let captures = has_captures(&session.steps);
    let speaks_itself = speaks_itself(&session.steps);
    let (mut to_reset, mut any_failed) = (false, false);
    while flow == Flow::Continue || executor.is_in_flight() {
        let Some(row) = executor.row_source.next() else { break };
        // What has come behind an envelope that left already is its replies.
        let in_flight = executor.is_in_flight();
        let begun = executor.begin_row_ahead();
        if !begun && row.error.is_none() && !is_ready(executor, std::mem::take(&mut to_reset)) {
            executor.row_source.finished(&row, RowResult::not_started());
            return (Flow::SkipRest, any_failed);
        }
        *number = open;
        let kept = captures.then(|| executor.scope.clone());
        executor.begin_row(row, in_flight);
        let (left, failed) = turn(executor, number);
        any_failed |= failed || executor.row.earlier_refusal.is_some();
        if let Some(scope) = kept {
            executor.scope = scope;
        }
        flow = match left {
            // A row's failure is that row's alone.
            Flow::SkipRest => flow,
            other => flow.max(other),
        };
        to_reset = failed && speaks_itself && has_open_transaction(executor);
        if !is_usable(executor) {
            flow = if failed { flow.max(Flow::SkipRest) } else { flow };
            if is_deaf(executor) {
                for row in std::mem::take(&mut executor.ahead).into_iter().filter_map(|ahead| ahead.row) {
                    executor.row_source.finished(&row, RowResult::not_started());
                }
            }
            if !executor.is_in_flight() {
                break;
            }
        }
    }
    let mut main = executor.take_connection(MAIN);
    actions::discard_queued(executor, &mut main);
    executor.put_connection(main);
    (flow, any_failed)
}

/// One row's turn; gives what its steps left, and whether it failed.
fn turn(executor: &mut Executor<'_>, number: &mut usize) -> (Flow, bool) {
    let session = executor.session;
    if let Some(id) = &executor.row.id {
        executor.events.emit(MAIN, Fact::RowStarted { row: id });
    }
    let (before, steps) = (executor.failure.take(), executor.steps_run);
    let flow = match executor.row.error.take() {
        None => executor.section(&session.steps, number, Flow::Continue, FollowingMessage::in_next_row(&session.steps)),
        Some(why) => {
            let error = StepError::bad_value(&executor.events, why).in_row(&executor.events, &executor.row.place);
            executor.failure = Some(row_failure(session, error));
            Flow::Continue
        }
    };
    let failure = std::mem::replace(&mut executor.failure, before);
    let failed = failure.is_some();
    let outcome = outcome(executor, executor.steps_run - steps, failure);
    if let Some(id) = &executor.row.id {
        // A failure of its own is told as it is; a success does not cover what was refused before.
        let refused = executor.row.earlier_refusal.as_deref().filter(|_| outcome.failure.is_none());
        let behind = refused.map(|refused| outcome.clone().after_refusal(refused));
        let outcome = behind.as_ref().unwrap_or(&outcome);
        executor.events.emit(MAIN, Fact::RowFinished { row: id, outcome });
    }
    let traffic = executor.row_traffic();
    executor.finish_row(outcome, traffic);
    executor.scope.set_row(None);
    (flow, failed)
}

fn outcome(executor: &Executor<'_>, steps_run: usize, failure: Option<Failure>) -> Outcome {
    let mut status = failure.as_ref().map_or(Status::Passed, |failure| failure.status);
    if let Some(interrupt) = executor.interrupted {
        status = signal_status(interrupt);
    }
    Outcome { status, failure, steps_run, skipped: executor.skipped.clone() }
}

/// What is wrong with a row is placed where the session names its file.
pub fn row_failure(session: &Session, error: StepError) -> Failure {
    let span = session.rows.as_ref().map_or_else(Span::default, |rows| rows.file.span.clone());
    error.failure(session.source_map.place(&span))
}

/// Whether the row has left a transaction open, or may have.
fn has_open_transaction(executor: &mut Executor<'_>) -> bool {
    let main = executor.take_connection(MAIN);
    let open = main.has_open_transaction();
    executor.put_connection(main);
    open
}

/// Whether another row can go over the connection.
fn is_usable(executor: &mut Executor<'_>) -> bool {
    let main = executor.take_connection(MAIN);
    let ended = main.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 221);
    let usable = main.may_quit() && !ended;
    executor.put_connection(main);
    usable
}

/// Whether the server has said 421 and then no more: what is in flight behind it was not heard (RFC 5321 §3.8).
fn is_deaf(executor: &mut Executor<'_>) -> bool {
    let mut main = executor.take_connection(MAIN);
    let closing = main.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 421);
    let until = executor.events.now() + PATIENCE;
    let deaf = closing && executor.is_in_flight() && main.ends(&mut executor.events, until);
    executor.put_connection(main);
    deaf
}

/// Looks, before a row is begun, whether the server is still there, and ends the transaction that a failed row left.
/// What `message` sends does that itself.
fn is_ready(executor: &mut Executor<'_>, to_reset: bool) -> bool {
    let mut main = executor.take_connection(MAIN);
    let ready = if main.replies == 0 || main.unpaired {
        // Nothing was said yet: the row's own steps await the greeting.
        true
    } else {
        match main.check_quiet(&mut executor.events) {
            QuietCheck::Quiet => !to_reset || reset(executor, &mut main),
            QuietCheck::Ended(_) => false,
            QuietCheck::Spoke { .. } => {
                main.close(&mut executor.events, CloseMode::Fin);
                main.broken = true;
                false
            }
        }
    };
    executor.put_connection(main);
    ready
}

/// RSET (RFC 5321 §4.1.1.5); whether it was accepted.
fn reset(executor: &mut Executor<'_>, main: &mut super::connection::SmtpConnection) -> bool {
    let limit = executor.limit(None, Timeout::Other);
    executor.events.emit_sent(&main.name, b"RSET\r\n", &[]);
    let (count, written) = main.write(&mut executor.events, b"RSET\r\n", limit.at, false);
    executor.events.note_partial_write(&main.name, b"RSET\r\n".len() - count);
    let answer = written.is_ok().then(|| main.read_reply(&mut executor.events, limit.at));
    matches!(answer, Some(ReadOutcome::Reply(facts)) if facts.reply.code.class() == 2)
}

fn has_captures(steps: &[Step]) -> bool {
    all_steps(steps).any(|step| !step.captures.is_empty())
}

/// Whether the steps speak SMTP in their own words, so that a transaction may be open where they stopped.
fn speaks_itself(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Send(_) | Action::Raw(_) | Action::Body { .. } | Action::Pipeline(_) => true,
        Action::Steps(members) => speaks_itself(members),
        _ => false,
    })
}
