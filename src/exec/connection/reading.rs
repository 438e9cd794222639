//! Reads from a connection: bytes, lines, and the replies that they make.

use super::facts::ConnectionState;
use super::slice::{may_try_again, next_slice};
use super::smtp_connection::SmtpConnection;
use crate::event::Fact;
use crate::exec::events::EventSink;
use crate::exec::read_outcome::{Malformed, ReadOutcome, StreamEnd, TransferError};
use crate::session::ReplyFacts;
use crate::smtp::lines::split_lines;
use crate::smtp::reply::Reply;
use crate::smtp::transaction::Answered;
use std::time::Instant;

/// The most that is read of a line that is too long, or of bytes that nobody asked for.
pub(super) const MAX_UNSOLICITED: usize = 1 << 20;

impl SmtpConnection<'_> {
    /// Whether bytes have been read that were not yet looked at.
    pub fn has_unread_input(&self) -> bool {
        !self.reader.lines.pending().is_empty()
    }

    /// The reply that is complete in what was read, or why it is none; `None` if more must be read. Each line is emitted,
    /// then parsed.
    pub(super) fn take_reply(&mut self, events: &mut EventSink<'_>) -> Option<ReadOutcome> {
        loop {
            let malformed = match self.reader.lines.next_line() {
                Ok(None) => return None,
                Ok(Some(line)) => {
                    events.emit_received(&self.name, line);
                    match self.reader.parser.line(line.bytes) {
                        Ok(None) => continue,
                        Ok(Some(reply)) => {
                            self.log_reply(events, Some(&reply));
                            let now = events.last_now();
                            let elapsed = now.saturating_duration_since(self.reader.waits_since.unwrap_or(now));
                            return Some(ReadOutcome::Reply(ReplyFacts { reply, elapsed }));
                        }
                        Err(error) => Malformed::Reply(error),
                    }
                }
                Err(_) => {
                    self.reader.in_long_line = !self.emit_through_line(events);
                    Malformed::LineTooLong
                }
            };
            self.log_reply(events, None);
            return Some(ReadOutcome::Malformed(malformed));
        }
    }

    /// A reply came, which is `None` if it is not SMTP: emits what it answers.
    fn log_reply(&mut self, events: &mut EventSink<'_>, reply: Option<&Reply>) {
        let code = reply.map_or(0, |reply| reply.code.get());
        match self.log.answered(reply, events.elapsed()) {
            Answered::GoAhead { content_sent: true } => events.emit(&self.name, Fact::ContentSent),
            Answered::Recipient { index, last } => {
                events.emit(&self.name, Fact::RecipientAnswered { index, code });
                if last {
                    events.emit(&self.name, Fact::ContentAnswered { code });
                }
            }
            Answered::Content => events.emit(&self.name, Fact::ContentAnswered { code }),
            Answered::Nothing | Answered::Command(_) | Answered::GoAhead { content_sent: false } => {}
        }
    }

    /// Emits what there is of a line without its end; gives whether there was something.
    pub fn emit_partial_line(&mut self, events: &mut EventSink<'_>) -> bool {
        let pending = self.reader.lines.take_pending();
        for line in split_lines(&pending) {
            events.emit_received(&self.name, line);
        }
        // Half a reply shows that the server has read something of the row.
        self.log.row.replies += usize::from(!pending.is_empty());
        !pending.is_empty()
    }

    /// Emits what there is up to a line's end; gives whether there was one.
    fn emit_through_line(&mut self, events: &mut EventSink<'_>) -> bool {
        let pending = self.reader.lines.take_pending();
        let lf = memchr::memchr(b'\n', &pending);
        let (line, rest) = pending.split_at(lf.map_or(pending.len(), |lf| lf + 1));
        for line in split_lines(line) {
            events.emit_received(&self.name, line);
        }
        self.reader.lines.push(rest);
        lf.is_some()
    }

    /// Reads through a line that was too long, so that the next one is whole again. False if it has no end within
    /// [`MAX_UNSOLICITED`] bytes or until then.
    pub fn read_through_line(&mut self, events: &mut EventSink<'_>, until: Instant) -> bool {
        let from = self.bytes.received.get();
        while self.reader.in_long_line
            && self.bytes.received.get() - from < MAX_UNSOLICITED as u64
            && self.read_some(events, until).is_ok()
        {
            self.reader.in_long_line = !self.emit_through_line(events);
        }
        !self.reader.in_long_line
    }

    /// Reads once, waiting until then.
    pub fn read_some(&mut self, events: &mut EventSink<'_>, until: Instant) -> Result<(), TransferError> {
        loop {
            let Some(stream) = &mut self.stream else { return Err(TransferError::Ended(StreamEnd::Absent)) };
            let slice = next_slice(events, self.state == ConnectionState::InContent, until)?;
            let read = stream.read(&mut self.reader.buffer, slice);
            events.now();
            match read {
                Ok(0) => return Err(TransferError::Ended(self.end(events, StreamEnd::Fin))),
                Ok(count) => {
                    self.take_bytes(count);
                    return Ok(());
                }
                Err(error) if may_try_again(&error) => {}
                Err(error) => {
                    let end = self.end_of(&error);
                    return Err(TransferError::Ended(self.end(events, end)));
                }
            }
        }
    }

    fn take_bytes(&mut self, count: usize) {
        let received = &self.bytes.received;
        received.set(received.get() + count as u64);
        self.reader.lines.push(self.reader.buffer.get(..count).unwrap_or_default());
    }

    /// Reads what has arrived, without waiting. Gives whether something has.
    pub fn read_arrived(&mut self) -> Result<bool, StreamEnd> {
        let Some(stream) = &mut self.stream else { return Err(StreamEnd::Absent) };
        match stream.read_waiting(&mut self.reader.buffer) {
            Ok(None) => Ok(false),
            Ok(Some(0)) => Err(StreamEnd::Fin),
            Ok(Some(count)) => {
                self.take_bytes(count);
                Ok(true)
            }
            Err(error) if may_try_again(&error) => Ok(false),
            Err(error) => Err(self.end_of(&error)),
        }
    }
}
