//! Replies on a connection: awaited, taken if they have come, or not asked for.

use super::facts::ConnectionState;
use super::reading::MAX_UNSOLICITED;
use super::smtp_connection::{SmtpConnection, WriteOptions};
use crate::exec::events::EventSink;
use crate::exec::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, TransferError};
use crate::smtp::reply::ReplyParser;
use std::time::{Duration, Instant};

/// How long a reply is awaited that changes nothing any more, and how long the server has to close after its 221 or 421.
pub const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How long a server has to complete what it began unasked, and to say why it ended the connection under a write.
pub const FINAL_REPLY_WAIT: Duration = Duration::from_secs(1);
impl SmtpConnection<'_> {
    /// Waits for a whole reply.
    pub fn read_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        let outcome = self.read_next_reply(events, until);
        self.keep_reply(&outcome);
        outcome
    }

    /// Sends a command that belongs to no step, and reads its reply; `None` if it could not be sent.
    pub fn send_line(&mut self, events: &mut EventSink<'_>, line: &[u8], until: Instant) -> Option<ReadOutcome> {
        events.emit_sent(&self.name, line, &[]);
        let (count, written) = self.write(events, line, WriteOptions::until(until));
        events.note_partial_write(&self.name, line.len() - count);
        written.is_ok().then(|| self.read_reply(events, until))
    }

    /// The reply that has come already, or the end; `None` if neither has.
    pub fn read_available_reply(&mut self, events: &mut EventSink<'_>) -> Option<ReadOutcome> {
        let outcome = loop {
            if let Some(outcome) = self.take_reply(events) {
                break outcome;
            }
            match self.read_arrived() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(end) => break ReadOutcome::Ended(self.end(events, end)),
            }
        };
        self.keep_reply(&outcome);
        Some(outcome)
    }

    fn read_next_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        loop {
            if let Some(outcome) = self.take_reply(events) {
                return outcome;
            }
            match self.read_some(events, until) {
                Ok(()) => {}
                Err(TransferError::Ended(end)) => return ReadOutcome::Ended(end),
                Err(TransferError::Interrupted(interrupt)) => {
                    self.emit_partial_line(events);
                    return ReadOutcome::Interrupted(interrupt);
                }
                Err(TransferError::TimedOut | TransferError::Early) => {
                    let partial = self.emit_partial_line(events) | self.reader.parser.has_partial();
                    return ReadOutcome::Nothing { partial };
                }
            }
        }
    }

    /// Whether it is the client's turn: nothing has arrived that no command asked for. What has is read and emitted.
    pub fn check_quiet(&mut self, events: &mut EventSink<'_>) -> QuietCheck {
        if self.state == ConnectionState::OutOfSync {
            return QuietCheck::Quiet;
        }
        if !self.has_unread_input() {
            match self.read_arrived() {
                Ok(false) => return QuietCheck::Quiet,
                Ok(true) => {}
                Err(StreamEnd::Absent) => return QuietCheck::Ended(StreamEnd::Absent),
                Err(end) => return QuietCheck::Ended(self.end(events, end)),
            }
        }
        let mut text = self.reader.lines.pending().to_vec();
        // That it is an error is certain; a moment more shows what it was going to be.
        let outcome = self.read_reply(events, events.now() + FINAL_REPLY_WAIT);
        self.drain_unsolicited(events);
        if let ReadOutcome::Reply(facts) = &outcome {
            text = facts.reply.code_and_text().into_bytes();
        }
        QuietCheck::Unsolicited { text, outcome }
    }

    /// Takes and emits, as lines and not as replies, all that the server has sent and nobody asked for.
    pub fn drain_unsolicited(&mut self, events: &mut EventSink<'_>) -> Vec<u8> {
        // An end that shows here shows in the handshake too.
        while self.reader.lines.pending().len() <= MAX_UNSOLICITED && matches!(self.read_arrived(), Ok(true)) {}
        let text = self.reader.lines.pending().to_vec();
        self.emit_partial_line(events);
        self.reader.parser = ReplyParser::default();
        text
    }

    /// Whether the server has sent something while content is being written.
    pub fn has_early_reply(&mut self) -> Result<bool, StreamEnd> {
        Ok(self.has_unread_input() || self.read_arrived()?)
    }

    /// Whether the server ends the connection without another word.
    pub fn ends_in_silence(&mut self, events: &mut EventSink<'_>, until: Instant) -> bool {
        !self.has_unread_input() && matches!(self.read_some(events, until), Err(TransferError::Ended(_)))
    }

    /// Waits until the server closes; what it still says is emitted.
    pub fn await_close(&mut self, events: &mut EventSink<'_>, until: Instant) {
        while self.is_open() {
            match self.read_next_reply(events, until) {
                ReadOutcome::Reply(_) | ReadOutcome::Malformed(_) => {}
                ReadOutcome::Ended(_) | ReadOutcome::Nothing { .. } | ReadOutcome::Interrupted(_) => return,
            }
        }
    }

    /// Keeps a reply, if that is what came, as the last one.
    fn keep_reply(&mut self, outcome: &ReadOutcome) {
        let ReadOutcome::Reply(facts) = outcome else { return };
        if self.state == ConnectionState::OutOfSync {
            self.state = ConnectionState::Ready;
        }
        self.server.replies += 1;
        self.server.reply = Some(facts.clone());
    }
}
