//! A mail transaction: MAIL, RCPT for each recipient, DATA or BDAT, content, replies (RFC 5321 §3.3, RFC 2033 over
//! LMTP).
//!
//! It goes in turns of one write and then all its replies. Where PIPELINING is offered (RFC 2920 §3.1) the first turn is
//! the envelope with DATA, or with the first chunk of content, and the last one is the end of the content with the
//! envelope of the message that follows on this connection: so a message costs one round trip.

mod bdat;
mod data;
mod envelope;
mod in_flight;
mod look_ahead;
mod recipients;

pub use look_ahead::{FollowingMessage, QueuedMessage, discard_queued};

use super::{ActionOutcome, SmtpCommand, expected, send_command};
use crate::event::{Cause, RecipientOutcome, Status};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::{Limit, StepError};
use crate::exec::executor::Executor;
use crate::exec::judge;
use crate::exec::read_outcome::ReadOutcome;
use crate::session::{Expectation, Message, RefusalPolicy, Step};
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::ContentWindow;
use envelope::{CommandKind, EnvelopeCommand, MessagePlan};
use recipients::{Recipients, SaidOfRecipient, outcome_of};
use std::collections::VecDeque;

/// The `message` step. `next` is what follows it, where that is a message as well.
pub fn message(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    message: &Message,
    next: Option<FollowingMessage<'_>>,
) -> Result<ActionOutcome, StepError> {
    let expect = expected(executor, step)?;
    // Behind the message before this one the envelope may have left already.
    let which = (std::ptr::from_ref(step).addr(), executor.scope.loop_index());
    let (plan, awaited, fully_sent) = match executor.ahead.pop_front_if(|ahead| !ahead.in_next_row) {
        Some(ahead) => {
            executor.message_id = ahead.message_id;
            executor.numbering.begin(message, false);
            (ahead.plan, ahead.lines, ahead.fully_sent)
        }
        None => {
            // Another attempt carries the Message-ID of the one before; another message never does.
            let again = executor.last_message.as_ref().is_some_and(|last| *last == which);
            executor.numbering.begin(message, again);
            (MessagePlan::new(executor, connection, message)?, VecDeque::new(), false)
        }
    };
    executor.last_message = Some(which);
    if plan.mail.recipients.is_empty() {
        return Ok(ActionOutcome::AlreadySent);
    }
    let recipients = Recipients::new(plan.mail.recipients.len());
    connection.traffic.begin_message();
    let transaction = Transaction {
        step,
        message,
        plan: &plan,
        expect,
        next,
        awaited,
        limit: None,
        known: None,
        recipients,
        stopped: None,
        go_ahead: false,
        closing: false,
        complete: fully_sent,
        passage: ContentWindow::default(),
    };
    transaction.run(executor, connection).map(|()| ActionOutcome::Passed)
}

struct Transaction<'t> {
    step: &'t Step,
    message: &'t Message,
    plan: &'t MessagePlan<'t>,
    /// Of the reply to the content.
    expect: &'t Expectation,
    next: Option<FollowingMessage<'t>>,
    /// What was sent and has not been answered.
    awaited: VecDeque<EnvelopeCommand>,
    /// Of the first of them: it began with the writing.
    limit: Option<Limit>,
    /// Its answer, where that was there before all was written.
    known: Option<ReadOutcome>,
    recipients: Recipients,
    /// A refusal that stopped the message, and what it means for the recipients.
    stopped: Option<MessageStop>,
    /// DATA got its 354.
    go_ahead: bool,
    /// 421 came: no more replies do (RFC 5321 §3.8).
    closing: bool,
    /// The last byte of the content may have left.
    complete: bool,
    /// What was told of the content.
    passage: ContentWindow,
}

/// Why a message stopped.
struct MessageStop {
    error: StepError,
    outcome: RecipientOutcome,
    said: SaidOfRecipient,
}

impl Transaction<'_> {
    fn run(mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        let sent = self.send(executor, connection);
        let unknown = self.report_remaining_recipients(executor, connection, sent.as_ref().err());
        let halted = self.is_halted();
        let stop = self.stopped.take().map(|stop| stop.error);
        let aborted = self.message.on_refused == RefusalPolicy::Abort && !self.complete;
        // Behind what stops a message no recipient is refused: one that was came first.
        let refused = match (self.recipients.verdict(aborted), stop) {
            (Err(first), Some(stop)) => Err(first.with([stop])),
            (Ok(()), Some(stop)) => Err(stop),
            (refused, None) => refused,
        };
        match (sent, refused) {
            // Trying again may send twice, whatever was said of the other recipients.
            (Err(error), refused) if unknown && error.status == Status::IoErr => Err(error.with(refused.err())),
            // What stopped the message came first; what follows from it changes nothing but the connection.
            (Err(_), Err(refused)) if halted => Err(StepError { closes_connection: true, ..refused }),
            // Where the others were to have it all the same, that failed too, and behind the refusal.
            (Err(error), Err(refused)) => Err(refused.with([error])),
            (Err(error), Ok(())) => Err(error),
            (Ok(()), refused) => refused,
        }
    }

    /// Everything from the envelope to the replies to the content, or as far as the server lets it.
    fn send(&mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        if self.complete {
            return self.finish_content(executor, connection);
        }
        if self.awaited.is_empty() {
            let lines = self.plan.envelope(connection.in_transaction);
            connection.in_transaction = true;
            if self.plan.pipelined && self.plan.chunked && self.plan.eager {
                return self.chunks(executor, connection, lines);
            }
            self.envelope(executor, connection, lines)?;
        }
        self.read_replies(executor, connection)?;
        if self.is_over() {
            return self.give_up(executor, connection);
        }
        if self.plan.chunked {
            return self.chunks(executor, connection, Vec::new());
        }
        if !self.go_ahead {
            self.say(executor, connection, vec![EnvelopeCommand::new(CommandKind::Data, "DATA\r\n")])?;
            self.read_replies(executor, connection)?;
        }
        if !self.go_ahead {
            return Ok(()); // and why is in `stopped`
        }
        self.data(executor, connection)
    }

    /// In one write; without PIPELINING a command at a time, as long as the message can still be sent.
    fn envelope(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        lines: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        if self.plan.pipelined {
            return self.say(executor, connection, lines);
        }
        for line in lines {
            self.say(executor, connection, vec![line])?;
            self.read_replies(executor, connection)?;
            if self.is_halted() {
                break;
            }
        }
        Ok(())
    }

    /// Whether no more is to be asked for: a refusal stopped the message.
    fn is_halted(&self) -> bool {
        let aborted = self.message.on_refused == RefusalPolicy::Abort && self.recipients.any_refused();
        self.stopped.is_some() || self.closing || aborted
    }

    /// Whether no content is to be sent.
    fn is_over(&self) -> bool {
        self.is_halted() || !self.recipients.any_accepted()
    }

    /// Leaves the transaction before its content.
    fn give_up(&mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        if !self.go_ahead {
            return Ok(());
        }
        if self.recipients.any_accepted() {
            // A dot would deliver nothing to somebody: nothing more can be said on this connection.
            let why = "the server wants content for a message that it refused";
            return Err(StepError::closing(
                Status::Protocol,
                Cause::UnsolicitedInput { text: executor.events.shown(why) },
            ));
        }
        // RFC 2920 §3.1: all recipients were refused and DATA was taken all the same: a message of no lines.
        self.say(executor, connection, vec![EnvelopeCommand::new(CommandKind::Dot, ".\r\n")])?;
        self.read_replies(executor, connection)
    }

    /// Sends commands in one write; their replies are awaited from now on.
    fn say(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        lines: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        let bytes: String = lines.iter().map(|line| line.text.as_str()).collect();
        let any = judge::any();
        let command = SmtpCommand {
            chunk: self.step.chunk,
            used: self.plan.mail.used.clone(),
            // A dot among them ends content that has no recipients.
            records_content: false,
            ..SmtpCommand::line(bytes.as_bytes(), &any, self.step.timeout)
        };
        let limit = executor.limit(self.step.timeout, command.wait);
        self.known = send_command(executor, connection, &command, limit)?;
        self.awaited.extend(lines);
        self.limit = Some(limit);
        Ok(())
    }

    /// Reads all replies that are due, each within its own limit. That to the content may be several.
    fn read_replies(&mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        while let Some(line) = self.awaited.pop_front() {
            let wait = Timeout::of_command(line.text.as_bytes());
            let limit = self.limit.take().unwrap_or_else(|| executor.limit(self.step.timeout, wait));
            executor.events.in_chunk_gap = line.kind == CommandKind::Chunk;
            let answer = match self.known.take() {
                Some(answer) => answer,
                None => connection.read_reply(&mut executor.events, limit.at),
            };
            executor.events.in_chunk_gap = false;
            self.heard(executor, connection, &line, answer, limit)?;
        }
        Ok(())
    }

    /// What a reply means for the message.
    fn heard(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        line: &EnvelopeCommand,
        answer: ReadOutcome,
        limit: Limit,
    ) -> Result<(), StepError> {
        if line.kind == CommandKind::Last && !self.is_over() {
            return self.apply_content_reply(executor, connection, answer, limit);
        }
        let undecided = self.complete && !self.is_halted() && self.recipients.any_left();
        if undecided && let Some(why) = super::body::unanswered(&answer, limit) {
            return Err(StepError::delivery_unknown(&executor.events, &why));
        }
        let waiting_for = SmtpCommand::line(line.text.as_bytes(), self.expect, None).waiting_for();
        let facts = executor.judge(&judge::any(), answer, &waiting_for, limit)?;
        let Some(reply) = facts.map(|facts| facts.reply) else { return Ok(()) };
        match line.kind {
            // Behind content that left already it is MAIL's reply that counts.
            CommandKind::Reset if self.complete && reply.code.get() != 421 => {}
            CommandKind::Reset => self.require(executor, line.kind, &reply, "250"),
            CommandKind::Mail => self.require(executor, line.kind, &reply, "250"),
            // What is said of recipients of no transaction says nothing about them.
            CommandKind::Rcpt(index) if self.stopped.is_none() => {
                self.apply_rcpt_reply(executor, connection, index, &reply)
            }
            CommandKind::Data if reply.code.get() == 354 => self.go_ahead = true,
            CommandKind::Data if self.is_over() => {}
            CommandKind::Data => self.require(executor, line.kind, &reply, "354"),
            CommandKind::Chunk if !self.is_over() => self.require(executor, line.kind, &reply, "250"),
            CommandKind::Rcpt(_) | CommandKind::Chunk | CommandKind::Last | CommandKind::Dot => {}
        }
        if reply.code.get() == 421 {
            self.closing = true;
            self.awaited.clear();
        }
        Ok(())
    }

    /// Another reply than this stops the message.
    fn require(&mut self, executor: &mut Executor<'_>, kind: CommandKind, reply: &Reply, words: &str) {
        let expect = judge::codes(words);
        if self.stopped.is_some() || expect.accepts(reply, &mut |_| None) {
            return;
        }
        let outcome = match kind {
            // A 5yz before RCPT says nothing against the recipients.
            CommandKind::Reset | CommandKind::Mail => RecipientOutcome::Deferred,
            _ => match outcome_of(reply) {
                RecipientOutcome::Accepted | RecipientOutcome::Unknown => RecipientOutcome::Deferred,
                outcome => outcome,
            },
        };
        executor.attempted.decided_by.get_or_insert_with(|| reply.clone());
        let error = judge::mismatch(&executor.events, &expect, reply);
        self.stopped = Some(MessageStop { error, outcome, said: SaidOfRecipient::from(reply) });
    }
}
