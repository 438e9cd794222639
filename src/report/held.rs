//! `--quiet`: the transcript is kept, and shown only where the session failed.

use super::{Options, TranscriptWriter};
use crate::event::{Event, Fact, Observer, Status, thousands};
use std::io::{self, Write};

/// How much is kept of the transcript's beginning, and at least of its end.
const KEPT: usize = 1 << 20;

/// Keeps a session's transcript, with its content cut, and writes it when the session ends and has not passed.
pub struct Held<W: Write> {
    out: W,
    writer: TranscriptWriter<Kept>,
    /// Whether there was a connection: without one the transcript holds nothing but the failure, and the diagnosis has that.
    connected: bool,
    error: Option<io::Error>,
}

impl<W: Write> Held<W> {
    /// `options.live` means nothing here.
    pub fn new(out: W, options: Options) -> Self {
        let options = Options { live: false, ..options };
        Self { out, writer: TranscriptWriter::new(Kept::default(), options), connected: false, error: None }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes what was kept, and forgets it.
    pub fn release(&mut self) {
        let flushed = self.writer.finish();
        let kept = std::mem::take(self.writer.get_mut());
        let written = flushed.and_then(|()| kept.write_to(&mut self.out)).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

impl<W: Write> Observer for Held<W> {
    fn observe(&mut self, event: &Event<'_>) {
        self.writer.observe(event);
        match &event.fact {
            Fact::Connected { .. } => self.connected = true,
            Fact::SessionFinished { outcome } => {
                if std::mem::take(&mut self.connected) && outcome.status != Status::Passed {
                    self.release();
                } else {
                    *self.writer.get_mut() = Kept::default();
                }
            }
            _ => {}
        }
    }
}

/// Text of bounded size: its beginning and its end. It is written in pieces of whole lines.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
    left_out: usize,
}

impl Kept {
    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        if self.left_out > 0 {
            writeln!(out, "*: … {} more lines, left out", thousands(self.left_out))?;
        }
        out.write_all(&self.tail)
    }
}

impl Write for Kept {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.tail.is_empty() && self.left_out == 0 && self.head.len() < KEPT {
            self.head.extend_from_slice(lines);
            return Ok(lines.len());
        }
        self.tail.extend_from_slice(lines);
        if self.tail.len() > 2 * KEPT {
            let surplus = self.tail.len() - KEPT;
            let end =
                self.tail[surplus..].iter().position(|b| *b == b'\n').map_or(self.tail.len(), |at| surplus + at + 1);
            self.left_out += self.tail.drain(..end).filter(|b| *b == b'\n').count();
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Failure, Outcome};
    use crate::session::Place;
    use crate::transcript::Shown;
    use std::time::Duration;

    fn happens(observer: &mut impl Observer, fact: Fact<'_>) {
        observer.observe(&Event { at: Duration::ZERO, connection: "main", fact });
    }

    fn ends(observer: &mut impl Observer, status: Status) {
        let outcome = Outcome { status, failure: None, steps_run: 1, skipped: None };
        happens(observer, Fact::SessionFinished { outcome: &outcome });
    }

    #[test]
    fn only_a_session_that_failed_is_shown() {
        let mut out = Vec::new();
        let mut held = Held::new(&mut out, Options::default());
        for (address, status) in [("one", Status::Passed), ("two", Status::TempFail), ("three", Status::Passed)] {
            happens(&mut held, Fact::Connected { address: Shown::new(address) });
            ends(&mut held, status);
        }
        assert!(held.error().is_none());
        drop(held);
        assert_eq!(String::from_utf8_lossy(&out), "*: connected to two\n");
    }

    #[test]
    fn what_failed_before_connecting_is_left_to_the_diagnosis() {
        let mut out = Vec::new();
        let mut held = Held::new(&mut out, Options::default());
        let what = Shown::new("cannot read \"gone.pdf\"");
        let failure = Failure::new(Status::NoInput, Place::default(), Cause::Unreadable { what });
        let outcome = Outcome { status: Status::NoInput, failure: Some(failure), steps_run: 0, skipped: None };
        happens(&mut held, Fact::SessionFinished { outcome: &outcome });
        happens(&mut held, Fact::Connected { address: Shown::new("one") });
        ends(&mut held, Status::Failed);
        drop(held);
        assert_eq!(String::from_utf8_lossy(&out), "*: connected to one\n");
    }

    #[test]
    fn an_endless_dialogue_is_kept_in_bounded_memory() {
        let mut out = Vec::new();
        let mut held = Held::new(&mut out, Options::default());
        let long = "x".repeat(1000);
        for i in 0..10_000 {
            happens(&mut held, Fact::Connected { address: Shown::new(format!("{i} {long}")) });
        }
        ends(&mut held, Status::Failed);
        drop(held);
        let text = String::from_utf8_lossy(&out);
        assert!(out.len() < 4 * KEPT);
        assert!(text.starts_with("*: connected to 0 "));
        assert!(text.lines().last().is_some_and(|line| line.starts_with("*: connected to 9999 ")));
        let told = text.lines().find_map(|line| line.strip_suffix(" more lines, left out"));
        let told: usize =
            told.and_then(|l| l.strip_prefix("*: … ")).map_or(0, |n| n.replace(',', "").parse().unwrap_or(0));
        assert_eq!(text.lines().count() - 1 + told, 10_000, "every line is shown or counted");
    }
}
