//! One connection: its stream, the lines and replies cut from what it reads, and where the dialogue stands.
//!
//! Every wait ends at an absolute deadline and is cut in slices, so that an interruption is noticed. Lines are told
//! before they are judged; what a connection's end or a deadline leaves of a line is told too.

mod ending;

use super::answer::{Answer, End, Malformed, Turn, Unwritten};
use super::narrate::Narrator;
use super::ports::{Clock, Connected, Stream};
use crate::session::{Chunk, EhloFacts, ReplyFacts, TlsFacts};
use crate::smtp::lines::{LineCutter, split_lines};
use crate::smtp::reply::ReplyParser;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// The longest wait before the next look at the clock and at interruptions.
const SLICE: Duration = Duration::from_millis(100);
/// How long a message in flight may take to end after an interruption.
const GRACE: Duration = Duration::from_secs(5);
/// How long what a server began to say out of turn may take to be complete.
const OUT_OF_TURN: Duration = Duration::from_secs(1);
/// What is read through of a line that is no line, at most.
const OVERLONG: usize = 1 << 20;

#[derive(Default)]
pub struct Channel {
    pub name: String,
    stream: Option<Box<dyn Stream>>,
    /// What is read is put here first.
    buffer: Vec<u8>,
    cutter: LineCutter,
    parser: ReplyParser,
    pub connected: Option<Connected>,
    pub ehlo: EhloFacts,
    pub tls: Option<TlsFacts>,
    /// The last reply.
    pub reply: Option<ReplyFacts>,
    /// TLS from the first byte is still to be started.
    pub tls_due: bool,
    /// Bytes were sent that expect nothing: what comes has no command to pair with.
    pub unpaired: bool,
    /// The last command was STARTTLS.
    pub after_starttls: bool,
    /// Content has begun and its reply has not come.
    pub in_message: bool,
    /// A failure left the connection unusable until `connect = true`.
    pub broken: bool,
    /// A `message` step delivered something.
    pub delivered: bool,
    /// MAIL was sent, and the transaction has not come to its end: RSET stands before the next one.
    pub in_transaction: bool,
    /// A write stopped midway: replies may come, and nothing more can be said.
    pub cut: bool,
    /// When the client wrote last, or connected.
    written_at: Option<Instant>,
    /// Replies that came.
    pub replies: u64,
    /// A line that was too long has not come to its end.
    overlong: bool,
    pub sent: u64,
    pub received: u64,
}

impl Channel {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes a new connection; all that was known of an earlier one is forgotten. The greeting's time counts from then on.
    pub fn open(&mut self, stream: Box<dyn Stream>, connected: Connected, now: Instant) {
        let (name, sent, received) = (std::mem::take(&mut self.name), self.sent, self.received);
        let written_at = Some(connected.since.unwrap_or(now));
        let (stream, connected, buffer) = (Some(stream), Some(connected), vec![0; 16 * 1024]);
        *self = Self { name, sent, received, stream, connected, buffer, written_at, ..Self::default() };
    }

    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether a connection was ever made.
    pub fn was_open(&self) -> bool {
        self.connected.is_some()
    }

    pub fn encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether QUIT may be sent: not inside content (354) or SASL (334), not after 421 (RFC 5321 §3.8), not where
    /// replies would not pair off.
    pub fn may_quit(&self) -> bool {
        let code = self.reply.as_ref().map(|facts| facts.reply.code.get());
        self.is_open()
            && !self.broken
            && !self.tls_due
            && !self.unpaired
            && !self.in_message
            && !self.cut
            && code.is_some_and(|code| !matches!(code, 334 | 354 | 421))
    }

    /// The stream, for a handshake.
    pub fn stream(&mut self) -> Option<&mut dyn Stream> {
        match &mut self.stream {
            Some(stream) => Some(stream.as_mut()),
            None => None,
        }
    }

    /// What the server said it can do is forgotten once TLS runs (RFC 3207 §4.2).
    pub fn encrypted_now(&mut self, facts: TlsFacts) {
        self.tls = Some(facts);
        self.tls_due = false;
        self.after_starttls = false;
        self.ehlo = EhloFacts::default();
    }

    /// Whether bytes have been read that were not yet looked at.
    pub fn has_pending(&self) -> bool {
        !self.cutter.pending().is_empty()
    }

    /// Whether the server ends the connection without another word.
    pub fn ends(&mut self, narrator: &mut Narrator<'_>, until: Instant) -> bool {
        !self.has_pending() && matches!(self.fill(narrator, until), Err(Unwritten::Ended(_)))
    }

    /// Waits for a whole reply.
    pub fn answer(&mut self, narrator: &mut Narrator<'_>, until: Instant) -> Answer {
        let answer = self.next_answer(narrator, until);
        self.keep(answer)
    }

    /// The reply that has come already, or the end; nothing where neither has.
    pub fn answered(&mut self, narrator: &mut Narrator<'_>) -> Option<Answer> {
        loop {
            match self.take_line(narrator) {
                Ok(Some(Taken::Reply(facts))) => return Some(self.keep(Answer::Reply(facts))),
                Ok(Some(Taken::Part)) => continue,
                Ok(None) => {}
                Err(malformed) => return Some(Answer::Malformed(malformed)),
            }
            match self.look() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(end) => return Some(Answer::Ended(self.ended(narrator, end))),
            }
        }
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        if let Answer::Reply(facts) = &answer {
            self.unpaired = false;
            self.replies += 1;
            self.reply = Some(facts.clone());
        }
        answer
    }

    fn next_answer(&mut self, narrator: &mut Narrator<'_>, until: Instant) -> Answer {
        loop {
            match self.take_line(narrator) {
                Ok(Some(Taken::Reply(facts))) => return Answer::Reply(facts),
                Ok(Some(Taken::Part)) => continue,
                Ok(None) => {}
                Err(malformed) => return Answer::Malformed(malformed),
            }
            match self.fill(narrator, until) {
                Ok(()) => {}
                Err(Unwritten::Ended(end)) => return Answer::Ended(end),
                Err(Unwritten::Interrupted(interrupt)) => {
                    self.tell_partial(narrator);
                    return Answer::Interrupted(interrupt);
                }
                Err(Unwritten::TimedOut | Unwritten::Early) => {
                    let partial = self.tell_partial(narrator) | self.parser.in_reply();
                    return Answer::Nothing { partial };
                }
            }
        }
    }

    /// The next whole line, told and then parsed.
    fn take_line(&mut self, narrator: &mut Narrator<'_>) -> Result<Option<Taken>, Malformed> {
        let line = match self.cutter.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(_) => {
                self.overlong = !self.tell_through_line(narrator);
                return Err(Malformed::LineTooLong);
            }
        };
        narrator.received(&self.name, line);
        let Some(reply) = self.parser.line(line.bytes).map_err(Malformed::Reply)? else { return Ok(Some(Taken::Part)) };
        let now = narrator.now();
        let elapsed = now.saturating_duration_since(self.written_at.unwrap_or(now));
        Ok(Some(Taken::Reply(ReplyFacts { reply, elapsed })))
    }

    /// Tells what there is of a line without its end; gives whether there was something.
    fn tell_partial(&mut self, narrator: &mut Narrator<'_>) -> bool {
        let pending = self.cutter.take_pending();
        for line in split_lines(&pending) {
            narrator.received(&self.name, line);
        }
        !pending.is_empty()
    }

    /// Reads once.
    fn fill(&mut self, narrator: &mut Narrator<'_>, until: Instant) -> Result<(), Unwritten> {
        loop {
            let Some(stream) = &mut self.stream else { return Err(Unwritten::Ended(End::Absent)) };
            let slice = slice(narrator.clock, self.in_message, until)?;
            match stream.read(&mut self.buffer, slice) {
                Ok(0) => return Err(Unwritten::Ended(self.ended(narrator, End::Fin))),
                Ok(count) => {
                    self.take_bytes(count);
                    return Ok(());
                }
                Err(error) if again(&error) => {}
                Err(error) => {
                    let end = self.end_of(&error);
                    return Err(Unwritten::Ended(self.ended(narrator, end)));
                }
            }
        }
    }

    fn take_bytes(&mut self, count: usize) {
        self.received += count as u64;
        self.cutter.push(self.buffer.get(..count).unwrap_or_default());
    }

    /// Reads what has arrived, without waiting. Gives whether something has.
    fn look(&mut self) -> Result<bool, End> {
        let Some(stream) = &mut self.stream else { return Err(End::Absent) };
        match stream.read_waiting(&mut self.buffer) {
            Ok(None) => Ok(false),
            Ok(Some(0)) => Err(End::Fin),
            Ok(Some(count)) => {
                self.take_bytes(count);
                Ok(true)
            }
            Err(error) if again(&error) => Ok(false),
            Err(error) => Err(self.end_of(&error)),
        }
    }

    /// Whether it is the client's turn: nothing has arrived that no command asked for. What has is read and told.
    pub fn turn(&mut self, narrator: &mut Narrator<'_>) -> Turn {
        if self.unpaired {
            return Turn::Ours;
        }
        if self.cutter.pending().is_empty() {
            match self.look() {
                Ok(false) => return Turn::Ours,
                Ok(true) => {}
                Err(End::Absent) => return Turn::Ended(End::Absent),
                Err(end) => return Turn::Ended(self.ended(narrator, end)),
            }
        }
        let mut text = self.cutter.pending().to_vec();
        // That it is an error is certain; a moment more shows what it was going to be.
        let answer = self.answer(narrator, narrator.now() + OUT_OF_TURN);
        self.take_injected(narrator);
        if let Answer::Reply(facts) = &answer {
            text = format!("{} {}", facts.reply.code, facts.reply.readable()).into_bytes();
        }
        Turn::Spoke { text, answer }
    }

    /// Takes and tells, as lines and not as replies, all that the server has said and nobody asked for.
    pub fn take_injected(&mut self, narrator: &mut Narrator<'_>) -> Vec<u8> {
        // An end that shows here shows in the handshake too.
        while self.cutter.pending().len() <= OVERLONG && matches!(self.look(), Ok(true)) {}
        let text = self.cutter.pending().to_vec();
        self.tell_partial(narrator);
        self.parser = ReplyParser::default();
        text
    }

    /// Writes all of `bytes`; where something arrives meanwhile it is kept, and `content` stops there.
    pub fn write(
        &mut self,
        narrator: &mut Narrator<'_>,
        bytes: &[u8],
        until: Instant,
        content: bool,
    ) -> (usize, Result<(), Unwritten>) {
        let mut written = 0;
        while written < bytes.len() {
            let Some(stream) = &mut self.stream else { return (written, Err(Unwritten::Ended(End::Absent))) };
            let slice = match slice(narrator.clock, self.in_message, until) {
                Ok(slice) => slice,
                Err(stop) => return (written, Err(stop)),
            };
            match stream.write(&bytes[written..], slice) {
                Ok(count) => {
                    written += count;
                    self.sent += count as u64;
                    self.written_at = Some(narrator.now());
                }
                // The server may be waiting for its own words to be read.
                Err(error) if again(&error) => {
                    match self.look() {
                        Ok(true) if content => return (written, Err(Unwritten::Early)),
                        // Said once: the next look would take it for an orderly end.
                        Err(End::Reset) => return (written, Err(Unwritten::Ended(self.ended(narrator, End::Reset)))),
                        _ => {}
                    }
                }
                Err(error) => return (written, Err(Unwritten::Ended(self.end_of(&error)))),
            }
        }
        (written, Ok(()))
    }

    /// As [`Channel::write`], in pieces with pauses.
    pub fn write_paced(
        &mut self,
        narrator: &mut Narrator<'_>,
        bytes: &[u8],
        chunk: Option<Chunk>,
        until: Instant,
        content: bool,
    ) -> (usize, Result<(), Unwritten>) {
        let Some(chunk) = chunk else { return self.write(narrator, bytes, until, content) };
        let mut written = 0;
        for piece in bytes.chunks(chunk.size.max(1)) {
            if written > 0 {
                narrator.clock.sleep_until((narrator.now() + chunk.every).min(until));
            }
            let (count, result) = self.write(narrator, piece, until, content);
            written += count;
            if result.is_err() {
                return (written, result);
            }
        }
        (written, Ok(()))
    }

    /// Whether the server has said something while content is being written.
    pub fn spoke_early(&mut self) -> Result<bool, End> {
        Ok(!self.cutter.pending().is_empty() || self.look()?)
    }

    /// Reads through a line that was too long, so that the next one is whole again. False where it has no end.
    pub fn read_through_line(&mut self, narrator: &mut Narrator<'_>, until: Instant) -> bool {
        let from = self.received;
        while self.overlong && self.received - from < OVERLONG as u64 && self.fill(narrator, until).is_ok() {
            self.overlong = !self.tell_through_line(narrator);
        }
        !self.overlong
    }

    /// Takes and tells what there is up to a line's end; gives whether there was one.
    fn tell_through_line(&mut self, narrator: &mut Narrator<'_>) -> bool {
        let pending = self.cutter.take_pending();
        let lf = memchr::memchr(b'\n', &pending);
        let (line, rest) = pending.split_at(lf.map_or(pending.len(), |lf| lf + 1));
        for line in split_lines(line) {
            narrator.received(&self.name, line);
        }
        self.cutter.push(rest);
        lf.is_some()
    }
}

enum Taken {
    Reply(ReplyFacts),
    Part,
}

/// Until when to wait at once; or why to wait no longer.
fn slice(clock: &dyn Clock, in_message: bool, until: Instant) -> Result<Instant, Unwritten> {
    let now = clock.now();
    if let Some(interrupt) = clock.interrupted() {
        let grace = if in_message { GRACE } else { Duration::ZERO };
        if now >= interrupt.at + grace {
            return Err(Unwritten::Interrupted(interrupt));
        }
    }
    if now >= until { Err(Unwritten::TimedOut) } else { Ok(until.min(now + SLICE)) }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
