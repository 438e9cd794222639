//! `mailrun new`, `schema`, `completions`, `man`: files that come out of the program itself.

use crate::cli::arguments::{CompletionsArguments, ManArguments, NewArguments, Starter, definition};
use crate::cli::output::console;
use crate::event::Status;
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The rows that the starter of a batch sends to.
const PEOPLE: &str = include_str!("starters/people.csv");

fn starter(kind: Starter) -> &'static str {
    match kind {
        Starter::Report => include_str!("starters/report.toml"),
        Starter::Smoke => include_str!("starters/smoke.toml"),
        Starter::Bug => include_str!("starters/bug.toml"),
        Starter::Batch => include_str!("starters/batch.toml"),
    }
}

/// Writes a commented starter, and beside it the rows that it names.
pub fn new(arguments: &NewArguments) -> Status {
    let text = starter(arguments.kind);
    let rows = (arguments.kind == Starter::Batch).then_some(PEOPLE);
    let Some(file) = arguments.file.as_deref().filter(|file| *file != Path::new("-")) else {
        // As everywhere: `-` is standard output.
        let status = console::print(text);
        if rows.is_some() {
            console::print_line("its rows are read from people.csv beside it, which is written where FILE is given");
        }
        return status;
    };
    if let Err(status) = write(file, text) {
        return status;
    }
    let Some(rows) = rows else { return Status::Passed };
    let beside = file.with_file_name("people.csv");
    if beside.exists() {
        console::print_line(&format!(
            "{} is there already, and stays",
            escape_unprintable(beside.as_os_str().as_bytes())
        ));
        return Status::Passed;
    }
    write(&beside, rows).err().unwrap_or(Status::Passed)
}

/// Writes a file, and says so.
fn write(path: &Path, text: &str) -> Result<(), Status> {
    let name = escape_unprintable(path.as_os_str().as_bytes());
    match write_new(path, text) {
        Ok(()) => console::print_line(&format!("wrote {name}")),
        Err(why) => {
            console::error(&format!("cannot create {name}: {}", io_error_text(&why)));
            return Err(Status::CantCreate);
        }
    }
    Ok(())
}

/// What stands there already is somebody's work, and stays.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Prints the JSON Schema of session files.
pub fn schema() -> Status {
    console::print(&schema_text())
}

/// The schema as it is printed and published.
pub fn schema_text() -> String {
    format!("{:#}\n", crate::session::schema())
}

/// Prints a shell's completions.
pub fn completions(arguments: &CompletionsArguments) -> Status {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition(), "mailrun", &mut out);
    console::print(&String::from_utf8_lossy(&out))
}

/// Prints the manual page of the program, or of one of its commands.
pub fn man(arguments: &ManArguments) -> Status {
    let mut definition = definition();
    definition.build();
    let page = match &arguments.command {
        None => definition,
        Some(name) => match definition.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                console::error(&format!("there is no command {}", escape_unprintable(name.as_bytes())));
                return Status::Usage;
            }
        },
    };
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(page).render(&mut out);
    console::print(&String::from_utf8_lossy(&out))
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
    fn the_published_schema_is_the_program_s() {
        let published = include_str!("../../../docs/session.schema.json");
        assert_eq!(published, schema_text(), "`mailrun schema > docs/session.schema.json` mends it");
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
