//! Runs a session, as a batch if it has rows, retries, a ledger or a load.

use super::ledgers::Ledgers;
use super::network_pool::NetworkPool;
use super::row_selection::check_row_selection;
use crate::batch::{
    BatchOptions, Progress, RateLimiter, ReopenRows, RowListener, RowQueue, RowReport, RowStream, Statistics, Tally,
    WorkerOptions,
};
use crate::cli::arguments::{BatchArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::columns::missing_row_columns;
use crate::cli::sessions::load::LoadedSession;
use crate::event::{Cause, Event, Fact, Note, Observer, Outcome, Status, Verdict};
use crate::exec::{self, Clock, ConnectionLabel, PreparedSession, RunOptions};
use crate::net::SystemClock;
use crate::session::{ExclusionList, RetrySettings, RowsSettings, SourceError, Span, comparison_key};
use crate::source::{RowReader, read_exclusions};
use crate::transcript::{SafeText, escape_unprintable};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a batch with a ledger goes on without a connection.
const PATIENCE: Duration = Duration::from_secs(600);

/// The lists of `exclude` in one; `None` if there are none. The lines are warnings about them.
type ExclusionsWithWarnings = (Option<Arc<ExclusionList>>, Vec<String>);

/// The options for batches, and the ledger that all sessions share.
pub struct BatchRunner<'a> {
    arguments: &'a BatchArguments,
    jobs: Option<u32>,
    fail_fast: bool,
    /// Nothing is printed unless something failed.
    quiet: bool,
    ledgers: Ledgers,
    /// `--dry-run`: the rate is ignored.
    is_dry: bool,
    /// Whether a batch may show a progress bar: nothing else writes to the terminal then.
    bar: bool,
}

/// What a session runs with.
pub struct RunResources<'n> {
    /// One network for each connection.
    pub networks: NetworkPool<'n>,
    pub clock: &'n SystemClock,
    /// Called with the outcome of each row.
    pub on_row: Option<RowListener>,
}

/// The end of a session.
pub struct RunOutcome {
    pub outcome: Outcome,
    pub summary: Option<BatchSummary>,
}

/// What a batch came to.
#[derive(Default)]
pub struct BatchSummary {
    /// Lines that replace the one about recipients.
    pub lines: Vec<String>,
    pub tally: Tally,
    /// Whether the session has rows or is repeated. If not, the line about recipients says more than the count of one row.
    pub counts_rows: bool,
    /// The path of the ledger.
    pub ledger: Option<PathBuf>,
}

impl<'a> BatchRunner<'a> {
    /// Checks the options and opens the ledger. Nothing is sent if that fails.
    pub fn open<'l>(
        all: &'a RunArguments,
        sessions: impl Iterator<Item = &'l LoadedSession>,
    ) -> Result<Self, CommandError> {
        let (arguments, dry_run) = (&all.batch, all.dry.dry_run);
        let sessions: Vec<&LoadedSession> = sessions.collect();
        // Sessions that run in parallel share the connections.
        let share = |jobs: u32| jobs / u32::try_from(sessions.len()).unwrap_or(u32::MAX).clamp(1, jobs.max(1));
        let (jobs, fail_fast) = (all.select.jobs.map(|jobs| share(jobs.into())), all.select.fail_fast);
        check_row_selection(all, &sessions)?;
        let ledgers = Ledgers::open(all, &sessions)?;
        Ok(Self { arguments, jobs, fail_fast, quiet: all.output.quiet, ledgers, is_dry: dry_run, bar: false })
    }

    /// Lets batches show a progress bar.
    pub fn with_progress_bar(self, bar: bool) -> Self {
        Self { bar, ..self }
    }

    /// What to say before a batch starts: without a ledger it cannot go on where it stopped.
    pub fn warning(&self, loaded: &LoadedSession) -> Option<String> {
        let arguments = self.arguments;
        let is_unrecorded = loaded.session.rows.is_some() && !self.has_ledger(loaded) && arguments.to.is_none();
        (is_unrecorded && !arguments.is_load() && !self.is_dry).then(|| {
            let name = escape_unprintable(loaded.path.name().as_bytes());
            format!(
                "{name}: warning: no ledger: another run sends all rows again (give --ledger FILE, or ledger in [rows])"
            )
        })
    }

    /// Whether what becomes of the session's mail is recorded.
    pub fn has_ledger(&self, loaded: &LoadedSession) -> bool {
        self.ledgers.of(loaded).is_some()
    }

    /// Whether this session shows a progress bar.
    pub fn shows_progress_bar(&self, loaded: &LoadedSession) -> bool {
        self.bar && !self.is_plain(loaded)
    }

    /// Whether the session simply runs once.
    fn is_plain(&self, loaded: &LoadedSession) -> bool {
        let has_retry = loaded.session.retry.is_some() || self.arguments.retry.is_some();
        !self.repeats_session(loaded) && !has_retry && !self.has_ledger(loaded)
    }

    /// How many connections the session uses in parallel.
    pub fn connections(&self, loaded: &LoadedSession) -> u32 {
        let own = loaded.session.rows.as_ref().map_or(1, |rows| rows.connections);
        if self.repeats_session(loaded) { self.jobs.unwrap_or(own).clamp(1, 10_000) } else { 1 }
    }

    /// Whether the session runs for rows, or several times.
    pub fn repeats_session(&self, loaded: &LoadedSession) -> bool {
        loaded.session.rows.is_some() || self.arguments.is_load()
    }

    /// Runs a session.
    pub fn run_session(
        &self,
        loaded: &LoadedSession,
        options: &RunOptions,
        resources: RunResources<'_>,
        observer: &mut (dyn Observer + Send),
    ) -> RunOutcome {
        let clock = resources.clock;
        let shard = self.arguments.shard;
        if loaded.session.rows.is_none() && shard.is_some_and(|shard| !shard.contains(&loaded.session.name)) {
            let skipped = Some(SafeText::new("it belongs to another shard"));
            let outcome = Outcome { status: Status::Passed, failure: None, steps_run: 0, skipped };
            return RunOutcome { outcome, summary: None };
        }
        if self.is_plain(loaded) {
            let mut network = resources.networks.take();
            let outcome = exec::run(&loaded.session, options, &loaded.files, network.as_mut(), clock, observer);
            return RunOutcome { outcome, summary: None };
        }
        let connection = ConnectionLabel { name: None, started: Some(clock.now()) };
        let mut interruption = InterruptionObserver { observer, seen: false };
        let (outcome, summary) =
            match PreparedSession::new(&loaded.session, options, &loaded.files, clock, &mut interruption) {
                Ok(mut prepared) => self.run_batch(loaded, &mut prepared, resources, &mut interruption),
                Err(outcome) => (*outcome, None),
            };
        let unreported = !interruption.seen && outcome.status.is_signal();
        if let Some(interrupt) = clock.interrupted().filter(|_| unreported) {
            let note = Note::Interrupted { signal: interrupt.name };
            connection.emit(clock, observer, Fact::Noted(note));
        }
        connection.emit(clock, observer, Fact::SessionFinished { outcome: &outcome });
        RunOutcome { outcome, summary }
    }

    fn run_batch(
        &self,
        loaded: &LoadedSession,
        prepared: &mut PreparedSession<'_>,
        resources: RunResources<'_>,
        observer: &mut (dyn Observer + Send),
    ) -> (Outcome, Option<BatchSummary>) {
        let RunResources { networks, clock, on_row } = resources;
        let (arguments, rows) = (self.arguments, loaded.session.rows.as_ref());
        let (stream, (exclusions, warnings)) = match self.open_rows(loaded, prepared) {
            Ok(opened) => opened,
            Err(outcome) => return (*outcome, None),
        };
        if !self.quiet {
            // Before the first message, so that the run can still be stopped.
            warnings.iter().for_each(|line| console::print_line(line));
        }
        prepared.exclude(exclusions.clone());
        let progress = if self.bar { Progress::default() } else { Progress::hidden() };
        let options = BatchOptions { exclusions, ..self.batch_options(loaded, on_row, &progress) };
        let queue = RowQueue::new(stream, options);
        let rate = arguments.rate.or(rows.and_then(|rows| rows.rate)).filter(|_| !self.is_dry).map(RateLimiter::new);
        let statistics = arguments.is_load().then(|| Mutex::new(Statistics::default()));
        let patience = if self.has_ledger(loaded) { PATIENCE } else { Duration::ZERO };
        let workers = WorkerOptions {
            connections: self.connections(loaded),
            per_connection: rows.map_or(1, |rows| rows.per_connection),
            retry: self.retry_settings(loaded).filter(|retry| retry.times > 0),
            patience: arguments.patience.unwrap_or(patience),
            rate: rate.as_ref(),
            network: &|| networks.take(),
            has_rows: rows.is_some(),
            statistics: statistics.as_ref(),
            all_deselected: !loaded.session.steps.is_empty() && loaded.session.steps.iter().all(|step| step.deselected),
        };
        let started = Instant::now();
        let mut outcome = crate::batch::run(prepared, &workers, &queue, clock, &progress, observer);
        let tally = queue.tally();
        let mut lines = Vec::new();
        if self.repeats_session(loaded) || self.has_ledger(loaded) {
            lines.push(tally.summary(&queue.reasons()));
        }
        if let Some(statistics) = statistics {
            let statistics = statistics.into_inner().unwrap_or_else(PoisonError::into_inner);
            lines.extend(statistics.report_lines(tally.sent, started.elapsed()));
        }
        if let Some(why) = self.why_nothing_ran(loaded, &tally) {
            // A refused row still counts, so that the session is not skipped.
            match outcome.status {
                Status::Passed => outcome.skipped = Some(SafeText::new(why)),
                _ => lines.push(why.to_owned()),
            }
        }
        if self.quiet {
            lines.extend(warnings);
        }
        let summary = (!lines.is_empty()).then(|| BatchSummary {
            lines,
            tally,
            counts_rows: self.repeats_session(loaded),
            ledger: self.ledgers.path_of(loaded).map(Path::to_owned),
        });
        (outcome, summary)
    }

    /// The options of a batch, without the lists of `exclude`.
    fn batch_options(&self, loaded: &LoadedSession, on_row: Option<RowListener>, progress: &Progress) -> BatchOptions {
        let arguments = self.arguments;
        let bar = progress.clone();
        BatchOptions {
            key_case: loaded.session.rows.as_ref().map_or_else(Default::default, |rows| rows.key_case),
            exclusions: None,
            session: loaded.session.name.clone(),
            shard: arguments.shard,
            ledger: self.ledgers.of(loaded).cloned(),
            resend_unknown: arguments.resend_unknown,
            fail_fast: self.fail_fast,
            counts_repetitions: arguments.is_load(),
            limit: arguments.limit,
            keys: arguments.key.clone(),
            on_row: on_row.map(|on_row| -> RowListener {
                Arc::new(move |report: &RowReport<'_>| bar.suspend(|| on_row(report)))
            }),
        }
    }

    /// `--retry` changes how often, and `[retry]` the rest.
    fn retry_settings(&self, loaded: &LoadedSession) -> Option<RetrySettings> {
        let own = loaded.session.retry;
        match self.arguments.retry {
            Some(times) => Some(RetrySettings { times, ..own.unwrap_or(RetrySettings::with_times(times)) }),
            None => own,
        }
    }

    /// Why no row ran; `None` if one did, or if there are none at all.
    fn why_nothing_ran(&self, loaded: &LoadedSession, tally: &Tally) -> Option<&'static str> {
        let has_rows = loaded.session.rows.is_some();
        let before = tally.sent_before + tally.refused_before + tally.held + tally.excluded;
        let is_empty_shard = has_rows && self.arguments.shard.is_some() && before == 0;
        if tally.finished() + tally.left() > 0 || (before == 0 && !is_empty_shard) {
            return None;
        }
        Some(match has_rows {
            _ if is_empty_shard => "no row is in this shard",
            true => "nothing is left to send",
            false => "it is in the ledger already",
        })
    }

    /// Opens the rows, and reads the lists of `exclude`. `Err`: the session fails before anything is sent.
    fn open_rows(
        &self,
        loaded: &LoadedSession,
        prepared: &PreparedSession<'_>,
    ) -> Result<(RowStream, ExclusionsWithWarnings), Box<Outcome>> {
        let until = self.arguments.duration.and_then(|duration| Instant::now().checked_add(duration));
        let times = self.repetitions();
        let Some(rows) = &loaded.session.rows else {
            let stream = RowStream::Times { remaining: times, number: 0, until };
            return Ok((stream, ExclusionsWithWarnings::default()));
        };
        let (reader, reopen) = self.row_reader(loaded, rows, prepared)?;
        let stream = RowStream::Rows {
            reader: Box::new(reader),
            key: rows.key.as_ref().map(|(key, _)| key.clone()),
            repeats_left: times.saturating_sub(1),
            repetition: 1,
            reopen,
            until,
        };
        Ok((stream, Self::exclusions(loaded, rows, prepared)?))
    }

    /// How often everything runs, `--duration` permitting.
    fn repetitions(&self) -> u64 {
        match (self.arguments.repeat, self.arguments.duration) {
            (Some(times), _) => times,
            (None, Some(_)) => u64::MAX,
            (None, None) => 1,
        }
    }

    /// Opens the file of the rows, and checks its columns and the keys of `--key`. The second value opens it again.
    fn row_reader(
        &self,
        loaded: &LoadedSession,
        rows: &RowsSettings,
        prepared: &PreparedSession<'_>,
    ) -> Result<(RowReader, ReopenRows), Box<Outcome>> {
        let refuse = |error: &SourceError, span: &Span| Box::new(prepared.refuse(error, span));
        let path = prepared.path(&rows.file)?;
        let reader =
            RowReader::open(&loaded.files, &path, &rows.format).map_err(|error| refuse(&error, &rows.file.span))?;
        if reader.is_stream && self.repetitions() > 1 {
            let what = "standard input can be read only once, not again for --repeat or --duration".to_owned();
            return Err(refuse(&SourceError::Refused(what), &rows.file.span));
        }
        if let Some(missing) = missing_row_columns(loaded, rows, &reader).into_iter().next() {
            return Err(refuse(&SourceError::Refused(missing.message), &missing.span));
        }
        if !reader.is_stream
            && let Some(missing) = self.missing_key(loaded, rows, &path)
        {
            let what = format!("--key {}: no row has this key", escape_unprintable(missing.as_bytes()));
            return Err(refuse(&SourceError::Refused(what), &rows.file.span));
        }
        let (files, format) = (loaded.files.clone(), rows.format);
        Ok((reader, Box::new(move || RowReader::open(&files, &path, &format))))
    }

    /// The first key of `--key` that a file of rows does not have. It is read for that before anything is sent.
    fn missing_key(&self, loaded: &LoadedSession, rows: &RowsSettings, path: &Path) -> Option<String> {
        let mut missing = self.arguments.key.clone();
        let mut reader = (!missing.is_empty()).then(|| RowReader::open(&loaded.files, path, &rows.format).ok())??;
        while !missing.is_empty()
            && let Ok(Some(row)) = reader.next_row()
        {
            let name = match (&rows.key, &row.value) {
                (Some((column, _)), Ok(value)) => value.text(column),
                _ => Some(row.number.to_string()),
            };
            let name = name.map(|name| comparison_key(&name, rows.key_case));
            missing.retain(|key| Some(comparison_key(key, rows.key_case)) != name);
        }
        missing.into_iter().next()
    }

    /// Reads the lists of `exclude`.
    fn exclusions(
        loaded: &LoadedSession,
        rows: &RowsSettings,
        prepared: &PreparedSession<'_>,
    ) -> Result<ExclusionsWithWarnings, Box<Outcome>> {
        let (mut list, mut warnings) = (ExclusionList::default(), Vec::new());
        for exclusion in &rows.exclude {
            let path = prepared.path(&exclusion.file)?;
            let warning = read_exclusions(&loaded.files, &path, exclusion, &mut list)
                .map_err(|(error, span)| Box::new(prepared.refuse(&error, &span)))?;
            warnings.extend(warning.map(|what| format!("warning: {what}")));
        }
        Ok(((!rows.exclude.is_empty()).then(|| Arc::new(list)), warnings))
    }

    /// Writes the rest of the ledger. Returns the exit status for that.
    pub fn close(&self) -> Status {
        let errors = self.ledgers.close();
        errors.iter().for_each(|why| console::error(&format!("cannot write the ledger: {why}")));
        if errors.is_empty() { Status::Passed } else { Status::CantCreate }
    }
}

/// Notices whether a signal ended a step. A signal between two steps, such as in a wait of `[retry]`, has no other event, so it
/// is reported separately.
struct InterruptionObserver<'o> {
    observer: &'o mut (dyn Observer + Send),
    seen: bool,
}

impl Observer for InterruptionObserver<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        if let Fact::StepFinished { verdict: Verdict::Failed(failure) | Verdict::Error(failure), .. } = &event.fact {
            self.seen |= matches!(failure.cause, Cause::Interrupted { .. });
        }
        self.observer.observe(event);
    }
}
