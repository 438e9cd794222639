//! The transcript of `--quiet`: it is kept, in bounded memory, and written only if the session fails.

use super::flush::FlushOnExit;
use crate::event::{Event, Fact, Observer, Status};
use crate::report::transcript::omission_remark;
use crate::report::{TranscriptOptions, TranscriptWriter};
use std::io::{self, Write};

/// How much is kept of the transcript's beginning, and at least of its end, in bytes: a batch of a million rows costs no more
/// memory than one of a thousand.
const KEPT_BYTES: usize = 256 << 10;

/// Keeps a session's transcript, with its content cut, and writes it when the session ends without having passed. Of a very long
/// one it keeps the beginning and the end.
pub struct DeferredTranscript<W: Write> {
    out: W,
    writer: TranscriptWriter<BoundedText>,
    /// Whether there was a connection. Without one the transcript has nothing but the failure, which the diagnosis shows.
    connected: bool,
    error: Option<io::Error>,
}

impl<W: Write> DeferredTranscript<W> {
    /// `options.live` is ignored.
    pub fn new(out: W, options: TranscriptOptions) -> Self {
        let options = TranscriptOptions { live: false, ..options };
        Self { out, writer: TranscriptWriter::new(BoundedText::default(), options), connected: false, error: None }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes what was kept, and empties it.
    pub fn write_kept(&mut self) {
        let flushed = self.writer.finish();
        let kept = std::mem::take(self.writer.get_mut());
        let written = flushed.and_then(|()| kept.write_to(&mut self.out)).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

impl<W: Write> Observer for DeferredTranscript<W> {
    fn observe(&mut self, event: &Event<'_>) {
        self.writer.observe(event);
        match &event.fact {
            Fact::Connected { .. } => self.connected = true,
            Fact::SessionFinished { outcome } => {
                if std::mem::take(&mut self.connected) && outcome.status != Status::Passed {
                    self.write_kept();
                } else {
                    *self.writer.get_mut() = BoundedText::default();
                }
            }
            _ => {}
        }
    }
}

impl<W: Write + Send> FlushOnExit for DeferredTranscript<W> {
    fn end_with_signal(&mut self, _: &'static str) {
        self.write_kept();
    }
}

/// Text of bounded size: its beginning and its end. It is written in pieces of whole lines.
#[derive(Default)]
struct BoundedText {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// How many lines are missing between them.
    omitted_lines: usize,
}

impl BoundedText {
    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        if let Some(remark) = omission_remark(self.omitted_lines) {
            writeln!(out, "{remark}")?;
        }
        out.write_all(&self.tail)
    }

    /// Drops all but the last bytes of the end, by whole lines.
    fn shorten(&mut self) {
        let surplus = self.tail.len().saturating_sub(KEPT_BYTES + 1);
        let line_end = self.tail.iter().skip(surplus).position(|byte| *byte == b'\n');
        let end = line_end.map_or(self.tail.len(), |at| surplus + at + 1);
        self.omitted_lines += self.tail.drain(..end).filter(|byte| *byte == b'\n').count();
    }
}

impl Write for BoundedText {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.tail.is_empty() && self.omitted_lines == 0 && self.head.len() < KEPT_BYTES {
            self.head.extend_from_slice(lines);
            return Ok(lines.len());
        }
        self.tail.extend_from_slice(lines);
        if self.tail.len() > KEPT_BYTES + KEPT_BYTES / 2 {
            self.shorten();
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
    use crate::transcript::SafeText;
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
        let mut deferred = DeferredTranscript::new(&mut out, TranscriptOptions::default());
        for (address, status) in [("one", Status::Passed), ("two", Status::TempFail), ("three", Status::Passed)] {
            happens(&mut deferred, Fact::Connected { address: SafeText::new(address) });
            ends(&mut deferred, status);
        }
        assert!(deferred.error().is_none());
        drop(deferred);
        assert_eq!(String::from_utf8_lossy(&out), "*: connected to two\n");
    }

    #[test]
    fn what_failed_before_connecting_is_left_to_the_diagnosis() {
        let mut out = Vec::new();
        let mut deferred = DeferredTranscript::new(&mut out, TranscriptOptions::default());
        let what = SafeText::new("cannot read \"gone.pdf\"");
        let failure = Failure::new(Status::NoInput, Place::default(), Cause::Unreadable { what });
        let outcome = Outcome::failed(failure);
        happens(&mut deferred, Fact::SessionFinished { outcome: &outcome });
        happens(&mut deferred, Fact::Connected { address: SafeText::new("one") });
        ends(&mut deferred, Status::Failed);
        drop(deferred);
        assert_eq!(String::from_utf8_lossy(&out), "*: connected to one\n");
    }

    #[test]
    fn an_endless_dialogue_is_kept_in_bounded_memory() {
        let mut out = Vec::new();
        let mut deferred = DeferredTranscript::new(&mut out, TranscriptOptions::default());
        let long = "x".repeat(1000);
        for i in 0..10_000 {
            happens(&mut deferred, Fact::Connected { address: SafeText::new(format!("{i} {long}")) });
        }
        ends(&mut deferred, Status::Failed);
        drop(deferred);
        let text = String::from_utf8_lossy(&out);
        assert!(out.len() < 4 * KEPT_BYTES);
        assert!(text.starts_with("*: connected to 0 "));
        assert!(text.lines().last().is_some_and(|line| line.starts_with("*: connected to 9999 ")));
        let told = text.lines().find_map(|line| line.strip_suffix(" lines omitted"));
        let told: usize =
            told.and_then(|l| l.strip_prefix("*: … ")).map_or(0, |n| n.replace(',', "").parse().unwrap_or(0));
        assert_eq!(text.lines().count() - 1 + told, 10_000, "every line is shown or counted");
    }
}
