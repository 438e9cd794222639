//! The transcript that `run` prints.

use super::arguments::OutputArguments;
use crate::event::{Event, Observer};
use crate::report::{Held, Holds, Log, Options, TranscriptWriter};
use std::io::{self, IsTerminal};

/// The transcript on standard output: as it happens, or under `--quiet` once the session has failed.
pub enum Written<W: io::Write> {
    Now(Log<W>),
    Later(Held<W>),
}

impl<W: io::Write> Written<W> {
    pub fn new(arguments: &OutputArguments, live: bool, out: W) -> Self {
        let options = Options {
            timestamps: arguments.timestamps,
            full: arguments.full || !(arguments.quiet || io::stdout().is_terminal()),
            verbose: arguments.verbose,
            live,
            hex: arguments.hex,
        };
        if arguments.quiet {
            Self::Later(Held::new(out, options))
        } else {
            Self::Now(Log::new(TranscriptWriter::new(out, options)))
        }
    }

    /// What cannot be written is remembered by the output itself.
    pub fn finish(&mut self) {
        if let Self::Now(writer) = self {
            let _ = writer.finish();
        }
    }
}

impl<W: io::Write> Observer for Written<W> {
    fn observe(&mut self, event: &Event<'_>) {
        match self {
            Self::Now(writer) => writer.observe(event),
            Self::Later(held) => held.observe(event),
        }
    }
}

impl<W: io::Write + Send> Holds for Written<W> {
    fn write_out(&mut self) {
        if let Self::Now(log) = self {
            log.write_out();
        }
    }

    fn end(&mut self, signal: &'static str) {
        match self {
            Self::Now(log) => log.end(signal),
            Self::Later(held) => held.end(signal),
        }
    }
}
