//! `mailrun import`: makes a session file from a log.

use crate::cli::arguments::ImportArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::diagnostics::source_error;
use crate::event::Status;
use crate::source::{read_argument_file, read_limited};
use crate::tools::import::import;
use crate::transcript::escape_unprintable;
use std::path::Path;

/// The largest log on standard input, in bytes: as large as a file may be.
const LIMIT: u64 = 64 << 20;

/// Prints the session file.
pub fn main(arguments: &ImportArguments) -> Result<Status, CommandError> {
    let (name, log) = match arguments.file.as_str() {
        "-" => ("standard input", read_limited(std::io::stdin().lock(), LIMIT, "standard input")),
        file => (file, read_argument_file(Path::new(file))),
    };
    let log = log.map_err(source_error)?;
    let file = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
    let text = import(&file, &log, arguments.format).map_err(|error| {
        let separator = if error.place.is_some() { ":" } else { ": " };
        let message = format!("{name}{separator}{error}");
        CommandError::invalid_data(escape_unprintable(message.as_bytes())).with_help(error.help)
    })?;
    Ok(console::print(&text))
}
