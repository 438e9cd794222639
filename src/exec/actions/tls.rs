//! The `tls` step, and the TLS handshake (RFC 3207).

use crate::event::{Cause, Fact, Note, ServerResponse, Status};
use crate::exec::checks::at_expectation;
use crate::exec::connection::{ConnectionState, TlsStart};
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::require_quiet;
use crate::exec::ports::{TlsError, TlsRefusal};
use crate::exec::read_outcome::{StreamEnd, TransferError};
use crate::prepare::TlsOptions;
use crate::session::{CloseMode, Expectation};
use crate::smtp::lines::split_lines;
use crate::transcript::SafeText;
use std::time::Duration;

/// How long a server has to answer close_notify.
const CLOSE_NOTIFY_WAIT: Duration = Duration::from_secs(2);

/// How long a server has to refuse a handshake of TLS 1.3 that this side has finished.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// The handshake alone.
pub fn tls(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    match context.connection.state {
        ConnectionState::AwaitingTls(TlsStart::AfterStarttls) => reject_injected_bytes(context, true)?,
        _ => require_quiet(context)?,
    }
    if context.step.expect.as_ref().is_some_and(Expectation::wants_handshake_failure) {
        return expect_refusal(context);
    }
    handshake(context)
}

/// `close = "tls"`: close_notify, and on in plain text. It checks nothing that came before: what the server sends before its
/// own close_notify is dropped.
pub fn end_tls(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    if !context.connection.is_open() {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    }
    if !context.connection.is_encrypted() {
        let what = "close = \"tls\" ends TLS, and this connection is unencrypted";
        return Err(StepError::bad_value(&context.events.secrets, what));
    }
    let deadline = Deadline::after(context.events.now(), CLOSE_NOTIFY_WAIT, None);
    match context.connection.end_tls(context.events, deadline.at) {
        Ok(true) => Ok(()),
        Ok(false) => {
            if let Some(interrupt) = context.events.clock.interrupted() {
                return Err(StepError::interrupted(interrupt));
            }
            context.note(Note::NoCloseNotify);
            Ok(())
        }
        Err(TransferError::Ended(end)) => Err(StepError::lost(&context.events.secrets, &end)),
        Err(TransferError::Interrupted(interrupt)) => Err(StepError::interrupted(interrupt)),
        Err(TransferError::TimedOut | TransferError::Early) => {
            Err(StepError::timed_out(&context.events.secrets, "the server to take close_notify", deadline))
        }
    }
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

/// Starts TLS on the connection.
pub fn handshake(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    match run_handshake(context)? {
        HandshakeResult::Refused { error, .. } => Err(error),
        HandshakeResult::Started => Ok(()),
    }
}

/// Whether the server is on this machine, and neither file nor options say anything about certificates: a local server
/// with a certificate of its own works without settings.
fn trusts_this_machine(context: &StepContext<'_, '_>) -> bool {
    let is_local = context.connection.server.info.as_ref().is_some_and(|info| info.local);
    is_local && !context.run.session.has_tls && context.run.options.trust.ca.is_empty()
}

/// Runs a handshake that the server is expected to refuse. The connection is over if it does.
pub fn expect_refusal(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    let refusal = match run_handshake(context)? {
        HandshakeResult::Refused { refusal, .. } => Some(refusal),
        HandshakeResult::Started => refusal_after_handshake(context)?,
    };
    let Some(TlsRefusal { why, of_certificate }) = refusal else {
        let expect = context.expected()?;
        let cause =
            Cause::Unexpected { expected: context.events.shown(&expect.words), got: ServerResponse::TlsStarted };
        return Err(at_expectation(StepError::new(Status::Failed, cause), expect));
    };
    let why = context.events.shown(why);
    context.note(Note::HandshakeRefused { why, of_certificate });
    context.connection.close(context.events, CloseMode::Fin);
    Ok(())
}

/// Why the server refuses a handshake that this side has finished. In TLS 1.3 the client is the last to finish (RFC 8446
/// §2), so the server may refuse it later. `None`: it succeeded, since the server said or ended nothing in time, or sent
/// something else.
fn refusal_after_handshake(context: &mut StepContext<'_, '_>) -> Result<Option<TlsRefusal>, StepError> {
    let version = context.connection.server.tls.as_ref().and_then(|tls| tls.version.as_deref());
    if version.is_some_and(|version| version != "TLSv1.3") {
        return Ok(None);
    }
    let deadline = Deadline::after(context.events.now(), context.step.timeout.unwrap_or(REFUSAL_WAIT), None);
    match context.connection.read_some(context.events, deadline.at) {
        Err(TransferError::Ended(StreamEnd::Alert(refusal))) => Ok(Some(refusal)),
        Err(TransferError::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset))) => {
            Ok(Some(TlsRefusal { why: end.description().to_owned(), of_certificate: false }))
        }
        Err(TransferError::Ended(end)) => Err(StepError::lost(&context.events.secrets, &end)),
        Err(TransferError::Interrupted(interrupt)) => Err(StepError::interrupted(interrupt)),
        Ok(()) | Err(TransferError::TimedOut | TransferError::Early) => Ok(None),
    }
}

/// What came of a handshake that this side did not give up.
enum HandshakeResult {
    Started,
    /// The server refused it, by an alert or by ending the connection.
    Refused {
        error: StepError,
        refusal: TlsRefusal,
    },
}

fn run_handshake(context: &mut StepContext<'_, '_>) -> Result<HandshakeResult, StepError> {
    let trusting = context.connector.tls.verify && trusts_this_machine(context);
    let verify = context.connector.tls.verify && !trusting;
    let is_first = context.connection.state == ConnectionState::AwaitingTls(TlsStart::FirstByte);
    // The handshake of smtps:// is part of connecting, whatever the step is that needs the connection.
    let limit = context.run.session.connect_timeout;
    let limit = context.step.timeout.filter(|_| !is_first).map_or(limit, |own| own.min(limit));
    let deadline = Deadline::after(context.events.now(), limit, None);
    let options = TlsOptions { verify, ..context.connector.tls_of(&context.run, &context.connection.name) };
    if !context.connection.is_open() {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    }
    if context.run.session.tls.lowers_security_level() {
        context.note(Note::SecurityLevelLowered);
    }
    let Some(stream) = context.connection.stream() else {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    };
    let mut started = stream.start_tls(&options, deadline.at);
    context.events.now();
    if let Err(TlsError::NotTls { why, said }) = &mut started {
        // RFC 5321 §4.2: a code of three digits.
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
    let facts = match started {
        Ok(facts) => facts,
        Err(failure) => {
            let refusal = if let TlsError::Refused(refusal) = &failure { Some(refusal.clone()) } else { None };
            let error = match (context.events.clock.interrupted(), &failure) {
                (
                    Some(interrupt),
                    TlsError::TimedOut | TlsError::NotTls { .. } | TlsError::Refused(_) | TlsError::Other(_),
                ) => return Err(StepError::interrupted(interrupt)),
                _ => StepError::tls(&context.events.secrets, failure, deadline),
            };
            return match refusal {
                Some(refusal) => Ok(HandshakeResult::Refused { error, refusal }),
                None => Err(error),
            };
        }
    };
    context.events.emit(&context.connection.name, Fact::TlsStarted { tls: &facts, verify });
    context.connection.begin_tls(facts);
    if trusting {
        let why = "the server is on this machine, and there is no [tls] table";
        context.note(Note::NotVerified { why: SafeText::new(why) });
    }
    Ok(HandshakeResult::Started)
}
