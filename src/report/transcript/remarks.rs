//! What the transcript remarks about facts that are no lines.

use crate::event::{Note, RecipientOutcome, SkipReason, Words, bytes, thousands};
use crate::session::{CloseHow, TlsFacts};
use crate::transcript::Shown;
use std::net::IpAddr;

pub(super) fn resolved(host: &Shown, addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    format!("{host} resolves to {}", addresses.join(", "))
}

/// `TLS started: TLSv1.3, CN=mx.example.com, verified`.
pub(super) fn tls_started(tls: &TlsFacts) -> String {
    let subject = tls.peer.as_ref().map(|peer| if peer.subject.is_empty() { "no subject" } else { &peer.subject });
    let verified = if tls.verified { "verified" } else { "not verified" };
    let parts = [tls.version.as_deref(), subject, Some(verified)];
    format!("TLS started: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Of `--verbose`.
pub(super) fn tls_details(tls: &TlsFacts) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(cipher) = &tls.cipher {
        out.push(format!("cipher: {cipher}"));
    }
    if let Some(alpn) = &tls.alpn {
        out.push(format!("ALPN: {alpn}"));
    }
    if let Some(peer) = &tls.peer {
        out.push(format!("certificate's subject: {}", peer.subject));
        out.push(format!("certificate's names: {}", peer.sans.join(", ")));
        out.push(format!("certificate's issuer: {}", peer.issuer));
        out.push(format!("certificate is valid from {} to {}", peer.not_before, peer.not_after));
        out.push(format!("certificate's SHA-256: {}", peer.sha256));
    }
    out
}

pub(super) fn closed(how: CloseHow) -> &'static str {
    match how {
        CloseHow::Fin => "closed by the client",
        CloseHow::Reset => "reset by the client",
        CloseHow::Write => "sending half closed by the client",
    }
}

pub(super) fn skipped(title: &Shown, reason: &SkipReason) -> String {
    let why = match reason {
        SkipReason::Condition => "its condition is false",
        SkipReason::EarlierFailure => "something failed before it",
        SkipReason::NotOffered => "the server does not offer it",
        SkipReason::SentBefore => "its recipients have had it before",
        SkipReason::LeftOut => "left out by --from-step or --to-step",
        SkipReason::Lacking => "the server lacks what the session requires",
    };
    format!("skipped {title}: {why}")
}

/// Whether only `--verbose` shows it.
pub(super) fn is_detail(note: &Note) -> bool {
    match note {
        Note::Prompt { .. }
        | Note::Placeholder { .. }
        | Note::DefaultTaken { .. }
        | Note::GivenSecret { .. }
        | Note::Capabilities { .. }
        | Note::Sent { .. } => true,
        Note::Recipient { outcome, .. } => *outcome == RecipientOutcome::Accepted,
        Note::InClear { .. }
        | Note::NotVerified { .. }
        | Note::ConnectedAgain
        | Note::Exchanger { .. }
        | Note::ExchangerUnreachable { .. }
        | Note::QuitFailed { .. }
        | Note::ShortSecret { .. }
        | Note::Retrying { .. }
        | Note::Unwritten { .. }
        | Note::Interrupted { .. } => false,
    }
}

pub(super) fn note(note: &Note) -> String {
    match note {
        Note::InClear { why } => format!("going on in clear: {why}"),
        Note::NotVerified { why } => format!("certificate not verified: {why}"),
        Note::ConnectedAgain => "connected once more, unverified, to read the certificate".to_owned(),
        Note::Exchanger { domain, host, preference: Some(preference) } => {
            format!("mail exchanger of {domain}: {host}, preference {preference}")
        }
        Note::Exchanger { domain, host: _, preference: None } => {
            format!("mail exchanger of {domain}: itself, since it has no MX record")
        }
        Note::ExchangerUnreachable { host, why } => format!("cannot connect to the mail exchanger {host}: {why}"),
        Note::Prompt { text } => format!("prompt: {text}"),
        Note::Capabilities { list } => {
            let list: Vec<&str> = list.iter().map(Shown::as_str).collect();
            format!("capabilities: {}", if list.is_empty() { "none".to_owned() } else { list.join(", ") })
        }
        Note::QuitFailed { why } => format!("the message was delivered; QUIT failed behind it: {why}"),
        Note::Placeholder { name, why } => format!("the dry run goes without the secret {name}: {why}"),
        Note::DefaultTaken { name, why } => format!("{name} is its default: {why}"),
        Note::GivenSecret { name } => format!("the value given for {name} holds a secret"),
        Note::ShortSecret { name } => format!("the secret {name} is short: it is hidden only where it is sent"),
        Note::Retrying { attempt, times, wait } => {
            format!("failed for now: attempt {attempt} of {times} in {}", Words(*wait))
        }
        Note::Sent { recipients, size, queue_id } => {
            let plural = if *recipients == 1 { "recipient" } else { "recipients" };
            let queued = queue_id.as_ref().map_or(String::new(), |id| format!(", queued as {id}"));
            format!("sent to {} {plural}, {}{queued}", thousands(*recipients), bytes(*size))
        }
        Note::Recipient { address, outcome, reply, message: _ } => {
            let outcome = match outcome {
                RecipientOutcome::Accepted => "accepted",
                RecipientOutcome::Refused => "refused",
                RecipientOutcome::Deferred => "deferred",
                RecipientOutcome::Unknown => "unknown",
            };
            format!("recipient <{address}> {outcome}: {reply}")
        }
        Note::Unwritten { bytes: 1 } => "the last byte above was not written".to_owned(),
        Note::Unwritten { bytes } => format!("the last {} bytes above were not written", thousands(*bytes)),
        Note::Interrupted { signal } => format!("interrupted by {signal}"),
    }
}
