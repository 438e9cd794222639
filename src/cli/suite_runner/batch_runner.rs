//! Runs a session, as a batch if it has rows, retries, a ledger or a load.

use super::ledgers::Ledgers;
use super::network_pool::NetworkPool;
use super::row_selection::check_row_selection;
use crate::batch::{
    BatchOptions, Progress, RateLimiter, RowListener, RowQueue, RowReport, RowStream, Statistics, Tally, WorkerOptions,
};
use crate::cli::arguments::{BatchArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::columns::missing_row_columns;
use crate::cli::sessions::load::LoadedSession;
use crate::event::{Cause, Event, Fact, Note, Observer, Outcome, Status, Verdict};
use crate::exec::{self, Clock, ConnectionLabel, PreparedSession, RunOptions};
use crate::net::SystemClock;
use crate::session::{ExclusionList, RetrySettings, RowsSettings, SourceError, comparison_key};
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
        let load = arguments.repeat.is_some() || arguments.duration.is_some();
        let is_recorded = self.ledgers.of(loaded).is_some();
        let warns = loaded.session.rows.is_some() && !is_recorded && !load && !self.is_dry && arguments.to.is_none();
        warns.then(|| {
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
        let arguments = self.arguments;
        let asked = arguments.repeat.is_some()
            || arguments.duration.is_some()
            || arguments.retry.is_some()
            || self.ledgers.of(loaded).is_some();
        loaded.session.rows.is_none() && loaded.session.retry.is_none() && !asked
    }

    /// How many connections the session uses in parallel.
    pub fn connections(&self, loaded: &LoadedSession) -> u32 {
        let own = loaded.session.rows.as_ref().map_or(1, |rows| rows.connections);
        if self.repeats_session(loaded) { self.jobs.unwrap_or(own).clamp(1, 10_000) } else { 1 }
    }

    /// Whether the session runs for rows, or several times.
    pub fn repeats_session(&self, loaded: &LoadedSession) -> bool {
        loaded.session.rows.is_some() || self.arguments.repeat.is_some() || self.arguments.duration.is_some()
    }

    /// Runs a session. `networks` has one network for each connection. `on_row` is called with the outcome of each row.
    pub fn run_session(
        &self,
        loaded: &LoadedSession,
        options: &RunOptions,
        networks: NetworkPool<'_>,
        clock: &SystemClock,
        on_row: Option<RowListener>,
        observer: &mut (dyn Observer + Send),
    ) -> RunOutcome {
        let shard = self.arguments.shard;
        if loaded.session.rows.is_none() && shard.is_some_and(|shard| !shard.contains(&loaded.session.name)) {
            let skipped = Some(SafeText::new("it belongs to another shard"));
            let outcome = Outcome { status: Status::Passed, failure: None, steps_run: 0, skipped };
            return RunOutcome { outcome, summary: None };
        }
        if self.is_plain(loaded) {
            let mut network = networks.take();
            let outcome = exec::run(&loaded.session, options, &loaded.files, network.as_mut(), clock, observer);
            return RunOutcome { outcome, summary: None };
        }
        let connection = ConnectionLabel { name: None, started: Some(clock.now()) };
        let mut interruption = InterruptionObserver { observer, seen: false };
        let (outcome, summary) =
            match PreparedSession::new(&loaded.session, options, &loaded.files, clock, &mut interruption) {
                Ok(mut ready) => self.run_batch(loaded, &mut ready, &networks, clock, on_row, &mut interruption),
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
        ready: &mut PreparedSession<'_>,
        networks: &NetworkPool<'_>,
        clock: &SystemClock,
        on_row: Option<RowListener>,
        observer: &mut (dyn Observer + Send),
    ) -> (Outcome, Option<BatchSummary>) {
        let (arguments, rows) = (self.arguments, loaded.session.rows.as_ref());
        let until = arguments.duration.and_then(|duration| Instant::now().checked_add(duration));
        let times = match (arguments.repeat, until) {
            (Some(times), _) => times,
            (None, Some(_)) => u64::MAX,
            (None, None) => 1,
        };
        let turns = match rows {
            None => RowStream::Times { remaining: times, number: 0, until },
            Some(rows) => match self.rows(loaded, rows, ready, times, until) {
                Ok(turns) => turns,
                Err(outcome) => return (*outcome, None),
            },
        };
        let (exclusions, warnings) = match rows.map(|rows| Self::exclusions(loaded, rows, ready)).transpose() {
            Ok(found) => found.unwrap_or_default(),
            Err(outcome) => return (*outcome, None),
        };
        if !self.quiet {
            // Before the first message, so that the run can still be stopped.
            warnings.iter().for_each(|line| console::print_line(line));
        }
        ready.exclude(exclusions.clone());
        let progress = if self.bar { Progress::default() } else { Progress::hidden() };
        let bar = progress.clone();
        let options = BatchOptions {
            key_case: rows.map_or_else(Default::default, |rows| rows.key_case),
            exclusions,
            session: loaded.session.name.clone(),
            shard: arguments.shard,
            ledger: self.ledgers.of(loaded).cloned(),
            resend_unknown: arguments.resend_unknown,
            fail_fast: self.fail_fast,
            counts_repetitions: arguments.repeat.is_some() || arguments.duration.is_some(),
            limit: arguments.limit,
            keys: arguments.key.clone(),
            on_row: on_row.map(|on_row| -> RowListener {
                Arc::new(move |report: &RowReport<'_>| bar.suspend(|| on_row(report)))
            }),
        };
        let queue = RowQueue::new(turns, options);
        let retry = match (arguments.retry, loaded.session.retry) {
            (Some(times), own) => Some(RetrySettings { times, ..own.unwrap_or(RetrySettings::with_times(times)) }),
            (None, own) => own,
        };
        let rate = arguments.rate.or(rows.and_then(|rows| rows.rate)).filter(|_| !self.is_dry).map(RateLimiter::new);
        let load = arguments.repeat.is_some() || arguments.duration.is_some();
        let statistics = load.then(|| Mutex::new(Statistics::default()));
        let plan = WorkerOptions {
            connections: self.connections(loaded),
            per_connection: rows.map_or(1, |rows| rows.per_connection),
            retry: retry.filter(|retry| retry.times > 0),
            patience: arguments.patience.unwrap_or(if self.ledgers.of(loaded).is_some() {
                PATIENCE
            } else {
                Duration::ZERO
            }),
            rate: rate.as_ref(),
            network: &|| networks.take(),
            has_rows: rows.is_some(),
            statistics: statistics.as_ref(),
            all_deselected: !loaded.session.steps.is_empty() && loaded.session.steps.iter().all(|step| step.deselected),
        };
        let started = Instant::now();
        let mut outcome = crate::batch::run(ready, &plan, &queue, clock, &progress, observer);
        let tally = queue.tally();
        let mut summary = BatchSummary {
            lines: Vec::new(),
            tally,
            counts_rows: rows.is_some() || load,
            ledger: self.ledgers.path_of(loaded).map(Path::to_owned),
        };
        let counts = tally.summary(&queue.reasons());
        if rows.is_some() || self.ledgers.of(loaded).is_some() || load {
            summary.lines.push(counts);
        }
        if let Some(statistics) = statistics {
            let statistics = statistics.into_inner().unwrap_or_else(PoisonError::into_inner);
            summary.lines.extend(statistics.report_lines(tally.sent, started.elapsed()));
        }
        let before = tally.sent_before + tally.refused_before + tally.held + tally.excluded;
        let is_empty_shard = rows.is_some() && arguments.shard.is_some() && before == 0;
        if tally.finished() + tally.left() == 0 && (before > 0 || is_empty_shard) {
            let why = match rows {
                _ if is_empty_shard => "no row is in this shard",
                Some(_) => "nothing is left to send",
                None => "it is in the ledger already",
            };
            // A refused row still counts, so that the session is not skipped.
            match outcome.status {
                Status::Passed => outcome.skipped = Some(SafeText::new(why)),
                _ => summary.lines.push(why.to_owned()),
            }
        }
        if self.quiet {
            summary.lines.extend(warnings);
        }
        let has_lines = !summary.lines.is_empty();
        (outcome, has_lines.then_some(summary))
    }

    fn rows(
        &self,
        loaded: &LoadedSession,
        rows: &RowsSettings,
        ready: &PreparedSession<'_>,
        times: u64,
        until: Option<Instant>,
    ) -> Result<RowStream, Box<Outcome>> {
        let refuse = |error: &SourceError, span: &crate::session::Span| Box::new(ready.refuse(error, span));
        let path = ready.path(&rows.file)?;
        let reader =
            RowReader::open(&loaded.files, &path, &rows.format).map_err(|error| refuse(&error, &rows.file.span))?;
        if reader.is_stream && times > 1 {
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
        let reopen = Box::new(move || RowReader::open(&files, &path, &format));
        let key = rows.key.as_ref().map(|(key, _)| key.clone());
        Ok(RowStream::Rows {
            reader: Box::new(reader),
            key,
            repeats_left: times.saturating_sub(1),
            repetition: 1,
            reopen,
            until,
        })
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
        ready: &PreparedSession<'_>,
    ) -> Result<ExclusionsWithWarnings, Box<Outcome>> {
        let (mut list, mut warnings) = (ExclusionList::default(), Vec::new());
        for exclusion in &rows.exclude {
            let path = ready.path(&exclusion.file)?;
            let warning = read_exclusions(&loaded.files, &path, exclusion, &mut list)
                .map_err(|(error, span)| Box::new(ready.refuse(&error, &span)))?;
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
