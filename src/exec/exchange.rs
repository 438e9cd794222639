//! Sends commands, after a look for bytes that nobody asked for, and says what went wrong.

use super::connection::{ConnectionState, FINAL_REPLY_WAIT, TlsStart, WriteOptions};
use super::context::StepContext;
use super::error::{Deadline, StepError};
use super::events::EventSink;
use super::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, TransferError};
use crate::event::{Cause, Fact, Note, ServerResponse, Status};
use crate::session::{Chunk, CloseMode, Expectation, ReplyFacts};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::smtp::transaction::may_end_content;
use crate::transcript::SafeText;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let content = connection.log.content_in(command.bytes);
    context.events.emit_lines(&connection.name, command.bytes, &content, &command.short_secrets);
    let options = WriteOptions { chunk: command.chunk, ..WriteOptions::until(command.deadline.at) };
    let (count, written) = connection.write(context.events, command.bytes, options);
    context.events.note_partial_write(&connection.name, command.bytes.len() - count);
    match written {
        Ok(()) | Err(TransferError::Early) => Ok(None),
        Err(TransferError::Interrupted(interrupt)) => Err(StepError::interrupted(interrupt)),
        Err(TransferError::TimedOut) => {
            let what = command.waiting_for();
            let what = what.trim_start_matches("the reply to ");
            let waiting_for = match command.chunk {
                // The time may have gone into the pauses.
                Some(_) => format!("the last piece of {what} to leave"),
                None => format!("the server to take {what}"),
            };
            Err(StepError::timed_out(&context.events.secrets, &waiting_for, command.deadline))
        }
        Err(TransferError::Ended(end)) => read_final_reply(context, end, may_close).map(Some),
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

/// EHLO and LHLO tell what the server can do; if they are refused, and after HELO, nothing is known.
pub fn update_capabilities(context: &mut StepContext<'_, '_>, line: &[u8], facts: &ReplyFacts) {
    let extended = is_verb(line, "EHLO") || is_verb(line, "LHLO");
    if extended && facts.reply.code.class() == 2 {
        context.connection.server.ehlo = Arc::new(Capabilities::parse(&facts.reply));
        // As the server wrote them: a keyword in capitals would no longer be known for a secret.
        let offers = facts.reply.lines.iter().skip(1);
        let list = offers.map(|offer| context.events.shown(offer.trim_ascii())).collect();
        context.note(Note::Capabilities { list });
    } else if extended || is_verb(line, "HELO") {
        context.connection.server.ehlo = Arc::default();
    }
}

fn is_verb(line: &[u8], verb: &str) -> bool {
    let first = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    first.eq_ignore_ascii_case(verb.as_bytes())
}

/// If input that is not SMTP was expected, reads the rest of a line that was too long, so that the next reply is whole.
pub fn skip_long_line(context: &mut StepContext<'_, '_>, expect: &Expectation, until: Instant) {
    if expect.accepts_malformed() && !context.connection.read_through_line(context.events, until) {
        context.connection.close(context.events, CloseMode::Fin);
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
