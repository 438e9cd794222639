//! The remarks of the transcript.

use crate::event::{
    Cause, Failure, HumanDuration, Note, RecipientOutcome, SECURITY_LEVEL_REMARK, SkipReason, group_thousands,
    human_size,
};
use crate::session::{CloseMode, TlsFacts};
use crate::transcript::SafeText;
use std::net::IpAddr;

pub(super) fn resolved(host: &SafeText, addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    format!("resolved {host} to {}", addresses.join(", "))
}

/// `TLS started: TLSv1.3, CN=mx.example.com, verified`.
pub(super) fn tls_started(tls: &TlsFacts) -> String {
    let subject = tls.peer.as_ref().map(|peer| if peer.subject.is_empty() { "no subject" } else { &peer.subject });
    let verified = if tls.verified { "verified" } else { "not verified" };
    let parts = [tls.version.as_deref(), subject, Some(verified)];
    format!("TLS started: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// The remarks on a TLS session that `--verbose` adds.
pub(super) fn tls_details(tls: &TlsFacts) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(cipher) = &tls.cipher {
        out.push(format!("cipher: {cipher}"));
    }
    if let Some(alpn) = &tls.alpn {
        out.push(format!("TLS ALPN: {alpn}"));
    }
    if let Some(peer) = &tls.peer {
        out.push(format!("certificate subject: {}", peer.subject));
        out.push(format!("certificate names: {}", peer.sans.join(", ")));
        out.push(format!("certificate issuer: {}", peer.issuer));
        out.push(format!("certificate valid from {} to {}", peer.not_before, peer.not_after));
        out.push(format!("certificate SHA-256: {}", peer.sha256));
    }
    out
}

pub(super) fn closed_by_client(how: CloseMode) -> &'static str {
    match how {
        CloseMode::Fin => "closed by the client",
        CloseMode::Reset => "reset by the client",
        CloseMode::Write => "sending half closed by the client",
    }
}

pub(super) fn skipped(title: &SafeText, reason: &SkipReason) -> String {
    format!("skipped {title}: {}", skip_words(reason))
}

/// Why a step was skipped.
pub fn skip_words(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::Condition => "its condition is false",
        SkipReason::EarlierFailure => "something failed before it",
        SkipReason::NotOffered => "the server does not offer it",
        SkipReason::AlreadySent => "its recipients have received it before",
        SkipReason::Excluded => "its recipients are excluded",
        SkipReason::Deselected => "deselected by --from-step or --to-step",
        SkipReason::MissingCapability => "the server lacks what the session requires",
    }
}

/// A failure. Those of the session's own values and files begin with `session failed:`.
pub(super) fn failure(failure: &Failure) -> String {
    match &failure.cause {
        Cause::BadValue { .. } | Cause::Unreadable { .. } => format!("session failed: {failure}"),
        _ => failure.to_string(),
    }
}

/// The line in place of lines that were dropped from a long transcript; `None` if there are none.
pub fn omission_remark(omitted: usize) -> Option<String> {
    (omitted > 0).then(|| format!("*: … {} lines omitted", group_thousands(omitted)))
}

/// Whether a note is shown only with `--verbose`.
pub(super) fn is_detail(note: &Note) -> bool {
    match note {
        Note::DecodedChallenge { .. }
        | Note::PlaceholderUsed { .. }
        | Note::DefaultUsed { .. }
        | Note::SecretInArguments { .. }
        | Note::Capabilities { .. }
        | Note::MessageAccepted { .. } => true,
        Note::RecipientResult { outcome, .. } => *outcome == RecipientOutcome::Accepted,
        Note::Unencrypted { .. }
        | Note::NotVerified { .. }
        | Note::ConnectedAgain
        | Note::HandshakeRefused { .. }
        | Note::SecurityLevelLowered
        | Note::NoCloseNotify
        | Note::OutsideTls { .. }
        | Note::MailExchanger { .. }
        | Note::MailExchangerUnreachable { .. }
        | Note::QuitFailed { .. }
        | Note::RecipientExcluded { .. }
        | Note::InvalidText { .. }
        | Note::PartRemoved { .. }
        | Note::ShortSecret { .. }
        | Note::ChunkingDisabled { .. }
        | Note::Retrying { .. }
        | Note::SessionRetrying { .. }
        | Note::PartialWrite { .. }
        | Note::Interrupted { .. } => false,
    }
}

/// What follows from a refused BDAT, for people.
pub fn chunking_disabled(reply: &SafeText) -> String {
    format!("BDAT was answered \"{reply}\": the rest of the run uses DATA, as `chunking = false` does")
}

pub(super) fn note(note: &Note) -> String {
    match note {
        Note::Unencrypted { why } => format!("continuing unencrypted: {why}"),
        Note::NotVerified { why } => format!("certificate not verified: {why}"),
        Note::HandshakeRefused { why, .. } => format!("TLS handshake failed as expected: {why}"),
        Note::SecurityLevelLowered => SECURITY_LEVEL_REMARK.to_owned(),
        Note::NoCloseNotify => "TLS: no close_notify from the server".to_owned(),
        Note::OutsideTls { line } => format!("outside TLS: {line}"),
        Note::ConnectedAgain => "certificate read over another connection, without verification".to_owned(),
        Note::MailExchanger { domain, host, preference: Some(preference) } => {
            format!("mail exchanger of {domain}: {host}, preference {preference}")
        }
        Note::MailExchanger { domain, host: _, preference: None } => {
            format!("mail exchanger of {domain}: itself, since it has no MX record")
        }
        Note::MailExchangerUnreachable { host, why } => format!("cannot connect to the mail exchanger {host}: {why}"),
        Note::DecodedChallenge { text } => format!("prompt: {text}"),
        Note::Capabilities { list } => {
            let list: Vec<&str> = list.iter().map(SafeText::as_str).collect();
            format!("capabilities: {}", if list.is_empty() { "none".to_owned() } else { list.join(", ") })
        }
        Note::QuitFailed { why } => format!("message delivered, but QUIT failed: {why}"),
        Note::RecipientExcluded { address } => format!("recipient <{address}> is excluded"),
        Note::InvalidText { what } => format!("not UTF-8: {what}"),
        Note::PlaceholderUsed { name, why } => format!("dry run: continuing without the secret {name}: {why}"),
        Note::DefaultUsed { name, why } => format!("warning: {name} has its default value: {why}"),
        Note::PartRemoved { what } => format!("removed {what} of the message"),
        Note::SecretInArguments { name } => format!("secret in the value given for {name}"),
        Note::ShortSecret { name } => format!("secret {name} is short: it is hidden only in the lines that send it"),
        Note::Retrying { attempt, times, wait } | Note::SessionRetrying { attempt, times, wait } => {
            format!("retrying: attempt {attempt} of {times} in {}", HumanDuration(*wait))
        }
        Note::ChunkingDisabled { reply } => format!("chunking: {}", chunking_disabled(reply)),
        Note::MessageAccepted { recipients, size, queue_id } => {
            let plural = if *recipients == 1 { "recipient" } else { "recipients" };
            let queued = queue_id.as_ref().map_or(String::new(), |id| format!(", queued as {id}"));
            format!("sent to {} {plural}, {}{queued}", group_thousands(*recipients), human_size(*size))
        }
        Note::RecipientResult { address, outcome, reply, message: _ } => {
            format!("recipient <{address}> {}: {reply}", outcome.name())
        }
        Note::PartialWrite { bytes: 1 } => "the last 1 byte above was not written".to_owned(),
        Note::PartialWrite { bytes } => format!("the last {} bytes above were not written", group_thousands(*bytes)),
        Note::Interrupted { signal } => format!("interrupted by {signal}"),
    }
}
