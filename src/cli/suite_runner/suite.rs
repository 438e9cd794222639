//! The sessions of a run, and what `run` and `test` do alike with each of them.

use super::batch_runner::{BatchRunner, NetworkPool, RunOutcome};
use super::setup::NetworkMode;
use crate::cli::arguments::RunArguments;
use crate::cli::output::console;
use crate::cli::sessions::diagnostics::print_diagnostics;
use crate::cli::sessions::load::{LoadFailure, LoadedSession, SessionInputs};
use crate::cli::sessions::selection::{matches_path, matches_tags};
use crate::event::{Observer, Outcome, Status};
use crate::exec::{Clock, Network, RunOptions};
use crate::net::SystemClock;
use crate::report::diagnosis::literal_secrets;
use crate::report::record::{Judgement, Record, SessionFailure, UNVERIFIED_REMARK};
use crate::session::{Diagnostic, Diagnostics, StepRangeError};
use crate::transcript::{SafeText, escape_unprintable};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// A session that was asked for: it can run, or its file is broken.
pub type LoadResult = Result<LoadedSession, LoadFailure>;

/// Reads all sessions that the command line selects, in their order. The error is said already.
pub fn select_sessions(arguments: &RunArguments, inputs: &SessionInputs<'_>) -> Result<Vec<LoadResult>, Status> {
    let mut entries = inputs.read_all(&arguments.sessions, &|path| matches_path(&arguments.select, path));
    entries.retain(|entry| entry.as_ref().map_or(true, |one| matches_tags(&arguments.select, &one.session)));
    if entries.is_empty() {
        // What was not selected is no success.
        let text = "no session is left: --filter, --tag and --skip-tag leave out all that were found".to_owned();
        console::error(&text);
        // Reports say so, in place of those of an earlier run.
        return Ok(vec![Err(LoadFailure { file: String::new(), status: Status::NoInput, text })]);
    }
    apply_step_range(arguments, inputs, &mut entries)?;
    Ok(entries)
}

/// `--from-step` and `--to-step`. A session that has no such step ends the run: it would not be what was asked for.
fn apply_step_range(
    arguments: &RunArguments,
    inputs: &SessionInputs<'_>,
    entries: &mut [LoadResult],
) -> Result<(), Status> {
    let part = arguments.part.part();
    if part.is_unbounded() {
        return Ok(());
    }
    let given: Vec<String> = inputs.variables.iter().map(|(name, _)| name.clone()).collect();
    for entry in entries {
        let Ok(one) = entry else { continue };
        match one.session.select_steps(part, &given) {
            Ok(()) => {}
            Err(StepRangeError::Undefined(list)) => *entry = Err(part_failure(one, list)),
            Err(error @ StepRangeError::OutOfRange { .. }) => {
                console::error(&format!(
                    "{}: {error} (--from-step, --to-step)",
                    escape_unprintable(one.path.name().as_bytes())
                ));
                return Err(Status::Usage);
            }
        }
    }
    Ok(())
}

fn part_failure(one: &LoadedSession, list: Vec<Diagnostic>) -> LoadFailure {
    let found = Diagnostics { list, sources: one.session.source_map.clone() };
    LoadFailure { file: one.path.name(), status: print_diagnostics(&found), text: found.render(false) }
}

/// The file of an entry, for people.
pub fn display_name(entry: &LoadResult) -> SafeText {
    match entry {
        Ok(one) => file_name(one),
        Err(broken) if broken.file.is_empty() => SafeText::new("sessions"),
        Err(broken) => SafeText::new(&broken.file),
    }
}

pub fn file_name(one: &LoadedSession) -> SafeText {
    SafeText::new(one.path.name())
}

/// A broken session's record.
pub fn load_failure_record(entry: &LoadFailure) -> Record {
    let file = if entry.file.is_empty() { "sessions" } else { &entry.file };
    let mut record = Record::not_started(SafeText::new(file), Judgement::Error, entry.status);
    record.failures.push(SessionFailure::InvalidFile { status: entry.status, text: shown_lines(&entry.text) });
    record
}

/// A session's record that was not begun.
pub fn not_run_record(entry: &LoadResult, why: &str) -> Record {
    Record::not_started(display_name(entry), Judgement::NotRun(why.to_owned()), Status::Passed)
}

fn shown_lines(text: &str) -> String {
    text.lines().map(|line| escape_unprintable(line.as_bytes()) + "\n").collect()
}

/// Plays one session. A bug ends this session alone: `None`. For a batch, what is to be said of its rows.
pub fn run_session(
    batches: &BatchRunner<'_>,
    one: &LoadedSession,
    settings: &RunOptions,
    network: &mut NetworkMode,
    clock: &SystemClock,
    observer: &mut (dyn Observer + Send),
) -> (Option<Outcome>, Option<Vec<String>>) {
    let count = batches.connections(one);
    let shared;
    let networks = match network {
        NetworkMode::Live(patient) => {
            NetworkPool::new((0..count).map(|_| Box::new(patient.clone()) as Box<dyn Network + Send>).collect())
        }
        NetworkMode::DryRun(..) => {
            shared = Mutex::new(network.network_for(one, settings));
            NetworkPool::shared(count, &shared)
        }
    };
    match catch_unwind(AssertUnwindSafe(|| batches.run_session(one, settings, networks, clock, observer))) {
        Ok(RunOutcome { outcome, summary }) => (Some(outcome), summary),
        Err(_) => (None, None),
    }
}

/// A session's description, where it needs no value.
pub fn description(one: &LoadedSession) -> Option<SafeText> {
    let text = one.session.description.as_ref()?;
    text.is_literal().then(|| literal_secrets(&one.session).redact(&text.source))
}

/// What is said of a session's end besides its verdict.
pub fn remarks(one: &LoadedSession, arguments: &RunArguments, remark: Option<String>) -> Vec<String> {
    let why = if arguments.connect.insecure { "--insecure" } else { "verify = false in [tls]" };
    let unverified = (!one.session.tls.verify).then(|| format!("{UNVERIFIED_REMARK}: {why}"));
    remark.into_iter().chain(unverified).collect()
}

/// What the program ends with.
pub fn final_status(clock: &SystemClock, ends: Vec<Status>) -> Status {
    match clock.interrupted().map(|interrupt| interrupt.name) {
        Some("SIGTERM") => Status::Terminated,
        Some(_) => Status::Interrupted,
        None => Status::worst(ends),
    }
}
