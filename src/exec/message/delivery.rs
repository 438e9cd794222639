//! One message over one connection: MAIL, RCPT for each recipient, DATA or BDAT, content, replies (RFC 5321 §3.3, RFC 2033
//! over LMTP).
//!
//! It goes in turns of one write and then all its replies. If PIPELINING is offered (RFC 2920 §3.1) the first turn is the
//! envelope with DATA, or with the first chunk of content, and the last one is the end of the content with the envelope
//! of the message that follows on this connection: so a message costs one round trip.

use super::content::unanswered;
use super::recipient_states::{Recipients, ServerStatement};
use crate::event::{Cause, Note, RecipientOutcome, Status, TransactionRefusal, is_command_error};
use crate::exec::checks::{any, codes, judge, mismatch};
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::{SmtpCommand, reply_to_line, send_command};
use crate::exec::outbox::command_bytes;
use crate::exec::read_outcome::ReadOutcome;
use crate::prepare::{CommandKind, EnvelopeCommand, MessageJob};
use crate::session::FollowingMessage;
use crate::session::{Expectation, RefusalPolicy};
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::ContentWindow;

/// A message on its way.
pub struct Delivery<'t, 'a> {
    pub job: &'t MessageJob<'a>,
    /// What follows on the connection, if that is a message too.
    pub following: Option<FollowingMessage<'a>>,
    pub recipients: Recipients,
    /// A refusal that stopped the message, and what it means for the recipients.
    pub stopped: Option<MessageStop>,
    /// DATA got its 354.
    pub go_ahead: bool,
    /// 421 came: no more replies do (RFC 5321 §3.8).
    pub closing: bool,
    /// The last byte of the content may have left.
    pub complete: bool,
    /// What was emitted of the content.
    pub window: ContentWindow,
}

/// Why a message stopped.
pub struct MessageStop {
    pub error: StepError,
    pub outcome: RecipientOutcome,
    /// The reply that stopped it.
    pub statement: ServerStatement,
}

impl<'t, 'a> Delivery<'t, 'a> {
    /// `fully_sent`: all of the message has left already.
    pub fn new(job: &'t MessageJob<'a>, following: Option<FollowingMessage<'a>>, fully_sent: bool) -> Self {
        Self {
            job,
            following,
            recipients: Recipients::new(job.recipients.len()),
            stopped: None,
            go_ahead: false,
            closing: false,
            complete: fully_sent,
            window: ContentWindow::default(),
        }
    }

    /// Sends the message, reads its replies, and reports what became of each recipient.
    pub fn run(mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        let sent = self.send(context);
        context.connection.outbox.end_replies_of(self.job.number);
        let unknown = self.report_remaining_recipients(context, sent.as_ref().err());
        let halted = self.is_halted();
        let stop = self.stopped.take().map(|stop| stop.error);
        let aborted = self.job.policy.on_refused == RefusalPolicy::Abort && !self.complete;
        // After what stops a message no recipient is refused: one that was came first.
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
            // If the others were to have it all the same, that failed too, and after the refusal.
            (Err(error), Err(refused)) => Err(refused.with([error])),
            (Err(error), Ok(())) => Err(error),
            (Ok(()), refused) => refused,
        }
    }

    /// Everything from the envelope to the replies to the content, or as far as the server lets it.
    fn send(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        if self.complete {
            return self.finish_content(context);
        }
        let policy = self.job.policy;
        if context.connection.outbox.peek_reply_of(self.job.number).is_none() {
            let outbox = &mut context.connection.outbox;
            let commands = self.job.envelope(std::mem::replace(&mut outbox.in_transaction, true));
            if policy.pipelined && policy.chunked && policy.eager {
                return self.send_chunks(context, commands);
            }
            self.send_envelope(context, commands)?;
        }
        self.read_replies(context)?;
        if self.is_over() {
            return self.give_up(context);
        }
        if policy.chunked {
            return self.send_chunks(context, Vec::new());
        }
        if !self.go_ahead {
            self.send_commands(context, vec![EnvelopeCommand::new(CommandKind::Data, "DATA\r\n")])?;
            self.read_replies(context)?;
        }
        if !self.go_ahead {
            return Ok(()); // and why is in `stopped`
        }
        self.send_data(context)
    }

    /// In one write; without PIPELINING a command at a time, as long as the message can still be sent.
    fn send_envelope(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        commands: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        if self.job.policy.pipelined {
            return self.send_commands(context, commands);
        }
        for command in commands {
            self.send_commands(context, vec![command])?;
            self.read_replies(context)?;
            if self.is_halted() {
                break;
            }
        }
        Ok(())
    }

    /// Whether no more is to be asked for: a refusal stopped the message.
    pub fn is_halted(&self) -> bool {
        let aborted = self.job.policy.on_refused == RefusalPolicy::Abort && self.recipients.any_refused();
        self.stopped.is_some() || self.closing || aborted
    }

    /// Whether no content is to be sent.
    fn is_over(&self) -> bool {
        self.is_halted() || !self.recipients.any_accepted()
    }

    /// Leaves the transaction before its content.
    fn give_up(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        if !self.go_ahead {
            return Ok(());
        }
        if self.recipients.any_accepted() {
            // A dot would deliver an empty message: nothing more can be sent on this connection.
            let text = context.events.shown("the server wants content for a message that it refused");
            return Err(StepError::closing(Status::Protocol, Cause::UnsolicitedInput { text }));
        }
        // RFC 2920 §3.1: all recipients were refused and DATA was taken all the same: a message of no lines.
        self.send_commands(context, vec![EnvelopeCommand::new(CommandKind::Dot, ".\r\n")])?;
        self.read_replies(context)
    }

    /// Sends commands in one write; their replies are due from now on.
    fn send_commands(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        commands: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        let (bytes, any, step) = (command_bytes(&commands), any(), context.step);
        let command = SmtpCommand {
            chunk: step.chunk,
            short_secrets: self.job.notices.short_secrets.clone(),
            // A dot among them ends content that has no recipients.
            records_content: false,
            ..SmtpCommand::line(context, &bytes, &any, step.timeout)
        };
        let early_outcome = send_command(context, &command)?;
        let outbox = &mut context.connection.outbox;
        outbox.early_outcome = early_outcome;
        outbox.expect_replies(self.job.number, commands);
        outbox.first_deadline = Some(command.deadline);
        Ok(())
    }

    /// Reads all replies of this message that are due, each within its own deadline.
    pub fn read_replies(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        while let Some(command) = context.connection.outbox.take_reply_of(self.job.number) {
            let outbox = &mut context.connection.outbox;
            let (deadline, early_outcome) = (outbox.first_deadline.take(), outbox.early_outcome.take());
            let deadline = deadline.unwrap_or_else(|| self.reply_deadline(context, &command));
            context.events.in_chunk_gap = command.kind == CommandKind::Chunk;
            let outcome = match early_outcome {
                Some(outcome) => outcome,
                None => context.connection.read_reply(context.events, deadline.at),
            };
            context.events.in_chunk_gap = false;
            self.apply_reply(context, &command, outcome, deadline)?;
        }
        Ok(())
    }

    /// The deadline of a command's reply that begins now.
    pub fn reply_deadline(&self, context: &StepContext<'_, '_>, command: &EnvelopeCommand) -> Deadline {
        context.deadline(context.step.timeout, Timeout::of_command(command.text.as_bytes()))
    }

    /// What a reply means for the message.
    pub fn apply_reply(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        command: &EnvelopeCommand,
        outcome: ReadOutcome,
        deadline: Deadline,
    ) -> Result<(), StepError> {
        let is_chunk = matches!(command.kind, CommandKind::Chunk | CommandKind::LastChunk);
        if let Some(reply) = outcome.reply().filter(|_| is_chunk).cloned()
            // 503 may follow from recipients that were all refused.
            && is_command_error(reply.code.get())
            && (reply.code.get() != 503 || !self.is_over())
        {
            self.end_chunking(context, &reply);
            return Ok(());
        }
        if is_chunk && outcome.reply().is_some_and(|reply| reply.code.class() == 2) {
            context.run.shared.chunking.accept();
        }
        if command.kind == CommandKind::LastChunk && !self.is_over() {
            return self.apply_content_reply(context, outcome, deadline);
        }
        let undecided = self.complete && !self.is_halted() && self.recipients.any_left();
        if undecided && let Some(why) = unanswered(&outcome, deadline) {
            return Err(StepError::delivery_unknown(&context.events.secrets, &why));
        }
        let waiting_for = reply_to_line(command.text.as_bytes());
        let facts = judge(context, &any(), outcome, &waiting_for, deadline)?;
        let Some(reply) = facts.map(|facts| facts.reply) else { return Ok(()) };
        match command.kind {
            // After content that has left already it is MAIL's reply that counts.
            CommandKind::Reset if self.complete && reply.code.get() != 421 => {}
            CommandKind::Reset | CommandKind::Mail => self.require(context, command.kind, &reply, "250"),
            // A reply to RCPT outside of a transaction says nothing about the recipient.
            CommandKind::Rcpt(index) if self.stopped.is_none() => self.apply_rcpt_reply(context, index, &reply),
            CommandKind::Data if reply.code.get() == 354 => self.go_ahead = true,
            CommandKind::Data if self.is_over() => {}
            CommandKind::Data => self.require(context, command.kind, &reply, "354"),
            CommandKind::Chunk if !self.is_over() => self.require(context, command.kind, &reply, "250"),
            CommandKind::Rcpt(_) | CommandKind::Chunk | CommandKind::LastChunk | CommandKind::Dot => {}
        }
        if reply.code.get() == 421 {
            self.closing = true;
            context.connection.outbox.forget_replies_of(self.job.number);
        }
        Ok(())
    }

    /// The server offers CHUNKING and does not take BDAT. It may read the octets as commands: nothing more is sent, and no
    /// other reply is awaited.
    fn end_chunking(&mut self, context: &mut StepContext<'_, 'a>, reply: &Reply) {
        self.require(context, CommandKind::Chunk, reply, "250");
        if let Some(stop) = &mut self.stopped {
            stop.error.closes_connection = true;
        }
        self.closing = true;
        context.connection.outbox.forget_replies_of(self.job.number);
        context.connection.set_in_content(false);
        context.progress.record.refusal = Some(TransactionRefusal::Chunking);
        if context.run.shared.chunking.disable() {
            let reply = context.events.shown_reply(reply.code_and_text());
            context.note(Note::ChunkingDisabled { reply });
        }
    }

    /// Another reply than this stops the message.
    fn require(&mut self, context: &mut StepContext<'_, 'a>, kind: CommandKind, reply: &Reply, words: &str) {
        let expect: Expectation = codes(words);
        if self.stopped.is_some() || expect.accepts(reply, &mut |_| None) {
            return;
        }
        let code = reply.code.get();
        let is_command_error = is_command_error(code) && !matches!(kind, CommandKind::Reset | CommandKind::Mail);
        let outcome = match kind {
            // The message is too large (RFC 1870 §6.1).
            CommandKind::Mail if code == 552 => RecipientOutcome::Refused,
            // Any other 5yz before RCPT says nothing against the recipients.
            CommandKind::Reset | CommandKind::Mail => {
                if kind == CommandKind::Mail && reply.code.class() == 5 {
                    context.progress.record.refusal = Some(TransactionRefusal::Sender);
                }
                RecipientOutcome::Deferred
            }
            _ if is_command_error => RecipientOutcome::Deferred,
            _ => match RecipientOutcome::of(reply) {
                RecipientOutcome::Accepted | RecipientOutcome::Unknown => RecipientOutcome::Deferred,
                outcome => outcome,
            },
        };
        context.progress.attempt.decided_by.get_or_insert_with(|| reply.clone());
        let what = context.events.shown(format!("{} was answered with {code}", kind.verb()));
        let error = mismatch(context.events, &expect, reply).with_mismatches(vec![what]);
        let status = if is_command_error { Status::Config } else { error.status };
        let error = StepError { status, ..error };
        self.stopped = Some(MessageStop { error, outcome, statement: ServerStatement::from(reply) });
    }
}
