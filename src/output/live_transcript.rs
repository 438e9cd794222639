//! A transcript that is written as it happens.

use super::flush::FlushOnExit;
use crate::event::{Event, Fact, Note, Observer};
use crate::report::TranscriptWriter;
use std::io::{self, Write};
use std::time::Duration;

/// A transcript that is written as it happens.
pub struct LiveTranscript<W: Write> {
    writer: TranscriptWriter<W>,
    at: Duration,
    error: Option<io::Error>,
}

impl<W: Write> LiveTranscript<W> {
    pub fn new(writer: TranscriptWriter<W>) -> Self {
        Self { writer, at: Duration::ZERO, error: None }
    }

    /// Writes what is still in memory; returns the first failure to write.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.error.take().map_or(Ok(()), Err)
    }

    fn flush(&mut self) {
        if let Err(error) = self.writer.finish() {
            self.error.get_or_insert(error);
        }
    }
}

impl<W: Write> Observer for LiveTranscript<W> {
    fn observe(&mut self, event: &Event<'_>) {
        // After a failure nothing more is written, so that the file has no gap.
        if self.error.is_none() {
            self.at = event.at;
            self.writer.observe(event);
        }
    }
}

impl<W: Write + Send> FlushOnExit for LiveTranscript<W> {
    fn flush_now(&mut self) {
        self.flush();
    }

    fn end_with_signal(&mut self, signal: &'static str) {
        let fact = Fact::Noted(Note::Interrupted { signal });
        self.observe(&Event { at: self.at, connection: "main", fact });
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RedactedLine;
    use crate::output::flush::{OutputKind, SharedWriter};
    use crate::report::TranscriptOptions;
    use crate::smtp::lines::split_lines;
    use std::sync::{Arc, Mutex};

    /// Shows what has been written so far.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("nobody panics with it")).into_owned()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_when_the_program_waits_and_when_it_ends() {
        let page = Page::default();
        let mut transcript = SharedWriter::new(
            OutputKind::Terminal,
            LiveTranscript::new(TranscriptWriter::new(page.clone(), TranscriptOptions::default())),
        );
        for line in split_lines(b"NOOP\r\n") {
            let fact = Fact::LineSent(RedactedLine::new(line, &[]));
            transcript.observe(&Event { at: Duration::ZERO, connection: "main", fact });
        }
        assert_eq!(page.text(), "", "lines are gathered");
        transcript.lock().flush_now();
        assert_eq!(page.text(), "C: NOOP\n");
        transcript.lock().end_with_signal("SIGINT");
        assert_eq!(page.text(), "C: NOOP\n*: interrupted by SIGINT\n");
    }
}
