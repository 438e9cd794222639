//! `mailrun run`: sessions, each with its transcript: one after another as it happens, or several at a time in whole
//! blocks.

use crate::cli::arguments::RunArguments;
use crate::cli::output::buffered_output::BufferedOutput;
use crate::cli::output::console::{self, StdoutStatus, StdoutWriter};
use crate::cli::output::report_files::{self, ReportFiles};
use crate::cli::output::stdout_transcript::StdoutTranscript;
use crate::cli::output::transcript_files::{TranscriptFiles, WithSessionHeader};
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::suite_runner::batch_runner::BatchRunner;
use crate::cli::suite_runner::machine;
use crate::cli::suite_runner::outcome::{OutcomeObserver, delivery_line, judge};
use crate::cli::suite_runner::setup::{self, NetworkMode};
use crate::cli::suite_runner::suite::{self, LoadResult};
use crate::cli::suite_runner::workers::{self, WorkerEvent};
use crate::event::Status;
use crate::exec::{Clock, RunOptions};
use crate::net::SystemClock;
use crate::output::{LiveTranscript, OutputKind, SharedWriter};
use crate::report::diagnosis::literal_secrets;
use crate::report::record::{Judgement, Record, SessionFailure, Totals};
use crate::report::{DiagnosisWriter, FanOut, InFlightCounter, Recorder, TranscriptOptions, TranscriptWriter};
use crate::transcript::{Redactor, SafeText, escape_unprintable};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Status {
    match setup::prepare(arguments, origin) {
        Ok((inputs, ca)) => run(arguments, inputs, ca),
        Err(status) => status,
    }
}

fn run(arguments: &RunArguments, inputs: SessionInputs<'_>, ca: Vec<u8>) -> Status {
    let mut entries = match suite::select_sessions(arguments, &inputs) {
        Ok(entries) => entries,
        Err(status) => return status,
    };
    entries.iter_mut().flatten().for_each(|one| setup::apply_options(arguments, one));
    let names: Vec<_> = entries.iter().flatten().map(|one| one.session.name.as_str()).collect();
    let many = names.len() > 1;
    let read = setup::input_files(arguments, entries.iter().flatten());
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
    // From here on files are open that a signal must not leave behind.
    let clock = setup::clock();
    // Before anything is sent: a run whose record cannot be kept does not begin.
    let mut transcripts = match TranscriptFiles::create(target, &names, &read) {
        Ok(transcripts) => transcripts,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let (output, failed) = StdoutWriter::new();
    let mut reports = match ReportFiles::open(&arguments.reports, output, &read) {
        Ok(reports) => reports,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    setup::stop_sources_at_signals(entries.iter_mut().flatten(), &clock);
    let mut network = match NetworkMode::open(arguments, &clock) {
        Ok(network) => network,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let jobs = usize::from(arguments.select.jobs.unwrap_or(1)).min(entries.len());
    let batches = match BatchRunner::open(arguments, entries.iter().flatten()) {
        Ok(batches) => batches.with_progress_bar(jobs == 1 && !arguments.output.quiet),
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let settings = setup::settings(arguments, inputs, ca);
    let mut ends = Vec::new();
    let mut totals = Totals::default();
    let runner = SuiteRunner {
        arguments,
        settings: &settings,
        clock: &clock,
        batches: &batches,
        failed: &failed,
        reports: &reports,
        many,
        stop: AtomicBool::new(false),
    };
    let mut records = Vec::new();
    let mut keep = |result: SessionResult| {
        ends.extend(result.ends);
        totals.add(&result.record);
        // Those without a step are told of where events are streamed.
        if runner.reports.has_files() || result.record.steps.is_empty() {
            records.push(result.record);
        }
    };
    if jobs > 1 {
        network = runner.run_parallel(&entries, network, jobs, &mut transcripts, &mut keep);
    } else {
        runner.run_sequential(&entries, &mut network, &mut transcripts, &mut keep);
    }
    records.into_iter().for_each(|record| reports.add(record));
    ends.push(batches.close());
    ends.push(failed.status());
    if let Err(message) = transcripts.finish() {
        console::error(&message);
        ends.push(Status::CantCreate);
    }
    let status = suite::final_status(&clock, ends);
    network.close(arguments.output.quiet && status == Status::Passed);
    match reports.finish(status, &totals) {
        Ok(()) => status,
        Err(message) => {
            console::error(&message);
            Status::worst([status, Status::CantCreate])
        }
    }
}

/// Where a dry run's mails are, each in the file that the sink named.
fn kept_mail(folder: &Path, watcher: &OutcomeObserver) -> Vec<String> {
    let files = watcher.deliveries.queue_ids().iter().map(|id| folder.join(format!("{id}.eml")));
    files
        .filter(|file| file.exists())
        .map(|file| format!("dry run: kept as {}", escape_unprintable(file.as_os_str().as_encoded_bytes())))
        .collect()
}

/// What came of a session.
struct SessionResult {
    record: Record,
    ends: Vec<Status>,
    /// What is said of it when it has ended.
    lines: Vec<String>,
    transcript_error: Option<io::Error>,
}

impl SessionResult {
    fn unbegun(record: Record, end: Option<Status>) -> Box<Self> {
        Box::new(Self { record, ends: end.into_iter().collect(), lines: Vec::new(), transcript_error: None })
    }

    /// A bug ended it.
    fn broken(entry: &LoadResult) -> Self {
        let mut record = Record::not_started(suite::display_name(entry), Judgement::Error, Status::Software);
        record.failures.push(SessionFailure::Message("ended by an internal error".to_owned()));
        *Self::unbegun(record, Some(Status::Software))
    }

    /// Says what there is to say, and hands on what is kept.
    fn print(mut self, keep: &mut dyn FnMut(Self)) {
        self.lines.drain(..).for_each(|line| console::print_line(&line));
        keep(self);
    }
}

/// Where a session's output goes.
struct Outputs {
    out: Box<dyn io::Write + Send>,
    errors: Box<dyn io::Write + Send>,
    transcript: Option<Box<dyn io::Write + Send>>,
    /// Whether somebody may be waiting for the next line.
    live: bool,
}

/// Plays sessions.
struct SuiteRunner<'a> {
    arguments: &'a RunArguments,
    settings: &'a RunOptions,
    clock: &'a SystemClock,
    batches: &'a BatchRunner<'a>,
    failed: &'a StdoutStatus,
    reports: &'a ReportFiles,
    many: bool,
    /// `--fail-fast` has come true.
    stop: AtomicBool,
}

impl SuiteRunner<'_> {
    /// Each session is shown as it happens.
    fn run_sequential(
        &self,
        entries: &[LoadResult],
        network: &mut NetworkMode,
        transcripts: &mut TranscriptFiles,
        keep: &mut dyn FnMut(SessionResult),
    ) {
        let mut index = 0;
        for (number, entry) in entries.iter().enumerate() {
            let result = match self.begin(entry) {
                Err(result) => *result,
                Ok(one) => {
                    self.warn(one);
                    let transcript = transcripts.writer_for(index, self.header(one).as_deref());
                    let outputs = Outputs {
                        out: Box::new(WithSessionHeader::new(self.header(one).as_deref(), self.out())),
                        errors: Box::new(anstream::stderr()),
                        transcript: transcript.map(|file| Box::new(file) as Box<dyn io::Write + Send>),
                        // Whoever reads a pipe may be waiting for the next line. In a file a batch's lines are gathered
                        // until the program waits; for a few lines that would spare nothing.
                        live: !(machine::stdout_is_a_file() && self.batches.repeats_session(one)),
                    };
                    self.run_session(one, number, network, outputs)
                }
            };
            index += usize::from(entry.is_ok());
            if let Some(why) = &result.transcript_error {
                transcripts.record_failure(why);
            }
            result.print(keep);
        }
    }

    /// Several sessions at a time: what each prints is kept until its turn has come, and then printed whole.
    fn run_parallel(
        &self,
        entries: &[LoadResult],
        network: NetworkMode,
        jobs: usize,
        transcripts: &mut TranscriptFiles,
        keep: &mut dyn FnMut(SessionResult),
    ) -> NetworkMode {
        let mut networks: Vec<NetworkMode> = (1..jobs).map(|_| network.for_another_worker()).collect();
        networks.insert(0, network);
        let run = |number: usize, network: &mut NetworkMode| match self.begin(&entries[number]) {
            Err(result) => (*result, None),
            Ok(one) => {
                let index = entries.iter().take(number).flatten().count();
                let transcript = transcripts.writer_for(index, self.header(one).as_deref());
                let block = BufferedOutput::new(self.out(), transcript);
                let outputs = Outputs {
                    out: Box::new(WithSessionHeader::new(self.header(one).as_deref(), block.out.lock().spool.clone())),
                    errors: Box::new(block.errors.clone()),
                    transcript: block.transcript.as_ref().map(|file| Box::new(file.lock().spool.clone()) as _),
                    live: false,
                };
                let result = self.run_session(one, number, network, outputs);
                (result, Some(block))
            }
        };
        let mut transcript_error = Vec::new();
        let mut networks = workers::run_in_order(entries.len(), networks, &run, |event| {
            let WorkerEvent::Finished(number, done) = event else { return };
            let entry = &entries[number];
            let (mut result, block) = done.unwrap_or_else(|| (SessionResult::broken(entry), None));
            if let (Ok(one), Some(block)) = (entry, block) {
                self.warn(one);
                let copied = block.print(&mut anstream::stderr());
                result.transcript_error = result.transcript_error.or(copied.err());
            }
            transcript_error.extend(result.transcript_error.take());
            result.print(keep);
        });
        transcript_error.iter().for_each(|why| transcripts.record_failure(why));
        let first = networks.remove(0);
        networks.into_iter().for_each(NetworkMode::stop);
        first
    }

    /// The session, where it is to be played now.
    fn begin<'e>(&self, entry: &'e LoadResult) -> Result<&'e LoadedSession, Box<SessionResult>> {
        match entry {
            Err(broken) => {
                self.stop_if_failed(broken.status);
                Err(SessionResult::unbegun(suite::load_failure_record(broken), Some(broken.status)))
            }
            entry if self.clock.interrupted().is_some() => {
                Err(SessionResult::unbegun(suite::not_run_record(entry, "the run was interrupted"), None))
            }
            entry if self.stop.load(Ordering::Relaxed) => {
                Err(SessionResult::unbegun(suite::not_run_record(entry, "--fail-fast: another one failed"), None))
            }
            Ok(one) => Ok(one),
        }
    }

    fn stop_if_failed(&self, status: Status) {
        if self.arguments.select.fail_fast && status != Status::Passed {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn warn(&self, one: &LoadedSession) {
        if !self.arguments.output.quiet {
            print_warnings(one.session.warnings.clone(), &one.session.source_map);
        }
    }

    /// Tells several sessions apart.
    fn header(&self, one: &LoadedSession) -> Option<String> {
        self.many.then(|| escape_unprintable(one.path.name().as_bytes()))
    }

    /// Where transcripts are shown.
    fn out(&self) -> Box<dyn io::Write + Send> {
        // Standard output holds only JSON where that is streamed.
        if report_files::streams_events(&self.arguments.reports) {
            Box::new(anstream::stderr())
        } else {
            Box::new(StdoutWriter::sharing_status(self.failed))
        }
    }

    /// Plays one session, and says how it counts.
    fn run_session(
        &self,
        one: &LoadedSession,
        number: usize,
        network: &mut NetworkMode,
        outputs: Outputs,
    ) -> SessionResult {
        let options = &self.arguments.output;
        let name = escape_unprintable(one.path.name().as_bytes());
        // The failure of a session that shall fail is no news for --quiet.
        let silent = options.quiet && one.session.xfail.is_some();
        let redactor = if options.show_secrets { Redactor::off() } else { literal_secrets(&one.session) };
        let Outputs { mut out, mut errors, transcript, live } = outputs;
        if silent {
            (out, errors) = (Box::new(io::sink()), Box::new(io::sink()));
        }
        let terminal =
            DiagnosisWriter::new(errors, one.session.source_map.clone(), redactor, console::stderr_colours())
                .with_width(console::terminal_width(&std::io::stderr()));
        let terminal = if self.many { terminal.with_name(SafeText::new(one.path.name())) } else { terminal };
        let mut terminal = if options.quiet { terminal.quiet() } else { terminal };
        let written = SharedWriter::new(OutputKind::Terminal, StdoutTranscript::new(options, live, out));
        let file = transcript.map(|file| {
            let how = TranscriptOptions { live: !self.batches.repeats_session(one), ..options.file_options() };
            SharedWriter::new(OutputKind::File, LiveTranscript::new(TranscriptWriter::new(file, how)))
        });
        let mut watcher = OutcomeObserver::default();
        let mut recorder = self.reports.needs_records().then(|| Recorder::new(options.verbose));
        let mut all = FanOut::new();
        if let Some(file) = &file {
            all.add(file.clone());
        }
        all.add(written.clone());
        all.add(InFlightCounter::default());
        all.add(&mut watcher);
        all.add(&mut terminal);
        if let Some(recorder) = &mut recorder {
            all.add(recorder);
        }
        if let Some(stream) = self.reports.stream(number + 1, SafeText::new(one.path.name())) {
            all.add(stream);
        }
        // A bug ends this session; its transcript is kept, and the others run.
        let (outcome, summary) = suite::run_session(self.batches, one, self.settings, network, self.clock, &mut all);
        let broken = all.panicked() > 0;
        drop(all);
        written.lock().finish();
        let transcript_error = file.and_then(|file| file.lock().finish().err());
        let counted = judge(outcome.as_ref(), one.session.xfail.as_deref(), &watcher);
        let (status, judgement) = (counted.status, counted.judgement);
        self.stop_if_failed(status);
        let remarks = suite::remarks(one, self.arguments, counted.remark);
        // What became of the rows stands in place of what became of each message.
        let delivered = summary.unwrap_or_else(|| delivery_line(one, outcome.as_ref(), &watcher).into_iter().collect());
        let mut lines = Vec::new();
        if !options.quiet || status != Status::Passed {
            lines.extend(remarks.iter().map(|line| format!("{name}: {line}")));
            lines.extend(delivered.iter().map(|line| if self.many { format!("{name}: {line}") } else { line.clone() }));
            if let NetworkMode::DryRun(_, place) = network {
                lines.extend(kept_mail(&place.folder, &watcher));
            }
        }
        let file = suite::file_name(one);
        let mut record = match recorder {
            Some(recorder) => recorder.finish(file, judgement, status),
            None => Record::not_started(file, judgement, status),
        };
        record.description = suite::description(one);
        record.remarks = remarks.into_iter().chain(delivered).collect();
        let ends = if broken { vec![status, Status::Software] } else { vec![status] };
        SessionResult { record, ends, lines, transcript_error }
    }
}
