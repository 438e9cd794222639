//! Tells what happens. Secrets are hidden and text is escaped here: nothing behind `exec` can leak or be forged.

use super::Lane;
use super::player::MAIN;
use super::ports::Clock;
use super::spoken::Spoken;
use crate::event::{Event, Fact, Line, Note, Observer};
use crate::smtp::lines::WireLine;
use crate::transcript::{Heard, Passage, Redactor, Shown};
use std::time::{Duration, Instant};

/// The observer, and what facts need: the time, and the secrets to hide.
pub struct Narrator<'a> {
    observer: &'a mut dyn Observer,
    pub clock: &'a dyn Clock,
    pub redactor: Redactor,
    /// What is told stands between the chunks of a mail's content.
    pub between: bool,
    /// What each connection's server has said of a reply that is not complete.
    heard: Vec<(String, Heard)>,
    /// When the first connection was made.
    pub started: Option<Instant>,
    /// What `main` is called here.
    lane: Option<String>,
    /// What `main` says of transactions, where rows speak in their own words.
    pub spoken: Option<Spoken>,
}

impl<'a> Narrator<'a> {
    pub fn new(observer: &'a mut dyn Observer, clock: &'a dyn Clock, redactor: Redactor) -> Self {
        Self { observer, clock, redactor, between: false, heard: Vec::new(), started: None, lane: None, spoken: None }
    }

    /// Goes on where another connection of the same session began.
    pub fn take_lane(&mut self, lane: &Lane) {
        self.started = lane.started;
        self.lane = lane.name.clone();
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// From here on events have a time.
    pub fn start(&mut self) {
        self.started.get_or_insert(self.clock.now());
    }

    /// Since the first connection was made.
    pub fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| self.clock.now().saturating_duration_since(started))
    }

    pub fn tell(&mut self, connection: &str, fact: Fact<'_>) {
        let at = self.elapsed();
        match &self.lane {
            None => self.observer.observe(&Event { at, connection, fact }),
            Some(lane) if connection == MAIN => self.observer.observe(&Event { at, connection: lane, fact }),
            Some(lane) => {
                let connection = format!("{lane}_{connection}");
                self.observer.observe(&Event { at, connection: &connection, fact });
            }
        }
    }

    pub fn note(&mut self, connection: &str, note: Note) {
        self.tell(connection, Fact::Noted(note));
    }

    /// The default of a value stands in for a command that failed.
    pub fn default_taken(&mut self, name: &str, why: &str) {
        let (name, why) = (self.shown(name), self.shown(why));
        self.note(MAIN, Note::DefaultTaken { name, why });
    }

    /// Tells the lines of what is about to be written. `used` are the secrets in it that are too short to be looked
    /// for everywhere.
    pub fn sent(&mut self, connection: &str, bytes: &[u8], used: &[String]) {
        self.tell_sent(connection, bytes, &[], &mut Passage::default(), false, used);
    }

    /// As [`Narrator::sent`] for content: `ahead` is what is known of it behind `bytes`, and `passage` stands between its blocks.
    pub fn content(&mut self, connection: &str, bytes: &[u8], ahead: &[u8], passage: &mut Passage, used: &[String]) {
        self.tell_sent(connection, bytes, ahead, passage, true, used);
    }

    fn tell_sent(
        &mut self,
        connection: &str,
        bytes: &[u8],
        ahead: &[u8],
        passage: &mut Passage,
        content: bool,
        used: &[String],
    ) {
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        // What is told is not what finds it: the redactor is put back.
        let redactor = std::mem::take(&mut self.redactor);
        let between = self.between && !content;
        redactor.find_in_passage(passage, bytes, ahead, &used, |line, hidden| {
            if let Some(spoken) = self.spoken.as_mut().filter(|_| connection == MAIN) {
                spoken.sent(line.bytes, content);
            }
            let line = Line::new(line, hidden, content).with_between(between);
            self.tell(connection, Fact::LineSent(line));
        });
        self.redactor = redactor;
    }

    /// Writing stopped so many bytes before the end of what was told as sent.
    pub fn unwritten(&mut self, connection: &str, bytes: usize) {
        if bytes > 0 {
            self.note(connection, Note::Unwritten { bytes });
        }
    }

    pub fn received(&mut self, connection: &str, line: WireLine<'_>) {
        if let Some(spoken) = self.spoken.as_mut().filter(|_| connection == MAIN) {
            spoken.received(line.bytes);
        }
        let known = self.heard.iter().position(|(name, _)| name == connection);
        let index = known.unwrap_or(self.heard.len());
        if known.is_none() && !self.redactor.is_empty() {
            self.heard.push((connection.to_owned(), Heard::default()));
        }
        let hidden = match self.heard.get_mut(index) {
            Some((_, heard)) => self.redactor.find_in_line(heard, line.bytes),
            None => Vec::new(),
        };
        let line = Line::new(line, &hidden, false).with_between(self.between);
        self.tell(connection, Fact::LineReceived(line));
    }

    /// Text from outside for facts: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> Shown {
        self.redactor.shown(text)
    }

    /// As [`Narrator::shown`] for a reply's lines, which are shown in one.
    pub fn said(&self, lines: impl AsRef<[u8]>) -> Shown {
        self.redactor.shown_lines(lines)
    }
}
