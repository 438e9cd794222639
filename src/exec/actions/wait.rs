//! A step that sends nothing and waits for a reply.

use crate::event::Cause;
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
    read_unasked(context, expect, (step.timeout, Timeout::Other), ("a reply", "the whole reply"), false)
}

/// Waits for the greeting: the first reply on a connection (RFC 5321 §4.3.1). `whole` is what it is called in messages once
/// it has begun.
pub fn read_greeting(
    context: &mut StepContext<'_, '_>,
    expect: &Expectation,
    timeout: Option<Duration>,
    whole: &str,
) -> Result<(), StepError> {
    let is_smtp = context.server().scheme == Scheme::Smtp && !context.connection.is_encrypted();
    let plain_port = match context.server().address {
        ServerAddress::Tcp { port, .. } if is_smtp => Some(port),
        ServerAddress::Tcp { .. } | ServerAddress::Unix(_) => None,
    };
    let what = if plain_port.is_some() { "the greeting" } else { "the server's greeting" };
    let wait = plain_port.map_or(Timeout::Greeting, Timeout::of_plain_greeting);
    read_unasked(context, expect, (timeout, wait), (what, whole), plain_port.is_some())
}

/// `what` is awaited, called `whole` once it has begun. `may_expect_tls`: a server that says nothing may wait for TLS.
fn read_unasked(
    context: &mut StepContext<'_, '_>,
    expect: &Expectation,
    (timeout, wait): (Option<Duration>, Timeout),
    (what, whole): (&str, &str),
    may_expect_tls: bool,
) -> Result<(), StepError> {
    let deadline = context.deadline(timeout, wait);
    let outcome = context.connection.read_reply(context.events, deadline.at);
    let has_begun = matches!(outcome, ReadOutcome::Nothing { partial: true });
    let what = if has_begun { whole } else { what };
    judge(context, expect, outcome, what, deadline).map_err(|mut error| {
        if let Cause::TimedOut { may_expect_tls: hint, .. } = &mut error.cause {
            *hint = may_expect_tls && !has_begun;
        }
        error
    })?;
    skip_long_line(context, expect, deadline.at);
    Ok(())
}
