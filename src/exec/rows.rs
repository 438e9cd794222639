//! The row loop: the `step` section once for each row that the connection gets.

use super::connection::{ConnectionState, SmtpConnection};
use super::context::RunProgress;
use super::error::{Deadline, StepError};
use super::events::MAIN;
use super::exchange::SHORT_WAIT;
use super::flow::{Flow, StepPosition};
use super::message::discard_queued;
use super::read_outcome::{QuietCheck, ReadOutcome};
use super::steps::StepRunner;
use crate::event::RowResult;
use crate::event::{Fact, Failure, Outcome, Status};
use crate::prepare::signal_status;
use crate::session::FollowingMessage;
use crate::session::{Action, Session, Span, Step, all_steps};
use crate::smtp::timeouts::Timeout;
use crate::transcript::Secrets;

/// Runs the rows that this connection gets. `list` is the section's position, `flow` what `open` left. Gives what is
/// left to `close`, and whether a row failed.
pub fn run_rows<'a>(runner: &mut StepRunner<'a>, list: StepPosition<'a>, mut flow: Flow) -> (Flow, bool) {
    let session = runner.run.session;
    let following = FollowingMessage::in_next_row(&session.steps, list.index, MAIN);
    let list = StepPosition { following, ..list };
    let captures = has_captures(&session.steps);
    let has_own_commands = has_own_commands(&session.steps);
    let (mut to_reset, mut any_failed) = (false, false);
    while flow == Flow::Continue || runner.is_in_flight() {
        let Some(row) = runner.rows.next() else { break };
        // What has come after an envelope that left already is its replies.
        let in_flight = runner.is_in_flight();
        let begun = runner.begin_queued_row();
        if !begun && row.error.is_none() && !is_ready(runner, std::mem::take(&mut to_reset)) {
            runner.rows.finished(&row, RowResult::not_started());
            return (Flow::SkipRest, any_failed);
        }
        let kept = captures.then(|| runner.row.scope.clone());
        runner.begin_row(row, in_flight);
        let (left, failed) = run_row(runner, list);
        any_failed |= failed || runner.row.row.earlier_refusal.is_some();
        if let Some(scope) = kept {
            runner.row.scope = scope;
        }
        flow = match left {
            // A row's failure is that row's alone.
            Flow::SkipRest => flow,
            other => flow.max(other),
        };
        to_reset = failed && has_own_commands && runner.main().0.log.has_open_transaction();
        if !is_usable(runner.main().0) {
            flow = if failed { flow.max(Flow::SkipRest) } else { flow };
            if is_deaf(runner) {
                for row in runner.main().0.outbox.take_queued_rows() {
                    runner.rows.finished(&row, RowResult::not_started());
                }
            }
            if !runner.is_in_flight() {
                break;
            }
        }
    }
    let (main, events) = runner.main();
    discard_queued(main, events);
    (flow, any_failed)
}

/// Runs the steps for one row; gives what they left, and whether the row failed.
fn run_row<'a>(runner: &mut StepRunner<'a>, list: StepPosition<'a>) -> (Flow, bool) {
    let session = runner.run.session;
    if let Some(id) = &runner.row.row.id {
        runner.events.emit(MAIN, Fact::RowStarted { row: id });
    }
    let (before, steps) = (runner.progress.failure.take(), runner.progress.steps_run);
    let flow = match runner.row.row.error.take() {
        None => runner.run_list(&session.steps, list, true, Flow::Continue),
        Some(why) => {
            runner.progress.failure = Some(invalid_row(session, &runner.events.secrets, &runner.row.row.place, &why));
            Flow::Continue
        }
    };
    let failure = std::mem::replace(&mut runner.progress.failure, before);
    let failed = failure.is_some();
    let outcome = row_outcome(&runner.progress, runner.progress.steps_run - steps, failure);
    if let Some(id) = &runner.row.row.id {
        // A failure of its own is reported as it is; a success does not cover what was refused before.
        let refused = runner.row.row.earlier_refusal.as_deref().filter(|_| outcome.failure.is_none());
        let refused = refused.map(|refused| outcome.clone().after_refusal(refused));
        let outcome = refused.as_ref().unwrap_or(&outcome);
        runner.events.emit(MAIN, Fact::RowFinished { row: id, outcome });
    }
    let traffic = runner.row_traffic();
    runner.finish_row(outcome, traffic);
    runner.row.scope.set_row(None);
    (flow, failed)
}

/// How a row ended.
fn row_outcome(progress: &RunProgress, steps_run: usize, failure: Option<Failure>) -> Outcome {
    let mut status = failure.as_ref().map_or(Status::Passed, |failure| failure.status);
    if let Some(interrupt) = progress.interrupted {
        status = signal_status(interrupt);
    }
    Outcome { status, failure, steps_run, skipped: progress.skipped.clone() }
}

/// An invalid row is placed where the session names its file.
pub fn invalid_row(session: &Session, secrets: &Secrets, place: &str, why: &str) -> Failure {
    let span = session.rows.as_ref().map_or_else(Span::default, |rows| rows.file.span.clone());
    StepError::bad_value(secrets, why).in_row(secrets, place).failure(session.source_map.place(&span))
}

/// Whether another row can go over the connection.
fn is_usable(main: &SmtpConnection<'_>) -> bool {
    main.may_quit() && main.server.last_code() != 221
}

/// Whether the server has said 421 and then no more: what is in flight after it was not read (RFC 5321 §3.8).
fn is_deaf(runner: &mut StepRunner<'_>) -> bool {
    if !runner.is_in_flight() {
        return false;
    }
    let (main, events) = runner.main();
    let until = events.now() + SHORT_WAIT;
    main.server.last_code() == 421 && main.ends_in_silence(events, until)
}

/// Checks, before a row is begun, whether the server is still there, and ends the transaction that a failed row left.
/// What `message` sends does that itself.
fn is_ready(runner: &mut StepRunner<'_>, to_reset: bool) -> bool {
    let deadline = Deadline::of_reply(runner.run.session, runner.events.now(), None, Timeout::Other);
    let (main, events) = runner.main();
    if main.server.replies == 0 || main.state == ConnectionState::OutOfSync {
        // Nothing has come yet: the row's own steps await the greeting.
        return true;
    }
    match main.check_quiet(events) {
        QuietCheck::Quiet if !to_reset => true,
        // RSET (RFC 5321 §4.1.1.5).
        QuietCheck::Quiet => match main.send_line(events, b"RSET\r\n", deadline.at) {
            Some(ReadOutcome::Reply(facts)) => facts.reply.code.class() == 2,
            _ => false,
        },
        QuietCheck::Ended(_) => false,
        QuietCheck::Unsolicited { .. } => {
            main.fail(events);
            false
        }
    }
}

fn has_captures(steps: &[Step]) -> bool {
    all_steps(steps).any(|step| !step.captures.is_empty())
}

/// Whether the steps send commands of their own, so that a transaction may be open after they stopped.
fn has_own_commands(steps: &[Step]) -> bool {
    let writes = |action: &Action| {
        matches!(action, Action::Send(_) | Action::Raw(_) | Action::Body { .. } | Action::Pipeline(_))
    };
    all_steps(steps).any(|step| writes(&step.action))
}
