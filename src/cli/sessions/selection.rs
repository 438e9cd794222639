//! Selects the sessions that run, and the steps of `--from-step` and `--to-step`.

use super::diagnostics::print_diagnostics;
use super::load::{LoadFailure, LoadResult, LoadedSession, SessionInputs};
use crate::cli::arguments::{RunArguments, SelectArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use crate::session::{Diagnostic, Diagnostics, Session, StepRangeError};
use crate::source::glob_matches;
use crate::transcript::escape_unprintable;

/// Reads all sessions that the command line selects, in file order.
pub fn select_sessions(arguments: &RunArguments, inputs: &SessionInputs<'_>) -> Result<Vec<LoadResult>, CommandError> {
    let mut sessions = inputs.read_all(&arguments.sessions, &|path| matches_path(&arguments.select, path))?;
    sessions.retain(|session| session.as_ref().map_or(true, |loaded| matches_tags(&arguments.select, &loaded.session)));
    if sessions.is_empty() {
        // A run without any session is not a success.
        let text = "no session is selected: --filter, --tag and --skip-tag exclude all that were found".to_owned();
        console::error(&text);
        // As a result it also gets into the reports.
        return Ok(vec![Err(LoadFailure { file: String::new(), status: Status::NoInput, text })]);
    }
    apply_step_range(arguments, inputs, &mut sessions)?;
    Ok(sessions)
}

/// Marks the steps outside `--from-step` and `--to-step` as skipped. It is an error if a session has no such step.
fn apply_step_range(
    arguments: &RunArguments,
    inputs: &SessionInputs<'_>,
    sessions: &mut [LoadResult],
) -> Result<(), CommandError> {
    let part = arguments.select.part.step_range();
    if part.is_unbounded() {
        return Ok(());
    }
    let given: Vec<String> = inputs.variables.iter().map(|(name, _)| name.clone()).collect();
    for session in sessions {
        let Ok(loaded) = session else { continue };
        match loaded.session.select_steps(part, &given) {
            Ok(()) => {}
            Err(StepRangeError::Undefined(list)) => *session = Err(part_failure(loaded, list)),
            Err(error @ StepRangeError::OutOfRange { .. }) => {
                let name = escape_unprintable(loaded.path.name().as_bytes());
                return Err(CommandError::usage(format!("{name}: {error} (--from-step, --to-step)")));
            }
        }
    }
    Ok(())
}

fn part_failure(loaded: &LoadedSession, list: Vec<Diagnostic>) -> LoadFailure {
    let found = Diagnostics { list, sources: loaded.session.source_map.clone() };
    LoadFailure { file: loaded.path.name(), status: print_diagnostics(&found), text: found.render(false) }
}

/// Whether `--filter` selects a file: by its path, its name, or its name without `.toml`.
pub fn matches_path(arguments: &SelectArguments, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let names = [path, path.trim_start_matches("./"), name, name.strip_suffix(".toml").unwrap_or(name)];
    arguments.filter.is_empty()
        || arguments.filter.iter().any(|pattern| names.iter().any(|name| glob_matches(pattern, name)))
}

/// Whether `--tag` and `--skip-tag` select a session.
pub fn matches_tags(arguments: &SelectArguments, session: &Session) -> bool {
    let has = |tag: &String| session.tags.contains(tag);
    (arguments.tag.is_empty() || arguments.tag.iter().any(has)) && !arguments.skip_tag.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_filtered() {
        let table = [
            (vec![], "a/b.toml", true, "no filter takes all"),
            (vec!["b"], "a/b.toml", true, "the bare name"),
            (vec!["b.toml"], "a/b.toml", true, "the name"),
            (vec!["a/*"], "a/b.toml", true, "the path"),
            (vec!["a/*"], "./a/b.toml", true, "the path without its dot"),
            (vec!["x*", "*b*"], "a/b.toml", true, "any of them"),
            (vec!["x*"], "a/b.toml", false, "none of them"),
            (vec!["a"], "a/b.toml", false, "a folder's name is no file's"),
        ];
        for (filter, path, expected, why) in table {
            let filter = filter.into_iter().map(str::to_owned).collect();
            let arguments = SelectArguments {
                no_skip: false,
                filter,
                tag: Vec::new(),
                skip_tag: Vec::new(),
                fail_fast: false,
                jobs: None,
                part: Default::default(),
            };
            assert_eq!(matches_path(&arguments, path), expected, "{why}");
        }
    }
}
