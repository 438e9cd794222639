//! What a session prints while others run beside it: kept until its turn has come, and printed in whole blocks.

use super::transcript_files::{TranscriptFile, WithSessionHeader};
use crate::output::{FlushOnExit, OutputKind, SharedWriter};
use std::io::{self, Read, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::SpooledTempFile;

/// So much of each is kept in memory, the rest in a file without a name.
const IN_MEMORY_LIMIT: usize = 1 << 20;

/// Output that is kept.
#[derive(Clone)]
pub struct Spool(Arc<Mutex<SpooledTempFile>>);

impl Spool {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(SpooledTempFile::new(IN_MEMORY_LIMIT))))
    }

    fn locked(&self) -> MutexGuard<'_, SpooledTempFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all that was kept.
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

/// Output that waits for its turn, and where it is to go: there, where the program ends before.
pub struct BufferedWriter<W> {
    pub spool: Spool,
    out: Option<W>,
}

impl<W: Write + Send + 'static> BufferedWriter<W> {
    pub fn new(output_kind: OutputKind, out: W) -> SharedWriter<Self> {
        SharedWriter::new(output_kind, Self { spool: Spool::new(), out: Some(out) })
    }

    /// Its turn has come. Once.
    pub fn print(&mut self) -> io::Result<()> {
        self.out.take().map_or(Ok(()), |mut out| self.spool.copy_to(&mut out))
    }
}

impl<W: Write + Send + 'static> FlushOnExit for BufferedWriter<W> {
    fn release_output(&mut self) {
        // Nobody is left to hear of a failure.
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
    pub fn new(out: Box<dyn Write + Send>, transcript: Option<WithSessionHeader<TranscriptFile>>) -> Self {
        Self {
            out: BufferedWriter::new(OutputKind::Terminal, out),
            errors: Spool::new(),
            transcript: transcript.map(|file| BufferedWriter::new(OutputKind::File, file)),
        }
    }

    /// Prints it. The error is the transcript's: what cannot be shown is remembered by the outputs themselves.
    pub fn print(self, errors: &mut dyn Write) -> io::Result<()> {
        let _ = self.out.lock().print();
        let _ = self.errors.copy_to(errors);
        self.transcript.map_or(Ok(()), |file| file.lock().print())
    }
}
