//! Content through BDAT (RFC 3030 §2): octets as they are, in chunks, behind RCPT in one write where that may be.

use super::envelope::{CommandKind, EnvelopeCommand};
use super::look_ahead::QueuedMessage;
use super::{Transaction, in_flight, judge};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::{Limit, StepError};
use crate::exec::executor::Executor;
use crate::exec::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, WriteError};
use crate::smtp::timeouts::Timeout;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

/// The most octets of a chunk. A chunk is held whole, since LAST is said only of content that is there to its end; at a
/// megabyte, held once, that is little memory, and a reply for each is little to read.
pub(super) const CHUNK: usize = 1 << 20;
/// What one deadline is for.
const BLOCK: usize = 64 * 1024;
/// How long a server has to say why it did not take the content.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Transaction<'_> {
    /// Sends the content, `envelope` in front of it, and reads all replies. A chunk that is refused is the last.
    pub(super) fn chunks(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        mut envelope: Vec<EnvelopeCommand>,
    ) -> Result<(), StepError> {
        let mut reader = self.open(executor)?;
        let (mut content, mut begun) = (Vec::new(), false);
        loop {
            let last = fill(reader.as_mut(), &mut content, self.plan.mail.size()).map_err(|error| {
                let error = self.unreadable(executor, &error);
                // What was sent can only be given up with the connection.
                StepError { closes_connection: begun || error.closes_connection, ..error }
            })?;
            let end = if last { content.len() } else { cut(&content) };
            let whole = content.split_at_checked(end).unwrap_or((&content, &[]));
            let ahead = if last && in_flight::most(executor.session, self.next.as_ref()) == 1 {
                QueuedMessage::prepare(executor, connection, self.step, self.plan, self.next, true, 0)
            } else {
                None
            };
            begun = true;
            self.chunk(executor, connection, std::mem::take(&mut envelope), whole, last, ahead.as_ref())?;
            if last {
                self.complete = true;
                executor.ahead.extend(ahead);
                return self.finish_content(executor, connection);
            }
            content.drain(..end);
            if self.plan.pipelined {
                self.read_available_replies(executor, connection)?;
            } else {
                self.read_replies(executor, connection)?;
            }
            if self.cannot_deliver() {
                break;
            }
        }
        self.read_replies(executor, connection)?;
        connection.in_message = false;
        Ok(())
    }

    /// All of the message has left: sends what may be in flight with it, and reads its replies.
    pub(super) fn finish_content(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
    ) -> Result<(), StepError> {
        connection.in_message = true;
        self.fill_flight(executor, connection);
        let heard = self.read_replies(executor, connection);
        connection.in_message = false;
        heard
    }

    /// Writes a chunk with what stands before and behind it, in one write, each block of it within its deadline. With its
    /// content comes what is known of the next one's.
    fn chunk(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        envelope: Vec<EnvelopeCommand>,
        (content, later): (&[u8], &[u8]),
        last: bool,
        ahead: Option<&QueuedMessage<'_>>,
    ) -> Result<(), StepError> {
        if self.awaited.is_empty() {
            self.require_quiet(executor, connection)?;
        }
        if last {
            executor.record_intent(connection, &self.left())?;
        }
        let mut commands: Vec<u8> = envelope.iter().flat_map(|line| line.text.bytes()).collect();
        let own = commands.len();
        let (kind, word) = if last { (CommandKind::Last, " LAST") } else { (CommandKind::Chunk, "") };
        let command = EnvelopeCommand::new(kind, format!("BDAT {}{word}\r\n", content.len()));
        commands.extend_from_slice(command.text.as_bytes());
        let used = &self.plan.mail.used;
        let (before, chunk) = commands.split_at_checked(own).unwrap_or((&commands, &[]));
        executor.events.emit_sent(&connection.name, before, used);
        executor.events.in_chunk_gap = !last;
        executor.events.emit_sent(&connection.name, chunk, used);
        executor.events.in_chunk_gap = false;
        executor.events.emit_content(&connection.name, content, later, &mut self.passage, used);
        let end = commands.len() + content.len();
        let behind = ahead.map(QueuedMessage::bytes).unwrap_or_default();
        if let Some(ahead) = ahead {
            executor.events.emit_sent(&connection.name, &behind, &ahead.plan.mail.used);
        }
        self.awaited.extend(envelope.into_iter().chain([command]));
        connection.in_message = true;
        let (written, stop) = self.write_blocks(executor, connection, &[&commands, content, &behind]);
        match stop {
            None => Ok(()),
            Some((stop, limit)) => {
                self.complete = last && written >= end;
                self.broken_off(executor, connection, stop, limit)
            }
        }
    }

    /// Writes, each block within its deadline, whatever parts it is of. Gives how many bytes left, and why no more did.
    pub(super) fn write_blocks(
        &self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        parts: &[&[u8]],
    ) -> (usize, Option<(WriteError, Limit)>) {
        let all: usize = parts.iter().map(|part| part.len()).sum();
        let mut rest: VecDeque<&[u8]> = parts.iter().copied().collect();
        let (mut written, mut block) = (0, Vec::with_capacity(all.min(BLOCK)));
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
            let limit = executor.limit(self.step.timeout, Timeout::DataBlock);
            let (count, result) =
                connection.write_paced(&mut executor.events, &block, self.step.chunk, limit.at, false);
            written += count;
            if let Err(stop) = result {
                executor.events.note_partial_write(&connection.name, all - written);
                return (written, Some((stop, limit)));
            }
        }
        (written, None)
    }

    /// Nothing has arrived that no command asked for.
    fn require_quiet(&self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        if !connection.is_open() {
            return Err(StepError::lost(&executor.events, &StreamEnd::Absent));
        }
        match connection.check_quiet(&mut executor.events) {
            QuietCheck::Quiet => Ok(()),
            QuietCheck::Ended(end) => Err(StepError::lost(&executor.events, &end)),
            QuietCheck::Spoke { text, answer } => Err(judge::unsolicited_error(&executor.events, &text, &answer)),
        }
    }

    /// Whether nobody can be reached any more, whatever the replies say that are still to come.
    fn cannot_deliver(&self) -> bool {
        self.is_halted() || !self.recipients.any_left()
    }

    /// Reads the replies that have come, without waiting: a refusal ends the content.
    fn read_available_replies(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
    ) -> Result<(), StepError> {
        while let Some(line) = self.awaited.front() {
            executor.events.in_chunk_gap = line.kind == CommandKind::Chunk;
            let answer = connection.read_available_reply(&mut executor.events);
            executor.events.in_chunk_gap = false;
            let Some(answer) = answer else { break };
            let Some(line) = self.awaited.pop_front() else { break };
            let limit = executor.limit(self.step.timeout, Timeout::of_command(line.text.as_bytes()));
            self.heard(executor, connection, &line, answer, limit)?;
        }
        Ok(())
    }

    /// Writing failed: what the server said of it is read, and is what stopped the message.
    fn broken_off(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        stop: WriteError,
        limit: Limit,
    ) -> Result<(), StepError> {
        let (events, timed_out) = (&executor.events, matches!(stop, WriteError::TimedOut));
        let error = match stop {
            WriteError::Interrupted(interrupt) => return Err(StepError::interrupted(interrupt)),
            _ if self.complete => StepError::delivery_unknown(events, "writing failed behind the last octet"),
            WriteError::Ended(end) => StepError::lost(events, &end),
            WriteError::TimedOut | WriteError::Early => {
                StepError::timed_out(events, "the server to take the content", limit)
            }
        };
        // Once the deadline has passed only what is there already counts.
        if timed_out {
            self.read_available_replies(executor, connection)?;
            return Err(error);
        }
        let until = executor.events.now() + LAST_WORDS;
        while let Some(line) = self.awaited.pop_front() {
            match connection.read_reply(&mut executor.events, until) {
                answer @ (ReadOutcome::Reply(_) | ReadOutcome::Malformed(_)) => {
                    self.heard(executor, connection, &line, answer, limit)?;
                }
                _ => break,
            }
        }
        Err(error)
    }
}

/// Reads until there is more than a chunk. Gives whether the content, which has `size` octets, has come to its end.
pub(super) fn fill(reader: &mut dyn Read, content: &mut Vec<u8>, size: u64) -> io::Result<bool> {
    let room = (CHUNK + BLOCK).saturating_sub(content.len());
    // Growing by doubling would hold it twice.
    content.reserve_exact(usize::try_from(size).map_or(room, |size| size.min(room)));
    let count = reader.take(room as u64).read_to_end(content)?;
    Ok(count < room)
}

/// Where a chunk ends: at a line's end, where there is one, so that the transcript shows whole lines.
fn cut(content: &[u8]) -> usize {
    let most = content.get(..CHUNK).unwrap_or(content);
    memchr::memrchr(b'\n', most).map_or(most.len(), |lf| lf + 1)
}
