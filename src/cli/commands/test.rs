//! `mailrun test`: sessions as a test suite.

use crate::cli::arguments::RunArguments;
use crate::cli::output::buffered_output::BufferedWriter;
use crate::cli::output::console::{self, StdoutStatus, StdoutWriter};
use crate::cli::output::progress::{ProgressLine, RunningSessions};
use crate::cli::output::report_files::{self, ReportFiles};
use crate::cli::output::rerun_command;
use crate::cli::output::transcript_files::{TranscriptFile, TranscriptFiles, WithSessionHeader};
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::suite_runner::batch_runner::BatchRunner;
use crate::cli::suite_runner::outcome::{OutcomeObserver, judge};
use crate::cli::suite_runner::setup::{self, NetworkMode};
use crate::cli::suite_runner::suite::{self, LoadResult};
use crate::cli::suite_runner::workers::{self, WorkerEvent};
use crate::event::Status;
use crate::exec::{Clock, RunOptions};
use crate::net::SystemClock;
use crate::output::{LiveTranscript, OutputKind, SharedWriter};
use crate::report::diagnosis::literal_secrets;
use crate::report::record::{Judgement, Record, SessionFailure, Totals};
use crate::report::{FanOut, InFlightCounter, Recorder, TranscriptWriter, annotation, suite_text};
use crate::transcript::Redactor;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A session's transcript, which waits for its turn.
type BufferedTranscript = SharedWriter<BufferedWriter<WithSessionHeader<TranscriptFile>>>;

pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Status {
    let (inputs, ca) = match setup::prepare(arguments, origin) {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    match test(arguments, inputs, ca, &|_| {}) {
        Ok(status) => status,
        Err((status, message)) => {
            if !message.is_empty() {
                console::error(&message);
            }
            status
        }
    }
}

/// `begun` hears of each session before it is played: tests break it there.
fn test(
    arguments: &RunArguments,
    inputs: SessionInputs<'_>,
    ca: Vec<u8>,
    begun: &(dyn Fn(usize) + Sync),
) -> Result<Status, (Status, String)> {
    let said = |status| (status, String::new());
    let mut entries = suite::select_sessions(arguments, &inputs).map_err(said)?;
    entries.iter_mut().flatten().for_each(|one| setup::apply_options(arguments, one));
    let names: Vec<_> = entries.iter().flatten().map(|one| one.session.name.as_str()).collect();
    let read = setup::input_files(arguments, entries.iter().flatten());
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
    // From here on files are open that a signal must not leave behind.
    let clock = setup::clock();
    let transcripts = TranscriptFiles::create(target, &names, &read)?;
    let (output, failed) = StdoutWriter::new();
    let mut reports = ReportFiles::open(&arguments.reports, output, &read)?;
    setup::stop_sources_at_signals(entries.iter_mut().flatten(), &clock);
    let network = NetworkMode::open(arguments, &clock)?;
    // A batch that is alone says itself how far it is; several sessions have one line.
    let alone = entries.len() == 1;
    let batches =
        BatchRunner::open(arguments, entries.iter().flatten())?.with_progress_bar(alone && !arguments.output.quiet);
    let has_bar = entries.iter().flatten().any(|one| batches.shows_progress_bar(one));
    let settings = setup::settings(arguments, inputs, ca);
    let files = transcript_files(arguments, &entries, &transcripts);
    let mut printer = SuitePrinter::new(arguments, transcripts, &failed);
    let mut ends = Vec::new();
    let runner = TestRunner {
        arguments,
        settings: &settings,
        clock: &clock,
        batches: &batches,
        entries: &entries,
        reports: &reports,
        files,
        stop: AtomicBool::new(false),
    };
    let jobs = usize::from(arguments.select.jobs.unwrap_or(1)).min(entries.len());
    let networks: Vec<NetworkMode> = (1..jobs).map(|_| network.for_another_worker()).collect();
    let started_at = reports.started_at();
    let running = RunningSessions::default();
    let mut records = Vec::new();
    let mut networks = workers::run_in_order(
        entries.len(),
        std::iter::once(network).chain(networks).collect(),
        &|number, network| {
            let _running = running.begin(number);
            begun(number);
            runner.run_session(number, network)
        },
        |event| match event {
            WorkerEvent::Tick(_) if has_bar => {}
            WorkerEvent::Tick(done) => {
                let names =
                    running.numbers().into_iter().map(|number| suite::display_name(&entries[number]).to_string());
                printer.progress(done, entries.len(), started_at.elapsed(), &names.collect::<Vec<_>>());
            }
            WorkerEvent::Finished(number, result) => {
                let result = result.unwrap_or_else(|| TestResult::broken(&entries[number]));
                ends.push(result.end);
                let record = printer.print(&entries[number], result);
                // Those without a step are told of where events are streamed.
                if runner.reports.has_files() || record.steps.is_empty() {
                    records.push(record);
                }
            }
        },
    );
    records.into_iter().for_each(|record| reports.add(record));
    printer.summary(started_at.elapsed());
    ends.push(printer.finish());
    ends.push(batches.close());
    ends.push(failed.status());
    // The first one knows the folder.
    let first = if networks.is_empty() { None } else { Some(networks.remove(0)) };
    networks.into_iter().for_each(NetworkMode::stop);
    let status = suite::final_status(&clock, ends);
    if let Some(network) = first {
        network.close(arguments.output.quiet && status == Status::Passed);
    }
    match reports.finish(status, &printer.totals) {
        Ok(()) => Ok(status),
        Err(message) => Err((Status::worst([status, Status::CantCreate]), message)),
    }
}

/// Where the transcript of each entry is to go, beneath its name where there are many.
fn transcript_files(
    arguments: &RunArguments,
    entries: &[LoadResult],
    transcripts: &TranscriptFiles,
) -> Vec<Option<WithSessionHeader<TranscriptFile>>> {
    let many = entries.len() > 1 || arguments.sessions.len() > 1;
    let mut index = 0;
    let file_of = |entry: &LoadResult| {
        let name = suite::display_name(entry);
        let file = transcripts.writer_for(index, many.then_some(name.as_str()));
        index += usize::from(entry.is_ok());
        file.filter(|_| entry.is_ok())
    };
    entries.iter().map(file_of).collect()
}

/// What came of a session.
struct TestResult {
    record: Record,
    end: Status,
    transcript: Option<BufferedTranscript>,
}

impl TestResult {
    /// A bug ended it.
    fn broken(entry: &LoadResult) -> Self {
        let mut record = Record::not_started(suite::display_name(entry), Judgement::Error, Status::Software);
        record.failures.push(SessionFailure::Message("ended by an internal error".to_owned()));
        Self { record, end: Status::Software, transcript: None }
    }

    fn unbegun(record: Record, end: Status) -> Self {
        Self { record, end, transcript: None }
    }
}

/// Plays sessions, several at a time.
struct TestRunner<'a> {
    arguments: &'a RunArguments,
    settings: &'a RunOptions,
    clock: &'a SystemClock,
    batches: &'a BatchRunner<'a>,
    entries: &'a [LoadResult],
    reports: &'a ReportFiles,
    /// Where the transcript of each session goes.
    files: Vec<Option<WithSessionHeader<TranscriptFile>>>,
    /// `--fail-fast` has come true.
    stop: AtomicBool,
}

impl TestRunner<'_> {
    fn run_session(&self, number: usize, network: &mut NetworkMode) -> TestResult {
        let entry = &self.entries[number];
        let result = match entry {
            Err(broken) => TestResult::unbegun(suite::load_failure_record(broken), broken.status),
            entry if self.clock.interrupted().is_some() => {
                TestResult::unbegun(suite::not_run_record(entry, "the run was interrupted"), Status::Passed)
            }
            entry if self.stop.load(Ordering::Relaxed) => {
                TestResult::unbegun(suite::not_run_record(entry, "--fail-fast: another one failed"), Status::Passed)
            }
            Ok(one) => self.run_loaded(one, number, network),
        };
        if self.arguments.select.fail_fast && result.end != Status::Passed {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    fn run_loaded(&self, one: &LoadedSession, number: usize, network: &mut NetworkMode) -> TestResult {
        let output = &self.arguments.output;
        let transcript = self.files[number].clone().map(|file| BufferedWriter::new(OutputKind::File, file));
        let file = transcript.as_ref().map(|kept| {
            let writer = TranscriptWriter::new(kept.lock().spool.clone(), output.file_options());
            SharedWriter::new(OutputKind::File, LiveTranscript::new(writer))
        });
        let mut recorder = Recorder::new(output.verbose);
        let mut watcher = OutcomeObserver::default();
        let mut all = FanOut::new();
        if let Some(file) = &file {
            all.add(file.clone());
        }
        all.add(InFlightCounter::default());
        all.add(&mut watcher);
        all.add(&mut recorder);
        if let Some(stream) = self.reports.stream(number + 1, suite::file_name(one)) {
            all.add(stream);
        }
        let (outcome, summary) = suite::run_session(self.batches, one, self.settings, network, self.clock, &mut all);
        let broken = all.panicked() > 0;
        drop(all);
        let unwritten = file.and_then(|file| file.lock().finish().err());
        let counted = judge(outcome.as_ref(), one.session.xfail.as_deref(), &watcher);
        let mut record = recorder.finish(suite::file_name(one), counted.judgement, counted.status);
        record.description = suite::description(one);
        record.remarks.splice(0..0, suite::remarks(one, self.arguments, counted.remark));
        record.remarks.extend(summary.unwrap_or_else(|| watcher.summary().into_iter().collect()));
        let mut end = counted.status;
        if broken {
            end = Status::Software;
        } else if let Some(why) = unwritten {
            record.remarks.push(format!("cannot write the transcript: {why}"));
            end = Status::worst([end, Status::CantCreate]);
        }
        TestResult { record, end, transcript }
    }
}

/// Prints what came of the sessions, in their order.
struct SuitePrinter<'a> {
    arguments: &'a RunArguments,
    out: Box<dyn Write>,
    transcripts: Option<TranscriptFiles>,
    totals: Totals,
    look: suite_text::DisplayOptions,
    github: bool,
    line: ProgressLine,
}

impl<'a> SuitePrinter<'a> {
    fn new(arguments: &'a RunArguments, transcripts: TranscriptFiles, failed: &StdoutStatus) -> Self {
        let streams = report_files::streams_events(&arguments.reports);
        let colour = if streams { console::stderr_colours() } else { console::stdout_colours() };
        let out: Box<dyn Write> =
            if streams { Box::new(anstream::stderr()) } else { Box::new(StdoutWriter::sharing_status(failed)) };
        let (verbose, quiet) = (arguments.output.verbose, arguments.output.quiet);
        let columns =
            if streams { console::terminal_width(&io::stderr()) } else { console::terminal_width(&io::stdout()) };
        Self {
            arguments,
            out,
            transcripts: Some(transcripts),
            totals: Totals::default(),
            look: suite_text::DisplayOptions { colour, verbose, quiet, columns },
            github: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            line: ProgressLine::default(),
        }
    }

    /// Prints one session whole.
    fn print(&mut self, entry: &LoadResult, result: TestResult) -> Record {
        self.line.erase();
        let record = result.record;
        self.totals.add(&record);
        let text = match entry {
            Err(_) => suite_text::read_session_text(&record, None, self.look),
            Ok(one) => {
                if !self.look.quiet {
                    print_warnings(one.session.warnings.clone(), &one.session.source_map);
                }
                let redactor =
                    || if self.arguments.output.show_secrets { Redactor::off() } else { literal_secrets(&one.session) };
                let hidden = rerun_command::HiddenValues::of(self.arguments, &one.session, &record);
                let command = rerun_command::command_line(self.arguments, &one.path.name(), &hidden);
                let batch = &self.arguments.batch;
                let resends = one.session.rows.is_some() && batch.ledger.is_none() && !self.arguments.dry.dry_run;
                let sources = &one.session.source_map;
                let source = suite_text::DiagnosisContext { sources, redactor: &redactor, command: &command, resends };
                suite_text::read_session_text(&record, Some(&source), self.look)
            }
        };
        self.write(&text);
        if self.github {
            annotation::for_record(&record).iter().for_each(|line| self.write(&format!("{line}\n")));
        }
        if let (Some(kept), Some(transcripts)) = (result.transcript, &mut self.transcripts)
            && let Err(why) = kept.lock().print()
        {
            transcripts.record_failure(&why);
        }
        record
    }

    fn write(&mut self, text: &str) {
        // What cannot be written is remembered by the output itself.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn summary(&mut self, elapsed: Duration) {
        self.line.erase();
        let bad = self.totals.failed + self.totals.errors > 0;
        if !self.look.quiet || bad {
            let text = suite_text::summary(&self.totals, elapsed);
            self.write(&text);
        }
    }

    /// Gives the transcripts their names.
    fn finish(&mut self) -> Status {
        match self.transcripts.take().map(TranscriptFiles::finish) {
            Some(Err(message)) => {
                console::error(&message);
                Status::CantCreate
            }
            Some(Ok(())) | None => Status::Passed,
        }
    }

    fn progress(&mut self, done: usize, all: usize, elapsed: Duration, running: &[String]) {
        if !self.look.quiet {
            self.line.draw(done, all, elapsed, running);
        }
    }
}

#[cfg(test)]
mod tests;
