//! `mailrun show`: prints a session with implied steps and includes written out.

use crate::cli::arguments::ShowArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::diagnostics::print_warnings;
use crate::cli::sessions::load::SessionInputs;
use crate::event::Status;
use crate::session::{ShowOptions, show};
use crate::transcript::escape_unprintable;

/// Prints a session as a session file that runs the same.
pub fn main(arguments: &ShowArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let inputs = SessionInputs::new(&arguments.inputs, origin)?;
    let (mut sessions, mut statuses) = inputs.read(std::slice::from_ref(&arguments.session))?;
    if sessions.len() > 1 {
        return Err(CommandError::usage(format!("show prints one session, and {} were found", sessions.len())));
    }
    if let Some(loaded) = sessions.pop() {
        let options = ShowOptions {
            server: arguments.inputs.server.clone(),
            variables: inputs.variables,
            reveals_secrets: false,
        };
        print_warnings(loaded.session.warnings.clone(), &loaded.session.source_map);
        let hidden = loaded.session.secret_names();
        let of_secrets = loaded.session.vars.iter().filter(|variable| hidden.contains(&variable.name));
        for (kind, variable) in
            of_secrets.map(|one| ("variable", one)).chain(loaded.session.secrets.iter().map(|one| ("secret", one)))
        {
            if variable.source.default_value().is_none() {
                continue;
            }
            let name = escape_unprintable(variable.name.as_bytes());
            console::warning(&format!(
                "the default of the {kind} \"{name}\" is not printed, so the printed session needs a value for it"
            ));
        }
        statuses.push(console::print(&show(&loaded.session, &options)));
    }
    Ok(Status::worst(statuses))
}
