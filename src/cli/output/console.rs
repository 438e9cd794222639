//! Standard output and standard error.
//!
//! Nothing here panics like `println!`: if the reader has gone away, a run that still has mail to send must continue.

use crate::event::Status;
use crate::report::diagnosis::escape_workflow_commands;
use crate::source::io_error_text;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard error stays empty.
static SILENT: AtomicBool = AtomicBool::new(false);

/// From here on nothing is printed on standard error: monitoring systems read it as if it were standard output.
pub fn silence_errors() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Prints an error on standard error.
pub fn error(message: &str) {
    print_line(&format!("mailrun: {message}"));
}

/// Prints a warning on standard error.
pub fn warning(message: &str) {
    print_line(&format!("mailrun: warning: {message}"));
}

/// Prints a line on standard error. An error of that is ignored: it cannot be printed.
pub fn print_line(line: &str) {
    if SILENT.load(Ordering::Relaxed) {
        return;
    }
    // In one write, so that lines of other threads do not mix with it.
    let line = format!("{}\n", escape_workflow_commands(line.trim_end_matches('\n')));
    let _ = anstream::stderr().lock().write_all(line.as_bytes());
}

/// Prints the result of a command on standard output. Returns whether that succeeded.
pub fn print(text: &str) -> Status {
    let (mut out, failed) = StdoutWriter::new();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    failed.status()
}

/// Whether standard error is printed in colour.
pub fn stderr_colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Whether standard output is printed in colour.
pub fn stdout_colours() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// The width of the terminal in columns, 80 if it is unknown. `None` if the stream is no terminal.
pub fn terminal_width(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let told = || rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
    stream.is_terminal().then(|| told().filter(|columns| *columns > 0).unwrap_or(80))
}

/// Whether standard output is a file, so that nobody waits for the next line.
pub fn stdout_is_a_file() -> bool {
    rustix::fs::fstat(io::stdout())
        .is_ok_and(|about| rustix::fs::FileType::from_raw_mode(about.st_mode) == rustix::fs::FileType::RegularFile)
}

/// Standard output. It never fails: after a broken pipe the rest is dropped silently; any other error is printed, and kept in
/// [`StdoutStatus`] until the end of the run.
pub struct StdoutWriter {
    out: io::Stdout,
    closed: bool,
    failed: StdoutStatus,
}

/// Whether writing to standard output failed.
#[derive(Clone, Default)]
pub struct StdoutStatus(Arc<AtomicBool>);

impl StdoutStatus {
    /// The exit status for it: passed, or `EX_CANTCREAT`.
    pub fn status(&self) -> Status {
        if self.0.load(Ordering::Relaxed) { Status::CantCreate } else { Status::Passed }
    }
}

impl StdoutWriter {
    /// A writer, and its status.
    pub fn new() -> (Self, StdoutStatus) {
        let failed = StdoutStatus::default();
        (Self { out: io::stdout(), closed: false, failed: failed.clone() }, failed)
    }

    /// Another writer to standard output with the same status.
    pub fn sharing_status(failed: &StdoutStatus) -> Self {
        Self { out: io::stdout(), closed: false, failed: failed.clone() }
    }

    fn stop_writing(&mut self, why: io::Error) {
        self.closed = true;
        if why.kind() != io::ErrorKind::BrokenPipe {
            self.failed.0.store(true, Ordering::Relaxed);
            error(&format!("cannot write to standard output: {}", io_error_text(&why)));
        }
    }
}

impl Write for StdoutWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.closed {
            match self.out.write(bytes) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => return Err(why),
                Err(why) => self.stop_writing(why),
                Ok(written) => return Ok(written),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.closed
            && let Err(why) = self.out.flush()
        {
            self.stop_writing(why);
        }
        Ok(())
    }
}
