//! The sessions of a run, and what `run` and `test` do alike with each of them.

use super::arguments::RunArguments;
use super::batch::{Batches, Networks, Performed};
use super::console;
use super::engine::Way;
use super::selection::{wants_path, wants_tags};
use super::sessions::{Broken, Loaded, Meaning, tell};
use crate::event::{Observer, Outcome, Status};
use crate::exec::{Clock, Network, Settings};
use crate::net::SystemClock;
use crate::report::record::{Judgement, Outside, Record, UNVERIFIED};
use crate::report::terminal::literals;
use crate::session::{Diagnostic, Diagnostics, PartError};
use crate::transcript::{Shown, printable};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// A session that was asked for: it can run, or its file is broken.
pub type Entry = Result<Loaded, Broken>;

/// Reads all sessions that the command line selects, in their order. The error is said already.
pub fn choose(arguments: &RunArguments, meaning: &Meaning<'_>) -> Result<Vec<Entry>, Status> {
    let mut entries = meaning.read_all(&arguments.sessions, &|path| wants_path(&arguments.select, path));
    entries.retain(|entry| entry.as_ref().map_or(true, |one| wants_tags(&arguments.select, &one.session)));
    if entries.is_empty() {
        // What was not selected is no success.
        let text = "no session is left: --filter, --tag and --skip-tag leave out all that were found".to_owned();
        console::error(&text);
        // Reports say so, in place of those of an earlier run.
        return Ok(vec![Err(Broken { file: String::new(), status: Status::NoInput, text })]);
    }
    keep_part(arguments, meaning, &mut entries)?;
    Ok(entries)
}

/// `--from-step` and `--to-step`. A session that has no such step ends the run: it would not be what was asked for.
fn keep_part(arguments: &RunArguments, meaning: &Meaning<'_>, entries: &mut [Entry]) -> Result<(), Status> {
    let part = arguments.part.part();
    if part.is_all() {
        return Ok(());
    }
    let given: Vec<String> = meaning.variables.iter().map(|(name, _)| name.clone()).collect();
    for entry in entries {
        let Ok(one) = entry else { continue };
        match one.session.keep(part, &given) {
            Ok(()) => {}
            Err(PartError::Undefined(list)) => *entry = Err(unsound(one, list)),
            Err(error @ PartError::OutOfRange { .. }) => {
                console::error(&format!("{}: {error} (--from-step, --to-step)", printable(one.path.name().as_bytes())));
                return Err(Status::Usage);
            }
        }
    }
    Ok(())
}

fn unsound(one: &Loaded, list: Vec<Diagnostic>) -> Broken {
    let found = Diagnostics { list, sources: one.session.sources.clone() };
    Broken { file: one.path.name(), status: tell(&found), text: found.render(false) }
}

/// The file of an entry, for people.
pub fn file(entry: &Entry) -> Shown {
    match entry {
        Ok(one) => file_of(one),
        Err(broken) if broken.file.is_empty() => Shown::new("sessions"),
        Err(broken) => Shown::new(&broken.file),
    }
}

pub fn file_of(one: &Loaded) -> Shown {
    Shown::new(one.path.name())
}

/// A broken session's record.
pub fn broken(entry: &Broken) -> Record {
    let file = if entry.file.is_empty() { "sessions" } else { &entry.file };
    let mut record = Record::unbegun(Shown::new(file), Judgement::Error, entry.status);
    record.failures.push(Outside::Broken { status: entry.status, text: shown_lines(&entry.text) });
    record
}

/// A session's record that was not begun.
pub fn not_run(entry: &Entry, why: &str) -> Record {
    Record::unbegun(file(entry), Judgement::NotRun(why.to_owned()), Status::Passed)
}

fn shown_lines(text: &str) -> String {
    text.lines().map(|line| printable(line.as_bytes()) + "\n").collect()
}

/// Plays one session. A bug ends this session alone: `None`. For a batch, what is to be said of its rows.
pub fn perform(
    batches: &Batches<'_>,
    one: &Loaded,
    settings: &Settings,
    way: &mut Way,
    clock: &SystemClock,
    observer: &mut (dyn Observer + Send),
) -> (Option<Outcome>, Option<Vec<String>>) {
    let count = batches.connections(one);
    let shared;
    let networks = match way {
        Way::Net(patient) => {
            Networks::new((0..count).map(|_| Box::new(patient.clone()) as Box<dyn Network + Send>).collect())
        }
        Way::Dry(..) => {
            shared = Mutex::new(way.ready(one, settings));
            Networks::shared(count, &shared)
        }
    };
    match catch_unwind(AssertUnwindSafe(|| batches.perform(one, settings, networks, clock, observer))) {
        Ok(Performed { outcome, summary }) => (Some(outcome), summary),
        Err(_) => (None, None),
    }
}

/// A session's description, where it needs no value.
pub fn description(one: &Loaded) -> Option<Shown> {
    let text = one.session.description.as_ref()?;
    text.is_literal().then(|| literals(&one.session).shown(&text.source))
}

/// What is said of a session's end besides its verdict.
pub fn remarks(one: &Loaded, arguments: &RunArguments, remark: Option<String>) -> Vec<String> {
    let why = if arguments.connect.insecure { "--insecure" } else { "verify = false in [tls]" };
    let unverified = (!one.session.tls.verify).then(|| format!("{UNVERIFIED}: {why}"));
    remark.into_iter().chain(unverified).collect()
}

/// What the program ends with.
pub fn end(clock: &SystemClock, ends: Vec<Status>) -> Status {
    match clock.interrupted().map(|interrupt| interrupt.name) {
        Some("SIGTERM") => Status::Terminated,
        Some(_) => Status::Interrupted,
        None => Status::worst(ends),
    }
}
