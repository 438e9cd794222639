//! The `login` step, and what `[message]` implies as `[[open]]`: greeting, EHLO, STARTTLS, EHLO, AUTH.

use super::command::{ask, exchange};
use super::outcome::ActionOutcome;
use super::wait::read_greeting;
use super::{auth, starttls, tls};
use crate::event::Note;
use crate::exec::checks::{any, codes, mismatch};
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;
use crate::session::{ReplyFacts, Scheme, StarttlsPolicy};
use crate::transcript::SafeText;
use std::time::Duration;

/// Reads the greeting, says EHLO, starts TLS if that is offered or wanted, and authenticates.
pub fn login(context: &mut StepContext<'_, '_>) -> Result<ActionOutcome, StepError> {
    let step = context.step;
    read_greeting(context, &codes("220"), step.timeout, "the whole greeting")?;
    hello(context, step.timeout)?;
    if !context.connection.is_encrypted() && start_tls(context, step.timeout).map_err(|error| at_tls(context, error))? {
        // RFC 3207 §4.2: what the server said before TLS is forgotten, so it is asked again.
        hello(context, step.timeout)?;
    }
    if context.lacks_required() {
        return Ok(ActionOutcome::SkipSession);
    }
    if let Some(settings) = &context.run.session.auth {
        let result = auth::authenticate(context, settings, &codes("235"), step.timeout);
        result.map_err(|error| if step.implied { error.at(&settings.span) } else { error })?;
    }
    Ok(ActionOutcome::Passed)
}

/// Places a TLS error of an implied step, which has no line of its own, at `[tls]`, otherwise at `server`.
pub fn at_tls(context: &StepContext<'_, '_>, error: StepError) -> StepError {
    let (session, target) = (context.run.session, &context.run.options.target);
    let server = session.server.as_ref().filter(|_| target.url.is_none() && target.mx.is_none());
    match session.tls.span.as_ref().or(server.map(|server| &server.span)).filter(|_| context.step.implied) {
        Some(span) => error.at(span),
        None => error,
    }
}

/// EHLO, and HELO if EHLO got a 5yz (RFC 5321 §3.2); LHLO over LMTP, which has no other (RFC 2033 §4.1).
fn hello(context: &mut StepContext<'_, '_>, timeout: Option<Duration>) -> Result<(), StepError> {
    let lmtp = context.server().is_lmtp();
    let verb = if lmtp { "LHLO" } else { "EHLO" };
    let line = format!("{verb} {}\r\n", context.client_name());
    let any = any();
    let command = SmtpCommand::line(context, line.as_bytes(), &any, timeout);
    let facts = ask(context, &command)?;
    if !lmtp && facts.reply.code.class() == 5 {
        let line = format!("HELO {}\r\n", context.client_name());
        let expect = codes("250");
        let command = SmtpCommand::line(context, line.as_bytes(), &expect, timeout);
        return exchange(context, &command).map(drop);
    }
    accept(context, &facts, "250")
}

/// Starts TLS as the URL, `[tls]` and the connection say. Gives whether it did.
fn start_tls(context: &mut StepContext<'_, '_>, timeout: Option<Duration>) -> Result<bool, StepError> {
    let local = context.connection.server.info.as_ref().is_some_and(|info| info.local);
    let policy = context.run.session.tls.starttls;
    let required = match (policy, context.server().scheme) {
        (_, Scheme::Smtps) | (Some(StarttlsPolicy::Never), _) => return Ok(false),
        (Some(policy), _) => policy == StarttlsPolicy::Required,
        // LMTP is spoken between neighbours: TLS is implied on smtp:// alone.
        (None, Scheme::Lmtp) => return Ok(false),
        (None, Scheme::Smtp) => !local,
    };
    if !context.connection.server.ehlo.has("STARTTLS") {
        if required {
            return Err(starttls::not_offered());
        }
        context.note(Note::Unencrypted { why: SafeText::new("the server does not offer STARTTLS") });
        return Ok(false);
    }
    let any = any();
    let command = SmtpCommand::line(context, b"STARTTLS\r\n", &any, timeout);
    let facts = ask(context, &command)?;
    if facts.reply.code.get() != 220 {
        if !required && facts.reply.code.class() > 3 && facts.reply.code.get() != 421 {
            starttls::note_refusal(context);
            return Ok(false);
        }
        return accept(context, &facts, "220").map(|()| false);
    }
    tls::reject_injected_bytes(context, true)?;
    tls::handshake(context)?;
    Ok(true)
}

fn accept(context: &StepContext<'_, '_>, facts: &ReplyFacts, words: &str) -> Result<(), StepError> {
    let expect = codes(words);
    if expect.accepts(&facts.reply, &mut |_| None) {
        return Ok(());
    }
    Err(mismatch(context.events, &expect, &facts.reply))
}
