//! What steps do: an action each, over one connection.

mod auth;
mod body;
mod compose;
mod connection;
mod line;
mod login;
mod material;
mod pipeline;
mod tls;
mod transaction;

use super::connection::SmtpConnection;
use super::error::{Limit, StepError};
use super::executor::Executor;
use super::judge;
use super::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, WriteError};
use crate::event::Note;
use crate::session::{Action, Chunk, CloseMode, Expectation, ReplyFacts, Step};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::timeouts::Timeout;
use crate::smtp::transaction::may_end_content;
use std::time::{Duration, Instant};

pub use compose::compose;
pub use line::rendered_title;
pub use material::try_file;
pub use tls::handshake;
pub use transaction::{FollowingMessage, QueuedMessage, discard_queued};

/// How an action ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    Passed,
    /// `opportunistic`, and the server does not offer it.
    NotOffered,
    /// A message that all its recipients have had before.
    AlreadySent,
    /// What the session requires is not there.
    SkipSession,
}

/// Does what a step says. `line` is what was rendered of it for its title, `next` the message that follows a message.
pub fn act(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    line: Option<String>,
    next: Option<FollowingMessage<'_>>,
) -> Result<ActionOutcome, StepError> {
    match &step.action {
        Action::Wait => line::wait(executor, connection, step)?,
        Action::Send(template) => line::send(executor, connection, step, template, line)?,
        Action::Raw(bytes) => line::raw(executor, connection, step, bytes)?,
        Action::Hello { .. } => line::hello(executor, connection, step, line)?,
        Action::Starttls { policy, inject_check } => {
            return tls::starttls(executor, connection, step, *policy, *inject_check);
        }
        Action::Tls => tls::tls(executor, connection)?,
        Action::Auth(settings) => auth::auth(executor, connection, settings, step)?,
        Action::Login => return login::login(executor, connection, step),
        Action::Message(message) => return transaction::message(executor, connection, step, message, next),
        Action::Body { content, dot_stuffing } => body::body(executor, connection, step, content, *dot_stuffing)?,
        Action::Pipeline(members) => pipeline::pipeline(executor, connection, step, members)?,
        Action::Quit => connection::quit(executor, connection, step)?,
        Action::Sleep(duration) => executor.pause(&connection.name, *duration)?,
        Action::Close(how) => connection::close(executor, connection, *how)?,
        Action::Connect => connection::connect(executor, connection)?,
        Action::Proxy { version, source, destination } => {
            connection::proxy(executor, connection, step, *version, (*source, *destination))?;
        }
        Action::Xclient(attributes) => connection::xclient(executor, connection, step, attributes)?,
        // A group is played by the step loop.
        Action::Steps(_) => {}
    }
    Ok(ActionOutcome::Passed)
}

/// Bytes to send, and what is to come of them.
struct SmtpCommand<'c> {
    bytes: &'c [u8],
    /// Short secrets in them.
    used: Vec<String>,
    chunk: Option<Chunk>,
    wait: Timeout,
    timeout: Option<Duration>,
    /// `None`: nothing is read.
    expect: Option<&'c Expectation>,
    /// Whether the server must have said nothing before.
    requires_quiet: bool,
    /// What is waited for, where the bytes do not say it.
    reply_to: Option<&'static str>,
    /// Whether an intent is recorded if the bytes may end a content.
    records_content: bool,
}

impl<'c> SmtpCommand<'c> {
    /// A command line, CRLF included.
    fn line(bytes: &'c [u8], expect: &'c Expectation, timeout: Option<Duration>) -> Self {
        let wait = Timeout::of_command(bytes);
        let (used, expect) = (Vec::new(), Some(expect));
        Self {
            bytes,
            used,
            chunk: None,
            wait,
            timeout,
            expect,
            requires_quiet: true,
            reply_to: None,
            records_content: true,
        }
    }

    /// For messages.
    fn waiting_for(&self) -> String {
        if let Some(command) = self.reply_to {
            return format!("the reply to {command}");
        }
        let line = self.bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        // Parameters may be secret, and are not what is waited for.
        let words: Vec<&str> = line.split_whitespace().take(if self.wait == Timeout::Other { 1 } else { 2 }).collect();
        if words.is_empty() { "the reply".to_owned() } else { format!("the reply to {}", words.join(" ")) }
    }
}

/// Sends a command, waits for its reply and judges it.
fn exchange(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    command: &SmtpCommand<'_>,
) -> Result<Option<ReplyFacts>, StepError> {
    let limit = executor.limit(command.timeout, command.wait);
    let known = send_command(executor, connection, command, limit)?;
    let Some(expect) = command.expect else {
        connection.unpaired = true;
        return Ok(None);
    };
    let answer = match known {
        Some(answer) => answer,
        None => connection.read_reply(&mut executor.events, limit.at),
    };
    if let ReadOutcome::Reply(facts) = &answer
        && command.requires_quiet
    {
        update_capabilities(executor, connection, command.bytes, facts);
    }
    let facts = executor.judge(expect, answer, &command.waiting_for(), limit)?;
    read_through(executor, connection, expect, limit.at);
    Ok(facts)
}

/// Where what is not SMTP was expected, the rest of a line that was too long is read, so that the next reply is whole.
fn read_through(executor: &mut Executor<'_>, connection: &mut SmtpConnection, expect: &Expectation, until: Instant) {
    if expect.accepts_malformed() && !connection.read_through_line(&mut executor.events, until) {
        connection.close(&mut executor.events, CloseMode::Fin);
    }
}

/// Sends a command and gives its reply, whatever it says.
fn ask(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    command: &SmtpCommand<'_>,
) -> Result<ReplyFacts, StepError> {
    match exchange(executor, connection, command)? {
        Some(facts) => Ok(facts),
        None => Err(StepError::lost(&executor.events, &StreamEnd::Absent)),
    }
}

/// Looks whether it is the client's turn, tells, and writes. Gives the answer where it is there already.
fn send_command(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    command: &SmtpCommand<'_>,
    limit: Limit,
) -> Result<Option<ReadOutcome>, StepError> {
    let closing = command.expect.is_some_and(Expectation::accepts_close);
    if !connection.is_open() {
        return Err(StepError::lost(&executor.events, &StreamEnd::Absent));
    }
    if command.requires_quiet {
        match connection.check_quiet(&mut executor.events) {
            QuietCheck::Quiet => {}
            // The server was quicker with what is expected of it.
            QuietCheck::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)) if closing => {
                return Ok(Some(ReadOutcome::Ended(end)));
            }
            QuietCheck::Ended(end) => return Err(StepError::lost(&executor.events, &end)),
            QuietCheck::Spoke { text, answer } => {
                return Err(judge::unsolicited_error(&executor.events, &text, &answer));
            }
        }
    }
    if command.records_content && may_end_content(command.bytes) {
        executor.record_intent(connection, &[])?;
    }
    connection.after_starttls = command.requires_quiet && verb_is(command.bytes, "STARTTLS");
    executor.events.emit_sent(&connection.name, command.bytes, &command.used);
    let (count, written) = connection.write_paced(&mut executor.events, command.bytes, command.chunk, limit.at, false);
    executor.events.note_partial_write(&connection.name, command.bytes.len() - count);
    match written {
        Ok(()) | Err(WriteError::Early) => Ok(None),
        Err(WriteError::Interrupted(interrupt)) => Err(StepError::interrupted(interrupt)),
        Err(WriteError::TimedOut) => {
            let (what, words) = (command.waiting_for(), "the reply to ");
            let what = what.trim_start_matches(words);
            let waiting_for = match command.chunk {
                // The time may have gone into the pauses.
                Some(_) => format!("the last piece of {what} to leave"),
                None => format!("the server to take {what}"),
            };
            Err(StepError::timed_out(&executor.events, &waiting_for, limit))
        }
        Err(WriteError::Ended(end)) => read_final_reply(executor, connection, end, closing).map(Some),
    }
}

/// What the server said before it ended the connection under a write: read for a second at most.
fn read_final_reply(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    end: StreamEnd,
    closing: bool,
) -> Result<ReadOutcome, StepError> {
    let until = executor.events.now() + Duration::from_secs(1);
    match connection.read_reply(&mut executor.events, until) {
        answer @ ReadOutcome::Reply(_) => Ok(answer),
        ReadOutcome::Ended(end) if closing => Ok(ReadOutcome::Ended(end)),
        ReadOutcome::Malformed(malformed) => Err(StepError::malformed(&malformed)),
        ReadOutcome::Interrupted(interrupt) => Err(StepError::interrupted(interrupt)),
        ReadOutcome::Ended(StreamEnd::Absent) | ReadOutcome::Nothing { .. } => {
            Err(StepError::lost(&executor.events, &end))
        }
        // What reading says of the end is what the transcript has.
        ReadOutcome::Ended(end) => Err(StepError::lost(&executor.events, &end)),
    }
}

/// EHLO and LHLO tell what the server can do; where they are refused, and behind HELO, nothing is known.
fn update_capabilities(executor: &mut Executor<'_>, connection: &mut SmtpConnection, line: &[u8], facts: &ReplyFacts) {
    let extended = verb_is(line, "EHLO") || verb_is(line, "LHLO");
    if extended && facts.reply.code.class() == 2 {
        connection.ehlo = Capabilities::parse(&facts.reply);
        // As the server wrote them: a keyword in capitals would no longer be known for a secret.
        let offers = facts.reply.lines.iter().skip(1);
        let list = offers.map(|offer| executor.events.shown(offer.trim_ascii())).collect();
        executor.note(connection, Note::Capabilities { list });
    } else if extended || verb_is(line, "HELO") {
        connection.ehlo = Capabilities::default();
    }
}

fn verb_is(line: &[u8], verb: &str) -> bool {
    let first = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    first.eq_ignore_ascii_case(verb.as_bytes())
}

/// The step's expectation; every action that must have one got it when the file was read.
fn expected<'s>(executor: &Executor<'_>, step: &'s Step) -> Result<&'s Expectation, StepError> {
    step.expect.as_ref().ok_or_else(|| StepError::bad_value(&executor.events, "the step expects nothing"))
}
