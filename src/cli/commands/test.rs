//! `mailrun test`: runs sessions as a test suite.

use crate::cli::arguments::{OutputArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::buffered_output::BufferedWriter;
use crate::cli::output::console::{self, StdoutWriter};
use crate::cli::output::progress::ProgressLine;
use crate::cli::output::report_files;
use crate::cli::output::rerun_command;
use crate::cli::output::transcript_files::{TranscriptFile, WithSessionHeader};
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::{LoadResult, LoadedSession};
use crate::cli::suite_runner::network_mode::NetworkMode;
use crate::cli::suite_runner::outcome::{OutcomeObserver, judge};
use crate::cli::suite_runner::session_result::{SessionResult, description, display_name, file_name, remarks};
use crate::cli::suite_runner::suite::{PrintSession, RunSession, Suite};
use crate::event::Status;
use crate::output::{LiveTranscript, OutputKind, SharedWriter};
use crate::report::diagnosis::literal_secrets;
use crate::report::record::{Record, Totals};
use crate::report::{FanOut, InFlightCounter, Recorder, TranscriptWriter, annotation, suite_text};
use crate::transcript::Redactor;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The transcript of a session, kept until the session is printed.
type BufferedTranscript = SharedWriter<BufferedWriter<WithSessionHeader<TranscriptFile>>>;

/// Runs the sessions. `origin` says where an option came from, for errors.
pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    test(arguments, origin, &|_| {})
}

/// `before_session` is called with the number of each session before it runs. Unit tests panic in it.
fn test(
    arguments: &RunArguments,
    origin: &dyn Fn(&str) -> String,
    before_session: &(dyn Fn(usize) + Sync),
) -> Result<Status, CommandError> {
    let (suite, network) = Suite::open(arguments, origin, |sessions, _| sessions == 1)?;
    let command = TestRun {
        suite: &suite,
        options: &arguments.output,
        insecure: arguments.connect.insecure,
        many: suite.sessions.len() > 1 || arguments.sessions.len() > 1,
        before_session,
    };
    let mut printer = TestPrinter::new(arguments, &suite);
    let (network, results) = suite.run_parallel(network, &command, &mut printer);
    printer.print_summary(&results.totals);
    suite.finish(network, results)
}

/// How `test` runs each session.
struct TestRun<'a> {
    suite: &'a Suite<'a>,
    options: &'a OutputArguments,
    /// `--insecure`
    insecure: bool,
    /// More than one session was asked for, so that a shared transcript names them.
    many: bool,
    before_session: &'a (dyn Fn(usize) + Sync),
}

impl RunSession for TestRun<'_> {
    type Output = Option<BufferedTranscript>;

    fn run_session(
        &self,
        number: usize,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
    ) -> SessionResult<Self::Output> {
        (self.before_session)(number);
        let name = file_name(loaded);
        let transcript = self.suite.transcript_writer(number, self.many.then_some(name.as_str()));
        let transcript = transcript.map(|file| BufferedWriter::new(OutputKind::File, file));
        let file = transcript.as_ref().map(|buffered| {
            let writer = TranscriptWriter::new(buffered.lock().spool.clone(), self.options.file_options());
            SharedWriter::new(OutputKind::File, LiveTranscript::new(writer))
        });
        let mut recorder = Recorder::new(self.options.verbose);
        let mut outcome = OutcomeObserver::default();
        let mut observers = FanOut::new();
        if let Some(file) = &file {
            observers.add(file.clone());
        }
        observers.add(InFlightCounter::default());
        observers.add(&mut outcome);
        observers.add(&mut recorder);
        if let Some(stream) = self.suite.files.reports.stream(number + 1, name.clone()) {
            observers.add(stream);
        }
        let (end, summary) = self.suite.runner.run(loaded, network, &mut observers);
        let panicked = observers.panicked() > 0;
        drop(observers);
        let transcript_error = file.and_then(|file| file.lock().finish().err());

        let judged = judge(end.as_ref(), loaded.session.xfail.as_deref(), &outcome);
        let mut record = recorder.finish(name, judged.judgement, judged.status);
        record.description = description(loaded);
        record.remarks.splice(0..0, remarks(loaded, self.insecure, judged.remark));
        record.remarks.extend(summary.unwrap_or_else(|| outcome.summary().into_iter().collect()));
        let mut status = judged.status;
        if panicked {
            status = Status::Software;
        } else if let Some(why) = transcript_error {
            record.remarks.push(format!("cannot write the transcript: {why}"));
            status = Status::worst([status, Status::CantCreate]);
        }
        SessionResult { record, status, output: Some(transcript) }
    }
}

/// Prints a line and diagnoses for each session, the progress line, and the summary.
struct TestPrinter<'a> {
    arguments: &'a RunArguments,
    suite: &'a Suite<'a>,
    out: Box<dyn Write>,
    display: suite_text::DisplayOptions,
    /// Whether failures are also printed as annotations of GitHub Actions.
    annotates: bool,
    /// Whether the progress line is shown: unless a batch shows its own.
    shows_progress: bool,
    line: ProgressLine,
    started_at: Instant,
}

impl<'a> TestPrinter<'a> {
    fn new(arguments: &'a RunArguments, suite: &'a Suite<'a>) -> Self {
        let streams = report_files::streams_events(&arguments.reports);
        let out: Box<dyn Write> = if streams {
            Box::new(anstream::stderr())
        } else {
            Box::new(StdoutWriter::sharing_status(&suite.files.stdout))
        };
        let (colour, columns) = if streams {
            (console::stderr_colours(), console::terminal_width(&io::stderr()))
        } else {
            (console::stdout_colours(), console::terminal_width(&io::stdout()))
        };
        let (verbose, quiet) = (arguments.output.verbose, arguments.output.quiet);
        let batches = &suite.runner.batches;
        let has_bar = suite.sessions.iter().flatten().any(|loaded| batches.shows_progress_bar(loaded));
        Self {
            arguments,
            suite,
            out,
            display: suite_text::DisplayOptions { colour, verbose, quiet, columns },
            annotates: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            shows_progress: !quiet && !has_bar,
            line: ProgressLine::default(),
            started_at: suite.files.reports.started_at(),
        }
    }

    /// A session's line, and its diagnoses.
    fn session_text(&self, session: &LoadResult, record: &Record) -> String {
        let Ok(loaded) = session else { return suite_text::session_text(record, None, self.display) };
        let session = &loaded.session;
        let redactor = || if self.arguments.output.show_secrets { Redactor::off() } else { literal_secrets(session) };
        let hidden = rerun_command::HiddenValues::of(self.arguments, session, record);
        let command = rerun_command::command_line(self.arguments, &loaded.path.name(), &hidden);
        let has_ledger = self.arguments.batch.ledger.is_some();
        let context = suite_text::DiagnosisContext {
            sources: &session.source_map,
            redactor: &redactor,
            command: &command,
            resends: session.rows.is_some() && !has_ledger && !self.arguments.dry.dry_run,
        };
        suite_text::session_text(record, Some(&context), self.display)
    }

    fn write(&mut self, text: &str) {
        // The writer remembers that it could not write.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn print_summary(&mut self, totals: &Totals) {
        self.line.erase();
        if !self.display.quiet || totals.failed + totals.errors > 0 {
            let text = suite_text::summary(totals, self.elapsed());
            self.write(&text);
        }
    }
}

impl PrintSession<Option<BufferedTranscript>> for TestPrinter<'_> {
    fn print_session(
        &mut self,
        session: &LoadResult,
        record: &Record,
        output: Option<Option<BufferedTranscript>>,
    ) -> io::Result<()> {
        self.line.erase();
        if let Ok(loaded) = session
            && !self.display.quiet
        {
            print_warnings(loaded.session.warnings.clone(), &loaded.session.source_map);
        }
        let text = self.session_text(session, record);
        self.write(&text);
        if self.annotates {
            annotation::for_record(record).iter().for_each(|line| self.write(&format!("{line}\n")));
        }
        output.flatten().map_or(Ok(()), |transcript| transcript.lock().print())
    }

    fn show_progress(&mut self, done: usize, running: &[usize]) {
        if self.shows_progress {
            let sessions = &self.suite.sessions;
            let names: Vec<_> = running.iter().map(|number| display_name(&sessions[*number]).to_string()).collect();
            self.line.draw(done, sessions.len(), self.started_at.elapsed(), &names);
        }
    }
}

#[cfg(test)]
mod tests;
