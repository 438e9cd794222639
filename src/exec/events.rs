//! Emits what happens. Secrets are hidden and text is escaped here, so that no observer can leak or be forged.

use crate::event::{ContentBlock, Event, Fact, Note, Observer, RedactedLine, SkipReason, StepId, Verdict};
use crate::prepare::Clock;
use crate::smtp::lines::{LineEnd, WireLine, split_lines};
use crate::transcript::{ContentWindow, ReplyWindow, SafeText, Secrets, write_notation};
use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The default connection's name.
pub const MAIN: &str = "main";

/// The most lines outside TLS that are shown.
const MAX_OUTSIDE_TLS: usize = 20;

/// One of the connections that run a session in parallel.
#[derive(Clone, Debug, Default)]
pub struct ConnectionLabel {
    /// What events call the connection that the session calls `main`; `None` for the first one.
    pub name: Option<String>,
    /// When the session's first connection was made.
    pub started: Option<Instant>,
}

impl ConnectionLabel {
    /// Emits a fact about the whole session.
    pub fn emit(&self, clock: &dyn Clock, observer: &mut dyn Observer, fact: Fact<'_>) {
        let at = self.started.map_or(Duration::ZERO, |started| clock.now().saturating_duration_since(started));
        observer.observe(&Event { at, connection: self.name.as_deref().unwrap_or(MAIN), fact });
    }
}

/// The observer, and what facts need: the time, and the secrets to hide.
pub struct EventSink<'a> {
    observer: &'a mut dyn Observer,
    pub clock: &'a dyn Clock,
    pub secrets: Secrets,
    /// What is emitted is between the chunks of a message's content.
    pub in_chunk_gap: bool,
    /// What has come of an unfinished reply, for each connection.
    heard: Vec<(String, ReplyWindow)>,
    /// When the first connection was made.
    pub started: Option<Instant>,
    /// What `main` is called here.
    label: Option<String>,
    /// When the clock was read last: the time of events.
    last: Cell<Instant>,
}

impl<'a> EventSink<'a> {
    /// Continues the time of the session's other connections, under this label.
    pub fn new(
        observer: &'a mut dyn Observer,
        clock: &'a dyn Clock,
        secrets: Secrets,
        label: &ConnectionLabel,
    ) -> Self {
        let (label, started, last) = (label.name.clone(), label.started, Cell::new(clock.now()));
        Self { observer, clock, secrets, in_chunk_gap: false, heard: Vec::new(), started, label, last }
    }

    /// Reads the clock: to be called after each wait, and when a deadline begins.
    pub fn now(&self) -> Instant {
        self.last.set(self.clock.now());
        self.last.get()
    }

    /// When the clock was read last.
    pub fn last_now(&self) -> Instant {
        self.last.get()
    }

    /// From here on events have a time.
    pub fn start(&mut self) {
        self.started.get_or_insert(self.last.get());
    }

    /// From the first connection to when the clock was read last.
    pub fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| self.last.get().saturating_duration_since(started))
    }

    pub fn emit(&mut self, connection: &str, fact: Fact<'_>) {
        let at = self.elapsed();
        match &self.label {
            None => self.observer.observe(&Event { at, connection, fact }),
            Some(label) if connection == MAIN => self.observer.observe(&Event { at, connection: label, fact }),
            Some(label) => {
                let connection = format!("{label}_{connection}");
                self.observer.observe(&Event { at, connection: &connection, fact });
            }
        }
    }

    /// A step does not run.
    pub fn emit_skipped(&mut self, connection: &str, step: &StepId, reason: SkipReason) {
        self.emit(connection, Fact::StepStarted { step });
        let verdict = Verdict::Skipped(reason);
        self.emit(connection, Fact::StepFinished { step, verdict: &verdict, elapsed: Duration::ZERO });
    }

    pub fn note(&mut self, connection: &str, note: Note) {
        self.emit(connection, Fact::Noted(note));
    }

    /// The default of a value is used because a command failed.
    pub fn note_default_used(&mut self, name: &str, why: &str) {
        let (name, why) = (self.shown(name), self.shown(why));
        self.note(MAIN, Note::DefaultUsed { name, why });
    }

    /// Emits commands that are about to be written. `used` are the secrets in them that are too short to be searched for
    /// everywhere.
    pub fn emit_sent(&mut self, connection: &str, bytes: &[u8], used: &[String]) {
        self.emit_lines(connection, bytes, &[], used);
    }

    /// As [`Self::emit_sent`], for bytes that may be content: a session can send what it likes.
    pub fn emit_lines(&mut self, connection: &str, bytes: &[u8], content: &[Range<usize>], used: &[String]) {
        let mut end = 0;
        self.for_each_block(bytes, &[], &mut ContentWindow::default(), used, |events, block| {
            for line in block.lines() {
                let start = end;
                end += line.wire_length();
                let first = content.partition_point(|range| range.end <= start);
                let is_content = content.get(first).is_some_and(|range| range.start < end);
                let line = line.with_chunk_gap(events.in_chunk_gap).with_content(is_content);
                events.emit(connection, Fact::LineSent(line));
            }
        });
    }

    /// Emits content that is about to be written. `ahead` is what is known of it after `bytes`; `window` is kept from one
    /// call to the next.
    pub fn emit_content(
        &mut self,
        connection: &str,
        bytes: &[u8],
        ahead: &[u8],
        window: &mut ContentWindow,
        used: &[String],
    ) {
        if bytes.is_empty() {
            return;
        }
        self.for_each_block(bytes, ahead, window, used, |events, block| {
            events.emit(connection, Fact::Content(block));
        });
    }

    fn for_each_block(
        &mut self,
        bytes: &[u8],
        ahead: &[u8],
        window: &mut ContentWindow,
        used: &[String],
        mut report: impl FnMut(&mut Self, ContentBlock<'_>),
    ) {
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        // Taken out so that the closure can borrow `self`; put back below.
        let secrets = std::mem::take(&mut self.secrets);
        secrets.redactor.for_each_block(window, bytes, ahead, &used, |block, redaction| {
            report(self, ContentBlock::new(block, redaction));
        });
        self.secrets = secrets;
    }

    /// Writing stopped this many bytes before the end of what was emitted as sent.
    pub fn note_partial_write(&mut self, connection: &str, bytes: usize) {
        if bytes > 0 {
            self.note(connection, Note::PartialWrite { bytes });
        }
    }

    /// Emits what a server sent outside TLS: remarks, since it must not be taken for a reply.
    pub fn note_outside_tls(&mut self, connection: &str, bytes: &[u8]) {
        for line in split_lines(bytes).take(MAX_OUTSIDE_TLS) {
            let hidden = self.secrets.redactor.find(line.bytes);
            let mut text = String::new();
            // In the notation of lines, since `serve` sends this text.
            write_notation(WireLine { bytes: line.bytes, end: LineEnd::CrLf }, &hidden, &mut text);
            self.note(connection, Note::OutsideTls { line: SafeText::new(text) });
        }
    }

    pub fn emit_received(&mut self, connection: &str, line: WireLine<'_>) {
        let known = self.heard.iter().position(|(name, _)| name == connection);
        let index = known.unwrap_or(self.heard.len());
        if known.is_none() && !self.secrets.redactor.is_empty() {
            self.heard.push((connection.to_owned(), ReplyWindow::default()));
        }
        let hidden = match self.heard.get_mut(index) {
            Some((_, heard)) => self.secrets.redactor.find_in_reply_line(heard, line.bytes),
            None => Vec::new(),
        };
        let line = RedactedLine::new(line, &hidden).with_chunk_gap(self.in_chunk_gap);
        self.emit(connection, Fact::LineReceived(line));
    }

    /// Text from outside for facts: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> SafeText {
        self.secrets.shown(text)
    }

    /// As [`EventSink::shown`] for a reply's lines, which are shown in one.
    pub fn shown_reply(&self, lines: impl AsRef<[u8]>) -> SafeText {
        self.secrets.shown_reply(lines)
    }
}
