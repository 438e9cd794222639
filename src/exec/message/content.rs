//! Content on its way through DATA, block by block (RFC 5321 §4.1.1.4), and the reply to it.

use crate::event::{Cause, HumanDuration, Status};
use crate::exec::checks::judge;
use crate::exec::connection::{FINAL_REPLY_WAIT, WriteOptions};
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::{require_quiet, skip_long_line};
use crate::exec::read_outcome::{ReadOutcome, StreamEnd, TransferError};
use crate::prepare::{BLOCK, ContentSource};
use crate::session::Expectation;
use crate::smtp::address::Mailbox;
use crate::smtp::content::ContentEncoder;
use crate::smtp::timeouts::Timeout;
use crate::transcript::ContentWindow;

/// The line that ends content.
const DOT: &[u8] = b".\r\n";

/// How content is sent.
pub struct ContentOptions<'s> {
    pub stuffing: bool,
    pub expect: &'s Expectation,
    /// Whom it is for, as far as that is known: for the ledger.
    pub recipients: &'s [Mailbox],
    /// Commands that leave in one write with the dot (RFC 2920 §3.1), and the short secrets in them.
    pub following_commands: Option<(&'s [u8], &'s [String])>,
}

/// How far content got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentProgress {
    /// It is complete, and its reply is due.
    Complete,
    /// The server refused it before the end, which was expected; the connection is closed.
    AnsweredEarly,
}

/// Writes content and its final dot. Gives whether the dot may have left, even after an error.
pub fn write_content(
    context: &mut StepContext<'_, '_>,
    mut source: ContentSource<'_>,
    options: &ContentOptions<'_>,
) -> (Result<ContentProgress, StepError>, bool) {
    if let Err(error) = require_quiet(context) {
        return (Err(error), false);
    }
    context.connection.set_in_content(true);
    let mut dot_left = false;
    let result = write_all_blocks(context, &mut source, options, &mut dot_left);
    if !matches!(result, Ok(ContentProgress::Complete)) {
        context.connection.set_in_content(false);
    }
    if matches!(result, Ok(ContentProgress::AnsweredEarly)) {
        context.connection.fail(context.events);
    }
    (result, dot_left)
}

fn write_all_blocks(
    context: &mut StepContext<'_, '_>,
    source: &mut ContentSource<'_>,
    options: &ContentOptions<'_>,
    dot_left: &mut bool,
) -> Result<ContentProgress, StepError> {
    let (mut encoder, mut begun) = (ContentEncoder::new(options.stuffing), false);
    let (mut input, mut out, mut so_far, mut window) = (Vec::new(), Vec::new(), 0, ContentWindow::default());
    loop {
        let count = source.read_block(&context.events.secrets, &mut input, so_far)?;
        if count == 0 {
            break;
        }
        so_far += count as u64;
        let ready = out.len();
        encoder.push(&input, &mut out);
        // A block leaves when the next has been read, so that the last one and the dot leave in one write, and no secret
        // that is in both is shown.
        if ready >= BLOCK {
            let end = memchr::memrchr(b'\n', &out[..ready]).map_or(ready, |lf| lf + 1);
            let (leaving, later) = out.split_at(end);
            let name = &context.connection.name;
            context.events.emit_content(name, leaving, later, &mut window, &source.short_secrets);
            if write_block(context, leaving, options, (None, dot_left), begun)? == ContentProgress::AnsweredEarly {
                return Ok(ContentProgress::AnsweredEarly);
            }
            out.drain(..end);
            begun = true;
        }
    }
    encoder.finish(&mut out);
    let (content, dot) = out.split_at(out.len().saturating_sub(DOT.len()));
    context.record_intent(options.recipients)?;
    let name = &context.connection.name;
    context.events.emit_content(name, content, &[], &mut window, &source.short_secrets);
    context.events.emit_sent(name, dot, &[]);
    let end = out.len();
    if let Some((commands, short_secrets)) = options.following_commands {
        context.events.emit_sent(name, commands, short_secrets);
        out.extend_from_slice(commands);
    }
    write_block(context, &out, options, (Some(end), dot_left), begun)
}

/// Writes a block within its deadline; if another came before, after a look whether the server has answered already.
/// `end` is where the content ends in the last one.
fn write_block(
    context: &mut StepContext<'_, '_>,
    bytes: &[u8],
    options: &ContentOptions<'_>,
    (end, dot_left): (Option<usize>, &mut bool),
    begun: bool,
) -> Result<ContentProgress, StepError> {
    let step = context.step;
    let deadline = context.deadline(step.timeout, Timeout::DataBlock);
    let connection = &mut *context.connection;
    // Before the first one it was seen that it is the client's turn.
    let (written, result) = match if begun { connection.has_early_reply() } else { Ok(false) } {
        Ok(false) => {
            let options = WriteOptions { chunk: step.chunk, until: deadline.at, stops_at_reply: true };
            connection.write(context.events, bytes, options)
        }
        Ok(true) => (0, Err(TransferError::Early)),
        Err(end) => (0, Err(TransferError::Ended(end))),
    };
    context.events.note_partial_write(&connection.name, bytes.len() - written);
    let Err(stop) = result else { return Ok(ContentProgress::Complete) };
    // The dot itself has left: whether the rest of its line did cannot be known.
    *dot_left = end.is_some_and(|end| written + DOT.len() > end);
    match stop {
        TransferError::TimedOut | TransferError::Ended(_) | TransferError::Early if *dot_left => {
            Err(StepError::delivery_unknown(&context.events.secrets, "writing failed within the last line"))
        }
        stop => read_early_reply(context, options.expect, deadline, stop),
    }
}

/// Content was not taken to its end: what the server said is read, shown and judged. 4yz and 5yz are the reply to the
/// content; a 2yz cannot be.
fn read_early_reply(
    context: &mut StepContext<'_, '_>,
    expect: &Expectation,
    deadline: Deadline,
    stop: TransferError,
) -> Result<ContentProgress, StepError> {
    if let TransferError::Interrupted(interrupt) = stop {
        return Err(StepError::interrupted(interrupt));
    }
    let timed_out = |secrets| StepError::timed_out(secrets, "the server to take the content", deadline);
    // Once the deadline has passed only what is there already counts.
    if matches!(stop, TransferError::TimedOut) && !matches!(context.connection.has_early_reply(), Ok(true)) {
        return Err(timed_out(&context.events.secrets));
    }
    let until = context.events.now() + FINAL_REPLY_WAIT;
    let outcome = context.connection.read_reply(context.events, until);
    let secrets = &context.events.secrets;
    let error = match (outcome, stop) {
        (outcome @ ReadOutcome::Reply(_), _) if outcome.refuses() => {
            match judge(context, expect, outcome, "the reply to the content", deadline) {
                Ok(_) => return Ok(ContentProgress::AnsweredEarly),
                Err(error) => error,
            }
        }
        (ReadOutcome::Reply(facts), _) => {
            let text = secrets.shown_reply(facts.reply.code_and_text());
            StepError::closing(Status::Protocol, Cause::UnsolicitedInput { text })
        }
        (ReadOutcome::Malformed(malformed), _) => StepError::malformed(&malformed),
        (ReadOutcome::Interrupted(interrupt), _) => StepError::interrupted(interrupt),
        // What reading says of the end is what the transcript has.
        (ReadOutcome::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)), _)
        | (_, TransferError::Ended(end))
        | (ReadOutcome::Ended(end), _) => StepError::lost(secrets, &end),
        (ReadOutcome::Nothing { .. }, _) => timed_out(secrets),
    };
    Err(StepError { closes_connection: true, ..error })
}

/// Reads the reply to complete content. If none comes the mail may have been delivered (RFC 1047).
pub fn read_content_reply(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    let deadline = context.deadline(context.step.timeout, Timeout::DataTermination);
    let outcome = context.connection.read_reply(context.events, deadline.at);
    context.connection.set_in_content(false);
    if outcome.accepts() {
        context.connection.outbox.delivered = true;
    }
    judge_content_reply(context, outcome, deadline)?;
    skip_long_line(context, context.expected()?, deadline.at);
    Ok(())
}

/// Judges what came when the reply to complete content was due.
pub fn judge_content_reply(
    context: &StepContext<'_, '_>,
    outcome: ReadOutcome,
    deadline: Deadline,
) -> Result<(), StepError> {
    let expect = context.expected()?;
    match unanswered(&outcome, deadline) {
        Some(why) if !expect.accepts_close() && !expect.accepts_silence() => {
            Err(StepError::delivery_unknown(&context.events.secrets, &why))
        }
        _ => judge(context, expect, outcome, "the reply to the content", deadline).map(drop),
    }
}

/// Why no reply came, if the connection or the time was at its end.
pub fn unanswered(outcome: &ReadOutcome, deadline: Deadline) -> Option<String> {
    match outcome {
        ReadOutcome::Ended(end) => Some(end.description().to_owned()),
        ReadOutcome::Nothing { .. } => Some(format!("nothing came within {}", HumanDuration(deadline.duration))),
        _ => None,
    }
}
