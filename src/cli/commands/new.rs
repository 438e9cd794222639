//! `mailrun new`: commented session files to start from, and the smoke suite.

use crate::cli::arguments::{NewArguments, Starter};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::rerun_command::shell_quoted;
use crate::event::Status;
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The rows of the starter for a batch.
const PEOPLE: &str = include_str!("starters/people.csv");

/// Names the files of a folder with their texts.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!($folder, $name)))),+]
    };
}

/// The files of the smoke suite, with their texts.
const SUITE: &[(&str, &str)] = files! {
    "../../../sessions/smoke/":
    "8bitmime.toml",
    "_ehlo.toml",
    "_hello.toml",
    "_relay.toml",
    "_smuggling.toml",
    "_turned-away.toml",
    "auth-in-clear.toml",
    "auth.toml",
    "capabilities.toml",
    "chunking.toml",
    "dsn.toml",
    "early-talk.toml",
    "greeting.toml",
    "greylisting.toml",
    "lmtp.toml",
    "long-lines.toml",
    "open-relay.toml",
    "pipelining.toml",
    "postmaster.toml",
    "size.toml",
    "smtputf8.toml",
    "smuggling.toml",
    "starttls-injection.toml",
    "starttls.toml",
    "too-many-bad-commands.toml",
    "too-many-recipients.toml",
    "unknown-user.toml",
    "vrfy-expn.toml",
};

/// The text of a starter; `None` for the suite, which has several files.
fn starter(kind: Starter) -> Option<&'static str> {
    Some(match kind {
        Starter::Suite => return None,
        Starter::Report => include_str!("starters/report.toml"),
        Starter::Smoke => include_str!("starters/smoke.toml"),
        Starter::Bug => include_str!("starters/bug.toml"),
        Starter::Batch => include_str!("starters/batch.toml"),
    })
}

/// Writes a starter, and for a batch its rows next to it; or the smoke suite.
pub fn main(arguments: &NewArguments) -> Result<Status, CommandError> {
    let Some(text) = starter(arguments.kind) else { return write_suite(arguments.file.as_deref()) };
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

/// Writes the smoke suite to a folder, which is made if there is none. If one of its files exists, nothing is written.
fn write_suite(folder: Option<&Path>) -> Result<Status, CommandError> {
    let Some(folder) = folder.filter(|folder| *folder != Path::new("-")) else {
        let error = CommandError::usage("`new suite` needs the folder to write");
        return Err(error.with_help("mailrun new suite DIR"));
    };
    let shown = |path: &Path| escape_unprintable(path.as_os_str().as_bytes());
    if let Some(existing) = SUITE.iter().map(|(name, _)| folder.join(name)).find(|path| path.symlink_metadata().is_ok())
    {
        let error = CommandError::cannot_create(format!("{} exists already, nothing was written", shown(&existing)));
        return Err(error.with_help("give a folder that does not have the suite"));
    }
    fs::create_dir_all(folder).map_err(|why| {
        CommandError::cannot_create(format!("cannot create {}: {}", shown(folder), io_error_text(&why)))
    })?;
    for (name, text) in SUITE {
        let path = folder.join(name);
        write_new(&path, text).map_err(|why| {
            CommandError::cannot_create(format!("cannot create {}: {}", shown(&path), io_error_text(&why)))
        })?;
    }
    console::print_line(&format!(
        "wrote {} files to {}; each says at its top what it tests and how to run it. To run all of them:",
        SUITE.len(),
        shown(folder)
    ));
    console::print_line(&format!(
        "  mailrun test --server smtp://mail.example.com --var domain=example.com {}",
        shell_quoted(folder.as_os_str().as_bytes())
    ));
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
        for text in Starter::value_variants().iter().filter_map(|kind| starter(*kind)) {
            assert!(text.starts_with("#:schema "), "editors find the schema");
            if let Err(wrong) = load("starter.toml", text, &files, &[]) {
                panic!("{}", wrong.render(false));
            }
        }
    }

    #[test]
    fn the_suite_has_every_file_of_its_folder() {
        let entries =
            fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sessions/smoke")).expect("the folder is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let written: Vec<&str> = SUITE.iter().map(|(name, _)| *name).collect();
        assert_eq!(written, names);
    }

    #[test]
    fn a_suite_is_written_once_and_as_a_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("a/smoke");
        assert_eq!(write_suite(Some(&target)).expect("it can be written"), Status::Passed);
        assert_eq!(fs::read_dir(&target).expect("it is there").count(), SUITE.len());
        fs::remove_file(target.join("auth.toml")).expect("a file can be removed");
        let refused = write_suite(Some(&target)).expect_err("other files exist");
        assert_eq!(refused.status, Status::CantCreate);
        assert!(!target.join("auth.toml").exists(), "nothing is written");
        assert_eq!(write_suite(None).expect_err("a folder must be given").status, Status::Usage);
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
