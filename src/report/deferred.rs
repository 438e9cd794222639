//! `--quiet`: the transcript is kept, in bounded memory, and shown only where the session failed.

use super::{TranscriptOptions, TranscriptWriter};
use crate::event::{Event, Fact, Observer, Status, group_thousands};
use std::io::{self, Write};

/// How much is kept of the transcript's beginning, of what stands before rows' failures, and at least of its end: a batch
/// of a million rows costs no more memory than one of a thousand.
const KEPT_BYTES: usize = 256 << 10;
/// How much is kept of what stands before the failure of one row.
const BEFORE_FAILURE: usize = 8 << 10;

/// Keeps a session's transcript, with its content cut, and writes it when the session ends and has not passed. Of one that is
/// very long it keeps the beginning, the end, and the dialogues of the rows that failed first.
pub struct DeferredTranscript<W: Write> {
    out: W,
    writer: TranscriptWriter<BoundedText>,
    /// Whether there was a connection: without one the transcript holds nothing but the failure, and the diagnosis has that.
    connected: bool,
    error: Option<io::Error>,
}

impl<W: Write> DeferredTranscript<W> {
    /// `options.live` means nothing here.
    pub fn new(out: W, options: TranscriptOptions) -> Self {
        let options = TranscriptOptions { live: false, ..options };
        Self { out, writer: TranscriptWriter::new(BoundedText::default(), options), connected: false, error: None }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes what was kept, and forgets it.
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
            Fact::RowFinished { row: _, outcome } if outcome.status != Status::Passed => {
                // Its last lines may still be in the writer; what is kept takes all that it is given.
                let _ = self.writer.finish();
                self.writer.get_mut().keep_end();
            }
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

/// Text of bounded size: its beginning, some pieces of its middle, and its end. It is written in pieces of whole lines.
#[derive(Default)]
struct BoundedText {
    head: Vec<u8>,
    /// Each piece with the remark in front that lines are missing.
    pieces: Vec<u8>,
    tail: Vec<u8>,
    /// How many lines are missing before `tail`.
    omitted_lines: usize,
}

impl BoundedText {
    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        out.write_all(&self.pieces)?;
        out.write_all(omission_remark(self.omitted_lines).as_bytes())?;
        out.write_all(&self.tail)
    }

    /// What was written last is kept whatever follows, as long as there is room for it.
    fn keep_end(&mut self) {
        if self.tail.is_empty() || self.pieces.len() >= KEPT_BYTES {
            return;
        }
        self.shorten(BEFORE_FAILURE);
        self.pieces.extend_from_slice(omission_remark(std::mem::take(&mut self.omitted_lines)).as_bytes());
        self.pieces.append(&mut self.tail);
    }

    /// Leaves out all but the last `most` bytes of the end, by whole lines.
    fn shorten(&mut self, most: usize) {
        let Some(surplus) = self.tail.len().checked_sub(most + 1) else { return };
        let behind = self.tail.iter().skip(surplus).position(|byte| *byte == b'\n');
        let end = behind.map_or(self.tail.len(), |at| surplus + at + 1);
        self.omitted_lines += self.tail.drain(..end).filter(|byte| *byte == b'\n').count();
    }
}

/// The remark that stands where lines are missing, if they are.
fn omission_remark(omitted_lines: usize) -> String {
    if omitted_lines == 0 {
        String::new()
    } else {
        format!("*: … {} more lines, left out\n", group_thousands(omitted_lines))
    }
}

impl Write for BoundedText {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.tail.is_empty() && self.pieces.is_empty() && self.omitted_lines == 0 && self.head.len() < KEPT_BYTES {
            self.head.extend_from_slice(lines);
            return Ok(lines.len());
        }
        self.tail.extend_from_slice(lines);
        if self.tail.len() > KEPT_BYTES + KEPT_BYTES / 2 {
            self.shorten(KEPT_BYTES);
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
    use crate::event::{Cause, Failure, Outcome, RowId};
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
        let outcome = Outcome { status: Status::NoInput, failure: Some(failure), steps_run: 0, skipped: None };
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
        let told = text.lines().find_map(|line| line.strip_suffix(" more lines, left out"));
        let told: usize =
            told.and_then(|l| l.strip_prefix("*: … ")).map_or(0, |n| n.replace(',', "").parse().unwrap_or(0));
        assert_eq!(text.lines().count() - 1 + told, 10_000, "every line is shown or counted");
    }

    #[test]
    fn the_rows_that_failed_are_shown_of_however_many() {
        let mut out = Vec::new();
        let mut deferred = DeferredTranscript::new(&mut out, TranscriptOptions::default());
        for number in 1..=100_000_u64 {
            happens(&mut deferred, Fact::Connected { address: SafeText::new(format!("{number}")) });
            let row =
                RowId { number, key: SafeText::default(), attempt: 1, repetition: None, place: SafeText::default() };
            let bad = number % 30_000 == 0 || (50_000..51_000).contains(&number);
            let status = if bad { Status::Failed } else { Status::Passed };
            let outcome = Outcome { status, failure: None, steps_run: 1, skipped: None };
            happens(&mut deferred, Fact::RowFinished { row: &row, outcome: &outcome });
        }
        ends(&mut deferred, Status::Failed);
        drop(deferred);
        assert!(out.len() < 4 * KEPT_BYTES);
        let text = String::from_utf8_lossy(&out);
        for number in ["1", "30000", "50000", "50020", "100000"] {
            let line = format!("*: connected to {number}");
            assert_eq!(text.lines().filter(|known| **known == line).count(), 1, "{number}");
        }
        let (mut shown, mut told, mut last) = (0, 0, 0);
        for line in text.lines() {
            if let Some(number) = line.strip_prefix("*: connected to ") {
                let number: usize = number.parse().expect("it is a number");
                assert!(number > last, "{number} behind {last}");
                (shown, last) = (shown + 1, number);
            } else if let Some(count) =
                line.strip_prefix("*: … ").and_then(|line| line.strip_suffix(" more lines, left out"))
            {
                told += count.replace(',', "").parse::<usize>().expect("it is a number");
            }
        }
        assert_eq!(shown + told, 100_000, "every line is shown or counted");
    }
}
