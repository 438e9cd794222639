//! The transcript that `run` prints on standard output.

use crate::cli::arguments::OutputArguments;
use crate::event::{Event, Observer};
use crate::output::{DeferredTranscript, FlushOnExit, LiveTranscript};
use crate::report::{TranscriptOptions, TranscriptWriter};
use std::io::{self, IsTerminal};

/// Prints the transcript line by line, or with `--quiet` only when the session has failed.
pub enum StdoutTranscript<W: io::Write> {
    Live(LiveTranscript<W>),
    OnFailure(DeferredTranscript<W>),
}

impl<W: io::Write> StdoutTranscript<W> {
    /// Prints to `out`. `live`: each line is written at once.
    pub fn new(arguments: &OutputArguments, live: bool, out: W) -> Self {
        let options = TranscriptOptions {
            timestamps: arguments.timestamps,
            full: arguments.full || !(arguments.quiet || io::stdout().is_terminal()),
            verbose: arguments.verbose,
            live,
            hex: arguments.hex,
        };
        if arguments.quiet {
            Self::OnFailure(DeferredTranscript::new(out, options))
        } else {
            Self::Live(LiveTranscript::new(TranscriptWriter::new(out, options)))
        }
    }

    /// Writes the rest. Errors are kept by the writer.
    pub fn finish(&mut self) {
        if let Self::Live(writer) = self {
            let _ = writer.finish();
        }
    }
}

impl<W: io::Write> Observer for StdoutTranscript<W> {
    fn observe(&mut self, event: &Event<'_>) {
        match self {
            Self::Live(writer) => writer.observe(event),
            Self::OnFailure(held) => held.observe(event),
        }
    }
}

impl<W: io::Write + Send> FlushOnExit for StdoutTranscript<W> {
    fn flush_now(&mut self) {
        if let Self::Live(log) = self {
            log.flush_now();
        }
    }

    fn end_with_signal(&mut self, signal: &'static str) {
        match self {
            Self::Live(log) => log.end_with_signal(signal),
            Self::OnFailure(held) => held.end_with_signal(signal),
        }
    }
}
