//! The output of sessions that run in parallel: it is kept and printed per session, in file order.

use super::transcript_files::{TranscriptFile, WithSessionHeader};
use crate::output::{FlushOnExit, OutputKind, SharedWriter};
use std::io::{self, Read, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::SpooledTempFile;

/// How many bytes are kept in memory. More is kept in an unnamed temporary file.
const IN_MEMORY_LIMIT: usize = 1 << 20;

/// Output that is kept. Clones share it.
#[derive(Clone)]
pub struct Spool(Arc<Mutex<SpooledTempFile>>);

impl Spool {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(SpooledTempFile::new(IN_MEMORY_LIMIT))))
    }

    fn locked(&self) -> MutexGuard<'_, SpooledTempFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies everything that was kept.
    pub fn copy_to(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let from = &mut *self.locked();
        from.rewind()?;
        io::copy(&mut Read::by_ref(from), to).and_then(|_| to.flush())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.locked().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Output that is kept, and the writer that gets it when the session is printed, or if a signal ends the program before.
pub struct BufferedWriter<W> {
    pub spool: Spool,
    out: Option<W>,
}

impl<W: Write + Send + 'static> BufferedWriter<W> {
    /// Keeps output for `out`. The result is registered for flushing at a signal.
    pub fn new(output_kind: OutputKind, out: W) -> SharedWriter<Self> {
        SharedWriter::new(output_kind, Self { spool: Spool::new(), out: Some(out) })
    }

    /// Writes the output. Further calls write nothing.
    pub fn print(&mut self) -> io::Result<()> {
        self.out.take().map_or(Ok(()), |mut out| self.spool.copy_to(&mut out))
    }
}

impl<W: Write + Send + 'static> FlushOnExit for BufferedWriter<W> {
    fn release_output(&mut self) {
        // The program ends: an error can no longer be reported.
        let _ = self.print();
    }
}

/// The output of one session.
pub struct BufferedOutput {
    pub out: SharedWriter<BufferedWriter<Box<dyn Write + Send>>>,
    pub errors: Spool,
    pub transcript: Option<SharedWriter<BufferedWriter<WithSessionHeader<TranscriptFile>>>>,
}

impl BufferedOutput {
    /// Keeps the output of a session for `out`, standard error and the transcript file.
    pub fn new(out: Box<dyn Write + Send>, transcript: Option<WithSessionHeader<TranscriptFile>>) -> Self {
        Self {
            out: BufferedWriter::new(OutputKind::Terminal, out),
            errors: Spool::new(),
            transcript: transcript.map(|file| BufferedWriter::new(OutputKind::File, file)),
        }
    }

    /// Prints everything. Only errors of the transcript file are returned: those of the terminal are kept by its writers.
    pub fn print(self, errors: &mut dyn Write) -> io::Result<()> {
        let _ = self.out.lock().print();
        let _ = self.errors.copy_to(errors);
        self.transcript.map_or(Ok(()), |file| file.lock().print())
    }
}
