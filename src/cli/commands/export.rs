//! `mailrun export`: the dialogue of a session as commands for someone without mailrun.

use crate::cli::arguments::{ExportArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::SessionInputs;
use crate::cli::suite_runner::setup::run_options;
use crate::event::Status;
use crate::tools::export::export;
use crate::transcript::escape_unprintable;

/// Prints the commands.
pub fn main(arguments: &ExportArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let inputs = SessionInputs::new(&arguments.inputs, origin)?;
    let (mut sessions, statuses) = inputs.read(std::slice::from_ref(&arguments.session))?;
    if sessions.len() > 1 {
        return Err(CommandError::usage(format!("export prints one session, and {} were found", sessions.len())));
    }
    let Some(loaded) = sessions.pop().filter(|_| statuses.is_empty()) else {
        return Err(CommandError::printed(Status::worst(statuses)));
    };
    print_warnings(loaded.session.warnings.clone(), &loaded.session.source_map);
    let mut options = run_options(&RunArguments::default(), inputs.variables.clone(), Vec::new());
    options.target.url.clone_from(&arguments.inputs.server);
    options.seed = arguments.inputs.seed;
    let text = export(loaded.session, options, &loaded.files, arguments.format).map_err(|error| {
        let message = escape_unprintable(error.to_string().as_bytes());
        let failed = CommandError::new(error.status, message);
        if error.help.is_empty() { failed } else { failed.with_help(error.help) }
    })?;
    Ok(console::print(&text))
}
