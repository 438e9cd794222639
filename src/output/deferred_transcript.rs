//! The transcript of `--quiet`: it is kept, in bounded memory, and written only if the session fails.

use super::flush::FlushOnExit;
use crate::event::{Event, Fact, Observer, Status, Verdict};
use crate::report::diagnosis::cut_long_lines;
use crate::report::transcript::omission_remark;
use crate::report::{TranscriptOptions, TranscriptWriter};
use std::io::{self, Write};

/// How much is kept of the transcript's beginning, in bytes.
const HEAD_BYTES: usize = 1 << 10;
/// How much is kept before the first failure, and how much of what follows it.
const BEFORE_BYTES: usize = 5 << 10;
const AFTER_BYTES: usize = 2 << 10;
/// How much is kept of the end.
const TAIL_BYTES: usize = 4 << 10;

/// Keeps a session's transcript, with its content cut, and writes it when the session ends without having passed. Of a long
/// one it keeps the beginning, the lines around the first failure, and the end.
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
        let mut kept = std::mem::take(self.writer.get_mut());
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
            Fact::StepFinished { verdict: Verdict::Failed(_) | Verdict::Error(_), .. } => {
                if let Err(error) = self.writer.finish() {
                    self.error.get_or_insert(error);
                }
                self.writer.get_mut().mark_failure();
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

impl<W: Write + Send> FlushOnExit for DeferredTranscript<W> {
    fn end_with_signal(&mut self, _: &'static str) {
        self.write_kept();
    }
}

/// Text of bounded size: its beginning, the lines around the first failure, and its end. It is written in pieces of whole lines.
#[derive(Default)]
struct BoundedText {
    head: Vec<u8>,
    /// The lines around the first failure, once there is one.
    failure: Option<FailureLines>,
    tail: Vec<u8>,
    /// How many lines are missing before the tail.
    omitted_lines: usize,
}

/// The lines around a failure.
struct FailureLines {
    omitted_before: usize,
    text: Vec<u8>,
    /// How many bytes of what follows are still added.
    remaining: usize,
}

impl BoundedText {
    fn write_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.shorten();
        out.write_all(&self.head)?;
        if let Some(failure) = &self.failure {
            write_remark(failure.omitted_before, out)?;
            out.write_all(&failure.text)?;
        }
        write_remark(self.omitted_lines, out)?;
        out.write_all(&self.tail)
    }

    /// Something has failed with the last line.
    fn mark_failure(&mut self) {
        if self.failure.is_none() {
            self.shorten();
            let omitted_before = std::mem::take(&mut self.omitted_lines);
            let text = std::mem::take(&mut self.tail);
            self.failure = Some(FailureLines { omitted_before, text, remaining: AFTER_BYTES });
        }
    }

    /// How much is kept at the end of what there is.
    fn tail_bytes(&self) -> usize {
        if self.failure.is_some() { TAIL_BYTES } else { BEFORE_BYTES }
    }

    /// Drops all but the last bytes of the end, by whole lines.
    fn shorten(&mut self) {
        let surplus = self.tail.len().saturating_sub(self.tail_bytes());
        if surplus > 0 {
            let line_end = self.tail.iter().skip(surplus - 1).position(|byte| *byte == b'\n');
            let end = line_end.map_or(self.tail.len(), |at| surplus + at);
            self.omitted_lines += self.tail.drain(..end).filter(|byte| *byte == b'\n').count();
        }
    }

    fn push_line(&mut self, line: &[u8]) {
        if self.failure.is_none() && self.tail.is_empty() && self.omitted_lines == 0 && self.head.len() < HEAD_BYTES {
            return self.head.extend_from_slice(line);
        }
        match &mut self.failure {
            Some(failure) if failure.remaining > 0 => {
                failure.remaining = failure.remaining.saturating_sub(line.len());
                failure.text.extend_from_slice(line);
            }
            _ => self.tail.extend_from_slice(line),
        }
        if self.tail.len() > 4 * self.tail_bytes() {
            self.shorten();
        }
    }
}

fn write_remark(omitted_lines: usize, out: &mut impl Write) -> io::Result<()> {
    omission_remark(omitted_lines).map_or(Ok(()), |remark| writeln!(out, "{remark}"))
}

impl Write for BoundedText {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.push_line(cut_long_lines(&String::from_utf8_lossy(line)).as_bytes());
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
        assert!(out.len() < 16 << 10);
        assert!(text.starts_with("*: connected to 0 "));
        assert!(text.lines().last().is_some_and(|line| line.starts_with("*: connected to 9999 ")));
        let told = text.lines().find_map(|line| line.strip_suffix(" lines omitted"));
        let told: usize =
            told.and_then(|l| l.strip_prefix("*: … ")).map_or(0, |n| n.replace(',', "").parse().unwrap_or(0));
        assert_eq!(text.lines().count() - 1 + told, 10_000, "every line is shown or counted");
    }

    #[test]
    fn the_lines_around_the_first_failure_are_kept() {
        let mut text = BoundedText::default();
        for i in 0..9_000 {
            writeln!(text, "line {i}").expect("it is memory");
            if i == 3_000 || i == 3_050 {
                text.mark_failure();
            }
        }
        let mut out = Vec::new();
        text.write_to(&mut out).expect("it is memory");
        let shown = String::from_utf8(out).expect("it is UTF-8");
        for line in ["line 0", "line 2990", "line 3000", "line 3050", "line 8999"] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        assert_eq!(shown.matches(" lines omitted").count(), 2, "{shown}");
        assert!(shown.len() < 14 << 10, "{}", shown.len());
    }
}
