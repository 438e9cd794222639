//! `mailrun man`: manual pages.

use crate::cli::arguments::{ManArguments, definition};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use crate::transcript::escape_unprintable;

/// Prints the manual page of the program, or of one of its commands.
pub fn main(arguments: &ManArguments) -> Result<Status, CommandError> {
    let mut definition = definition();
    definition.build();
    let page = match &arguments.command {
        None => definition,
        Some(name) => match definition.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let name = escape_unprintable(name.as_bytes());
                return Err(CommandError::usage(format!("unknown command {name}")));
            }
        },
    };
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(page).render(&mut out);
    Ok(console::print(&String::from_utf8_lossy(&out)))
}
