//! `mailrun test`: runs sessions as a test suite.

use crate::cli::arguments::{MonitoringArguments, OutputArguments, RunArguments, TestArguments};
use crate::cli::error::CommandError;
use crate::cli::output::buffered_output::BufferedWriter;
use crate::cli::output::console::{self, StdoutWriter};
use crate::cli::output::progress::ProgressLine;
use crate::cli::output::quiet_limit::QuietLimit;
use crate::cli::output::report_files;
use crate::cli::output::rerun_command;
use crate::cli::output::transcript_files::{TranscriptFile, WithSessionHeader};
use crate::cli::output::workspace::Workspace;
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::{LoadResult, LoadedSession};
use crate::cli::suite_runner::network_mode::NetworkMode;
use crate::cli::suite_runner::outcome::{OutcomeObserver, delivery_lines, judge};
use crate::cli::suite_runner::session_result::{SessionResult, description, display_name, file_name, remarks};
use crate::cli::suite_runner::suite::{PrintSession, RunSession, Suite};
use crate::event::Status;
use crate::output::{LiveTranscript, SharedWriter};
use crate::report::diagnosis::literal_secrets;
use crate::report::nagios::{self, CertificateLimits, ServiceCheck, ServiceState};
use crate::report::record::{Record, Totals};
use crate::report::step_summary::StepSummary;
use crate::report::{FanOut, InFlightCounter, Recorder, TranscriptWriter, annotation, suite_text};
use crate::source::io_error_text;
use crate::transcript::{Redactor, escape_unprintable};
use jiff::Timestamp;
use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The transcript of a session, kept until the session is printed.
type BufferedTranscript = SharedWriter<BufferedWriter<WithSessionHeader<TranscriptFile>>>;

/// Runs the sessions, and returns the exit status. `origin` says where an option came from, for errors.
pub fn main(arguments: &TestArguments, origin: &dyn Fn(&str) -> String) -> Result<u8, CommandError> {
    let Some(limits) = certificate_limits(&arguments.monitoring)? else {
        return test(arguments, origin, &|_| {}).map(|end| end.status.code());
    };
    let run = &arguments.run;
    let taken = [("json", report_files::streams_events(&run.reports)), ("transcript", run.output.prints_transcript())];
    if let Some((option, _)) = taken.into_iter().find(|(_, is_taken)| *is_taken) {
        let message = format!("--nagios and {} - both need standard output", origin(option));
        return Err(CommandError::usage(message).with_help("write the other one to a file"));
    }
    console::silence_errors();
    let started_at = Instant::now();
    let (check, status) = match test(arguments, origin, &|_| {}) {
        Ok(end) => (end.service, end.status),
        Err(error) => return Ok(print_unknown(&error.message)),
    };
    let (state, line) = check.finish(status, started_at.elapsed(), limits, Timestamp::now());
    // Nobody who cannot read the line knows the state.
    let written = console::print(&line) == Status::Passed;
    Ok(if written { state.code() } else { ServiceState::Unknown.code() })
}

/// Whether the command line or its variable asks for the line of `--nagios`: it is printed even if the rest is wrong.
pub fn asks_for_nagios(mut arguments: impl Iterator<Item = OsString>, variable: Option<OsString>) -> bool {
    let is_set = variable.is_some_and(|value| !["", "0", "false"].iter().any(|off| value == *off));
    arguments.nth(1).is_some_and(|command| command == "test")
        && (is_set || arguments.any(|argument| argument == "--nagios"))
}

/// Prints the line for a run that could not begin, and returns its exit status.
pub fn print_unknown(why: &str) -> u8 {
    // clap lists what is missing below its first line.
    let first = why.split("\n\n").next().unwrap_or_default();
    console::print(&nagios::not_begun(first.trim_start_matches("error: ")));
    ServiceState::Unknown.code()
}

/// The limits of `--nagios`, if it is given.
fn certificate_limits(arguments: &MonitoringArguments) -> Result<Option<CertificateLimits>, CommandError> {
    if !arguments.nagios {
        return Ok(None);
    }
    let limits = CertificateLimits {
        warning_days: arguments.warning_days.unwrap_or(14),
        critical_days: arguments.critical_days.unwrap_or(7),
        needs_certificate: arguments.warning_days.is_some() || arguments.critical_days.is_some(),
    };
    if limits.warning_days < limits.critical_days {
        let (warning, critical) = (limits.warning_days, limits.critical_days);
        let message = format!("--warning-days {warning} is less than --critical-days {critical}");
        let help = match arguments.critical_days {
            Some(_) => "a warning comes before the state is critical",
            None => "--critical-days is 7 unless it is given, and a warning comes before the state is critical",
        };
        return Err(CommandError::usage(message).with_help(help));
    }
    Ok(Some(limits))
}

/// The end of a run: its exit status, and its result for monitoring systems.
struct TestEnd {
    status: Status,
    service: ServiceCheck,
}

/// `before_session` is called with the number of each session before it runs. Unit tests panic in it.
fn test(
    all: &TestArguments,
    origin: &dyn Fn(&str) -> String,
    before_session: &(dyn Fn(usize) + Sync),
) -> Result<TestEnd, CommandError> {
    let arguments = &all.run;
    let prometheus = all.monitoring.prometheus.as_deref();
    let (mut suite, network) = Suite::open(arguments, prometheus, origin, |sessions, _| sessions == 1)?;
    // The earliest end of the whole chain counts.
    suite.runner.options.trust.details |= all.monitoring.nagios || prometheus.is_some();
    let command = TestRun {
        suite: &suite,
        options: &arguments.output,
        insecure: arguments.connect.insecure,
        no_skip: arguments.select.no_skip,
        many: suite.sessions.len() > 1 || arguments.sessions.len() > 1,
        before_session,
    };
    let mut printer = TestPrinter::new(all, &suite);
    let (network, results) = suite.run_parallel(network, &command, &mut printer);
    printer.print_summary(&results.totals);
    let service = printer.service;
    suite.finish(network, results).map(|status| TestEnd { status, service })
}

/// How `test` runs each session.
struct TestRun<'a> {
    suite: &'a Suite<'a>,
    options: &'a OutputArguments,
    /// `--insecure`
    insecure: bool,
    /// `--no-skip`
    no_skip: bool,
    /// More than one session was asked for, so that a shared transcript names them.
    many: bool,
    before_session: &'a (dyn Fn(usize) + Sync),
}

/// What is printed of a session after its line.
struct TestOutput {
    transcript: Option<BufferedTranscript>,
    transcript_error: Option<io::Error>,
}

impl RunSession for TestRun<'_> {
    type Output = TestOutput;

    fn run_session(
        &self,
        number: usize,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
    ) -> SessionResult<Self::Output> {
        (self.before_session)(number);
        let name = file_name(loaded);
        let transcript = self.suite.transcript_writer(number, self.many.then_some(name.as_str()));
        let transcript = transcript.map(|file| BufferedWriter::new(self.options.transcript_kind(), file));
        let file = transcript.as_ref().map(|buffered| {
            let writer = TranscriptWriter::new(buffered.lock().spool.clone(), self.options.file_options());
            SharedWriter::new(self.options.transcript_kind(), LiveTranscript::new(writer))
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
        let (end, summary) = self.suite.runner.run(loaded, network, None, &mut observers);
        let panicked = observers.panicked() > 0;
        drop(observers);
        let transcript_error = file.and_then(|file| file.lock().finish().err());

        let judged = judge(end.as_ref(), loaded.session.xfail.as_deref(), &outcome, self.no_skip);
        let mut record = recorder.finish(name, judged.judgement, judged.status);
        record.description = description(loaded);
        record.remarks.splice(0..0, remarks(loaded, self.insecure, judged.remark));
        record.remarks.extend(delivery_lines(summary.as_ref(), outcome.summary()));
        if let Some(why) = &transcript_error {
            record.remarks.push(format!("cannot write the transcript: {why}"));
        }
        let status = if panicked { Status::Software } else { judged.status };
        SessionResult { record, status, output: Some(TestOutput { transcript, transcript_error }) }
    }
}

/// Prints a line and diagnoses for each session, the progress line, and the summary.
struct TestPrinter<'a> {
    arguments: &'a RunArguments,
    suite: &'a Suite<'a>,
    /// Where sessions are printed: with --quiet up to a limit.
    out: Box<dyn Write + Send>,
    /// Where the summary is printed.
    summary_out: Box<dyn Write + Send>,
    display: suite_text::DisplayOptions,
    /// On GitHub Actions: failures are also printed as annotations, with paths below this folder.
    workspace: Option<Workspace>,
    /// The table for GitHub Actions, and its file.
    step_summary: Option<(PathBuf, StepSummary)>,
    /// The result for monitoring systems.
    service: ServiceCheck,
    /// Whether the progress line is shown: unless a batch shows its own.
    shows_progress: bool,
    line: ProgressLine,
    started_at: Instant,
}

impl<'a> TestPrinter<'a> {
    fn new(all: &'a TestArguments, suite: &'a Suite<'a>) -> Self {
        let (arguments, nagios) = (&all.run, all.monitoring.nagios);
        // Standard output has one thing only.
        let is_taken = report_files::streams_events(&arguments.reports) || arguments.output.prints_transcript();
        let open = || -> Box<dyn Write + Send> {
            if nagios {
                Box::new(io::sink())
            } else if is_taken {
                Box::new(anstream::stderr())
            } else {
                Box::new(StdoutWriter::sharing_status(&suite.files.stdout))
            }
        };
        let (colour, columns) = if is_taken {
            (console::stderr_colours(), console::terminal_width(&io::stderr()))
        } else {
            (console::stdout_colours(), console::terminal_width(&io::stdout()))
        };
        let (verbose, quiet) = (arguments.output.verbose, arguments.output.quiet || nagios);
        let batches = &suite.runner.batches;
        let has_bar = suite.sessions.iter().flatten().any(|loaded| batches.shows_progress_bar(loaded));
        Self {
            arguments,
            suite,
            out: if quiet { QuietLimit::default().writer(open()) } else { open() },
            summary_out: open(),
            display: suite_text::DisplayOptions { colour, verbose, quiet, columns },
            workspace: Workspace::of_environment(),
            step_summary: std::env::var_os("GITHUB_STEP_SUMMARY")
                .filter(|path| !path.is_empty())
                .map(|path| (PathBuf::from(path), StepSummary::default())),
            service: ServiceCheck::default(),
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
        let has_ledger = self.suite.runner.batches.has_ledger(loaded);
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
            let _ = self.summary_out.write_all(text.as_bytes()).and_then(|()| self.summary_out.flush());
        }
        if let Some((path, table)) = &self.step_summary
            && let Err(why) = append(path, &table.finish())
        {
            let (name, why) = (escape_unprintable(path.as_os_str().as_encoded_bytes()), io_error_text(&why));
            console::warning(&format!("cannot write the summary for GitHub Actions to {name}: {why}"));
        }
    }
}

impl PrintSession<TestOutput> for TestPrinter<'_> {
    fn print_session(&mut self, session: &LoadResult, record: &Record, output: Option<TestOutput>) -> io::Result<()> {
        self.line.erase();
        if let Ok(loaded) = session
            && !self.display.quiet
        {
            print_warnings(loaded.session.warnings.clone(), &loaded.session.source_map);
        }
        let text = self.session_text(session, record);
        self.write(&text);
        if let Some(workspace) = &self.workspace {
            let lines = annotation::for_record(record, &|file| workspace.path_below(file));
            lines.iter().for_each(|line| self.write(&format!("{line}\n")));
        }
        if let Some((_, table)) = &mut self.step_summary {
            table.add(record);
        }
        self.service.add(record);
        let Some(TestOutput { transcript, transcript_error }) = output else { return Ok(()) };
        let printed = transcript.map_or(Ok(()), |transcript| transcript.lock().print());
        transcript_error.map_or(printed, Err)
    }

    fn show_progress(&mut self, done: usize, running: &[usize]) {
        if self.shows_progress {
            let sessions = &self.suite.sessions;
            let names: Vec<_> = running.iter().map(|number| display_name(&sessions[*number]).to_string()).collect();
            self.line.draw(done, sessions.len(), self.started_at.elapsed(), &names);
        }
    }
}

/// Appends to a file, which is made if there is none. If its last line has no end, it gets one.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut last = [b'\n'];
    // A terminal or a pipe has no last line.
    if std::fs::metadata(path).is_ok_and(|about| about.is_file())
        && let Ok(mut before) = std::fs::File::open(path)
    {
        // An empty file has no last byte.
        let _ = before.seek(SeekFrom::End(-1)).and_then(|_| before.read_exact(&mut last));
    }
    let end = if last == [b'\n'] { "" } else { "\n" };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{end}{text}").as_bytes())
}

#[cfg(test)]
mod tests;
