//! What a session prints while others run beside it: kept until its turn has come, and printed in whole blocks.

use std::io::{self, Read, Seek, Write};
use tempfile::SpooledTempFile;

/// So much of each is kept in memory, the rest in a file without a name.
const SPOOL: usize = 1 << 20;

/// The output of one session.
pub struct Block {
    pub out: SpooledTempFile,
    pub errors: SpooledTempFile,
    pub transcript: Option<SpooledTempFile>,
}

impl Block {
    pub fn new(transcript: bool) -> Self {
        let spool = || SpooledTempFile::new(SPOOL);
        Self { out: spool(), errors: spool(), transcript: transcript.then(spool) }
    }

    /// Prints it. The error is the transcript's: what cannot be shown is remembered by the outputs themselves.
    pub fn print(
        mut self,
        out: &mut dyn Write,
        errors: &mut dyn Write,
        transcript: Option<impl Write>,
    ) -> io::Result<()> {
        let _ = copy(&mut self.out, out);
        let _ = copy(&mut self.errors, errors);
        match (self.transcript, transcript) {
            (Some(mut kept), Some(mut file)) => copy(&mut kept, &mut file),
            _ => Ok(()),
        }
    }
}

/// Writes all that was kept.
pub fn copy(from: &mut (impl Read + Seek), to: &mut (impl Write + ?Sized)) -> io::Result<()> {
    from.rewind()?;
    io::copy(from, to).and_then(|_| to.flush())
}
