//! The message that follows on the same connection: its envelope leaves in one write with the end of the one before
//! (RFC 2920 §3.1), so that a message costs one round trip.

use super::envelope::{CommandKind, EnvelopeCommand, MessagePlan};
use crate::exec::connection::SmtpConnection;
use crate::exec::executor::{Executor, MAIN};
use crate::exec::preflight::is_captured;
use crate::exec::read_outcome::ReadOutcome;
use crate::exec::rows::Row;
use crate::session::{Action, CloseMode, Message, Step, Template, TextSource};
use std::collections::VecDeque;
use std::time::Duration;

/// How long the replies to an envelope are awaited that nobody wants any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The message that is sure to follow if the one before it is delivered.
#[derive(Clone, Copy)]
pub struct FollowingMessage<'s> {
    message: &'s Message,
    connection: &'s str,
    repetition: Option<u32>,
    /// In the turn of the row behind this one.
    pub(super) in_next_row: bool,
}

impl<'s> FollowingMessage<'s> {
    /// What `step` begins with, if that is a message and nothing comes before it. `connection` is that of the group
    /// around it, `repetition` what its `loop.index` will be.
    pub fn of(step: &'s Step, connection: &'s str, repetition: Option<u32>) -> Option<Self> {
        // What is between the two messages, or decides whether there is a second one, comes first.
        if step.deselected || step.condition.is_some() || step.delay.is_some() || !step.with.is_empty() || step.always {
            return None;
        }
        let connection = step.on.as_deref().unwrap_or(connection);
        let repetition = if step.repeat.is_some() { Some(1) } else { repetition };
        Self::begun(step, connection, repetition)
    }

    /// What the next row's turn begins with, over the default connection.
    pub fn in_next_row(steps: &'s [Step]) -> Option<Self> {
        let next = Self::of(steps.first()?, MAIN, None)?;
        Some(Self { in_next_row: true, ..next })
    }

    /// What a further repetition of `step` begins with: its own variables are there already.
    pub fn again(step: &'s Step, connection: &'s str, repetition: u32) -> Option<Self> {
        if step.condition.is_some() || step.delay.is_some() {
            return None;
        }
        Self::begun(step, connection, Some(repetition))
    }

    fn begun(step: &'s Step, connection: &'s str, repetition: Option<u32>) -> Option<Self> {
        match &step.action {
            Action::Message(message) if step.chunk.is_none() => {
                Some(Self { message, connection, repetition, in_next_row: false })
            }
            Action::Steps(members) => Self::of(members.first()?, connection, repetition),
            _ => None,
        }
    }
}

/// A message whose envelope has left, and what was sent of it.
pub struct QueuedMessage<'a> {
    pub(super) plan: MessagePlan<'a>,
    pub(super) lines: VecDeque<EnvelopeCommand>,
    /// The Message-ID that was made for it.
    pub(super) message_id: Option<String>,
    /// It is the message of a row whose turn has not come.
    pub in_next_row: bool,
    /// That row.
    pub row: Option<Row>,
    /// Its content has left as well: it is in flight, and its turn comes whatever happens.
    pub fully_sent: bool,
}

impl<'a> QueuedMessage<'a> {
    /// Makes the message ready that follows, where its envelope may leave with this one's end. `reset`: whether RSET
    /// stands before it; `index`: how many rows are between. Where it cannot be made its own step will say why.
    pub(super) fn prepare(
        executor: &mut Executor<'a>,
        connection: &SmtpConnection,
        step: &Step,
        plan: &MessagePlan<'_>,
        next: Option<FollowingMessage<'_>>,
        reset: bool,
        index: usize,
    ) -> Option<Self> {
        let next = next.filter(|next| next.connection == connection.name)?;
        let alone = !plan.pipelined || step.retry.is_some() || step.chunk.is_some();
        if alone || depends(executor, step, &next) {
            return None;
        }
        let ((plan, message_id), row) = match next.in_next_row {
            true => {
                let row = executor.row_source.peek(index).filter(|row| row.error.is_none())?;
                (in_next_row(executor, connection, next, row.clone())?, Some(row))
            }
            false => {
                let base = executor.message_id.clone();
                (made(executor, connection, next, base)?, None)
            }
        };
        let lines = plan.envelope(reset).into();
        Some(Self { lines, plan, message_id, in_next_row: next.in_next_row, row, fully_sent: false })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.text.bytes()).collect()
    }
}

/// A message that is made before its turn, and the Message-ID that was made for it.
type Made<'a> = (MessagePlan<'a>, Option<String>);

/// `message_id` is that of an earlier attempt, or of the turn's first message.
fn made<'a>(
    executor: &mut Executor<'a>,
    connection: &SmtpConnection,
    next: FollowingMessage<'_>,
    message_id: Option<String>,
) -> Option<Made<'a>> {
    let index = executor.scope.loop_index();
    let id = std::mem::replace(&mut executor.message_id, message_id);
    let ahead = executor.numbering.ahead(next.message, next.in_next_row);
    let numbering = std::mem::replace(&mut executor.numbering, ahead);
    executor.scope.set_loop(next.repetition);
    let plan = MessagePlan::new(executor, connection, next.message);
    executor.scope.set_loop(index);
    executor.numbering = numbering;
    let message_id = std::mem::replace(&mut executor.message_id, id);
    Some((plan.ok().filter(|plan| plan.pipelined && !plan.mail.recipients.is_empty())?, message_id))
}

/// As if it were the next row's turn already.
fn in_next_row<'a>(
    executor: &mut Executor<'a>,
    connection: &SmtpConnection,
    next: FollowingMessage<'_>,
    row: Row,
) -> Option<Made<'a>> {
    executor.scope.set_row(row.value.as_ref());
    let message_id = row.message_id.clone();
    let row = std::mem::replace(&mut executor.row, row);
    let made = made(executor, connection, next, message_id);
    executor.row = row;
    executor.scope.set_row(executor.row.value.as_ref());
    made
}

/// Whether a message says something that is not known before the one before it is answered.
fn depends(executor: &Executor<'_>, step: &Step, next: &FollowingMessage<'_>) -> bool {
    let templates = &executor.session.templates;
    // What a row captured the next one does not see.
    let captured = |name: &str| match next.in_next_row {
        true => is_captured(&executor.session.steps, name),
        false => step.captures.iter().any(|capture| capture.name == name),
    };
    let later = |name: &str| matches!(name, "reply" | "session") || captured(name);
    match said_by(next.message) {
        Some(said) => said.into_iter().any(|template| templates.uses(template, later)),
        None => true,
    }
}

/// The templates that a message is made of; `None` where a file holds one, whose names nobody knows yet.
fn said_by(message: &Message) -> Option<Vec<&Template>> {
    let mut said = message.lines();
    for content in message.contents() {
        match content {
            TextSource::Text(template) => said.push(template),
            TextSource::File { path, template: false } => said.push(&path.template),
            TextSource::File { template: true, .. } => return None,
        }
    }
    Some(said)
}

/// Takes back an envelope whose message will not be sent: its replies are read; where the server waits for content then,
/// the connection is closed without a dot.
pub fn discard_queued(executor: &mut Executor<'_>, connection: &mut SmtpConnection) {
    // What is in flight is judged in its own turn.
    let Some(ahead) = executor.ahead.pop_front_if(|ahead| !ahead.fully_sent) else { return };
    let until = executor.events.now() + PATIENCE;
    for line in ahead.lines {
        match connection.read_reply(&mut executor.events, until) {
            ReadOutcome::Reply(facts) if line.kind == CommandKind::Data && facts.reply.code.get() == 354 => {}
            ReadOutcome::Reply(facts) if facts.reply.code.get() == 421 => return,
            ReadOutcome::Reply(_) => continue,
            ReadOutcome::Ended(_)
            | ReadOutcome::Nothing { .. }
            | ReadOutcome::Malformed(_)
            | ReadOutcome::Interrupted(_) => {}
        }
        connection.broken = true;
        connection.close(&mut executor.events, CloseMode::Fin);
        return;
    }
}
