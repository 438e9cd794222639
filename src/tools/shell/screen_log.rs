//! What a shell shows and logs: every line of the dialogue, on the screen and in a transcript file.

use super::lost_files::LostFiles;
use super::typed_line::first_secret;
use crate::event::{Event, Fact, Observer, RedactedLine};
use crate::output::AtomicFile;
use crate::report::{TranscriptOptions, TranscriptWriter};
use crate::smtp::lines::{WireLine, split_lines};
use crate::tools::import::is_command;
use crate::transcript::{Redactor, escape_unprintable};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::time::Instant;

/// Standard output, or what is kept while a line is edited there.
#[derive(Default)]
pub struct Screen {
    held: Option<Vec<u8>>,
    /// Why standard output does not take everything. That its reader is gone is no error.
    error: Option<io::Error>,
}

impl Screen {
    fn note_error(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        if !matches!(kind, ErrorKind::Interrupted | ErrorKind::BrokenPipe) {
            self.error.get_or_insert(error);
        }
        kind.into()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.write(bytes),
            None => io::stdout().write(bytes).map_err(|error| self.note_error(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_some() { Ok(()) } else { io::stdout().flush().map_err(|error| self.note_error(error)) }
    }
}

/// The log of a dialogue. Secrets are hidden in it.
pub struct ScreenLog {
    screen: TranscriptWriter<Screen>,
    file: Option<TranscriptWriter<AtomicFile>>,
    pub redactor: Redactor,
    started: Instant,
    hex: bool,
    lost: LostFiles,
}

impl Default for ScreenLog {
    fn default() -> Self {
        Self {
            screen: TranscriptWriter::new(Screen::default(), options(false)),
            file: None,
            redactor: Redactor::default(),
            started: Instant::now(),
            hex: false,
            lost: LostFiles::default(),
        }
    }
}

fn options(hex: bool) -> TranscriptOptions {
    TranscriptOptions { timestamps: false, full: true, verbose: false, live: true, hex }
}

impl ScreenLog {
    pub fn emit(&mut self, fact: Fact<'_>) {
        let event = Event { at: self.started.elapsed(), connection: "main", fact };
        self.screen.observe(&event);
        if let Some(file) = &mut self.file {
            file.observe(&event);
        }
    }

    /// Logs lines that were sent. From the byte `secret` on they are hidden, up to the next command without a secret of its own.
    pub fn sent(&mut self, bytes: &[u8], secret: Option<usize>) {
        let mut start = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let hidden = secret.and_then(|at| match at.checked_sub(start) {
                Some(from) => (from < piece.len()).then_some(from),
                None if is_command(piece.trim_ascii_start()) => first_secret(b"", piece, false),
                None => Some(0),
            });
            start += piece.len();
            split_lines(piece).for_each(|line| self.line(true, line, hidden));
        }
    }

    pub fn received(&mut self, line: WireLine<'_>) {
        self.line(false, line, None);
    }

    fn line(&mut self, sent: bool, line: WireLine<'_>, secret: Option<usize>) {
        let mut hidden: Vec<Range<usize>> = self.redactor.find(line.bytes);
        if let Some(at) = secret {
            if let Some(bytes) = line.bytes.get(at..) {
                self.redactor.add_response(bytes);
                self.redactor.add(&String::from_utf8_lossy(bytes));
            }
            hidden = vec![Range { start: at.min(line.bytes.len()), end: line.bytes.len() }];
        }
        let line = RedactedLine::new(line, &hidden);
        self.emit(if sent { Fact::LineSent(line) } else { Fact::LineReceived(line) });
    }

    /// A remark of the shell itself, on the screen only.
    pub fn say(&mut self, text: &str) {
        let out = self.screen.get_mut();
        for line in text.lines() {
            // If the screen is gone nothing can be said.
            let _ = writeln!(out, "*: {}", escape_unprintable(line.as_bytes()));
        }
        let _ = out.flush();
    }

    /// Keeps what is for the screen, until [`take_held`](Self::take_held).
    pub fn hold(&mut self) {
        self.screen.get_mut().held = Some(Vec::new());
    }

    /// What was kept. From now on the screen gets everything at once again.
    pub fn take_held(&mut self) -> String {
        String::from_utf8_lossy(&self.screen.get_mut().held.take().unwrap_or_default()).into_owned()
    }

    pub fn set_hex(&mut self, hex: bool) {
        self.hex = hex;
        let screen = std::mem::take(self.screen.get_mut());
        self.screen = TranscriptWriter::new(screen, options(hex));
    }

    /// Logs to a file too, from now on.
    pub fn log_to(&mut self, path: &str) {
        self.finish();
        let created = AtomicFile::keep_partial(path);
        self.lost.note_transcript(created.is_ok());
        match created {
            Ok(file) => self.file = Some(TranscriptWriter::new(file, options(self.hex))),
            Err(error) => self.say(&format!("cannot create {path}: {error}")),
        }
    }

    /// Gives the transcript file its name.
    pub fn finish(&mut self) {
        if let Some(mut file) = self.file.take() {
            let written = file.finish().and_then(|()| file.get_mut().commit());
            if let Err(error) = written {
                self.lost.note_lost_lines();
                self.say(&format!("cannot write the transcript: {error}"));
            }
        }
    }

    /// Says why a session could not be saved, if it could not.
    pub fn saved(&mut self, path: &str, written: io::Result<()>) {
        self.lost.note_session(written.is_ok());
        if let Err(error) = written {
            self.say(&format!("cannot write {path}: {error}"));
        }
    }

    /// Whether a file that was asked for is missing.
    pub fn lost_file(&self) -> bool {
        self.lost.any()
    }

    /// Why standard output did not take everything, if so.
    pub fn take_screen_error(&mut self) -> Option<io::Error> {
        let screen = self.screen.get_mut();
        // An error is kept there.
        let _ = screen.flush();
        screen.error.take()
    }
}
