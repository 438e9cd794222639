//! The limit of what `--quiet` prints in one run: cron puts it into a mail.

use super::console;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The most that a run prints, in bytes, with room for the remark.
const MAX: usize = 20_000;
/// What of it is kept for the lines after the sessions.
const RESERVED: usize = 3_000;

/// Counts what a run prints. Clones share the count.
#[derive(Clone, Default)]
pub struct QuietLimit(Arc<Printed>);

#[derive(Default)]
struct Printed {
    bytes: AtomicUsize,
    has_remark: AtomicBool,
}

impl QuietLimit {
    fn take(&self, bytes: usize, most: usize) -> bool {
        let add = |used: usize| (used + bytes <= most).then_some(used + bytes);
        self.0.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// The remark that something is missing, once.
    fn remark(&self) -> Option<&'static str> {
        let is_first = !self.0.has_remark.swap(true, Ordering::Relaxed);
        is_first.then_some("… the rest is not shown; --transcript FILE has everything")
    }

    /// Prints a line after a session, unless the run has printed too much.
    pub fn print_line(&self, line: &str) {
        if self.take(line.len() + 1, MAX) {
            console::print_line(line);
        } else if let Some(remark) = self.remark() {
            console::print_line(remark);
        }
    }

    /// A writer that drops the lines beyond the limit.
    pub fn writer(&self, out: Box<dyn Write + Send>) -> Box<dyn Write + Send> {
        Box::new(LimitedWriter { limit: self.clone(), out, is_cut: false })
    }
}

struct LimitedWriter {
    limit: QuietLimit,
    out: Box<dyn Write + Send>,
    is_cut: bool,
}

impl Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.is_cut |= !self.limit.take(line.len(), MAX - RESERVED);
            if !self.is_cut {
                self.out.write_all(line)?;
            } else if let Some(remark) = self.limit.remark() {
                writeln!(self.out, "{remark}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
