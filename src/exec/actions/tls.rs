//! TLS: `starttls`, `tls`, and the handshake (RFC 3207).

use super::{ActionOutcome, SmtpCommand, exchange, expected};
use crate::event::{Cause, Fact, Note, Status};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::exec::judge;
use crate::exec::ports::TlsError;
use crate::exec::read_outcome::{QuietCheck, StreamEnd};
use crate::session::{StarttlsMode, Step};
use crate::smtp::lines::split_lines;
use crate::transcript::SafeText;

pub fn starttls(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    policy: StarttlsMode,
    inject_check: bool,
) -> Result<ActionOutcome, StepError> {
    if !connection.ehlo.has("STARTTLS") {
        match policy {
            StarttlsMode::Always => {}
            StarttlsMode::Required => return Err(not_offered()),
            StarttlsMode::Opportunistic => {
                executor
                    .note(connection, Note::Unencrypted { why: SafeText::new("the server does not offer STARTTLS") });
                return Ok(ActionOutcome::NotOffered);
            }
        }
    }
    let expect = expected(executor, step)?;
    let command = SmtpCommand { chunk: step.chunk, ..SmtpCommand::line(b"STARTTLS\r\n", expect, step.timeout) };
    let replies = connection.replies;
    let result = exchange(executor, connection, &command);
    let Some(code) = connection.reply.as_ref().filter(|_| connection.replies > replies).map(|facts| facts.reply.code)
    else {
        return result.map(|_| ActionOutcome::Passed);
    };
    match result {
        Err(error) if goes_on_in_clear(policy, &error, code.get()) => {
            refused(executor, connection);
            Ok(ActionOutcome::Passed)
        }
        Err(error) => Err(error),
        // Where a refusal was expected there is no handshake.
        Ok(_) if code.class() != 2 => Ok(ActionOutcome::Passed),
        Ok(_) => {
            reject_injected_bytes(executor, connection, inject_check)?;
            let verify = executor.tls.verify;
            handshake(executor, connection, verify, None)?;
            Ok(ActionOutcome::Passed)
        }
    }
}

/// A refusal, and not the end of the connection that 421 announces (RFC 5321 §3.8).
fn goes_on_in_clear(policy: StarttlsMode, error: &StepError, code: u16) -> bool {
    policy == StarttlsMode::Opportunistic && !error.closes_connection && code >= 400 && code != 421
}

pub fn not_offered() -> StepError {
    StepError::new(
        Status::Config,
        Cause::MissingCapability {
            what: SafeText::new("STARTTLS"),
            help: Some(SafeText::new("starttls = \"opportunistic\" in [tls] goes on in clear where it is not offered")),
        },
    )
}

/// An opportunistic STARTTLS was refused: the session goes on in clear and says so.
pub fn refused(executor: &mut Executor<'_>, connection: &SmtpConnection) {
    let reply = connection.reply.as_ref().map(|facts| judge::reply_words(&facts.reply)).unwrap_or_default();
    let why = executor.events.shown(format!("the server refused STARTTLS: {reply}"));
    executor.note(connection, Note::Unencrypted { why });
}

/// The handshake alone.
pub fn tls(executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
    if !connection.is_open() {
        return Err(StepError::lost(&executor.events, &StreamEnd::Absent));
    }
    if connection.after_starttls {
        reject_injected_bytes(executor, connection, true)?;
    } else {
        match connection.check_quiet(&mut executor.events) {
            QuietCheck::Quiet => {}
            QuietCheck::Ended(end) => return Err(StepError::lost(&executor.events, &end)),
            QuietCheck::Spoke { text, answer } => {
                return Err(judge::unsolicited_error(&executor.events, &text, &answer));
            }
        }
    }
    let verify = executor.tls.verify;
    handshake(executor, connection, verify, None)
}

/// Bytes in the clear behind the reply to STARTTLS would be taken for a reply inside TLS (CVE-2011-0411's kind): they
/// are shown, and are a protocol error where `check` says so.
pub fn reject_injected_bytes(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    check: bool,
) -> Result<(), StepError> {
    let text = connection.drain_unsolicited(&mut executor.events);
    if text.is_empty() || !check {
        return Ok(());
    }
    Err(StepError::closing(Status::Protocol, Cause::BytesAfterStarttls { text: executor.events.shown(text) }))
}

/// Starts TLS on the connection. `unverified` says why the certificate is not verified, where nobody asked for that.
pub fn handshake(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    verify: bool,
    unverified: Option<&str>,
) -> Result<(), StepError> {
    let limit = executor.connect_limit();
    let options = crate::exec::TlsOptions { verify, ..executor.tls.clone() };
    let Some(stream) = connection.stream() else { return Err(StepError::lost(&executor.events, &StreamEnd::Absent)) };
    let mut started = stream.start_tls(&options, limit.at);
    if let Err(TlsError::NotTls { why, said }) = &mut started {
        // RFC 5321 §4.2: a code of three digits.
        if connection.tls_due && said.len() > 3 && said.iter().take(3).all(u8::is_ascii_digit) {
            why.push_str(", but SMTP in the clear: did you mean smtp://?");
        }
        for line in split_lines(said) {
            executor.events.emit_received(&connection.name, line);
        }
    }
    if let Err(TlsError::Certificate { connected_again: true, .. }) = &started {
        executor.note(connection, Note::ConnectedAgain);
    }
    let facts = started.map_err(|failure| match (executor.events.clock.interrupted(), &failure) {
        (Some(interrupt), TlsError::TimedOut | TlsError::NotTls { .. } | TlsError::Other(_)) => {
            StepError::interrupted(interrupt)
        }
        _ => StepError::tls(&executor.events, failure, limit),
    })?;
    executor.events.emit(&connection.name, Fact::TlsStarted { tls: &facts, verify });
    if let Some(why) = unverified {
        executor.note(connection, Note::NotVerified { why: SafeText::new(why) });
    }
    connection.encrypted_now(facts);
    Ok(())
}
