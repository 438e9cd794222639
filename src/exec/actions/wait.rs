//! A step that sends nothing and waits for a reply.

use crate::exec::checks::judge;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::skip_long_line;
use crate::exec::read_outcome::ReadOutcome;
use crate::session::{Expectation, Scheme, ServerAddress};
use crate::smtp::timeouts::Timeout;
use std::time::Duration;

/// Waits for a reply.
pub fn wait(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    let (step, expect) = (context.step, context.expected()?);
    if context.connection.server.reply.is_none() {
        return read_greeting(context, expect, step.timeout, "the whole reply");
    }
    read_unasked(context, expect, (step.timeout, Timeout::Other), ("a reply", "the whole reply"))
}

/// Waits for the greeting: the first reply on a connection (RFC 5321 §4.3.1). `whole` is what it is called in messages once
/// it has begun.
pub fn read_greeting(
    context: &mut StepContext<'_, '_>,
    expect: &Expectation,
    timeout: Option<Duration>,
    whole: &str,
) -> Result<(), StepError> {
    // `the greeting` is one that a server may keep back because it awaits TLS.
    let is_plain = context.connector.server.scheme == Scheme::Smtp && !context.connection.is_encrypted();
    let is_tcp = matches!(context.connector.server.address, ServerAddress::Tcp { .. });
    let what = if is_plain && is_tcp { "the greeting" } else { "the server's greeting" };
    read_unasked(context, expect, (timeout, Timeout::Greeting), (what, whole))
}

/// `what` is awaited, called `whole` once it has begun: then the server does not await TLS.
fn read_unasked(
    context: &mut StepContext<'_, '_>,
    expect: &Expectation,
    (timeout, wait): (Option<Duration>, Timeout),
    (what, whole): (&str, &str),
) -> Result<(), StepError> {
    let deadline = context.deadline(timeout, wait);
    let outcome = context.connection.read_reply(context.events, deadline.at);
    let what = if matches!(outcome, ReadOutcome::Nothing { partial: true }) { whole } else { what };
    judge(context, expect, outcome, what, deadline)?;
    skip_long_line(context, expect, deadline.at);
    Ok(())
}
