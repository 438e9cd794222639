//! `mailrun new`: commented session files to start from.

use crate::cli::arguments::{NewArguments, Starter};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The rows of the starter for a batch.
const PEOPLE: &str = include_str!("starters/people.csv");

fn starter(kind: Starter) -> &'static str {
    match kind {
        Starter::Report => include_str!("starters/report.toml"),
        Starter::Smoke => include_str!("starters/smoke.toml"),
        Starter::Bug => include_str!("starters/bug.toml"),
        Starter::Batch => include_str!("starters/batch.toml"),
    }
}

/// Writes a starter, and for a batch its rows next to it.
pub fn main(arguments: &NewArguments) -> Result<Status, CommandError> {
    let text = starter(arguments.kind);
    let rows = (arguments.kind == Starter::Batch).then_some(PEOPLE);
    let Some(file) = arguments.file.as_deref().filter(|file| *file != Path::new("-")) else {
        let status = console::print(text);
        if rows.is_some() {
            console::print_line("the session reads its rows from people.csv, which is only written if FILE is given");
        }
        return Ok(status);
    };
    write(file, text)?;
    if let Some(rows) = rows {
        let beside = file.with_file_name("people.csv");
        if beside.exists() {
            let name = escape_unprintable(beside.as_os_str().as_bytes());
            console::print_line(&format!("{name} exists already and was not changed"));
        } else {
            write(&beside, rows)?;
        }
    }
    Ok(Status::Passed)
}

/// Writes a new file, and prints its name.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let name = escape_unprintable(path.as_os_str().as_bytes());
    write_new(path, text)
        .map_err(|why| CommandError::cannot_create(format!("cannot create {name}: {}", io_error_text(&why))))?;
    console::print_line(&format!("wrote {name}"));
    Ok(())
}

/// An existing file is not changed.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::source::SystemSources;
    use clap::ValueEnum;

    #[test]
    fn starters_are_sessions() {
        let files = SystemSources::new(Path::new("."), &[], false).expect("the folder is there");
        for text in Starter::value_variants().iter().map(|kind| starter(*kind)) {
            assert!(text.starts_with("#:schema "), "editors find the schema");
            if let Err(wrong) = load("starter.toml", text, &files, &[]) {
                panic!("{}", wrong.render(false));
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s.toml");
        assert!(write_new(&path, "mine").is_ok());
        assert!(write_new(&path, "other").is_err());
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), Some("mine"));
    }
}
