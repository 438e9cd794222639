//! Transcripts that are being written: what of them is still in memory is written where the program waits, and where it
//! ends at once.
//!
//! A line costs nothing more for it: lines are gathered as long as the dialogue goes on, and whoever waits for the other
//! side asks for them ([`write_out`]). A second signal comes in a thread of its own, so writers are shared ([`Shared`]).

use super::file::{self, Left};
use super::{Held, TranscriptWriter};
use crate::event::{Event, Fact, Note, Observer};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// How long somebody who ends the program waits for a writer that is at work.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where something is written. Files come first where the program ends: a terminal or a pipe may take its time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    File,
    Screen,
}

/// What holds lines back.
pub trait Holds: Send {
    /// The program waits: writes what there is.
    fn write_out(&mut self) {}
    /// The program ends at once, for this signal.
    fn end(&mut self, signal: &'static str) {
        let _ = signal;
    }
    /// As [`Holds::end`], when all have ended: hands on what was kept for its turn.
    fn hand_over(&mut self) {}
}

type Entry = (Towards, Weak<Mutex<dyn Holds>>);

static OPEN: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

fn open() -> MutexGuard<'static, Vec<Entry>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A writer that [`write_out`] and [`end_at_once`] know, as long as it is there.
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T: Holds + 'static> Shared<T> {
    pub fn new(towards: Towards, writer: T) -> Self {
        let shared = Arc::new(Mutex::new(writer));
        let known: Weak<Mutex<T>> = Arc::downgrade(&shared);
        let mut open = open();
        open.retain(|(_, other)| other.strong_count() > 0);
        open.push((towards, known));
        Self(shared)
    }
}

impl<T> Shared<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Observer> Observer for Shared<T> {
    fn observe(&mut self, event: &Event<'_>) {
        self.lock().observe(event);
    }
}

/// Writes what is in memory. For whoever is about to wait; what another thread is at work on, that one will write.
pub fn write_out() {
    for (_, writer) in open().iter() {
        let Some(writer) = writer.upgrade() else { continue };
        match writer.try_lock() {
            Ok(mut writer) => writer.write_out(),
            Err(TryLockError::Poisoned(broken)) => broken.into_inner().write_out(),
            Err(TryLockError::WouldBlock) => {}
        };
    }
}

/// The program ends at once, for this signal: transcripts stand as far as they were written, if they were, and of reports
/// nothing is left behind. `files` hears which transcripts stand beside older ones, before the screen gets its share.
pub fn end_at_once(signal: &'static str, files: impl FnOnce(Vec<Left>)) {
    let entries = std::mem::take(&mut *open());
    let mut files = Some(files);
    for towards in [Towards::File, Towards::Screen] {
        let those = || entries.iter().filter(|(to, _)| *to == towards).filter_map(|(_, writer)| writer.upgrade());
        those().for_each(|writer| patiently(&writer, |writer| writer.end(signal)));
        those().for_each(|writer| patiently(&writer, |writer| writer.hand_over()));
        if let Some(files) = files.take() {
            files(file::put_away());
        }
    }
}

/// One that does not come to an end (its pipe is full, say) does not hold up the others.
fn patiently(writer: &Mutex<dyn Holds>, act: impl FnOnce(&mut dyn Holds)) {
    let until = Instant::now() + PATIENCE;
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
pub struct Log<W: Write> {
    writer: TranscriptWriter<W>,
    at: Duration,
    error: Option<io::Error>,
}

impl<W: Write> Log<W> {
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

impl<W: Write> Observer for Log<W> {
    fn observe(&mut self, event: &Event<'_>) {
        // Behind a gap nothing is written: what stands there is whole as far as it goes.
        if self.error.is_none() {
            self.at = event.at;
            self.writer.observe(event);
        }
    }
}

impl<W: Write + Send> Holds for Log<W> {
    fn write_out(&mut self) {
        self.flush();
    }

    fn end(&mut self, signal: &'static str) {
        // What broke the run is in its transcript.
        let fact = Fact::Noted(Note::Interrupted { signal });
        self.observe(&Event { at: self.at, connection: "main", fact });
        self.flush();
    }
}

impl<W: Write + Send> Holds for Held<W> {
    fn end(&mut self, _: &'static str) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Line;
    use crate::report::Options;
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
        let mut log = Shared::new(Towards::Screen, Log::new(TranscriptWriter::new(page.clone(), Options::default())));
        for line in split_lines(b"NOOP\r\n") {
            let fact = Fact::LineSent(Line::new(line, &[], false));
            log.observe(&Event { at: Duration::ZERO, connection: "main", fact });
        }
        assert_eq!(page.text(), "", "lines are gathered");
        log.lock().write_out();
        assert_eq!(page.text(), "C: NOOP\n");
        log.lock().end("SIGINT");
        assert_eq!(page.text(), "C: NOOP\n*: interrupted by SIGINT\n");
    }

    #[test]
    fn a_writer_that_is_at_work_holds_nobody_up() {
        let log = Mutex::new(Log::new(TranscriptWriter::new(Page::default(), Options::default())));
        let _at_work = log.lock().expect("nobody panics with it");
        patiently(&log, |_| panic!("it is not to be had"));
    }
}
