//! The turns of the `step` section: one for each row, and one where there are none.

use super::Row;
use super::actions::{self, Next};
use super::answer::{Answer, Turn};
use super::player::{MAIN, Player};
use super::spoken::Spoken;
use super::steps::Flow;
use super::trouble::{Trouble, signal_status};
use crate::event::{Fact, Failure, Outcome, Status};
use crate::session::{Action, CloseHow, Session, Span, Step};
use crate::smtp::limits::Wait;
use std::time::Duration;

/// How long the end is awaited that a 421 announces.
const PATIENCE: Duration = Duration::from_secs(2);

/// Plays the rows that this connection gets. `flow` is what `open` left; gives what is left to `close`, and whether a row
/// failed.
pub fn play(player: &mut Player<'_>, number: &mut usize, mut flow: Flow) -> (Flow, bool) {
    let (session, open) = (player.session, *number);
    if !player.feed.goes_on() {
        // The one turn is taken behind a failure of `open` too, for what is `always`.
        if let Some(row) = player.feed.next() {
            player.begin_message_id(&row);
            player.scope.set_row(row.value.as_ref());
            player.row = row;
            flow = player.section(&session.steps, number, flow, None);
            let outcome = outcome(player, 0, player.failure.clone());
            player.feed.finished(&player.row, &outcome, player.message_id.as_deref());
        }
        return (flow, false);
    }
    let captures = has_captures(&session.steps);
    let speaks_itself = speaks_itself(&session.steps);
    let (mut to_reset, mut any_failed) = (false, false);
    while flow == Flow::On || player.is_in_flight() {
        let Some(row) = player.feed.next() else { break };
        // What has come behind an envelope that left already is its replies.
        let begun = player.begin_row_ahead();
        if !begun && row.broken.is_none() && !is_ready(player, std::mem::take(&mut to_reset)) {
            player.feed.returned(row);
            return (Flow::Stopped, any_failed);
        }
        *number = open;
        let kept = captures.then(|| player.scope.clone());
        player.narrator.spoken = speaks_itself.then(Spoken::default);
        let (left, failed) = turn(player, row, number);
        any_failed |= failed || player.row.refused.is_some();
        if let Some(scope) = kept {
            player.scope = scope;
        }
        flow = match left {
            // A row's failure is that row's alone.
            Flow::Stopped => flow,
            other => flow.max(other),
        };
        to_reset = failed && player.narrator.spoken.take().is_some_and(|spoken| spoken.may_be_open());
        if !is_usable(player) {
            flow = if failed { flow.max(Flow::Stopped) } else { flow };
            if is_deaf(player) {
                player.ahead.clear();
                player.feed.unsent(0);
            }
            if !player.is_in_flight() {
                break;
            }
        }
    }
    let mut main = player.take_channel(MAIN);
    actions::settle(player, &mut main);
    player.put_channel(main);
    (flow, any_failed)
}

/// One row's turn; gives what its steps left, and whether it failed.
fn turn(player: &mut Player<'_>, row: Row, number: &mut usize) -> (Flow, bool) {
    let session = player.session;
    player.begin_message_id(&row);
    player.scope.set_row(row.value.as_ref());
    player.row = row;
    if let Some(id) = &player.row.id {
        player.narrator.tell(MAIN, Fact::RowStarted { row: id });
    }
    let (before, steps) = (player.failure.take(), player.steps_run);
    let flow = match player.row.broken.take() {
        None => player.section(&session.steps, number, Flow::On, Next::in_next_row(&session.steps)),
        Some(why) => {
            let trouble = Trouble::bad_value(&player.narrator, why).in_row(&player.narrator, &player.row.place);
            player.failure = Some(row_failure(session, trouble));
            Flow::On
        }
    };
    let failure = std::mem::replace(&mut player.failure, before);
    let failed = failure.is_some();
    let outcome = outcome(player, player.steps_run - steps, failure);
    if let Some(id) = &player.row.id {
        // A failure of its own is told as it is; a success does not cover what was refused before.
        let refused = player.row.refused.as_deref().filter(|_| outcome.failure.is_none());
        let behind = refused.map(|refused| outcome.clone().behind(refused));
        let outcome = behind.as_ref().unwrap_or(&outcome);
        player.narrator.tell(MAIN, Fact::RowFinished { row: id, outcome });
    }
    player.feed.finished(&player.row, &outcome, player.message_id.as_deref());
    player.scope.set_row(None);
    (flow, failed)
}

fn outcome(player: &Player<'_>, steps_run: usize, failure: Option<Failure>) -> Outcome {
    let mut status = failure.as_ref().map_or(Status::Passed, |failure| failure.status);
    if let Some(interrupt) = player.interrupted {
        status = signal_status(interrupt);
    }
    Outcome { status, failure, steps_run, skipped: player.skipped.clone() }
}

/// What is wrong with a row is placed where the session names its file.
pub fn row_failure(session: &Session, trouble: Trouble) -> Failure {
    let span = session.rows.as_ref().map_or_else(Span::default, |rows| rows.file.span.clone());
    trouble.failure(session.sources.place(&span))
}

/// Whether another row can go over the connection.
fn is_usable(player: &mut Player<'_>) -> bool {
    let main = player.take_channel(MAIN);
    let ended = main.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 221);
    let usable = main.may_quit() && !ended;
    player.put_channel(main);
    usable
}

/// Whether the server has said 421 and then no more: what is in flight behind it was not heard (RFC 5321 §3.8).
fn is_deaf(player: &mut Player<'_>) -> bool {
    let mut main = player.take_channel(MAIN);
    let closing = main.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 421);
    let until = player.narrator.now() + PATIENCE;
    let deaf = closing && player.is_in_flight() && main.ends(&mut player.narrator, until);
    player.put_channel(main);
    deaf
}

/// Looks, before a row is begun, whether the server is still there, and ends the transaction that a failed row left.
/// What `message` sends does that itself.
fn is_ready(player: &mut Player<'_>, to_reset: bool) -> bool {
    let mut main = player.take_channel(MAIN);
    let ready = if main.replies == 0 || main.unpaired {
        // Nothing was said yet: the row's own steps await the greeting.
        true
    } else {
        match main.turn(&mut player.narrator) {
            Turn::Ours => !to_reset || reset(player, &mut main),
            Turn::Ended(_) => false,
            Turn::Spoke { .. } => {
                main.close(&mut player.narrator, CloseHow::Fin);
                main.broken = true;
                false
            }
        }
    };
    player.put_channel(main);
    ready
}

/// RSET (RFC 5321 §4.1.1.5); whether it was accepted.
fn reset(player: &mut Player<'_>, main: &mut super::channel::Channel) -> bool {
    let limit = player.limit(None, Wait::Other);
    player.narrator.sent(&main.name, b"RSET\r\n", &[]);
    let (count, written) = main.write(&mut player.narrator, b"RSET\r\n", limit.at, false);
    player.narrator.unwritten(&main.name, b"RSET\r\n".len() - count);
    let answer = written.is_ok().then(|| main.answer(&mut player.narrator, limit.at));
    matches!(answer, Some(Answer::Reply(facts)) if facts.reply.code.class() == 2)
}

fn has_captures(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.any(&|step| !step.captures.is_empty()))
}

/// Whether the steps speak SMTP in their own words, so that a transaction may be open where they stopped.
fn speaks_itself(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Send(_) | Action::Raw(_) | Action::Body { .. } | Action::Pipeline(_) => true,
        Action::Steps(members) => speaks_itself(members),
        _ => false,
    })
}
