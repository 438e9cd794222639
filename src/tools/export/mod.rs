//! `mailrun export`: the dialogue of a session as commands for someone without mailrun.
//!
//! The executor runs the session against a server in memory that answers as the session expects ([`recording`]). What it
//! writes, waits for and closes becomes a [`RecordedDialogue`], which each format writes as commands. So a script sends the
//! bytes that a run sends.

mod adapt;
mod command_replies;
mod error;
mod openssl;
mod recorded_dialogue;
mod recording;
mod script;
mod secret_pieces;
mod server_offers;
mod sh;
mod shell_words;
mod swaks;
mod swaks_order;
#[cfg(test)]
mod tests;
mod variable_names;

pub use error::ExportError;

use crate::event::{Cause, Failure, Status};
use crate::exec::{RunOptions, run};
use crate::session::{Server, Session, Sources};
use adapt::{check, hide_secrets, offers, plan, relax};
use recording::DialogueRecording;

/// What the commands are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Sh,
    Openssl,
    Swaks,
}

impl ExportFormat {
    pub const ALL: [Self; 3] = [Self::Sh, Self::Openssl, Self::Swaks];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Openssl => "openssl",
            Self::Swaks => "swaks",
        }
    }

    /// What it makes, for `--help`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sh => "a script for bash, without TLS",
            Self::Openssl => "a script for bash and openssl s_client, with TLS",
            Self::Swaks => "a command line of swaks",
        }
    }

    fn has_tls(self) -> bool {
        self != Self::Sh
    }
}

/// Writes the dialogue of a session as commands. Secrets become environment variables. `server` is the one that is used instead
/// of the session's.
///
/// # Errors
/// If the session depends on what a server says, has rows, or has a step that the format cannot express exactly.
pub fn export(
    mut session: Session,
    mut options: RunOptions,
    sources: &dyn Sources,
    format: ExportFormat,
) -> Result<String, ExportError> {
    check(&session)?;
    relax(&mut session);
    let tokens = hide_secrets(&mut session, &mut options.variables);
    // A server that is a template is rendered by the run; whether it is local is known from its literal text only.
    let url = options.target.url.clone().or_else(|| session.server.as_ref().map(|server| server.source.clone()));
    let offers = match url.as_deref().map(Server::parse) {
        Some(Ok(server)) => offers(&session, &server, format.has_tls()),
        _ => server_offers::ServerOffers { starttls: format.has_tls(), ..server_offers::ServerOffers::default() },
    };
    let recording = DialogueRecording::new(&session.name, plan(&session), tokens, offers);
    let (mut network, mut observer) = (recording.clone(), recording.clone());
    let outcome = run(&session, &options, sources, &mut network, &recording, &mut observer);
    let mut state = recording.0.borrow_mut();
    if let Some(error) = state.error.take() {
        return Err(error);
    }
    if let Some(failure) = outcome.failure {
        return Err(cannot_run(failure));
    }
    match format {
        ExportFormat::Sh => sh::write(&state.dialogue),
        ExportFormat::Openssl => openssl::write(&state.dialogue),
        ExportFormat::Swaks => swaks::write(&state.dialogue),
    }
}

/// The error for a session that does not run through against a server without extensions.
fn cannot_run(failure: Failure) -> ExportError {
    let (message, help) = match &failure.cause {
        Cause::BadValue { .. } | Cause::Unreadable { .. } => (failure.cause.to_string(), ""),
        cause => (
            format!("it cannot be exported: against a server that offers STARTTLS and AUTH only, {cause}"),
            "write the commands with `send` instead",
        ),
    };
    let status = if failure.status == Status::NoInput { Status::NoInput } else { Status::DataErr };
    ExportError { status, ..ExportError::new(failure.place, message, help) }
}
