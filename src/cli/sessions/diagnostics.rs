//! Errors and warnings of session files, as they are printed.

use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use crate::session::{Diagnostic, Diagnostics, Severity, SourceError, SourceMap};

/// The error of a command that needs a file which cannot be read.
pub fn source_error(why: SourceError) -> CommandError {
    match why {
        SourceError::Refused(message) => CommandError::invalid_data(message),
        SourceError::Unreadable(message) => CommandError::new(Status::NoInput, message),
    }
}

/// Prints diagnostics, and returns the exit status for them.
pub fn print_diagnostics(found: &Diagnostics) -> Status {
    console::print_line(&found.render(console::stderr_colours()));
    let errors = found.list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    Status::worst(errors.map(|error| if error.no_input { Status::NoInput } else { Status::DataErr }))
}

/// Prints warnings.
pub fn print_warnings(list: Vec<Diagnostic>, sources: &SourceMap) {
    if !list.is_empty() {
        print_diagnostics(&Diagnostics { list, sources: sources.clone() });
    }
}
