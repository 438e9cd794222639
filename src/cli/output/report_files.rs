//! The report files of a run. They are created before anything is sent, and written at the end, completely or not at all.

use super::console::StdoutWriter;
use super::transcript_files::{FileId, create_error, file_id};
use crate::cli::arguments::ReportArguments;
use crate::cli::error::CommandError;
use crate::event::Status;
use crate::output::{AtomicFile, FileMode};
use crate::report::record::{Record, RunRecord};
use crate::report::{JsonEventWriter, html, json, json_events, junit, prometheus, tap};
use crate::source::io_error_text;
use crate::transcript::{SafeText, escape_unprintable};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[derive(Clone, Copy)]
enum ReportKind {
    Junit,
    Tap,
    Json,
    Html,
    Prometheus,
}

impl ReportKind {
    /// Who may read it: reports without the content of messages follow the umask.
    fn mode(self) -> FileMode {
        match self {
            Self::Junit | Self::Tap | Self::Prometheus => FileMode::Umask,
            Self::Json | Self::Html => FileMode::Private,
        }
    }
}

/// The report files, and the records that are written to them.
pub struct ReportFiles {
    files: Vec<(ReportKind, PathBuf, AtomicFile)>,
    stream: Option<SharedStdout>,
    records: Vec<Record>,
    started: jiff::Timestamp,
    started_at: Instant,
}

/// Standard output for `--json -`. All sessions share it, and write whole lines.
#[derive(Clone)]
pub struct SharedStdout(Arc<Mutex<StdoutWriter>>);

impl Write for SharedStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.locked().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.locked().flush()
    }
}

impl SharedStdout {
    fn locked(&self) -> std::sync::MutexGuard<'_, StdoutWriter> {
        // Each line is written in one call, so a panic of another thread leaves no partial line.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether events are printed on standard output (`--json -`), and nothing else.
pub fn streams_events(arguments: &ReportArguments) -> bool {
    arguments.json.as_deref() == Some(Path::new("-"))
}

impl ReportFiles {
    /// Creates all files. None may overwrite a file in `read`. `prometheus` is the file of metrics, `output` standard output.
    pub fn open(
        arguments: &ReportArguments,
        prometheus: Option<&Path>,
        output: StdoutWriter,
        read: &[FileId],
    ) -> Result<Self, CommandError> {
        let wanted = [
            (ReportKind::Junit, "junit", arguments.junit.as_deref()),
            (ReportKind::Tap, "tap", arguments.tap.as_deref()),
            (ReportKind::Json, "json", arguments.json.as_deref()),
            (ReportKind::Html, "html", arguments.html.as_deref()),
            (ReportKind::Prometheus, "prometheus", prometheus),
        ];
        let mut files: Vec<(ReportKind, PathBuf, AtomicFile)> = Vec::new();
        for (kind, option, path) in wanted {
            let Some(path) = path else { continue };
            if path == Path::new("-") {
                if matches!(kind, ReportKind::Json) {
                    continue;
                }
                let message = format!("--{option} cannot write to standard output");
                let help = "give a file name; only --json can write to standard output";
                return Err(CommandError::usage(message).with_help(help));
            }
            let name = escape_unprintable(path.as_os_str().as_bytes());
            if file_id(path).is_some_and(|file| read.contains(&file)) {
                let message = format!("--{option} would overwrite an input file: {name}");
                return Err(CommandError::cannot_create(message));
            }
            if files.iter().any(|(_, other, _)| other == path) && !path.starts_with("/dev") {
                return Err(CommandError::usage(format!("two reports have the same file: {name}")));
            }
            let file = AtomicFile::create(path, kind.mode())
                .map_err(|why| create_error(path, &why))
                .map_err(|why| CommandError::cannot_create(format!("cannot create the report {name}: {why}")))?;
            files.push((kind, path.to_owned(), file));
        }
        let mut stream = streams_events(arguments).then(|| SharedStdout(Arc::new(Mutex::new(output))));
        let started = jiff::Timestamp::now();
        if let Some(lines) = &mut stream {
            let first = serde_json::json!({
                "event": "run_started",
                "version": json::VERSION,
                "program": json::PROGRAM,
                "started": started.to_string(),
            });
            json_events::write_line(lines, &first);
        }
        Ok(Self { files, stream, records: Vec::new(), started, started_at: Instant::now() })
    }

    /// Whether there are report files, so that all records are kept.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether sessions need records at all.
    pub fn needs_records(&self) -> bool {
        self.has_files() || self.stream.is_some()
    }

    /// The writer of a session's events, with `--json -`.
    pub fn stream(&self, session: usize, file: SafeText) -> Option<JsonEventWriter<SharedStdout>> {
        self.stream.clone().map(|lines| JsonEventWriter::new(lines, session, file))
    }

    /// When the run started.
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Adds the record of a session.
    pub fn add(&mut self, record: Record) {
        if self.stream.is_some() && record.steps.is_empty() {
            self.stream_unstarted(&record);
        }
        if self.has_files() {
            self.records.push(record);
        }
    }

    /// Writes an event for a session that was not started, since it has no other events.
    fn stream_unstarted(&mut self, record: &Record) {
        use crate::report::record::{Judgement, SessionFailure};
        let broken = record.failures.iter().any(|failure| matches!(failure, SessionFailure::InvalidFile { .. }));
        if let Some(lines) = self.stream.as_mut().filter(|_| broken || matches!(record.judgement, Judgement::NotRun(_)))
        {
            let mut value = json::session(record);
            value["event"] = if broken { "session_broken" } else { "session_not_run" }.into();
            json_events::write_line(lines, &value);
        }
    }

    /// Writes all reports. The error names those that could not be written.
    pub fn finish(mut self, status: Status, totals: &crate::report::record::Totals) -> Result<(), String> {
        let elapsed = self.started_at.elapsed();
        if let Some(lines) = self.stream.as_mut() {
            let end = serde_json::json!({
                "event": "run_finished",
                "version": json::VERSION,
                "status": status.code(),
                "elapsed": json::seconds(elapsed),
                "totals": json::totals(totals),
            });
            json_events::write_line(lines, &end);
        }
        let run = RunRecord { status, started: self.started, elapsed, records: self.records };
        let has_run = !run.records.is_empty();
        let mut failures = Vec::new();
        for (kind, path, mut file) in self.files {
            // A panic in one report must not lose the others.
            let written = catch_unwind(AssertUnwindSafe(|| -> io::Result<()> {
                let mut out = BufWriter::new(&mut file);
                match kind {
                    ReportKind::Junit => junit::write(&run, &mut out)?,
                    ReportKind::Tap => tap::write(&run, &mut out)?,
                    ReportKind::Json => json::write(&run, &mut out)?,
                    ReportKind::Html => html::write(&run, &mut out)?,
                    ReportKind::Prometheus => prometheus::write(&run, &mut out)?,
                }
                out.flush()
            }));
            let written = written.unwrap_or_else(|_| Err(io::Error::other("internal error")));
            if let Err(why) = written.and_then(|()| file.commit()) {
                let name = escape_unprintable(path.as_os_str().as_bytes());
                failures.push(format!("cannot write the report {name}: {}", io_error_text(&why)));
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        if has_run {
            failures.push("the sessions ran all the same: mail that they sent is sent".to_owned());
        }
        Err(failures.join("; "))
    }
}
