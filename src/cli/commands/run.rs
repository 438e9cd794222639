//! `mailrun run`: runs sessions and prints their transcripts, as they happen or, in parallel, grouped by session.

use crate::batch::RowListener;
use crate::cli::arguments::{OutputArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::buffered_output::BufferedOutput;
use crate::cli::output::console::{self, StdoutWriter};
use crate::cli::output::quiet_limit::QuietLimit;
use crate::cli::output::report_files;
use crate::cli::output::row_lines::RowLines;
use crate::cli::output::stdout_transcript::StdoutTranscript;
use crate::cli::output::transcript_files::WithSessionHeader;
use crate::cli::sessions::load::{LoadResult, LoadedSession};
use crate::cli::suite_runner::network_mode::NetworkMode;
use crate::cli::suite_runner::next_steps;
use crate::cli::suite_runner::outcome::{OutcomeObserver, delivery_line, delivery_lines, judge};
use crate::cli::suite_runner::session_result::{SessionResult, description, file_name, remarks};
use crate::cli::suite_runner::suite::{PrintSession, RunSession, Suite};
use crate::event::Status;
use crate::output::{LiveTranscript, OutputKind, SharedWriter};
use crate::report::diagnosis::literal_secrets;
use crate::report::record::Record;
use crate::report::{DiagnosisWriter, FanOut, InFlightCounter, Recorder, TranscriptOptions, TranscriptWriter};
use crate::session::Diagnostics;
use crate::transcript::{Redactor, escape_unprintable};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

/// Runs the sessions. `origin` says where an option came from, for errors.
pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    // A transcript on a terminal leaves no room for a bar.
    let has_room = !io::stdout().is_terminal() || prints_row_lines(arguments);
    run_suite(Suite::open(arguments, None, origin, |_, jobs| jobs == 1 && has_room)?, arguments)
}

/// Whether the rows of a batch have a line each on standard output instead of their transcript.
fn prints_row_lines(arguments: &RunArguments) -> bool {
    let output = &arguments.output;
    let is_free = io::stdout().is_terminal() && !report_files::streams_events(&arguments.reports);
    !output.prints_transcript() && (output.quiet || (is_free && !output.verbose))
}

/// Runs the sessions of a suite, and prints their transcripts.
pub fn run_suite(
    (suite, mut network): (Suite<'_>, NetworkMode),
    arguments: &RunArguments,
) -> Result<Status, CommandError> {
    let command = TranscriptRun {
        suite: &suite,
        arguments,
        options: &arguments.output,
        insecure: arguments.connect.insecure,
        no_skip: arguments.select.no_skip,
        streams_events: report_files::streams_events(&arguments.reports),
        many: suite.sessions.iter().flatten().count() > 1,
        limit: arguments.output.quiet.then(QuietLimit::default),
    };
    let mut printer = TranscriptPrinter { quiet: command.limit.clone() };
    let (network, results) = if suite.jobs > 1 {
        suite.run_parallel(network, &command, &mut printer)
    } else {
        let results = suite.run_sequential(&mut network, &command, &mut printer);
        (Some(network), results)
    };
    suite.finish(network, results)
}

/// How `run` runs each session.
struct TranscriptRun<'a> {
    suite: &'a Suite<'a>,
    arguments: &'a RunArguments,
    options: &'a OutputArguments,
    /// `--insecure`
    insecure: bool,
    /// `--no-skip`
    no_skip: bool,
    /// `--json -`: standard output has events and nothing else.
    streams_events: bool,
    /// More than one session runs, so that output names the session.
    many: bool,
    /// `--quiet`
    limit: Option<QuietLimit>,
}

/// What is printed of a session, except what was printed while it ran.
struct RunOutput {
    /// Printed before transcript and diagnosis.
    warnings: Vec<String>,
    lines: Vec<String>,
    /// Transcript and diagnosis, if other sessions run in parallel.
    buffered: Option<BufferedOutput>,
    transcript_error: Option<io::Error>,
}

impl RunOutput {
    fn new(warnings: Vec<String>, buffered: Option<BufferedOutput>) -> Self {
        Self { warnings, lines: Vec::new(), buffered, transcript_error: None }
    }
}

/// Where a session writes while it runs.
struct SessionWriters {
    out: Box<dyn io::Write + Send>,
    errors: Box<dyn io::Write + Send>,
    transcript: Option<Box<dyn io::Write + Send>>,
    /// Whether somebody may be waiting for the next line.
    live: bool,
}

impl RunSession for TranscriptRun<'_> {
    type Output = RunOutput;

    fn run_session(
        &self,
        number: usize,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
    ) -> SessionResult<RunOutput> {
        let header = self.many.then(|| escape_unprintable(loaded.path.name().as_bytes()));
        let header = header.as_deref();
        let transcript = self.suite.transcript_writer(number, header);
        let mut warnings = self.warnings(loaded);
        if self.suite.jobs > 1 {
            let buffered = BufferedOutput::new(self.out(), transcript);
            let writers = SessionWriters {
                out: Box::new(WithSessionHeader::new(header, buffered.out.lock().spool.clone())),
                errors: Box::new(buffered.errors.clone()),
                transcript: buffered.transcript.as_ref().map(|file| Box::new(file.lock().spool.clone()) as _),
                live: false,
            };
            self.run_with(number, loaded, network, writers, RunOutput::new(warnings, Some(buffered)))
        } else {
            if !self.options.quiet {
                std::mem::take(&mut warnings).iter().for_each(|line| console::print_line(line));
            }
            let writers = SessionWriters {
                out: Box::new(WithSessionHeader::new(header, self.out())),
                errors: Box::new(anstream::stderr()),
                transcript: transcript.map(|file| Box::new(file) as Box<dyn io::Write + Send>),
                // The reader of a pipe may be waiting for the next line. The lines of a batch in a file are gathered until
                // the program waits; for a few lines that would save nothing.
                live: !(console::stdout_is_a_file() && self.suite.runner.batches.repeats_session(loaded)),
            };
            self.run_with(number, loaded, network, writers, RunOutput::new(warnings, None))
        }
    }
}

impl TranscriptRun<'_> {
    /// Where transcripts are printed.
    fn out(&self) -> Box<dyn io::Write + Send> {
        if self.options.prints_transcript() {
            // The whole transcript is written there.
            Box::new(io::sink())
        } else if self.streams_events {
            Box::new(anstream::stderr())
        } else {
            Box::new(StdoutWriter::sharing_status(&self.suite.files.stdout))
        }
    }

    /// Runs a session with all its observers, and judges it.
    fn run_with(
        &self,
        number: usize,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
        writers: SessionWriters,
        mut output: RunOutput,
    ) -> SessionResult<RunOutput> {
        let (runner, reports, options) = (&self.suite.runner, &self.suite.files.reports, self.options);
        let SessionWriters { mut out, mut errors, transcript, live } = writers;
        // With --quiet, the failure of a session with xfail is not printed.
        if options.quiet && loaded.session.xfail.is_some() {
            (out, errors) = (Box::new(io::sink()), Box::new(io::sink()));
        }
        if let Some(limit) = &self.limit {
            (out, errors) = (limit.writer(out), limit.writer(errors));
        }
        let mut diagnosis = self.diagnosis_writer(loaded, errors);
        let (mut rows, mut printed) = (None, None);
        if loaded.session.rows.is_some() && prints_row_lines(self.arguments) {
            diagnosis = diagnosis.without_rows();
            rows = Some(Arc::new(RowLines::new(options.quiet, out)));
        } else {
            printed = Some(SharedWriter::new(OutputKind::Terminal, StdoutTranscript::new(options, live, out)));
        }
        let file = transcript.map(|file| {
            let live = !runner.batches.repeats_session(loaded);
            let writer = TranscriptWriter::new(file, TranscriptOptions { live, ..options.file_options() });
            SharedWriter::new(options.transcript_kind(), LiveTranscript::new(writer))
        });
        let mut outcome = OutcomeObserver::default();
        let mut recorder = reports.needs_records().then(|| Recorder::new(options.verbose));
        let mut observers = FanOut::new();
        if let Some(file) = &file {
            observers.add(file.clone());
        }
        if let Some(printed) = &printed {
            observers.add(printed.clone());
        }
        observers.add(InFlightCounter::default());
        observers.add(&mut outcome);
        observers.add(&mut diagnosis);
        if let Some(recorder) = &mut recorder {
            observers.add(recorder);
        }
        if let Some(stream) = reports.stream(number + 1, file_name(loaded)) {
            observers.add(stream);
        }
        let on_row = rows.clone().map(|rows| -> RowListener { Arc::new(move |report| rows.print(report)) });
        let (end, summary) = runner.run(loaded, network, on_row, &mut observers);
        let panicked = observers.panicked() > 0;
        drop(observers);
        if let Some(printed) = printed {
            printed.lock().finish();
        }
        output.transcript_error = file.and_then(|file| file.lock().finish().err());

        let judged = judge(end.as_ref(), loaded.session.xfail.as_deref(), &outcome, self.no_skip);
        let remarks = remarks(loaded, self.insecure, judged.remark);
        // The summary of a batch replaces the line about the messages.
        let delivered = delivery_lines(summary.as_ref(), delivery_line(loaded, end.as_ref(), &outcome));
        let mut record = match recorder {
            Some(recorder) => recorder.finish(file_name(loaded), judged.judgement, judged.status),
            None => Record::not_started(file_name(loaded), judged.judgement, judged.status),
        };
        record.description = description(loaded);
        if options.quiet && judged.status == Status::Passed {
            output.warnings.clear();
        } else {
            let lines = &mut output.lines;
            lines.extend(rows.and_then(|rows| rows.omitted()));
            lines.extend(self.result_lines(loaded, &remarks, &delivered));
            if let Some(summary) = &summary {
                lines.extend(next_steps::next_steps(self.arguments, loaded, &record, summary));
            }
            if let NetworkMode::DryRun(_, place) = network {
                lines.extend(kept_mail(&place.folder, &outcome));
            }
        }
        record.remarks = remarks.into_iter().chain(delivered).collect();
        let status = if panicked { Status::worst([judged.status, Status::Software]) } else { judged.status };
        SessionResult { record, status, output: Some(output) }
    }

    /// The warnings about a session file, and the one about a batch without a ledger.
    fn warnings(&self, loaded: &LoadedSession) -> Vec<String> {
        let session = &loaded.session;
        let found = (!session.warnings.is_empty()).then(|| {
            let found = Diagnostics { list: session.warnings.clone(), sources: session.source_map.clone() };
            found.render(console::stderr_colours())
        });
        found.into_iter().chain(self.suite.runner.batches.warning(loaded)).collect()
    }

    fn diagnosis_writer<W: io::Write>(&self, loaded: &LoadedSession, out: W) -> DiagnosisWriter<W> {
        let session = &loaded.session;
        let redactor = if self.options.show_secrets { Redactor::off() } else { literal_secrets(session) };
        let mut writer = DiagnosisWriter::new(out, session.source_map.clone(), redactor, console::stderr_colours())
            .with_width(console::terminal_width(&io::stderr()));
        if self.many {
            writer = writer.with_name(file_name(loaded));
        }
        if self.options.quiet { writer.quiet() } else { writer }
    }

    /// The lines after a transcript: remarks on the session, and what happened to its mail.
    fn result_lines(&self, loaded: &LoadedSession, remarks: &[String], delivered: &[String]) -> Vec<String> {
        let name = escape_unprintable(loaded.path.name().as_bytes());
        let remarks = remarks.iter().map(|line| format!("{name}: {line}"));
        let delivered = delivered.iter().map(|line| if self.many { format!("{name}: {line}") } else { line.clone() });
        remarks.chain(delivered).collect()
    }
}

/// The files of a dry run's mails, each as the sink named it.
fn kept_mail(folder: &Path, outcome: &OutcomeObserver) -> Vec<String> {
    let files = outcome.deliveries.queue_ids().iter().map(|id| folder.join(format!("{id}.eml")));
    files
        .filter(|file| file.exists())
        .map(|file| format!("dry run: kept as {}", escape_unprintable(file.as_os_str().as_encoded_bytes())))
        .collect()
}

/// Prints what `run` has kept of each session.
struct TranscriptPrinter {
    /// The limit of `--quiet`.
    quiet: Option<QuietLimit>,
}

impl PrintSession<RunOutput> for TranscriptPrinter {
    fn print_session(&mut self, _: &LoadResult, _: &Record, output: Option<RunOutput>) -> io::Result<()> {
        let Some(RunOutput { warnings, lines, buffered, mut transcript_error }) = output else { return Ok(()) };
        let print_line = |line: &String| match &self.quiet {
            Some(limit) => limit.print_line(line),
            None => console::print_line(line),
        };
        warnings.iter().for_each(print_line);
        if let Some(buffered) = buffered {
            let copied = buffered.print(&mut anstream::stderr());
            transcript_error = transcript_error.or(copied.err());
        }
        lines.iter().for_each(print_line);
        transcript_error.map_or(Ok(()), Err)
    }
}
