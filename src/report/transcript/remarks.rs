//! What the transcript remarks about facts that are no lines.

use crate::event::{HumanDuration, Note, RecipientOutcome, SkipReason, group_thousands, human_size};
use crate::session::{CloseMode, TlsFacts};
use crate::transcript::SafeText;
use std::net::IpAddr;

pub(super) fn resolved(host: &SafeText, addresses: &[IpAddr]) -> String {
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
        SkipReason::AlreadySent => "its recipients have had it before",
        SkipReason::Deselected => "left out by --from-step or --to-step",
        SkipReason::MissingCapability => "the server lacks what the session requires",
    }
}

/// The line that stands where lines of a long transcript are missing; `None` if none are.
pub fn omission_remark(omitted: usize) -> Option<String> {
    (omitted > 0).then(|| format!("*: … {} more lines, left out", group_thousands(omitted)))
}

/// Whether only `--verbose` shows it.
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
        | Note::MailExchanger { .. }
        | Note::MailExchangerUnreachable { .. }
        | Note::QuitFailed { .. }
        | Note::ShortSecret { .. }
        | Note::Retrying { .. }
        | Note::PartialWrite { .. }
        | Note::Interrupted { .. } => false,
    }
}

pub(super) fn note(note: &Note) -> String {
    match note {
        Note::Unencrypted { why } => format!("going on in clear: {why}"),
        Note::NotVerified { why } => format!("certificate not verified: {why}"),
        Note::ConnectedAgain => "connected once more, unverified, to read the certificate".to_owned(),
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
        Note::QuitFailed { why } => format!("the message was delivered; QUIT failed behind it: {why}"),
        Note::PlaceholderUsed { name, why } => format!("the dry run goes without the secret {name}: {why}"),
        Note::DefaultUsed { name, why } => format!("{name} is its default: {why}"),
        Note::SecretInArguments { name } => format!("the value given for {name} holds a secret"),
        Note::ShortSecret { name } => format!("the secret {name} is short: it is hidden only where it is sent"),
        Note::Retrying { attempt, times, wait } => {
            format!("failed for now: attempt {attempt} of {times} in {}", HumanDuration(*wait))
        }
        Note::MessageAccepted { recipients, size, queue_id } => {
            let plural = if *recipients == 1 { "recipient" } else { "recipients" };
            let queued = queue_id.as_ref().map_or(String::new(), |id| format!(", queued as {id}"));
            format!("sent to {} {plural}, {}{queued}", group_thousands(*recipients), human_size(*size))
        }
        Note::RecipientResult { address, outcome, reply, message: _ } => {
            let outcome = match outcome {
                RecipientOutcome::Accepted => "accepted",
                RecipientOutcome::Refused => "refused",
                RecipientOutcome::Deferred => "deferred",
                RecipientOutcome::Unknown => "unknown",
            };
            format!("recipient <{address}> {outcome}: {reply}")
        }
        Note::PartialWrite { bytes: 1 } => "the last byte above was not written".to_owned(),
        Note::PartialWrite { bytes } => format!("the last {} bytes above were not written", group_thousands(*bytes)),
        Note::Interrupted { signal } => format!("interrupted by {signal}"),
    }
}
