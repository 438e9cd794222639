//! A command and its reply, judged by an expectation.

use crate::exec::checks::judge;
use crate::exec::connection::ConnectionState;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::{SmtpCommand, send_command, skip_long_line, update_capabilities};
use crate::exec::read_outcome::{ReadOutcome, StreamEnd};
use crate::session::ReplyFacts;

/// Sends a command, waits for its reply and judges it. `None`: no reply was expected.
pub fn exchange(context: &mut StepContext<'_, '_>, command: &SmtpCommand<'_>) -> Result<Option<ReplyFacts>, StepError> {
    let known = send_command(context, command)?;
    let Some(expect) = command.expect else {
        context.connection.state = ConnectionState::OutOfSync;
        return Ok(None);
    };
    let outcome = match known {
        Some(outcome) => outcome,
        None => context.connection.read_reply(context.events, command.deadline.at),
    };
    if let ReadOutcome::Reply(facts) = &outcome
        && command.requires_quiet
    {
        update_capabilities(context, command.bytes, facts);
    }
    let facts = judge(context, expect, outcome, &command.waiting_for(), command.deadline)?;
    skip_long_line(context, expect, command.deadline.at);
    Ok(facts)
}

/// Sends a command and gives its reply, whatever it says.
pub fn ask(context: &mut StepContext<'_, '_>, command: &SmtpCommand<'_>) -> Result<ReplyFacts, StepError> {
    let facts = exchange(context, command)?;
    facts.ok_or_else(|| StepError::lost(&context.events.secrets, &StreamEnd::Absent))
}
