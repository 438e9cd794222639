//! The sessions of `run` and `test`: one set-up, one loop, one teardown.

use super::batch_runner::BatchRunner;
use super::network_mode::NetworkMode;
use super::session_result::{SessionResult, SuiteResults};
use super::session_runner::SessionRunner;
use super::setup::{check_options, input_files, override_settings, run_options, trusted_certificates};
use super::signals::{final_status, signal_clock, stop_sources_at_signals};
use super::workers::{self, WorkerEvent};
use crate::cli::arguments::RunArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console::{self, StdoutStatus, StdoutWriter};
use crate::cli::output::progress::RunningSessions;
use crate::cli::output::report_files::ReportFiles;
use crate::cli::output::transcript_files::{TranscriptFile, TranscriptFiles, WithSessionHeader};
use crate::cli::sessions::content_abroad::content_abroad;
use crate::cli::sessions::load::{LoadResult, LoadedSession, SessionInputs};
use crate::cli::sessions::selection::select_sessions;
use crate::event::Status;
use crate::exec::Clock;
use crate::report::record::Record;
use crate::transcript::escape_unprintable;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The sessions that run, and all that is ready before the first one does.
pub struct Suite<'a> {
    /// In file order, those with errors too.
    pub sessions: Vec<LoadResult>,
    pub runner: SessionRunner<'a>,
    pub files: SuiteFiles,
    /// How many sessions run in parallel.
    pub jobs: usize,
    fail_fast: bool,
    /// `--fail-fast`: a session failed.
    stopped: AtomicBool,
    quiet: bool,
}

/// The files of a run, and standard output.
pub struct SuiteFiles {
    pub transcripts: TranscriptFiles,
    pub reports: ReportFiles,
    pub stdout: StdoutStatus,
}

/// Reads the sessions that run.
pub type SelectSessions<'s> = &'s dyn Fn(&SessionInputs<'_>) -> Result<Vec<LoadResult>, CommandError>;

/// Runs one session for a command, on a worker's thread.
pub trait RunSession: Sync {
    /// What is printed when the session's turn comes.
    type Output: Send;

    /// Runs the session with this number, counted from 0.
    fn run_session(
        &self,
        number: usize,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
    ) -> SessionResult<Self::Output>;
}

/// Prints for a command what its sessions came to.
pub trait PrintSession<Output> {
    /// Prints one session. It is called in file order. An error means that its transcript cannot be written.
    fn print_session(&mut self, session: &LoadResult, record: &Record, output: Option<Output>) -> io::Result<()>;

    /// Is called while nothing is printed: `done` sessions have ended, those with these numbers are running.
    fn show_progress(&mut self, _done: usize, _running: &[usize]) {}
}

/// Content that is sent again and again to a server that is not on this machine needs `--yes`.
fn check_load<'s>(
    arguments: &RunArguments,
    sessions: impl Iterator<Item = &'s LoadedSession>,
) -> Result<(), CommandError> {
    let batch = &arguments.batch;
    if batch.yes || arguments.dry.dry_run || (batch.repeat.is_none() && batch.duration.is_none()) {
        return Ok(());
    }
    for loaded in sessions {
        let own = loaded.session.server.as_ref().map(|url| url.source.as_str());
        let url = arguments.inputs.server.as_deref().or(own).unwrap_or_default();
        if let Some(server) = content_abroad(&loaded.session, url, &arguments.connect) {
            let file = escape_unprintable(loaded.path.name().as_bytes());
            let server = escape_unprintable(server.as_bytes());
            let what = format!("{file}: --repeat and --duration would send content to {server} again and again");
            let help = "give --yes if that server may get it, or --server with a server on this machine";
            return Err(CommandError::usage(what).with_help(help));
        }
    }
    Ok(())
}

impl<'a> Suite<'a> {
    /// Reads the sessions, creates all files, and opens the network. Nothing is sent before all of that has succeeded.
    ///
    /// `prometheus` is the file of metrics. `origin` says where an option came from. `shows_progress_bar` gets the number of sessions and of jobs; it says
    /// whether a batch has the terminal for itself.
    pub fn open(
        arguments: &'a RunArguments,
        prometheus: Option<&Path>,
        origin: &dyn Fn(&str) -> String,
        shows_progress_bar: impl Fn(usize, usize) -> bool,
    ) -> Result<(Self, NetworkMode), CommandError> {
        let select = |inputs: &SessionInputs<'_>| select_sessions(arguments, inputs);
        Self::open_selected(arguments, prometheus, origin, &select, shows_progress_bar)
    }

    /// The same for sessions that `select` reads.
    pub fn open_sessions(
        arguments: &'a RunArguments,
        origin: &dyn Fn(&str) -> String,
        select: SelectSessions<'_>,
    ) -> Result<(Self, NetworkMode), CommandError> {
        Self::open_selected(arguments, None, origin, select, |_, _| false)
    }

    fn open_selected(
        arguments: &'a RunArguments,
        prometheus: Option<&Path>,
        origin: &dyn Fn(&str) -> String,
        select: SelectSessions<'_>,
        shows_progress_bar: impl Fn(usize, usize) -> bool,
    ) -> Result<(Self, NetworkMode), CommandError> {
        check_options(arguments, origin)?;
        let mut inputs = SessionInputs::new(&arguments.inputs, origin)?;
        inputs.quiet = arguments.output.quiet;
        inputs.mx = arguments.connect.mx.is_some();
        let ca = trusted_certificates(&arguments.connect, origin)?;
        let mut sessions = select(&inputs)?;
        sessions.iter_mut().flatten().for_each(|loaded| override_settings(&arguments.connect, &mut loaded.session));
        check_load(arguments, sessions.iter().flatten())?;
        let names: Vec<_> = sessions.iter().flatten().map(|loaded| loaded.session.name.as_str()).collect();
        let read = input_files(arguments, sessions.iter().flatten());
        // If no session can run, the transcript of an earlier run stays.
        let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
        // From here on there are open files, which a signal must not leave behind.
        let clock = signal_clock();
        let (writer, stdout) = StdoutWriter::new();
        let transcripts = TranscriptFiles::create(target, &names, &read, &stdout)?;
        let reports = ReportFiles::open(&arguments.reports, prometheus, writer, &read)?;
        stop_sources_at_signals(sessions.iter_mut().flatten(), &clock);
        let network = NetworkMode::open(arguments, &clock)?;
        let jobs = usize::from(arguments.select.jobs.unwrap_or(1)).min(sessions.len());
        let quiet = arguments.output.quiet;
        let batches = BatchRunner::open(arguments, sessions.iter().flatten())?
            .with_progress_bar(!quiet && shows_progress_bar(sessions.len(), jobs));
        let runner = SessionRunner { options: run_options(arguments, inputs.variables, ca), clock, batches };
        let files = SuiteFiles { transcripts, reports, stdout };
        let fail_fast = arguments.select.fail_fast;
        Ok((Self { sessions, runner, files, jobs, fail_fast, stopped: AtomicBool::new(false), quiet }, network))
    }

    /// Where the transcript of a session is written, if one was asked for. `header` names the session if several share
    /// a file.
    pub fn transcript_writer(&self, number: usize, header: Option<&str>) -> Option<WithSessionHeader<TranscriptFile>> {
        let index = self.sessions.iter().take(number).flatten().count();
        self.files.transcripts.writer_for(index, header)
    }

    /// Runs the sessions one after another on this thread. Each is printed before the next one starts.
    pub fn run_sequential<R: RunSession>(
        &self,
        network: &mut NetworkMode,
        command: &R,
        printer: &mut impl PrintSession<R::Output>,
    ) -> SuiteResults {
        let mut results = SuiteResults::default();
        for number in 0..self.sessions.len() {
            let result = self.run_one(number, network, command);
            self.finish_session(number, result, printer, &mut results);
        }
        results
    }

    /// Runs up to `jobs` sessions at a time, and prints them in file order.
    ///
    /// The network that is returned knows the folder of a dry run; the others are closed.
    pub fn run_parallel<R: RunSession>(
        &self,
        network: NetworkMode,
        command: &R,
        printer: &mut impl PrintSession<R::Output>,
    ) -> (Option<NetworkMode>, SuiteResults) {
        let mut results = SuiteResults::default();
        let others: Vec<NetworkMode> = (1..self.jobs).map(|_| network.for_another_worker()).collect();
        let networks = std::iter::once(network).chain(others).collect();
        let running = RunningSessions::default();
        let run = |number: usize, network: &mut NetworkMode| {
            let _running = running.start(number);
            self.run_one(number, network, command)
        };
        let networks = workers::run_in_order(self.sessions.len(), networks, &run, |event| match event {
            WorkerEvent::Tick(done) => printer.show_progress(done, &running.numbers()),
            WorkerEvent::Finished(number, result) => {
                let result = result.unwrap_or_else(|| SessionResult::panicked(&self.sessions[number]));
                self.finish_session(number, result, printer, &mut results);
            }
        });
        let mut networks = networks.into_iter();
        let first = networks.next();
        networks.for_each(NetworkMode::stop);
        (first, results)
    }

    /// Runs a session, unless its file has errors or the run has ended.
    fn run_one<R: RunSession>(
        &self,
        number: usize,
        network: &mut NetworkMode,
        command: &R,
    ) -> SessionResult<R::Output> {
        let result = match &self.sessions[number] {
            Err(failure) => SessionResult::load_failure(failure),
            session if self.runner.clock.interrupted().is_some() => {
                SessionResult::not_run(session, "the run was interrupted")
            }
            session if self.stopped.load(Ordering::Relaxed) => {
                SessionResult::not_run(session, "--fail-fast: another session failed")
            }
            Ok(loaded) => command.run_session(number, loaded, network),
        };
        if self.fail_fast && result.status != Status::Passed {
            self.stopped.store(true, Ordering::Relaxed);
        }
        result
    }

    fn finish_session<O>(
        &self,
        number: usize,
        result: SessionResult<O>,
        printer: &mut impl PrintSession<O>,
        results: &mut SuiteResults,
    ) {
        let SessionResult { record, status, output } = result;
        if let Err(why) = printer.print_session(&self.sessions[number], &record, output) {
            results.transcript_error.get_or_insert(why);
        }
        results.add(record, status, self.files.reports.has_files());
    }

    /// Closes ledger and network, and writes transcripts and reports. Returns the exit status of the run.
    pub fn finish(self, network: Option<NetworkMode>, results: SuiteResults) -> Result<Status, CommandError> {
        let SuiteResults { records, totals, mut statuses, transcript_error } = results;
        let SuiteFiles { transcripts, mut reports, stdout } = self.files;
        records.into_iter().for_each(|record| reports.add(record));
        statuses.push(self.runner.batches.close());
        let mut status = final_status(&self.runner.clock, statuses);
        // What the sessions came to says more than an output that could not be written.
        let without_output = |status| if status == Status::Passed { Status::CantCreate } else { status };
        if stdout.status() != Status::Passed {
            status = without_output(status);
        }
        if let Err(message) = transcripts.finish(transcript_error.as_ref()) {
            console::error(&message);
            status = without_output(status);
        }
        if let Some(network) = network {
            network.close(self.quiet && status == Status::Passed);
        }
        let failed = |message| CommandError::new(without_output(status), message);
        reports.finish(status, &totals).map(|()| status).map_err(failed)
    }
}
