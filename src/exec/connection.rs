//! One connection: its stream, the lines and replies cut from what it reads, and where the dialogue stands.
//!
//! Every wait ends at an absolute deadline and is cut in slices, so that an interruption is noticed. Lines are told
//! before they are judged; what a connection's end or a deadline leaves of a line is told too.

mod ending;

use super::events::EventSink;
use super::ports::{Clock, ConnectionInfo, Stream};
use super::read_outcome::{Malformed, QuietCheck, ReadOutcome, StreamEnd, WriteError};
use super::row_result::RawDialogue;
use super::row_traffic::RowTraffic;
use crate::event::Fact;
use crate::session::{Chunk, EhloFacts, ReplyFacts, TlsFacts};
use crate::smtp::lines::{LineBuffer, split_lines};
use crate::smtp::reply::{Reply, ReplyParser};
use crate::smtp::transaction::{Answered, TransactionTracker};
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
pub struct SmtpConnection {
    pub name: String,
    stream: Option<Box<dyn Stream>>,
    /// What is read is put here first.
    buffer: Vec<u8>,
    cutter: LineBuffer,
    parser: ReplyParser,
    pub connected: Option<ConnectionInfo>,
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
    /// What was sent, and what replies answer.
    tracker: TransactionTracker,
    /// What the replies of this row say.
    pub traffic: RowTraffic,
}

impl SmtpConnection {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes a new connection; all that was known of an earlier one is forgotten. The greeting's time counts from then on.
    pub fn open(&mut self, stream: Box<dyn Stream>, connected: ConnectionInfo, now: Instant) {
        let (name, sent, received) = (std::mem::take(&mut self.name), self.sent, self.received);
        let written_at = Some(connected.since.unwrap_or(now));
        let (stream, connected, buffer) = (Some(stream), Some(connected), vec![0; 16 * 1024]);
        self.reset_tracker();
        let traffic = std::mem::take(&mut self.traffic);
        *self = Self { name, sent, received, stream, connected, buffer, written_at, traffic, ..Self::default() };
    }

    /// What was sent so far is no dialogue that replies answer: a PROXY header, or another connection's.
    pub fn reset_tracker(&mut self) {
        if self.tracker.end_may_have_left() {
            self.traffic.content_sent();
        }
        self.tracker = TransactionTracker::default();
    }

    /// A row begins.
    pub fn begin_row(&mut self) {
        self.traffic = RowTraffic::default();
    }

    /// Whether the row has left a transaction open, or may have.
    pub fn has_open_transaction(&self) -> bool {
        (self.traffic.began_transaction || self.tracker.awaits_mail_reply()) && self.tracker.may_be_open()
    }

    /// What came of the commands and the content that the row wrote itself. `is_last`: the row's last reply came here.
    pub fn raw_dialogue(&mut self, is_last: bool, text: &dyn Fn(&Reply) -> String) -> RawDialogue {
        if self.tracker.end_may_have_left() {
            self.traffic.content_sent();
        }
        let last_reply = self.reply.as_ref().map(|facts| &facts.reply).filter(|_| is_last);
        self.traffic.summary(last_reply, text)
    }

    /// A reply came, which is `None` if it is not SMTP.
    fn count_reply(&mut self, events: &mut EventSink<'_>, reply: Option<&Reply>, now: Instant) {
        let code = reply.map_or(0, |reply| reply.code.get());
        let answered = self.tracker.reply(code);
        self.traffic.answered(answered, reply, now);
        match answered {
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
    pub fn ends(&mut self, events: &mut EventSink<'_>, until: Instant) -> bool {
        !self.has_pending() && matches!(self.fill(events, until), Err(WriteError::Ended(_)))
    }

    /// Waits for a whole reply.
    pub fn read_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        let answer = self.read_next_reply(events, until);
        self.keep(answer)
    }

    /// The reply that has come already, or the end; nothing where neither has.
    pub fn read_available_reply(&mut self, events: &mut EventSink<'_>) -> Option<ReadOutcome> {
        loop {
            match self.take_line(events) {
                Ok(Some(Taken::Reply(facts))) => return Some(self.keep(ReadOutcome::Reply(facts))),
                Ok(Some(Taken::Part)) => continue,
                Ok(None) => {}
                Err(malformed) => return Some(ReadOutcome::Malformed(malformed)),
            }
            match self.look() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(end) => return Some(ReadOutcome::Ended(self.ended(events, end))),
            }
        }
    }

    fn keep(&mut self, answer: ReadOutcome) -> ReadOutcome {
        if let ReadOutcome::Reply(facts) = &answer {
            self.unpaired = false;
            self.replies += 1;
            self.reply = Some(facts.clone());
        }
        answer
    }

    fn read_next_reply(&mut self, events: &mut EventSink<'_>, until: Instant) -> ReadOutcome {
        loop {
            match self.take_line(events) {
                Ok(Some(Taken::Reply(facts))) => return ReadOutcome::Reply(facts),
                Ok(Some(Taken::Part)) => continue,
                Ok(None) => {}
                Err(malformed) => return ReadOutcome::Malformed(malformed),
            }
            match self.fill(events, until) {
                Ok(()) => {}
                Err(WriteError::Ended(end)) => return ReadOutcome::Ended(end),
                Err(WriteError::Interrupted(interrupt)) => {
                    self.emit_partial_line(events);
                    return ReadOutcome::Interrupted(interrupt);
                }
                Err(WriteError::TimedOut | WriteError::Early) => {
                    let partial = self.emit_partial_line(events) | self.parser.has_partial();
                    return ReadOutcome::Nothing { partial };
                }
            }
        }
    }

    /// The next whole line, told and then parsed.
    fn take_line(&mut self, events: &mut EventSink<'_>) -> Result<Option<Taken>, Malformed> {
        let line = match self.cutter.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(_) => {
                self.overlong = !self.emit_through_line(events);
                self.count_reply(events, None, events.now());
                return Err(Malformed::LineTooLong);
            }
        };
        events.emit_received(&self.name, line);
        let reply = match self.parser.line(line.bytes) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(Some(Taken::Part)),
            Err(error) => {
                self.count_reply(events, None, events.now());
                return Err(Malformed::Reply(error));
            }
        };
        let now = events.now();
        self.count_reply(events, Some(&reply), now);
        let elapsed = now.saturating_duration_since(self.written_at.unwrap_or(now));
        Ok(Some(Taken::Reply(ReplyFacts { reply, elapsed })))
    }

    /// Tells what there is of a line without its end; gives whether there was something.
    fn emit_partial_line(&mut self, events: &mut EventSink<'_>) -> bool {
        let pending = self.cutter.take_pending();
        for line in split_lines(&pending) {
            events.emit_received(&self.name, line);
        }
        // Half a reply shows that the server has heard of the row.
        self.traffic.replies += usize::from(!pending.is_empty());
        !pending.is_empty()
    }

    /// Reads once.
    fn fill(&mut self, events: &mut EventSink<'_>, until: Instant) -> Result<(), WriteError> {
        loop {
            let Some(stream) = &mut self.stream else { return Err(WriteError::Ended(StreamEnd::Absent)) };
            let slice = slice(events.clock, self.in_message, until)?;
            match stream.read(&mut self.buffer, slice) {
                Ok(0) => return Err(WriteError::Ended(self.ended(events, StreamEnd::Fin))),
                Ok(count) => {
                    self.take_bytes(count);
                    return Ok(());
                }
                Err(error) if again(&error) => {}
                Err(error) => {
                    let end = self.end_of(&error);
                    return Err(WriteError::Ended(self.ended(events, end)));
                }
            }
        }
    }

    fn take_bytes(&mut self, count: usize) {
        self.received += count as u64;
        self.cutter.push(self.buffer.get(..count).unwrap_or_default());
    }

    /// Reads what has arrived, without waiting. Gives whether something has.
    fn look(&mut self) -> Result<bool, StreamEnd> {
        let Some(stream) = &mut self.stream else { return Err(StreamEnd::Absent) };
        match stream.read_waiting(&mut self.buffer) {
            Ok(None) => Ok(false),
            Ok(Some(0)) => Err(StreamEnd::Fin),
            Ok(Some(count)) => {
                self.take_bytes(count);
                Ok(true)
            }
            Err(error) if again(&error) => Ok(false),
            Err(error) => Err(self.end_of(&error)),
        }
    }

    /// Whether it is the client's turn: nothing has arrived that no command asked for. What has is read and told.
    pub fn check_quiet(&mut self, events: &mut EventSink<'_>) -> QuietCheck {
        if self.unpaired {
            return QuietCheck::Quiet;
        }
        if self.cutter.pending().is_empty() {
            match self.look() {
                Ok(false) => return QuietCheck::Quiet,
                Ok(true) => {}
                Err(StreamEnd::Absent) => return QuietCheck::Ended(StreamEnd::Absent),
                Err(end) => return QuietCheck::Ended(self.ended(events, end)),
            }
        }
        let mut text = self.cutter.pending().to_vec();
        // That it is an error is certain; a moment more shows what it was going to be.
        let answer = self.read_reply(events, events.now() + OUT_OF_TURN);
        self.drain_unsolicited(events);
        if let ReadOutcome::Reply(facts) = &answer {
            text = format!("{} {}", facts.reply.code, facts.reply.display_text()).into_bytes();
        }
        QuietCheck::Spoke { text, answer }
    }

    /// Takes and tells, as lines and not as replies, all that the server has said and nobody asked for.
    pub fn drain_unsolicited(&mut self, events: &mut EventSink<'_>) -> Vec<u8> {
        // An end that shows here shows in the handshake too.
        while self.cutter.pending().len() <= OVERLONG && matches!(self.look(), Ok(true)) {}
        let text = self.cutter.pending().to_vec();
        self.emit_partial_line(events);
        self.parser = ReplyParser::default();
        text
    }

    /// Writes all of `bytes`; where something arrives meanwhile it is kept, and `content` stops there.
    pub fn write(
        &mut self,
        events: &mut EventSink<'_>,
        bytes: &[u8],
        until: Instant,
        content: bool,
    ) -> (usize, Result<(), WriteError>) {
        let mut written = 0;
        while written < bytes.len() {
            let Some(stream) = &mut self.stream else { return (written, Err(WriteError::Ended(StreamEnd::Absent))) };
            let slice = match slice(events.clock, self.in_message, until) {
                Ok(slice) => slice,
                Err(stop) => return (written, Err(stop)),
            };
            match stream.write(&bytes[written..], slice) {
                Ok(count) => {
                    let ends = self.tracker.sent(bytes.get(written..written + count).unwrap_or_default());
                    written += count;
                    self.sent += count as u64;
                    self.written_at = Some(events.now());
                    for _ in 0..ends {
                        self.traffic.content_sent();
                        events.emit(&self.name, Fact::ContentSent);
                    }
                }
                // The server may be waiting for its own words to be read.
                Err(error) if again(&error) => {
                    match self.look() {
                        Ok(true) if content => return (written, Err(WriteError::Early)),
                        // Said once: the next look would take it for an orderly end.
                        Err(StreamEnd::Reset) => {
                            return (written, Err(WriteError::Ended(self.ended(events, StreamEnd::Reset))));
                        }
                        _ => {}
                    }
                }
                Err(error) => return (written, Err(WriteError::Ended(self.end_of(&error)))),
            }
        }
        (written, Ok(()))
    }

    /// As [`SmtpConnection::write`], in pieces with pauses.
    pub fn write_paced(
        &mut self,
        events: &mut EventSink<'_>,
        bytes: &[u8],
        chunk: Option<Chunk>,
        until: Instant,
        content: bool,
    ) -> (usize, Result<(), WriteError>) {
        let Some(chunk) = chunk else { return self.write(events, bytes, until, content) };
        let mut written = 0;
        for piece in bytes.chunks(chunk.size.max(1)) {
            if written > 0 {
                events.clock.sleep_until((events.now() + chunk.every).min(until));
            }
            let (count, result) = self.write(events, piece, until, content);
            written += count;
            if result.is_err() {
                return (written, result);
            }
        }
        (written, Ok(()))
    }

    /// Whether the server has said something while content is being written.
    pub fn has_early_reply(&mut self) -> Result<bool, StreamEnd> {
        Ok(!self.cutter.pending().is_empty() || self.look()?)
    }

    /// Reads through a line that was too long, so that the next one is whole again. False where it has no end.
    pub fn read_through_line(&mut self, events: &mut EventSink<'_>, until: Instant) -> bool {
        let from = self.received;
        while self.overlong && self.received - from < OVERLONG as u64 && self.fill(events, until).is_ok() {
            self.overlong = !self.emit_through_line(events);
        }
        !self.overlong
    }

    /// Takes and tells what there is up to a line's end; gives whether there was one.
    fn emit_through_line(&mut self, events: &mut EventSink<'_>) -> bool {
        let pending = self.cutter.take_pending();
        let lf = memchr::memchr(b'\n', &pending);
        let (line, rest) = pending.split_at(lf.map_or(pending.len(), |lf| lf + 1));
        for line in split_lines(line) {
            events.emit_received(&self.name, line);
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
fn slice(clock: &dyn Clock, in_message: bool, until: Instant) -> Result<Instant, WriteError> {
    let now = clock.now();
    if let Some(interrupt) = clock.interrupted() {
        let grace = if in_message { GRACE } else { Duration::ZERO };
        if now >= interrupt.at + grace {
            return Err(WriteError::Interrupted(interrupt));
        }
    }
    if now >= until { Err(WriteError::TimedOut) } else { Ok(until.min(now + SLICE)) }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
