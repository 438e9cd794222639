//! Errors and warnings of session files, as they are printed.

use crate::cli::output::console;
use crate::event::Status;
use crate::session::{Diagnostic, Diagnostics, Severity, SourceError, SourceMap};

/// How a run ends that needs it, and why it cannot be read.
pub fn source_error_status(why: SourceError) -> (Status, String) {
    match why {
        SourceError::Refused(message) => (Status::DataErr, message),
        SourceError::Unreadable(message) => (Status::NoInput, message),
    }
}

/// Says all that was found. Gives how the session ends for it.
pub fn print_diagnostics(found: &Diagnostics) -> Status {
    console::print_line(&found.render(console::stderr_colours()));
    let errors = found.list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    Status::worst(errors.map(|error| if error.no_input { Status::NoInput } else { Status::DataErr }))
}

/// Says warnings.
pub fn print_warnings(list: Vec<Diagnostic>, sources: &SourceMap) {
    if !list.is_empty() {
        print_diagnostics(&Diagnostics { list, sources: sources.clone() });
    }
}
