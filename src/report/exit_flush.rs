//! Transcripts that are being written: what of them is still in memory is written where the program waits, and where it
//! ends at once.
//!
//! A line costs nothing more for it: lines are gathered as long as the dialogue goes on, and whoever waits for the other
//! side asks for them ([`flush_all`]). A second signal comes in a thread of its own, so writers are shared ([`SharedWriter`]).

use super::atomic_file::{self, OrphanedTranscript};
use super::{DeferredTranscript, TranscriptWriter};
use crate::event::{Event, Fact, Note, Observer};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// How long somebody who ends the program waits for a writer that is at work.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// Where something is written. Files come first where the program ends: a terminal or a pipe may take its time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    File,
    Terminal,
}

/// What holds lines back.
pub trait FlushOnExit: Send {
    /// The program waits: writes what there is.
    fn flush_now(&mut self) {}
    /// The program ends at once, for this signal.
    fn end_with_signal(&mut self, signal: &'static str) {
        let _ = signal;
    }
    /// As [`FlushOnExit::end_with_signal`], when all have ended: hands on what was kept for its turn.
    fn release_output(&mut self) {}
}

type RegisteredWriter = (OutputKind, Weak<Mutex<dyn FlushOnExit>>);

static REGISTERED: Mutex<Vec<RegisteredWriter>> = Mutex::new(Vec::new());

fn registered() -> MutexGuard<'static, Vec<RegisteredWriter>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A writer that [`flush_all`] and [`flush_for_signal`] know, as long as it is there.
pub struct SharedWriter<T>(Arc<Mutex<T>>);

impl<T: FlushOnExit + 'static> SharedWriter<T> {
    pub fn new(output_kind: OutputKind, writer: T) -> Self {
        let shared = Arc::new(Mutex::new(writer));
        let known: Weak<Mutex<T>> = Arc::downgrade(&shared);
        let mut open = registered();
        open.retain(|(_, other)| other.strong_count() > 0);
        open.push((output_kind, known));
        Self(shared)
    }
}

impl<T> SharedWriter<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for SharedWriter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Observer> Observer for SharedWriter<T> {
    fn observe(&mut self, event: &Event<'_>) {
        self.lock().observe(event);
    }
}

/// Writes what is in memory. For whoever is about to wait; what another thread is at work on, that one will write.
pub fn flush_all() {
    for (_, writer) in registered().iter() {
        let Some(writer) = writer.upgrade() else { continue };
        match writer.try_lock() {
            Ok(mut writer) => writer.flush_now(),
            Err(TryLockError::Poisoned(broken)) => broken.into_inner().flush_now(),
            Err(TryLockError::WouldBlock) => {}
        };
    }
}

/// The program ends at once, for this signal: transcripts stand as far as they were written, if they were, and of reports
/// nothing is left behind. `files` hears which transcripts stand beside older ones, before the screen gets its share.
pub fn flush_for_signal(signal: &'static str, files: impl FnOnce(Vec<OrphanedTranscript>)) {
    let entries = std::mem::take(&mut *registered());
    let mut files = Some(files);
    for output_kind in [OutputKind::File, OutputKind::Terminal] {
        let those = || entries.iter().filter(|(to, _)| *to == output_kind).filter_map(|(_, writer)| writer.upgrade());
        those().for_each(|writer| with_lock_timeout(&writer, |writer| writer.end_with_signal(signal)));
        those().for_each(|writer| with_lock_timeout(&writer, |writer| writer.release_output()));
        if let Some(files) = files.take() {
            files(atomic_file::finalize_partial());
        }
    }
}

/// One that does not come to an end (its pipe is full, say) does not hold up the others.
fn with_lock_timeout(writer: &Mutex<dyn FlushOnExit>, act: impl FnOnce(&mut dyn FlushOnExit)) {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match writer.try_lock() {
            Ok(mut writer) => return act(&mut *writer),
            Err(TryLockError::Poisoned(broken)) => return act(&mut *broken.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

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

    /// Writes what is still in memory; gives the first failure to write.
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
        // Behind a gap nothing is written: what stands there is whole as far as it goes.
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
        // What broke the run is in its transcript.
        let fact = Fact::Noted(Note::Interrupted { signal });
        self.observe(&Event { at: self.at, connection: "main", fact });
        self.flush();
    }
}

impl<W: Write + Send> FlushOnExit for DeferredTranscript<W> {
    fn end_with_signal(&mut self, _: &'static str) {
        self.write_kept();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RedactedLine;
    use crate::report::TranscriptOptions;
    use crate::smtp::lines::split_lines;

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
    fn lines_are_written_where_the_program_waits_and_where_it_ends() {
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

    #[test]
    fn a_writer_that_is_at_work_holds_nobody_up() {
        let transcript =
            Mutex::new(LiveTranscript::new(TranscriptWriter::new(Page::default(), TranscriptOptions::default())));
        let _at_work = transcript.lock().expect("nobody panics with it");
        with_lock_timeout(&transcript, |_| panic!("it is not to be had"));
    }
}
