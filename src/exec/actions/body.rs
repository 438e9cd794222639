//! Content on its way through DATA, block by block (RFC 5321 §4.1.1.4), and the `body` step.

use super::{expected, material, read_through};
use crate::event::{Cause, HumanDuration, Status};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::{Limit, StepError};
use crate::exec::executor::Executor;
use crate::exec::judge;
use crate::exec::read_outcome::{QuietCheck, ReadOutcome, StreamEnd, WriteError};
use crate::session::{Chunk, CloseMode, Expectation, Span, Step, TextSource};
use crate::smtp::address::Mailbox;
use crate::smtp::content::ContentEncoder;
use crate::smtp::timeouts::Timeout;
use crate::transcript::ContentWindow;
use std::cell::Cell;
use std::io::{Cursor, Read};
use std::time::Duration;

/// What one deadline is for.
const BLOCK: usize = 64 * 1024;
/// How long a server has to say why it did not take the content.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The line that ends content.
const DOT: &[u8] = b".\r\n";

/// Content before it is encoded.
pub struct ContentSource<'s> {
    pub reader: Box<dyn Read + 's>,
    /// What the file said its length was.
    pub length: Option<u64>,
    pub name: String,
    pub span: Span,
    /// Short secrets that it may hold.
    pub used: Vec<String>,
}

impl ContentSource<'_> {
    pub fn text(text: impl Into<Vec<u8>>, span: &Span, used: Vec<String>) -> Self {
        Self {
            reader: Box::new(Cursor::new(text.into())),
            length: None,
            name: "the text".into(),
            span: span.clone(),
            used,
        }
    }

    /// Reads a block; a file that ends early or grows cannot be sent whole.
    fn read(&mut self, executor: &Executor<'_>, block: &mut Vec<u8>, so_far: u64) -> Result<usize, StepError> {
        let fail = |why: String| {
            Err(StepError {
                closes_connection: true,
                ..StepError::unreadable(&executor.events, format!("{}: {why}", self.name)).at(&self.span)
            })
        };
        block.clear();
        let count = match self.reader.by_ref().take(BLOCK as u64).read_to_end(block) {
            Ok(count) => count,
            Err(error) => return fail(error.to_string()),
        };
        match self.length {
            Some(length) if count == 0 && so_far < length => fail(format!("{so_far} bytes came of {length}")),
            Some(length) if so_far + count as u64 > length => {
                fail(format!("it grew beyond its {length} bytes while it was read"))
            }
            _ => Ok(count),
        }
    }
}

/// Opens what `body` or `text` says.
pub fn open(executor: &Executor<'_>, content: &TextSource) -> Result<ContentSource<'static>, StepError> {
    match content {
        TextSource::Text(template) => {
            Ok(ContentSource::text(executor.render(template)?, &template.span, executor.secrets_in(template)))
        }
        TextSource::File { path, template } => {
            if *template {
                let (_, text) = material::rendered(executor, path, false)?;
                return Ok(ContentSource::text(text, &path.span, Vec::new()));
            }
            let resolved = executor.resolve(path)?;
            let file = material::open(executor, &resolved, &path.span)?;
            let (reader, length, name) = (file.reader, Some(file.length), resolved.display().to_string());
            Ok(ContentSource { reader, length, name, span: path.span.clone(), used: Vec::new() })
        }
    }
}

/// The `body` step: content, dot, reply.
pub fn body(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    content: &TextSource,
    stuffing: bool,
) -> Result<(), StepError> {
    let expect = expected(executor, step)?;
    // Behind a 354 content that cannot be had can only be given up with the connection.
    let source = open(executor, content).map_err(|error| StepError { closes_connection: true, ..error })?;
    let (timeout, chunk) = (step.timeout, step.chunk);
    let sending = ContentOptions {
        stuffing,
        timeout,
        chunk,
        expect,
        recipients: &[],
        dot_left: &Cell::default(),
        following_commands: None,
    };
    if send(executor, connection, source, &sending)? == ContentProgress::AnsweredEarly {
        return Ok(());
    }
    let limit = executor.limit(step.timeout, Timeout::DataTermination);
    reply(executor, connection, expect, limit)
}

/// How content is sent.
pub struct ContentOptions<'s> {
    pub stuffing: bool,
    pub timeout: Option<Duration>,
    pub chunk: Option<Chunk>,
    pub expect: &'s Expectation,
    /// Whom it is for, as far as that is known: for the ledger.
    pub recipients: &'s [Mailbox],
    /// Set once the dot may have left.
    pub dot_left: &'s Cell<bool>,
    /// Commands that leave in one write with the dot (RFC 2920 §3.1).
    pub following_commands: Option<FollowingCommands<'s>>,
}

/// Command lines, and the short secrets in them.
#[derive(Clone, Copy)]
pub struct FollowingCommands<'s> {
    pub lines: &'s [u8],
    pub used: &'s [String],
}

/// How sending ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentProgress {
    /// The content is complete, and its reply is due.
    Complete,
    /// The server refused it before the end, which was expected; the connection is closed.
    AnsweredEarly,
}

/// Writes content and its final dot.
pub fn send(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    mut source: ContentSource<'_>,
    sending: &ContentOptions<'_>,
) -> Result<ContentProgress, StepError> {
    if !connection.is_open() {
        return Err(StepError::lost(&executor.events, &StreamEnd::Absent));
    }
    match connection.check_quiet(&mut executor.events) {
        QuietCheck::Quiet => {}
        QuietCheck::Ended(end) => return Err(StepError::lost(&executor.events, &end)),
        QuietCheck::Spoke { text, answer } => return Err(judge::unsolicited_error(&executor.events, &text, &answer)),
    }
    connection.in_message = true;
    let result = blocks(executor, connection, &mut source, sending);
    if !matches!(result, Ok(ContentProgress::Complete)) {
        connection.in_message = false;
    }
    if result.as_ref().is_ok_and(|sent| *sent == ContentProgress::AnsweredEarly) {
        connection.close(&mut executor.events, CloseMode::Fin);
        connection.broken = true;
    }
    result
}

fn blocks(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    source: &mut ContentSource<'_>,
    sending: &ContentOptions<'_>,
) -> Result<ContentProgress, StepError> {
    let (mut encoder, mut begun) = (ContentEncoder::new(sending.stuffing), false);
    let (mut input, mut out, mut so_far, mut passage) = (Vec::new(), Vec::new(), 0, ContentWindow::default());
    loop {
        let count = source.read(executor, &mut input, so_far)?;
        if count == 0 {
            break;
        }
        so_far += count as u64;
        let ready = out.len();
        encoder.push(&input, &mut out);
        // A block leaves when the next has been read, so that the last one and the dot leave in one write, and no secret that
        // stands in both is shown.
        if ready >= BLOCK {
            let whole = memchr::memrchr(b'\n', &out[..ready]).map_or(ready, |lf| lf + 1);
            let (leaving, ahead) = out.split_at(whole);
            executor.events.emit_content(&connection.name, leaving, ahead, &mut passage, &source.used);
            if block(executor, connection, leaving, sending, None, begun)? == ContentProgress::AnsweredEarly {
                return Ok(ContentProgress::AnsweredEarly);
            }
            out.drain(..whole);
            begun = true;
        }
    }
    encoder.finish(&mut out);
    let (content, dot) = out.split_at(out.len().saturating_sub(DOT.len()));
    executor.record_intent(connection, sending.recipients)?;
    executor.events.emit_content(&connection.name, content, &[], &mut passage, &source.used);
    executor.events.emit_sent(&connection.name, dot, &[]);
    let end = out.len();
    if let Some(following) = sending.following_commands {
        executor.events.emit_sent(&connection.name, following.lines, following.used);
        out.extend_from_slice(following.lines);
    }
    block(executor, connection, &out, sending, Some(end), begun)
}

/// Writes a block within its deadline, behind others after a look whether the server has answered already. `end` is where
/// the content ends in the last one.
fn block(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    bytes: &[u8],
    sending: &ContentOptions<'_>,
    end: Option<usize>,
    begun: bool,
) -> Result<ContentProgress, StepError> {
    let limit = executor.limit(sending.timeout, Timeout::DataBlock);
    // Before the first one it was seen that it is our turn.
    let before = match if begun { connection.has_early_reply() } else { Ok(false) } {
        Ok(false) => None,
        Ok(true) => Some(WriteError::Early),
        Err(end) => Some(WriteError::Ended(end)),
    };
    if let Some(stop) = before {
        executor.events.note_partial_write(&connection.name, bytes.len());
        return early(executor, connection, sending, limit, stop);
    }
    let (written, result) = connection.write_paced(&mut executor.events, bytes, sending.chunk, limit.at, true);
    executor.events.note_partial_write(&connection.name, bytes.len() - written);
    let Err(stop) = result else { return Ok(ContentProgress::Complete) };
    // The dot itself has left: whether the rest of its line did is not for us to know.
    let dot_left = end.is_some_and(|end| written + DOT.len() > end);
    sending.dot_left.set(dot_left);
    match stop {
        WriteError::TimedOut | WriteError::Ended(_) | WriteError::Early if dot_left => {
            Err(StepError::delivery_unknown(&executor.events, "writing failed within the last line"))
        }
        stop => early(executor, connection, sending, limit, stop),
    }
}

/// Content was not taken to its end: what the server said is read, shown and judged. 4yz and 5yz are the reply to the
/// content; a 2yz cannot be.
fn early(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    sending: &ContentOptions<'_>,
    limit: Limit,
    stop: WriteError,
) -> Result<ContentProgress, StepError> {
    if let WriteError::Interrupted(interrupt) = stop {
        return Err(StepError::interrupted(interrupt));
    }
    let timed_out =
        |executor: &Executor<'_>| StepError::timed_out(&executor.events, "the server to take the content", limit);
    // Once the deadline has passed only what is there already counts.
    if matches!(stop, WriteError::TimedOut) && !matches!(connection.has_early_reply(), Ok(true)) {
        return Err(timed_out(executor));
    }
    let until = executor.events.now() + LAST_WORDS;
    let error = match (connection.read_reply(&mut executor.events, until), stop) {
        (answer @ ReadOutcome::Reply(_), _) if answer.refuses() => {
            match executor.judge(sending.expect, answer, "the reply to the content", limit) {
                Ok(_) => return Ok(ContentProgress::AnsweredEarly),
                Err(error) => error,
            }
        }
        (ReadOutcome::Reply(facts), _) => {
            let text = executor.events.shown_reply(judge::reply_words(&facts.reply));
            StepError::closing(Status::Protocol, Cause::UnsolicitedInput { text })
        }
        (ReadOutcome::Malformed(malformed), _) => StepError::malformed(&malformed),
        (ReadOutcome::Interrupted(interrupt), _) => StepError::interrupted(interrupt),
        // What reading says of the end is what the transcript has.
        (ReadOutcome::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)), _)
        | (_, WriteError::Ended(end))
        | (ReadOutcome::Ended(end), _) => StepError::lost(&executor.events, &end),
        (ReadOutcome::Nothing { .. }, _) => timed_out(executor),
    };
    Err(StepError { closes_connection: true, ..error })
}

/// The reply to complete content. Where none comes the mail may have been delivered (RFC 1047).
pub fn reply(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    expect: &Expectation,
    limit: Limit,
) -> Result<(), StepError> {
    let answer = connection.read_reply(&mut executor.events, limit.at);
    connection.in_message = false;
    judged(executor, expect, answer, limit)?;
    read_through(executor, connection, expect, limit.at);
    Ok(())
}

/// Judges what came where the reply to complete content was due.
pub fn judged(
    executor: &Executor<'_>,
    expect: &Expectation,
    answer: ReadOutcome,
    limit: Limit,
) -> Result<(), StepError> {
    match unanswered(&answer, limit) {
        Some(why) if !expect.accepts_close() && !expect.accepts_silence() => {
            Err(StepError::delivery_unknown(&executor.events, &why))
        }
        _ => executor.judge(expect, answer, "the reply to the content", limit).map(drop),
    }
}

/// Why no reply came, where the connection or the time was at its end.
pub fn unanswered(answer: &ReadOutcome, limit: Limit) -> Option<String> {
    match answer {
        ReadOutcome::Ended(end) => Some(end.description().to_owned()),
        ReadOutcome::Nothing { .. } => Some(format!("nothing came within {}", HumanDuration(limit.duration))),
        _ => None,
    }
}
