//! `mailrun completions`: completions for a shell.

use crate::cli::arguments::{CompletionsArguments, definition};
use crate::cli::output::console;
use crate::event::Status;

/// Prints a shell's completions.
pub fn main(arguments: &CompletionsArguments) -> Status {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition(), "mailrun", &mut out);
    console::print(&String::from_utf8_lossy(&out))
}
