//! The ledgers of a run: that of `--ledger` for all sessions, or those that session files name.

use crate::batch::ledger::{Ledger, RecordedSession};
use crate::cli::arguments::RunArguments;
use crate::cli::error::CommandError;
use crate::cli::sessions::load::LoadedSession;
use crate::session::SourceError;
use crate::transcript::escape_unprintable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open ledger, and the sessions that use it.
struct OpenLedger {
    ledger: Arc<Ledger>,
    path: PathBuf,
    /// The paths of the session files.
    files: Vec<String>,
}

/// The ledgers of a run.
#[derive(Default)]
pub struct Ledgers(Vec<OpenLedger>);

impl Ledgers {
    /// Opens or creates all of them. Nothing is sent if that fails.
    pub fn open(all: &RunArguments, sessions: &[&LoadedSession]) -> Result<Self, CommandError> {
        let arguments = &all.batch;
        let mut paths: Vec<(PathBuf, Vec<(RecordedSession, String)>)> = Vec::new();
        for loaded in sessions {
            let Some(path) = ledger_path(all, loaded)? else { continue };
            let rows = loaded.session.rows.as_ref();
            let file = loaded.path.name();
            let shown = escape_unprintable(file.as_bytes());
            if arguments.repeat.is_some() || arguments.duration.is_some() {
                let error =
                    CommandError::usage(format!("{shown}: a ledger cannot be combined with --repeat or --duration"));
                return Err(error.with_help("a ledger prevents that anything is sent twice: leave one of them out"));
            }
            if !all.select.part.step_range().is_unbounded() {
                let error =
                    CommandError::usage(format!("{shown}: a ledger cannot be combined with --from-step or --to-step"));
                return Err(error.with_help("it would record a part of the steps as the whole row"));
            }
            if rows.is_some_and(|rows| rows.key.is_none()) {
                let error = CommandError::invalid_data(format!("{shown}: a ledger needs \"key\" in [rows]"));
                return Err(error.with_help("key names the column that identifies a row"));
            }
            let session = RecordedSession {
                name: loaded.session.name.clone(),
                key_column: rows.and_then(|rows| rows.key.as_ref()).map(|(key, _)| key.clone()),
                key_case: rows.map_or_else(Default::default, |rows| rows.key_case),
            };
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, users)) if users.iter().any(|(other, _)| other.name == session.name) => {
                    let name = escape_unprintable(session.name.as_bytes());
                    let what = format!("two sessions are named {name}: a ledger cannot tell their rows apart");
                    return Err(CommandError::invalid_data(what));
                }
                Some((_, users)) => users.push((session, file.to_string())),
                None => paths.push((path, vec![(session, file.to_string())])),
            }
        }
        if arguments.resend_unknown && paths.is_empty() && !all.dry.dry_run && arguments.to.is_none() {
            let error = CommandError::usage("--resend-unknown needs a ledger");
            return Err(error.with_help("give --ledger FILE too, or name the ledger in [rows]"));
        }
        let mut ledgers = Vec::new();
        for (path, users) in paths {
            let (users, files): (Vec<_>, Vec<_>) = users.into_iter().unzip();
            let ledger = Arc::new(Ledger::open(&path, &users)?);
            ledgers.push(OpenLedger { ledger, path, files });
        }
        Ok(Self(ledgers))
    }

    /// The ledger of a session.
    pub fn of(&self, loaded: &LoadedSession) -> Option<&Arc<Ledger>> {
        self.find(loaded).map(|open| &open.ledger)
    }

    /// The path of a session's ledger.
    pub fn path_of(&self, loaded: &LoadedSession) -> Option<&Path> {
        self.find(loaded).map(|open| open.path.as_path())
    }

    fn find(&self, loaded: &LoadedSession) -> Option<&OpenLedger> {
        let file = loaded.path.name().to_string();
        self.0.iter().find(|open| open.files.contains(&file))
    }

    /// Writes the rest of all of them. Returns the errors.
    pub fn close(&self) -> Vec<String> {
        self.0.iter().filter_map(|open| open.ledger.close().err()).collect()
    }
}

/// Where a session's ledger is; `None` if it has none. A dry run and a rehearsal must not record anything.
fn ledger_path(all: &RunArguments, loaded: &LoadedSession) -> Result<Option<PathBuf>, CommandError> {
    if all.dry.dry_run || all.batch.to.is_some() {
        return Ok(None);
    }
    if let Some(path) = &all.batch.ledger {
        return Ok(Some(path.clone()));
    }
    let Some((path, span)) = loaded.session.rows.as_ref().and_then(|rows| rows.ledger.as_ref()) else {
        return Ok(None);
    };
    loaded.files.ledger_path(Path::new(path)).map(Some).map_err(|error| {
        let place = loaded.session.source_map.place(span);
        let file = escape_unprintable(place.file.as_bytes());
        let place = format!("{file}:{}:{}: error", place.line, place.column);
        match error {
            SourceError::Refused(what) => CommandError::invalid_data(what),
            SourceError::Unreadable(what) => CommandError::cannot_create(what),
        }
        .with_prefix(&place)
    })
}
