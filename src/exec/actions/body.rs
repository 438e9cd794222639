//! Content on its way through DATA, block by block (RFC 5321 §4.1.1.4), and the `body` step.

use super::{expected, material, read_through};
use crate::event::{Cause, Status, Words};
use crate::exec::answer::{Answer, End, Turn, Unwritten};
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::{Limit, Trouble};
use crate::session::{Chunk, CloseHow, Content, Expect, Span, Step};
use crate::smtp::address::Mailbox;
use crate::smtp::content::ContentEncoder;
use crate::smtp::limits::Wait;
use crate::transcript::Passage;
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
pub struct Source<'s> {
    pub reader: Box<dyn Read + 's>,
    /// What the file said its length was.
    pub length: Option<u64>,
    pub name: String,
    pub span: Span,
    /// Short secrets that it may hold.
    pub used: Vec<String>,
}

impl Source<'_> {
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
    fn read(&mut self, player: &Player<'_>, block: &mut Vec<u8>, so_far: u64) -> Result<usize, Trouble> {
        let fail = |why: String| {
            Err(Trouble {
                severs: true,
                ..Trouble::unreadable(&player.narrator, format!("{}: {why}", self.name)).at(&self.span)
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
pub fn open(player: &Player<'_>, content: &Content) -> Result<Source<'static>, Trouble> {
    match content {
        Content::Text(template) => {
            Ok(Source::text(player.render(template)?, &template.span, player.secrets_in(template)))
        }
        Content::File { path, template } => {
            if *template {
                let (_, text) = material::rendered(player, path, false)?;
                return Ok(Source::text(text, &path.span, Vec::new()));
            }
            let resolved = player.resolve(path)?;
            let file = material::open(player, &resolved, &path.span)?;
            let (reader, length, name) = (file.reader, Some(file.length), resolved.display().to_string());
            Ok(Source { reader, length, name, span: path.span.clone(), used: Vec::new() })
        }
    }
}

/// The `body` step: content, dot, reply.
pub fn body(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    content: &Content,
    stuffing: bool,
) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    // Behind a 354 content that cannot be had can only be given up with the connection.
    let source = open(player, content).map_err(|trouble| Trouble { severs: true, ..trouble })?;
    let (timeout, chunk) = (step.timeout, step.chunk);
    let sending =
        Sending { stuffing, timeout, chunk, expect, recipients: &[], dot_left: &Cell::default(), behind: None };
    if send(player, channel, source, &sending)? == Sent::AnsweredEarly {
        return Ok(());
    }
    let limit = player.limit(step.timeout, Wait::DataTermination);
    reply(player, channel, expect, limit)
}

/// How content is sent.
pub struct Sending<'s> {
    pub stuffing: bool,
    pub timeout: Option<Duration>,
    pub chunk: Option<Chunk>,
    pub expect: &'s Expect,
    /// Whom it is for, as far as that is known: for the ledger.
    pub recipients: &'s [Mailbox],
    /// Set once the dot may have left.
    pub dot_left: &'s Cell<bool>,
    /// Commands that leave in one write with the dot (RFC 2920 §3.1).
    pub behind: Option<Behind<'s>>,
}

/// Command lines, and the short secrets in them.
#[derive(Clone, Copy)]
pub struct Behind<'s> {
    pub lines: &'s [u8],
    pub used: &'s [String],
}

/// How sending ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The content is complete, and its reply is due.
    Complete,
    /// The server refused it before the end, which was expected; the connection is closed.
    AnsweredEarly,
}

/// Writes content and its final dot.
pub fn send(
    player: &mut Player<'_>,
    channel: &mut Channel,
    mut source: Source<'_>,
    sending: &Sending<'_>,
) -> Result<Sent, Trouble> {
    if !channel.is_open() {
        return Err(Trouble::lost(&player.narrator, &End::Absent));
    }
    match channel.turn(&mut player.narrator) {
        Turn::Ours => {}
        Turn::Ended(end) => return Err(Trouble::lost(&player.narrator, &end)),
        Turn::Spoke { text, answer } => return Err(judge::out_of_turn(&player.narrator, &text, &answer)),
    }
    channel.in_message = true;
    let result = blocks(player, channel, &mut source, sending);
    if !matches!(result, Ok(Sent::Complete)) {
        channel.in_message = false;
    }
    if result.as_ref().is_ok_and(|sent| *sent == Sent::AnsweredEarly) {
        channel.close(&mut player.narrator, CloseHow::Fin);
        channel.broken = true;
    }
    result
}

fn blocks(
    player: &mut Player<'_>,
    channel: &mut Channel,
    source: &mut Source<'_>,
    sending: &Sending<'_>,
) -> Result<Sent, Trouble> {
    let (mut encoder, mut begun) = (ContentEncoder::new(sending.stuffing), false);
    let (mut input, mut out, mut so_far, mut passage) = (Vec::new(), Vec::new(), 0, Passage::default());
    loop {
        let count = source.read(player, &mut input, so_far)?;
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
            player.narrator.content(&channel.name, leaving, ahead, &mut passage, &source.used);
            if block(player, channel, leaving, sending, None, begun)? == Sent::AnsweredEarly {
                return Ok(Sent::AnsweredEarly);
            }
            out.drain(..whole);
            begun = true;
        }
    }
    encoder.finish(&mut out);
    let (content, dot) = out.split_at(out.len().saturating_sub(DOT.len()));
    player.seal(sending.recipients)?;
    player.narrator.content(&channel.name, content, &[], &mut passage, &source.used);
    player.narrator.sent(&channel.name, dot, &[]);
    let end = out.len();
    if let Some(behind) = sending.behind {
        player.narrator.sent(&channel.name, behind.lines, behind.used);
        out.extend_from_slice(behind.lines);
    }
    block(player, channel, &out, sending, Some(end), begun)
}

/// Writes a block within its deadline, behind others after a look whether the server has answered already. `end` is where
/// the content ends in the last one.
fn block(
    player: &mut Player<'_>,
    channel: &mut Channel,
    bytes: &[u8],
    sending: &Sending<'_>,
    end: Option<usize>,
    begun: bool,
) -> Result<Sent, Trouble> {
    let limit = player.limit(sending.timeout, Wait::DataBlock);
    // Before the first one it was seen that it is our turn.
    let before = match if begun { channel.spoke_early() } else { Ok(false) } {
        Ok(false) => None,
        Ok(true) => Some(Unwritten::Early),
        Err(end) => Some(Unwritten::Ended(end)),
    };
    if let Some(stop) = before {
        player.narrator.unwritten(&channel.name, bytes.len());
        return early(player, channel, sending, limit, stop);
    }
    let (written, result) = channel.write_paced(&mut player.narrator, bytes, sending.chunk, limit.at, true);
    player.narrator.unwritten(&channel.name, bytes.len() - written);
    let Err(stop) = result else { return Ok(Sent::Complete) };
    // The dot itself has left: whether the rest of its line did is not for us to know.
    let dot_left = end.is_some_and(|end| written + DOT.len() > end);
    sending.dot_left.set(dot_left);
    match stop {
        Unwritten::TimedOut | Unwritten::Ended(_) | Unwritten::Early if dot_left => {
            Err(Trouble::delivery_unknown(&player.narrator, "writing failed within the last line"))
        }
        stop => early(player, channel, sending, limit, stop),
    }
}

/// Content was not taken to its end: what the server said is read, shown and judged. 4yz and 5yz are the reply to the
/// content; a 2yz cannot be.
fn early(
    player: &mut Player<'_>,
    channel: &mut Channel,
    sending: &Sending<'_>,
    limit: Limit,
    stop: Unwritten,
) -> Result<Sent, Trouble> {
    if let Unwritten::Interrupted(interrupt) = stop {
        return Err(Trouble::interrupted(interrupt));
    }
    let timed_out = |player: &Player<'_>| Trouble::timed_out(&player.narrator, "the server to take the content", limit);
    // Once the deadline has passed only what is there already counts.
    if matches!(stop, Unwritten::TimedOut) && !matches!(channel.spoke_early(), Ok(true)) {
        return Err(timed_out(player));
    }
    let until = player.narrator.now() + LAST_WORDS;
    let trouble = match (channel.answer(&mut player.narrator, until), stop) {
        (answer @ Answer::Reply(_), _) if answer.refuses() => {
            match player.judge(sending.expect, answer, "the reply to the content", limit) {
                Ok(_) => return Ok(Sent::AnsweredEarly),
                Err(trouble) => trouble,
            }
        }
        (Answer::Reply(facts), _) => {
            let text = player.narrator.said(judge::reply_words(&facts.reply));
            Trouble::severing(Status::Protocol, Cause::OutOfTurn { text })
        }
        (Answer::Malformed(malformed), _) => Trouble::malformed(&malformed),
        (Answer::Interrupted(interrupt), _) => Trouble::interrupted(interrupt),
        // What reading says of the end is what the transcript has.
        (Answer::Ended(end @ (End::Fin | End::Reset)), _) | (_, Unwritten::Ended(end)) | (Answer::Ended(end), _) => {
            Trouble::lost(&player.narrator, &end)
        }
        (Answer::Nothing { .. }, _) => timed_out(player),
    };
    Err(Trouble { severs: true, ..trouble })
}

/// The reply to complete content. Where none comes the mail may have been delivered (RFC 1047).
pub fn reply(player: &mut Player<'_>, channel: &mut Channel, expect: &Expect, limit: Limit) -> Result<(), Trouble> {
    let answer = channel.answer(&mut player.narrator, limit.at);
    channel.in_message = false;
    judged(player, expect, answer, limit)?;
    read_through(player, channel, expect, limit.at);
    Ok(())
}

/// Judges what came where the reply to complete content was due.
pub fn judged(player: &Player<'_>, expect: &Expect, answer: Answer, limit: Limit) -> Result<(), Trouble> {
    match unanswered(&answer, limit) {
        Some(why) if !expect.close() && !expect.silence() => Err(Trouble::delivery_unknown(&player.narrator, &why)),
        _ => player.judge(expect, answer, "the reply to the content", limit).map(drop),
    }
}

/// Why no reply came, where the connection or the time was at its end.
pub fn unanswered(answer: &Answer, limit: Limit) -> Option<String> {
    match answer {
        Answer::Ended(end) => Some(end.words().to_owned()),
        Answer::Nothing { .. } => Some(format!("nothing came within {}", Words(limit.duration))),
        _ => None,
    }
}
