//! What `login = true` does, and what `[message]` implies as `[[open]]`: greeting, EHLO, STARTTLS, EHLO, AUTH.

use super::line::{began, greeting_words};
use super::{ActionOutcome, SmtpCommand, ask, auth, exchange, tls};
use crate::event::Note;
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::exec::judge;
use crate::session::{Scheme, StarttlsPolicy, Step};
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;
use std::time::Duration;

pub fn login(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
) -> Result<ActionOutcome, StepError> {
    greeting(executor, connection, step.timeout)?;
    hello(executor, connection, step.timeout)?;
    if !connection.encrypted() && starttls(executor, connection, step.timeout)? {
        // RFC 3207 §4.2: what the server said before TLS is forgotten, so it is asked again.
        hello(executor, connection, step.timeout)?;
    }
    if executor.lacks_required(connection) {
        return Ok(ActionOutcome::SkipSession);
    }
    if let Some(settings) = &executor.session.auth {
        auth::authenticate(executor, connection, settings, &judge::codes("235"), step.timeout)?;
    }
    Ok(ActionOutcome::Passed)
}

fn greeting(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    timeout: Option<Duration>,
) -> Result<(), StepError> {
    let limit = executor.limit(timeout, Timeout::Greeting);
    let answer = connection.read_reply(&mut executor.events, limit.at);
    let what = if began(&answer) { "the whole greeting" } else { greeting_words(executor, connection) };
    executor.judge(&judge::codes("220"), answer, what, limit).map(drop)
}

/// EHLO, and HELO where EHLO got a 5yz (RFC 5321 §3.2); LHLO over LMTP, which has no other (RFC 2033 §4.1).
fn hello(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    timeout: Option<Duration>,
) -> Result<(), StepError> {
    let lmtp = executor.server.is_lmtp();
    let verb = if lmtp { "LHLO" } else { "EHLO" };
    let line = format!("{verb} {}\r\n", executor.client_name);
    let any = judge::any();
    let facts = ask(executor, connection, &SmtpCommand::line(line.as_bytes(), &any, timeout))?;
    if !lmtp && facts.reply.code.class() == 5 {
        let line = format!("HELO {}\r\n", executor.client_name);
        return exchange(executor, connection, &SmtpCommand::line(line.as_bytes(), &judge::codes("250"), timeout))
            .map(drop);
    }
    accept(executor, &facts, "250")
}

/// Starts TLS as the URL, `[tls]` and the connection say. Gives whether it did.
fn starttls(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    timeout: Option<Duration>,
) -> Result<bool, StepError> {
    let local = connection.connected.as_ref().is_some_and(|connected| connected.local);
    let policy = executor.session.tls.starttls;
    let required = match (policy, executor.server.scheme) {
        (_, Scheme::Smtps) | (Some(StarttlsPolicy::Never), _) => return Ok(false),
        (Some(policy), _) => policy == StarttlsPolicy::Required,
        // LMTP is spoken between neighbours: TLS is implied on smtp:// alone.
        (None, Scheme::Lmtp) => return Ok(false),
        (None, Scheme::Smtp) => !local,
    };
    if !connection.ehlo.has("STARTTLS") {
        if required {
            return Err(tls::not_offered());
        }
        executor.note(connection, Note::Unencrypted { why: SafeText::new("the server does not offer STARTTLS") });
        return Ok(false);
    }
    let any = judge::any();
    let facts = ask(executor, connection, &SmtpCommand::line(b"STARTTLS\r\n", &any, timeout))?;
    if facts.reply.code.get() != 220 {
        if !required && facts.reply.code.class() > 3 && facts.reply.code.get() != 421 {
            tls::refused(executor, connection);
            return Ok(false);
        }
        return accept(executor, &facts, "220").map(|()| false);
    }
    tls::reject_injected_bytes(executor, connection, true)?;
    let trusting = local && policy.is_none() && !executor.session.has_tls && executor.settings.ca.is_empty();
    let verify = executor.tls.verify && !trusting;
    let why = (trusting && executor.tls.verify).then_some("the server is on this machine, and there is no [tls] table");
    tls::handshake(executor, connection, verify, why)?;
    Ok(true)
}

fn accept(executor: &Executor<'_>, facts: &crate::session::ReplyFacts, words: &str) -> Result<(), StepError> {
    let expect = judge::codes(words);
    if expect.accepts(&facts.reply, &mut |_| None) {
        return Ok(());
    }
    Err(judge::mismatch(&executor.events, &expect, &facts.reply))
}
