//! Commands and replies: sends a command, reads its reply, and holds the one check for bytes that nobody asked for.

use super::connection::{ConnectionState, SmtpConnection, TlsStart};
use super::context::StepContext;
use super::error::{Deadline, StepError};
use super::events::EventSink;
use super::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, WriteError};
use crate::event::{Cause, Fact, Note, ServerResponse, Status};
use crate::session::{Chunk, Expectation, ReplyFacts};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::smtp::transaction::may_end_content;
use crate::transcript::SafeText;
use std::time::{Duration, Instant};

/// How long a reply is awaited that changes nothing any more, and how long the server has to close after its 221 or 421.
pub const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How long a server has to complete what it began unasked, and to say why it ended the connection under a write.
pub const FINAL_REPLY_WAIT: Duration = Duration::from_secs(1);
/// The most that is read of a line that is too long, or of bytes that nobody asked for.
const MAX_UNSOLICITED: usize = 1 << 20;

/// Bytes to send, and what is to come of them.
pub struct SmtpCommand<'c> {
    pub bytes: &'c [u8],
    /// Secrets in them that are too short to be hidden everywhere.
    pub short_secrets: Vec<String>,
    pub chunk: Option<Chunk>,
    /// Of the write, and of the reply.
    pub deadline: Deadline,
    /// `None`: nothing is read.
    pub expect: Option<&'c Expectation>,
    /// Whether the server must have sent nothing that was not asked for.
    pub requires_quiet: bool,
    /// What is waited for, if the bytes do not say it.
    pub reply_to: Option<&'static str>,
    /// Whether an intent is recorded if the bytes may end a content.
    pub records_content: bool,
}

impl<'c> SmtpCommand<'c> {
    /// A command line, CRLF included.
    pub fn line(
        context: &StepContext<'_, '_>,
        bytes: &'c [u8],
        expect: &'c Expectation,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            bytes,
            short_secrets: Vec::new(),
            chunk: None,
            deadline: context.deadline(timeout, Timeout::of_command(bytes)),
            expect: Some(expect),
            requires_quiet: true,
            reply_to: None,
            records_content: true,
        }
    }

    /// What is waited for, for messages.
    pub fn waiting_for(&self) -> String {
        self.reply_to.map_or_else(|| reply_to_line(self.bytes), |command| format!("the reply to {command}"))
    }
}

/// `the reply to MAIL FROM:<…>`, for messages.
pub fn reply_to_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    // Parameters may be secret, and are not what is waited for.
    let count = if Timeout::of_command(bytes) == Timeout::Other { 1 } else { 2 };
    let words: Vec<&str> = line.split_whitespace().take(count).collect();
    if words.is_empty() { "the reply".to_owned() } else { format!("the reply to {}", words.join(" ")) }
}

/// Checks that it is the client's turn, emits the bytes, and writes them. Gives the outcome of reading if it is known
/// already.
pub fn send_command(
    context: &mut StepContext<'_, '_>,
    command: &SmtpCommand<'_>,
) -> Result<Option<ReadOutcome>, StepError> {
    let may_close = command.expect.is_some_and(Expectation::accepts_close);
    if !context.connection.is_open() {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    }
    if command.requires_quiet {
        match context.connection.check_quiet(context.events) {
            // The server was quicker with what is expected of it.
            QuietCheck::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)) if may_close => {
                return Ok(Some(ReadOutcome::Ended(end)));
            }
            check => quiet_or_error(context.events, check)?,
        }
    }
    if command.records_content && may_end_content(command.bytes) {
        context.record_intent(&[])?;
    }
    let connection = &mut *context.connection;
    if command.requires_quiet && is_verb(command.bytes, "STARTTLS") {
        connection.state = ConnectionState::AwaitingTls(TlsStart::AfterStarttls);
    } else if connection.state == ConnectionState::AwaitingTls(TlsStart::AfterStarttls) {
        connection.state = ConnectionState::Ready;
    }
    context.events.emit_sent(&connection.name, command.bytes, &command.short_secrets);
    let (count, written) = connection.write(context.events, command.bytes, command.chunk, command.deadline.at, false);
    context.events.note_partial_write(&connection.name, command.bytes.len() - count);
    match written {
        Ok(()) | Err(WriteError::Early) => Ok(None),
        Err(WriteError::Interrupted(interrupt)) => Err(StepError::interrupted(interrupt)),
        Err(WriteError::TimedOut) => {
            let what = command.waiting_for();
            let what = what.trim_start_matches("the reply to ");
            let waiting_for = match command.chunk {
                // The time may have gone into the pauses.
                Some(_) => format!("the last piece of {what} to leave"),
                None => format!("the server to take {what}"),
            };
            Err(StepError::timed_out(&context.events.secrets, &waiting_for, command.deadline))
        }
        Err(WriteError::Ended(end)) => read_final_reply(context, end, may_close).map(Some),
    }
}

/// What the server sent before it ended the connection under a write.
fn read_final_reply(
    context: &mut StepContext<'_, '_>,
    end: StreamEnd,
    may_close: bool,
) -> Result<ReadOutcome, StepError> {
    let until = context.events.now() + FINAL_REPLY_WAIT;
    match context.connection.read_reply(context.events, until) {
        outcome @ ReadOutcome::Reply(_) => Ok(outcome),
        ReadOutcome::Ended(end) if may_close => Ok(ReadOutcome::Ended(end)),
        ReadOutcome::Malformed(malformed) => Err(StepError::malformed(&malformed)),
        ReadOutcome::Interrupted(interrupt) => Err(StepError::interrupted(interrupt)),
        ReadOutcome::Ended(StreamEnd::Absent) | ReadOutcome::Nothing { .. } => {
            Err(StepError::lost(&context.events.secrets, &end))
        }
        // What reading says of the end is what the transcript has.
        ReadOutcome::Ended(end) => Err(StepError::lost(&context.events.secrets, &end)),
    }
}

/// It is the client's turn: the connection is there, and nothing has arrived that no command asked for.
pub fn require_quiet(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    if !context.connection.is_open() {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    }
    let check = context.connection.check_quiet(context.events);
    quiet_or_error(context.events, check)
}

fn quiet_or_error(events: &EventSink<'_>, check: QuietCheck) -> Result<(), StepError> {
    match check {
        QuietCheck::Quiet => Ok(()),
        QuietCheck::Ended(end) => Err(StepError::lost(&events.secrets, &end)),
        QuietCheck::Unsolicited { text, outcome } => Err(unsolicited_error(events, &text, &outcome)),
    }
}

/// A reply when none was due: a 421 is the 4yz that it is (RFC 5321 §3.8), all else a protocol error.
fn unsolicited_error(events: &EventSink<'_>, text: &[u8], outcome: &ReadOutcome) -> StepError {
    match outcome {
        ReadOutcome::Reply(facts) if facts.reply.code.get() == 421 => {
            let expected = SafeText::new("nothing before the next command");
            let got = server_response(events, &facts.reply);
            StepError::closing(Status::TempFail, Cause::Unexpected { expected, got })
        }
        ReadOutcome::Interrupted(interrupt) => StepError::interrupted(*interrupt),
        _ => StepError::closing(Status::Protocol, Cause::UnsolicitedInput { text: events.shown(text) }),
    }
}

/// A reply as a cause shows it.
pub fn server_response(events: &EventSink<'_>, reply: &Reply) -> ServerResponse {
    ServerResponse::Reply { code: reply.code.get(), text: events.shown_reply(reply.display_text()) }
}

/// `550 5.1.1 no such user`, for messages: what [`EventSink::shown_reply`] shows.
pub fn reply_words(reply: &Reply) -> String {
    format!("{} {}", reply.code, reply.display_text())
}

/// EHLO and LHLO tell what the server can do; if they are refused, and after HELO, nothing is known.
pub fn update_capabilities(context: &mut StepContext<'_, '_>, line: &[u8], facts: &ReplyFacts) {
    let extended = is_verb(line, "EHLO") || is_verb(line, "LHLO");
    if extended && facts.reply.code.class() == 2 {
        context.connection.server.ehlo = Capabilities::parse(&facts.reply);
        // As the server wrote them: a keyword in capitals would no longer be known for a secret.
        let offers = facts.reply.lines.iter().skip(1);
        let list = offers.map(|offer| context.events.shown(offer.trim_ascii())).collect();
        context.note(Note::Capabilities { list });
    } else if extended || is_verb(line, "HELO") {
        context.connection.server.ehlo = Capabilities::default();
    }
}

fn is_verb(line: &[u8], verb: &str) -> bool {
    let first = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    first.eq_ignore_ascii_case(verb.as_bytes())
}

/// If input that is not SMTP was expected, reads the rest of a line that was too long, so that the next reply is whole.
pub fn skip_long_line(context: &mut StepContext<'_, '_>, expect: &Expectation, until: Instant) {
    let (connection, most) = (&mut *context.connection, MAX_UNSOLICITED as u64);
    if expect.accepts_malformed() && !connection.read_through_line(context.events, most, until) {
        connection.close(context.events, crate::session::CloseMode::Fin);
    }
}

/// Sleeps, and emits that; an interruption ends it.
pub fn pause(events: &mut EventSink<'_>, connection: &str, duration: Duration) -> Result<(), StepError> {
    events.emit(connection, Fact::Paused { duration });
    let until = Deadline::after(events.now(), duration, None).at;
    while events.now() < until {
        if let Some(interrupt) = events.clock.interrupted() {
            return Err(StepError::interrupted(interrupt));
        }
        events.clock.sleep_until(until);
    }
    Ok(())
}

impl SmtpConnection<'_> {
    /// Waits for a whole reply.
    pub fn read_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        let outcome = self.read_next_reply(events, until);
        if let ReadOutcome::Reply(facts) = &outcome {
            self.keep_reply(facts);
        }
        outcome
    }

    /// Sends a command that belongs to no step, and reads its reply; `None` if it could not be sent.
    pub fn send_line(&mut self, events: &mut EventSink<'_>, line: &[u8], until: Instant) -> Option<ReadOutcome> {
        events.emit_sent(&self.name, line, &[]);
        let (count, written) = self.write(events, line, None, until, false);
        events.note_partial_write(&self.name, line.len() - count);
        written.is_ok().then(|| self.read_reply(events, until))
    }

    /// The reply that has come already, or the end; `None` if neither has.
    pub fn read_available_reply(&mut self, events: &mut EventSink<'_>) -> Option<ReadOutcome> {
        loop {
            match self.take_line(events) {
                Ok(Some(Some(facts))) => {
                    self.keep_reply(&facts);
                    return Some(ReadOutcome::Reply(facts));
                }
                Ok(Some(None)) => continue,
                Ok(None) => {}
                Err(malformed) => return Some(ReadOutcome::Malformed(malformed)),
            }
            match self.read_arrived() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(end) => return Some(ReadOutcome::Ended(self.end(events, end))),
            }
        }
    }

    fn read_next_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        loop {
            match self.take_line(events) {
                Ok(Some(Some(facts))) => return ReadOutcome::Reply(facts),
                Ok(Some(None)) => continue,
                Ok(None) => {}
                Err(malformed) => return ReadOutcome::Malformed(malformed),
            }
            match self.read_some(events, until) {
                Ok(()) => {}
                Err(WriteError::Ended(end)) => return ReadOutcome::Ended(end),
                Err(WriteError::Interrupted(interrupt)) => {
                    self.emit_partial_line(events);
                    return ReadOutcome::Interrupted(interrupt);
                }
                Err(WriteError::TimedOut | WriteError::Early) => {
                    let partial = self.emit_partial_line(events) | self.has_partial_reply();
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
        let mut text = self.unread_input().to_vec();
        // That it is an error is certain; a moment more shows what it was going to be.
        let outcome = self.read_reply(events, events.now() + FINAL_REPLY_WAIT);
        self.drain_unsolicited(events);
        if let ReadOutcome::Reply(facts) = &outcome {
            text = reply_words(&facts.reply).into_bytes();
        }
        QuietCheck::Unsolicited { text, outcome }
    }

    /// Takes and emits, as lines and not as replies, all that the server has sent and nobody asked for.
    pub fn drain_unsolicited(&mut self, events: &mut EventSink<'_>) -> Vec<u8> {
        // An end that shows here shows in the handshake too.
        while self.unread_input().len() <= MAX_UNSOLICITED && matches!(self.read_arrived(), Ok(true)) {}
        let text = self.unread_input().to_vec();
        self.emit_partial_line(events);
        self.forget_partial_reply();
        text
    }

    /// Whether the server has sent something while content is being written.
    pub fn has_early_reply(&mut self) -> Result<bool, StreamEnd> {
        Ok(self.has_unread_input() || self.read_arrived()?)
    }

    /// Whether the server ends the connection without another word.
    pub fn ends_in_silence(&mut self, events: &mut EventSink<'_>, until: Instant) -> bool {
        !self.has_unread_input() && matches!(self.read_some(events, until), Err(WriteError::Ended(_)))
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
}
