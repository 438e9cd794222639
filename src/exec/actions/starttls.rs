//! The `starttls` step: the command, the check for injected bytes, the handshake (RFC 3207).

use super::command::exchange;
use super::outcome::ActionOutcome;
use super::tls::{expect_refusal, handshake, reject_injected_bytes};
use crate::event::{Cause, Note, Status};
use crate::exec::checks::codes;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;
use crate::session::StarttlsMode;
use crate::transcript::SafeText;

/// Starts TLS if the server offers it, or as `policy` says.
pub fn starttls(
    context: &mut StepContext<'_, '_>,
    policy: StarttlsMode,
    inject_check: bool,
) -> Result<ActionOutcome, StepError> {
    if !context.connection.server.ehlo.has("STARTTLS") {
        match policy {
            StarttlsMode::Always => {}
            StarttlsMode::Required => return Err(not_offered()),
            StarttlsMode::Opportunistic => {
                context.note(Note::Unencrypted { why: SafeText::new("the server does not offer STARTTLS") });
                return Ok(ActionOutcome::NotOffered);
            }
        }
    }
    let (step, written) = (context.step, context.expected()?);
    // The command must be accepted for a handshake to fail.
    let (fails, accepted) = (written.wants_handshake_failure(), codes("220"));
    let expect = if fails { &accepted } else { written };
    let line = SmtpCommand::line(context, b"STARTTLS\r\n", expect, step.timeout);
    let replies = context.connection.server.replies;
    let result = exchange(context, &SmtpCommand { chunk: step.chunk, ..line });
    let server = &context.connection.server;
    let Some(code) = server.reply.as_ref().filter(|_| server.replies > replies).map(|facts| facts.reply.code) else {
        return result.map(|_| ActionOutcome::Passed);
    };
    match result {
        Err(error) if !fails && may_continue_unencrypted(policy, &error, code.get()) => {
            note_refusal(context);
            Ok(ActionOutcome::Passed)
        }
        Err(error) => Err(error),
        // If a refusal was expected there is no handshake.
        Ok(_) if code.class() != 2 => Ok(ActionOutcome::Passed),
        Ok(_) => {
            reject_injected_bytes(context, inject_check)?;
            match fails {
                true => expect_refusal(context)?,
                false => handshake(context)?,
            }
            Ok(ActionOutcome::Passed)
        }
    }
}

/// A refusal, and not the end of the connection that 421 announces (RFC 5321 §3.8).
fn may_continue_unencrypted(policy: StarttlsMode, error: &StepError, code: u16) -> bool {
    policy == StarttlsMode::Opportunistic && !error.closes_connection && code >= 400 && code != 421
}

pub fn not_offered() -> StepError {
    StepError::new(
        Status::Config,
        Cause::MissingCapability {
            what: SafeText::new("STARTTLS"),
            help: Some(SafeText::new(
                "starttls = \"opportunistic\" in [tls] continues unencrypted if it is not offered",
            )),
        },
    )
}

/// An opportunistic STARTTLS was refused: the session continues unencrypted and says so.
pub fn note_refusal(context: &mut StepContext<'_, '_>) {
    let reply = context.connection.server.reply.as_ref().map(|facts| facts.reply.code_and_text()).unwrap_or_default();
    let why = context.events.shown(format!("the server refused STARTTLS: {reply}"));
    context.note(Note::Unencrypted { why });
}
