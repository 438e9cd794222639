//! Reads from a connection: bytes, lines, and the replies that they make.

use super::facts::ConnectionState;
use super::slice::{may_try_again, next_slice};
use super::smtp_connection::SmtpConnection;
use crate::event::Fact;
use crate::exec::events::EventSink;
use crate::exec::read_outcome::{Malformed, StreamEnd, WriteError};
use crate::session::ReplyFacts;
use crate::smtp::lines::split_lines;
use crate::smtp::reply::{Reply, ReplyParser};
use crate::smtp::transaction::Answered;
use std::time::Instant;

impl SmtpConnection<'_> {
    /// Whether bytes have been read that were not yet looked at.
    pub fn has_unread_input(&self) -> bool {
        !self.reader.lines.pending().is_empty()
    }

    /// The bytes that have been read and not yet looked at.
    pub fn unread_input(&self) -> &[u8] {
        self.reader.lines.pending()
    }

    /// Whether a reply has begun and is not complete.
    pub fn has_partial_reply(&self) -> bool {
        self.reader.parser.has_partial()
    }

    /// The next whole line, emitted and then parsed; the reply that it completes.
    pub fn take_line(&mut self, events: &mut EventSink<'_>) -> Result<Option<Option<ReplyFacts>>, Malformed> {
        let line = match self.reader.lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(_) => {
                self.reader.in_long_line = !self.emit_through_line(events);
                self.log_reply(events, None);
                return Err(Malformed::LineTooLong);
            }
        };
        events.emit_received(&self.name, line);
        let reply = match self.reader.parser.line(line.bytes) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(Some(None)),
            Err(error) => {
                self.log_reply(events, None);
                return Err(Malformed::Reply(error));
            }
        };
        self.log_reply(events, Some(&reply));
        let now = events.now();
        let elapsed = now.saturating_duration_since(self.reader.waits_since.unwrap_or(now));
        Ok(Some(Some(ReplyFacts { reply, elapsed })))
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

    /// Keeps a reply as the last one.
    pub fn keep_reply(&mut self, facts: &ReplyFacts) {
        if self.state == ConnectionState::OutOfSync {
            self.state = ConnectionState::Ready;
        }
        self.server.replies += 1;
        self.server.reply = Some(facts.clone());
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

    /// What has come of a reply is not one.
    pub fn forget_partial_reply(&mut self) {
        self.reader.parser = ReplyParser::default();
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

    /// Reads through a line that was too long, so that the next one is whole again. False if it has no end within `most`
    /// bytes or until then.
    pub fn read_through_line(&mut self, events: &mut EventSink<'_>, most: u64, until: Instant) -> bool {
        let from = self.bytes.received.get();
        while self.reader.in_long_line
            && self.bytes.received.get() - from < most
            && self.read_some(events, until).is_ok()
        {
            self.reader.in_long_line = !self.emit_through_line(events);
        }
        !self.reader.in_long_line
    }

    /// Reads once, waiting until then.
    pub fn read_some(&mut self, events: &mut EventSink<'_>, until: Instant) -> Result<(), WriteError> {
        loop {
            let Some(stream) = &mut self.stream else { return Err(WriteError::Ended(StreamEnd::Absent)) };
            let slice = next_slice(events.clock, self.state == ConnectionState::InContent, until)?;
            match stream.read(&mut self.reader.buffer, slice) {
                Ok(0) => return Err(WriteError::Ended(self.end(events, StreamEnd::Fin))),
                Ok(count) => {
                    self.take_bytes(count);
                    return Ok(());
                }
                Err(error) if may_try_again(&error) => {}
                Err(error) => {
                    let end = self.end_of(&error);
                    return Err(WriteError::Ended(self.end(events, end)));
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
