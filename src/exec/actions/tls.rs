//! The `tls` step, and the TLS handshake (RFC 3207).

use crate::event::{Cause, Fact, Note, Status};
use crate::exec::connection::{ConnectionState, TlsStart};
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::require_quiet;
use crate::exec::ports::TlsError;
use crate::exec::read_outcome::StreamEnd;
use crate::prepare::TlsOptions;
use crate::smtp::lines::split_lines;
use crate::transcript::SafeText;

/// The handshake alone.
pub fn tls(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    match context.connection.state {
        ConnectionState::AwaitingTls(TlsStart::AfterStarttls) => reject_injected_bytes(context, true)?,
        _ => require_quiet(context)?,
    }
    let verify = context.connector.tls.verify;
    handshake(context, verify, None)
}

/// Unencrypted bytes after the reply to STARTTLS would be taken for a reply inside TLS (CVE-2011-0411's kind): they
/// are shown, and are a protocol error if `check` says so.
pub fn reject_injected_bytes(context: &mut StepContext<'_, '_>, check: bool) -> Result<(), StepError> {
    let text = context.connection.drain_unsolicited(context.events);
    if text.is_empty() || !check {
        return Ok(());
    }
    Err(StepError::closing(Status::Protocol, Cause::BytesAfterStarttls { text: context.events.shown(text) }))
}

/// Starts TLS on the connection. `unverified` says why the certificate is not verified, if nobody asked for that.
pub fn handshake(context: &mut StepContext<'_, '_>, verify: bool, unverified: Option<&str>) -> Result<(), StepError> {
    let deadline = Deadline::after(context.events.now(), context.run.session.connect_timeout, None);
    let options = TlsOptions { verify, ..context.connector.tls_of(&context.run, &context.connection.name) };
    let Some(stream) = context.connection.stream() else {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    };
    let mut started = stream.start_tls(&options, deadline.at);
    context.events.now();
    if let Err(TlsError::NotTls { why, said }) = &mut started {
        // RFC 5321 §4.2: a code of three digits.
        let is_first = context.connection.state == ConnectionState::AwaitingTls(TlsStart::FirstByte);
        if is_first && said.len() > 3 && said.iter().take(3).all(u8::is_ascii_digit) {
            why.push_str(", but unencrypted SMTP: did you mean smtp://?");
        }
        for line in split_lines(said) {
            context.events.emit_received(&context.connection.name, line);
        }
    }
    if let Err(TlsError::Certificate { connected_again: true, .. }) = &started {
        context.note(Note::ConnectedAgain);
    }
    let facts = started.map_err(|failure| match (context.events.clock.interrupted(), &failure) {
        (Some(interrupt), TlsError::TimedOut | TlsError::NotTls { .. } | TlsError::Other(_)) => {
            StepError::interrupted(interrupt)
        }
        _ => StepError::tls(&context.events.secrets, failure, deadline),
    })?;
    context.events.emit(&context.connection.name, Fact::TlsStarted { tls: &facts, verify });
    if let Some(why) = unverified {
        context.note(Note::NotVerified { why: SafeText::new(why) });
    }
    context.connection.begin_tls(facts);
    Ok(())
}
