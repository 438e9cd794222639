//! The steps `send`, `ehlo`, `helo` and `lhlo`: a line and its reply.

use super::command::exchange;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;

/// Sends the line that was rendered for the step's title.
pub fn send(
    context: &mut StepContext<'_, '_>,
    line: Option<String>,
    short_secrets: Vec<String>,
) -> Result<(), StepError> {
    let (step, expect) = (context.step, context.expected()?);
    let bytes = (line.unwrap_or_default() + "\r\n").into_bytes();
    let line = SmtpCommand::line(context, &bytes, expect, step.timeout);
    let command = SmtpCommand { short_secrets, chunk: step.chunk, ..line };
    exchange(context, &command)?;
    Ok(())
}
