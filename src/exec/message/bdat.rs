//! A message's content through BDAT (RFC 3030 §2): octets as they are, in chunks, after RCPT in one write if that may be.

use super::delivery::Delivery;
use crate::exec::connection::{FINAL_REPLY_WAIT, WriteOptions};
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::require_quiet;
use crate::exec::outbox::{QueuedMessage, command_bytes};
use crate::exec::read_outcome::{ReadOutcome, TransferError};
use crate::prepare::{BLOCK, CommandKind, EnvelopeCommand};
use crate::session::max_in_flight;
use crate::smtp::timeouts::Timeout;
use std::collections::VecDeque;
use std::io::{self, Read};

/// The most octets of a chunk. A chunk is held whole, since LAST is sent only with content that is there to its end; a
/// megabyte, held once, is little memory, and a reply for each is little to read.
pub const MAX_CHUNK: usize = 1 << 20;

/// A chunk of content: its octets, what is known of the next chunk's, and whether it is the last one.
struct ContentChunk<'c> {
    content: &'c [u8],
    later: &'c [u8],
    is_last: bool,
}

impl<'a> Delivery<'_, 'a> {
    /// Sends the content, after `envelope`, and reads all replies. A chunk that is refused is the last.
    pub fn send_chunks(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        mut envelope: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        let job = self.job;
        let mut reader = job.content.open();
        let (mut content, mut begun) = (Vec::new(), false);
        loop {
            let is_last = fill_chunk(&mut reader, &mut content, job.content.size()).map_err(|error| {
                let what = format!("the message: {error}");
                let error = StepError::unreadable(&context.events.secrets, what).at(&job.span);
                // What was sent can only be given up with the connection.
                StepError { closes_connection: begun, ..error }
            })?;
            let end = if is_last { content.len() } else { chunk_end(&content) };
            let (now, later) = content.split_at_checked(end).unwrap_or((&content, &[]));
            let following = match is_last && max_in_flight(context.run.session, self.following.as_ref()) == 1 {
                true => self.prepare_following(context, true, 0),
                false => None,
            };
            begun = true;
            let chunk = ContentChunk { content: now, later, is_last };
            self.send_chunk(context, std::mem::take(&mut envelope), &chunk, following.as_ref())?;
            if is_last {
                self.complete = true;
                if let Some((queued, commands)) = following {
                    context.connection.outbox.queue(queued, commands);
                }
                return self.finish_content(context);
            }
            content.drain(..end);
            if job.policy.pipelined && context.run.shared.chunking.is_accepted() {
                self.read_available_replies(context)?;
            } else {
                self.read_replies(context)?;
            }
            // Whatever the replies say that are still to come, nobody can be reached any more.
            if self.is_halted() || !self.recipients.any_left() {
                break;
            }
        }
        self.read_replies(context)?;
        context.connection.set_in_content(false);
        Ok(())
    }

    /// All of the message has left: sends what may be in flight with it, and reads its replies.
    pub fn finish_content(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        context.connection.set_in_content(true);
        self.fill_flight(context);
        let result = self.read_replies(context);
        context.connection.set_in_content(false);
        result
    }

    /// Writes a chunk with the commands before and after it, in one write, each block of it within its deadline.
    fn send_chunk(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        envelope: Vec<EnvelopeCommand>,
        chunk: &ContentChunk<'_>,
        following: Option<&(QueuedMessage<'a>, Vec<EnvelopeCommand>)>,
    ) -> Result<(), StepError> {
        let job = self.job;
        if context.connection.outbox.peek_reply_of(job.number).is_none() {
            require_quiet(context)?;
        }
        if chunk.is_last {
            context.record_intent(&self.remaining_recipients())?;
        }
        let (kind, word) = if chunk.is_last { (CommandKind::LastChunk, " LAST") } else { (CommandKind::Chunk, "") };
        let command = EnvelopeCommand::new(kind, format!("BDAT {}{word}\r\n", chunk.content.len()));
        let (mut commands, name, used) =
            (command_bytes(&envelope), &context.connection.name, &job.notices.short_secrets);
        context.events.emit_sent(name, &commands, used);
        context.events.in_chunk_gap = !chunk.is_last;
        context.events.emit_sent(name, command.text.as_bytes(), used);
        context.events.in_chunk_gap = false;
        context.events.emit_content(name, chunk.content, chunk.later, &mut self.window, used);
        commands.extend_from_slice(command.text.as_bytes());
        let end = commands.len() + chunk.content.len();
        let mut after = Vec::new();
        if let Some((queued, commands)) = following {
            after = command_bytes(commands);
            context.events.emit_sent(name, &after, &queued.job.notices.short_secrets);
        }
        context.connection.outbox.expect_replies(job.number, envelope.into_iter().chain([command]));
        context.connection.set_in_content(true);
        match write_blocks(context, &[&commands, chunk.content, &after]) {
            (_, None) => Ok(()),
            (written, Some((stop, deadline))) => {
                self.complete = chunk.is_last && written >= end;
                self.read_last_replies(context, stop, deadline)
            }
        }
    }

    /// Reads the replies that have come, without waiting: a refusal ends the content.
    fn read_available_replies(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        while let Some(kind) = context.connection.outbox.peek_reply_of(self.job.number) {
            context.events.in_chunk_gap = kind == CommandKind::Chunk;
            let outcome = context.connection.read_available_reply(context.events);
            context.events.in_chunk_gap = false;
            let Some(outcome) = outcome else { break };
            let Some(command) = context.connection.outbox.take_reply_of(self.job.number) else { break };
            let deadline = self.reply_deadline(context, &command);
            self.apply_reply(context, &command, outcome, deadline)?;
        }
        Ok(())
    }

    /// Writing failed: what the server said of it is read, and is what stopped the message.
    fn read_last_replies(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        stop: TransferError,
        deadline: Deadline,
    ) -> Result<(), StepError> {
        let (secrets, timed_out) = (&context.events.secrets, matches!(stop, TransferError::TimedOut));
        let error = match stop {
            TransferError::Interrupted(interrupt) => return Err(StepError::interrupted(interrupt)),
            _ if self.complete => StepError::delivery_unknown(secrets, "writing failed after the last octet"),
            TransferError::Ended(end) => StepError::lost(secrets, &end),
            TransferError::TimedOut | TransferError::Early => {
                StepError::timed_out(secrets, "the server to take the content", deadline)
            }
        };
        // Once the deadline has passed only what is there already counts.
        if timed_out {
            self.read_available_replies(context)?;
            return Err(error);
        }
        let until = context.events.now() + FINAL_REPLY_WAIT;
        while let Some(command) = context.connection.outbox.take_reply_of(self.job.number) {
            match context.connection.read_reply(context.events, until) {
                outcome @ (ReadOutcome::Reply(_) | ReadOutcome::Malformed(_)) => {
                    self.apply_reply(context, &command, outcome, deadline)?;
                }
                _ => break,
            }
        }
        Err(error)
    }
}

/// Writes, each block within its deadline, whatever parts it is of. Gives how many bytes were written, and why no more
/// were.
pub fn write_blocks(context: &mut StepContext<'_, '_>, parts: &[&[u8]]) -> (usize, Option<(TransferError, Deadline)>) {
    let all: usize = parts.iter().map(|part| part.len()).sum();
    let mut rest: VecDeque<&[u8]> = parts.iter().copied().collect();
    let (mut written, mut block) = (0, Vec::with_capacity(all.min(BLOCK)));
    let step = context.step;
    while written < all && !rest.is_empty() {
        block.clear();
        while let Some(part) = rest.front_mut().filter(|_| block.len() < BLOCK) {
            let (now, later) = part.split_at(part.len().min(BLOCK - block.len()));
            block.extend_from_slice(now);
            *part = later;
            if later.is_empty() {
                rest.pop_front();
            }
        }
        let deadline = context.deadline(step.timeout, Timeout::DataBlock);
        let options = WriteOptions { chunk: step.chunk, ..WriteOptions::until(deadline.at) };
        let (count, result) = context.connection.write(context.events, &block, options);
        written += count;
        if let Err(stop) = result {
            context.events.note_partial_write(&context.connection.name, all - written);
            return (written, Some((stop, deadline)));
        }
    }
    (written, None)
}

/// Reads until there is more than a chunk. Gives whether the content, which has `size` octets, has come to its end.
pub fn fill_chunk(reader: &mut impl Read, content: &mut Vec<u8>, size: u64) -> io::Result<bool> {
    let room = (MAX_CHUNK + BLOCK).saturating_sub(content.len());
    // Growing by doubling would hold it twice.
    content.reserve_exact(usize::try_from(size).map_or(room, |size| size.min(room)));
    let count = reader.take(room as u64).read_to_end(content)?;
    Ok(count < room)
}

/// Where a chunk ends: at a line's end, if there is one, so that the transcript shows whole lines.
fn chunk_end(content: &[u8]) -> usize {
    let most = content.get(..MAX_CHUNK).unwrap_or(content);
    memchr::memrchr(b'\n', most).map_or(most.len(), |lf| lf + 1)
}
