//! Tells what happens. Secrets are hidden and text is escaped here: nothing behind `exec` can leak or be forged.

use super::Lane;
use super::player::MAIN;
use super::ports::Clock;
use super::spoken::Spoken;
use crate::event::{Event, Fact, Line, Note, Observer};
use crate::smtp::lines::{WireLine, split_lines};
use crate::transcript::{Redactor, Shown};
use std::time::{Duration, Instant};

/// The observer, and what facts need: the time, and the secrets to hide.
pub struct Narrator<'a> {
    observer: &'a mut dyn Observer,
    pub clock: &'a dyn Clock,
    pub redactor: Redactor,
    /// When the first connection was made.
    pub started: Option<Instant>,
    /// What `main` is called here.
    lane: Option<String>,
    /// What `main` says of transactions, where rows speak in their own words.
    pub spoken: Option<Spoken>,
}

impl<'a> Narrator<'a> {
    pub fn new(observer: &'a mut dyn Observer, clock: &'a dyn Clock, redactor: Redactor) -> Self {
        Self { observer, clock, redactor, started: None, lane: None, spoken: None }
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
    pub fn sent(&mut self, connection: &str, bytes: &[u8], content: bool, used: &[String]) {
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        for line in split_lines(bytes) {
            if let Some(spoken) = self.spoken.as_mut().filter(|_| connection == MAIN) {
                spoken.sent(line.bytes, content);
            }
            let hidden = self.redactor.find_sent(line.bytes, &used);
            self.tell(connection, Fact::LineSent(Line::new(line, &hidden, content)));
        }
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
        let hidden = self.redactor.find(line.bytes);
        self.tell(connection, Fact::LineReceived(Line::new(line, &hidden, false)));
    }

    /// Text from outside for facts: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> Shown {
        self.redactor.shown(text)
    }
}
