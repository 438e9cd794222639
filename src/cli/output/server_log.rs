//! What `serve` writes about its connections: a transcript, and events on standard output.

use super::console::{StdoutStatus, StdoutWriter};
use super::transcript_files::{TranscriptFiles, file_id};
use crate::cli::arguments::ServeArguments;
use crate::cli::error::CommandError;
use crate::event::Status;
use crate::serve::{ServerJson, ServerObservers, ServerTranscript, ServerTranscriptOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type SharedTranscript = Arc<Mutex<ServerTranscript<Box<dyn Write + Send>>>>;

/// The outputs of a server.
pub struct ServerLog {
    transcript: Option<SharedTranscript>,
    files: Option<TranscriptFiles>,
    events: Option<Arc<Mutex<ServerJson<StdoutWriter>>>>,
    stdout: StdoutStatus,
}

/// Connections wait with their first event until the server's address has been printed.
pub struct BeforeListening<'a> {
    events: Option<MutexGuard<'a, ServerJson<StdoutWriter>>>,
    _transcript: Option<MutexGuard<'a, ServerTranscript<Box<dyn Write + Send>>>>,
}

impl ServerLog {
    /// Whether the transcript goes to standard output.
    pub fn is_printed(arguments: &ServeArguments) -> bool {
        arguments.transcript.as_deref() == Some(Path::new("-"))
    }

    /// Creates the transcript file.
    pub fn create(arguments: &ServeArguments) -> Result<Self, CommandError> {
        let printed = Self::is_printed(arguments);
        if printed && arguments.json.is_some() {
            return Err(CommandError::usage("--json - and --transcript - both write to standard output"));
        }
        if arguments.transcript.is_none() {
            let unused = [("--timestamps", arguments.timestamps), ("--hex", arguments.hex)];
            if let Some((option, _)) = unused.into_iter().find(|(_, given)| *given) {
                let error = CommandError::usage(format!("{option} applies to a transcript"));
                return Err(error.with_help("add --transcript FILE, or --transcript - for standard output"));
            }
        }
        let (out, stdout) = StdoutWriter::new();
        let files = match &arguments.transcript {
            Some(path) if !printed => {
                let read: Vec<_> = arguments.script.as_deref().and_then(file_id).into_iter().collect();
                Some(TranscriptFiles::create(Some(path), &["serve"], &read, &stdout)?)
            }
            _ => None,
        };
        let writer: Option<Box<dyn Write + Send>> = match files.as_ref().map(|files| files.writer_for(0, None)) {
            Some(Some(file)) => Some(Box::new(file)),
            _ if printed => Some(Box::new(out)),
            _ => None,
        };
        let options = ServerTranscriptOptions { timestamps: arguments.timestamps, hex: arguments.hex };
        let transcript = writer.map(|out| Arc::new(Mutex::new(ServerTranscript::new(out, options))));
        let events = arguments.json.as_ref().map(|_| {
            let out = StdoutWriter::sharing_status(&stdout);
            Arc::new(Mutex::new(ServerJson::new(out)))
        });
        Ok(Self { transcript, files, events, stdout })
    }

    /// What receives the events of the server.
    pub fn observers(&self) -> ServerObservers {
        let mut observers = ServerObservers::new();
        if let Some(transcript) = &self.transcript {
            observers.push(transcript.clone());
        }
        if let Some(events) = &self.events {
            observers.push(events.clone());
        }
        observers
    }

    /// To be called before the server starts.
    pub fn before_listening(&self) -> BeforeListening<'_> {
        BeforeListening {
            events: self.events.as_ref().map(|events| events.lock().unwrap_or_else(PoisonError::into_inner)),
            _transcript: self.transcript.as_ref().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Gives the transcript file its name. The status is that of standard output.
    pub fn finish(self) -> Result<Status, CommandError> {
        if let Some(files) = self.files {
            let log = self.transcript.as_ref().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner));
            let error = log.as_ref().and_then(|log| log.error());
            files.finish(error).map_err(CommandError::cannot_create)?;
        }
        Ok(self.stdout.status())
    }
}

impl BeforeListening<'_> {
    /// Prints where the server listens, as an event or, if `announce`, as a line. Returns the status of that line.
    pub fn listening(mut self, address: &str, announce: bool) -> Status {
        match &mut self.events {
            Some(events) => {
                events.listening(address);
                Status::Passed
            }
            None if announce => super::console::print(&format!("listening on {address}\n")),
            None => Status::Passed,
        }
    }
}
