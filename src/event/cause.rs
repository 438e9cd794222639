//! What went wrong, and the sentence that says it.

use super::Status;
use crate::session::Place;
use crate::smtp::reply::{MAX_REPLY_LINES, MAX_REPLY_TEXT, ReplyError};
use crate::transcript::{SafeText, escape_unprintable};
use std::fmt;
use std::time::Duration;

/// What went wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub place: Place,
    pub cause: Cause,
    pub details: FailureDetails,
}

/// What else is to be said of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureDetails {
    /// The parts of an expectation that the reply did not meet, a sentence each.
    pub mismatches: Vec<SafeText>,
    /// Other failures of the same step: asserts, captures, members of a pipeline. These have no `others` themselves.
    pub others: Vec<Failure>,
}

impl Failure {
    /// A failure without details.
    pub fn new(status: Status, place: Place, cause: Cause) -> Self {
        Self { status, place, cause, details: FailureDetails::default() }
    }

    /// The failure, and then what else failed.
    pub fn into_list(mut self) -> Vec<Self> {
        let others = std::mem::take(&mut self.details.others);
        std::iter::once(self).chain(others).collect()
    }
}

/// A recipient that the server refused, for now or permanently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecipient {
    pub address: SafeText,
    pub reply: SafeText,
    /// The code of that reply.
    pub code: u16,
}

impl RefusedRecipient {
    /// Whether the server may accept it later (RFC 5321 §4.2.1).
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
}

/// What is wrong with a certificate, as far as it matters for what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateProblem {
    /// It is not valid today.
    Date,
    /// It is for another server.
    Name,
    /// The issuer of one was neither sent nor is trusted.
    Chain,
    /// Its issuer is not trusted, or anything else.
    Issuer,
}

/// Why a step or a session failed. `Display` writes a sentence without a full stop. It is also a remark of the transcript, so it
/// begins like one (docs/transcript.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `expected 250, got 550`.
    Unexpected {
        expected: SafeText,
        got: ServerResponse,
    },
    AssertsFailed(Vec<FailedAssert>),
    CaptureMissed {
        name: SafeText,
        pattern: SafeText,
        text: SafeText,
    },
    /// A time limit passed: what was awaited, the limit, and the section of the RFC that sets it, if it is a default.
    TimedOut {
        waiting_for: SafeText,
        limit: Duration,
        section: Option<&'static str>,
        /// Whether it was the greeting, which a server that expects TLS from the first byte does not send unencrypted.
        may_expect_tls: bool,
    },
    /// The server ended the connection before a reply that was due, or a write failed.
    ConnectionLost {
        why: SafeText,
    },
    /// Content was sent completely, and no reply came (RFC 1047).
    DeliveryUnknown {
        why: SafeText,
    },
    NotSmtp(ReplyError),
    LineTooLong,
    /// Bytes came before a command was sent.
    UnsolicitedInput {
        text: SafeText,
    },
    /// Unencrypted bytes after the reply to STARTTLS (CVE-2011-0411).
    BytesAfterStarttls {
        text: SafeText,
    },
    CannotResolve {
        host: SafeText,
        why: SafeText,
    },
    CannotConnect {
        address: SafeText,
        why: SafeText,
    },
    /// The certificate is not trusted: the reason, and the certificate's properties.
    Certificate {
        problem: CertificateProblem,
        why: SafeText,
        details: Vec<SafeText>,
    },
    /// TLS failed in the handshake or after it.
    TlsFailed {
        why: SafeText,
        after_handshake: bool,
    },
    /// This side refused a TLS handshake, for another reason than the certificate.
    TlsRefused {
        why: SafeText,
        /// The version that the server chose, if that is what this side refuses: `TLSv1.2`.
        chosen_version: Option<SafeText>,
    },
    AuthRefused {
        mechanism: SafeText,
        reply: SafeText,
        /// The code of that reply.
        code: u16,
    },
    /// The server lacks what the session needs.
    MissingCapability {
        what: SafeText,
        help: Option<SafeText>,
    },
    /// A SASL exchange failed.
    Sasl {
        mechanism: SafeText,
        why: SafeText,
    },
    /// A rendered value is invalid, or a source has no value.
    BadValue {
        what: SafeText,
    },
    /// A file cannot be read.
    Unreadable {
        what: SafeText,
    },
    Recipients {
        refused: Vec<RefusedRecipient>,
        /// The message was not sent to the others either (`on_refused = "abort"`).
        stopped: bool,
    },
    Interrupted {
        signal: &'static str,
    },
}

/// What the server sent or did instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerResponse {
    /// Code and text.
    Reply {
        code: u16,
        text: SafeText,
    },
    Closed,
    Reset,
    Nothing,
    Malformed,
    Bytes,
    /// The TLS handshake succeeded.
    TlsStarted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAssert {
    pub expression: SafeText,
    pub place: Place,
    /// The names in it with their values.
    pub values: Vec<(SafeText, SafeText)>,
}

impl Cause {
    /// Whether the server answered: then the step failed, otherwise it has an error.
    pub fn has_answer(&self) -> bool {
        match self {
            Self::Unexpected { .. }
            | Self::AssertsFailed(_)
            | Self::CaptureMissed { .. }
            | Self::AuthRefused { .. }
            | Self::MissingCapability { .. }
            | Self::Recipients { .. } => true,
            Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::DeliveryUnknown { .. }
            | Self::NotSmtp(_)
            | Self::LineTooLong
            | Self::UnsolicitedInput { .. }
            | Self::BytesAfterStarttls { .. }
            | Self::CannotResolve { .. }
            | Self::CannotConnect { .. }
            | Self::Certificate { .. }
            | Self::TlsFailed { .. }
            | Self::TlsRefused { .. }
            | Self::Sasl { .. }
            | Self::BadValue { .. }
            | Self::Unreadable { .. }
            | Self::Interrupted { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { expected, got } => match got {
                ServerResponse::Reply { code, .. } => write!(f, "expected {expected}, got {code:03}"),
                ServerResponse::Closed => write!(f, "expected {expected}, but the server closed the connection"),
                ServerResponse::Reset => write!(f, "expected {expected}, but the server reset the connection"),
                ServerResponse::Nothing => write!(f, "expected {expected}, but nothing came"),
                ServerResponse::Malformed => write!(f, "expected {expected}, but what came is not SMTP"),
                ServerResponse::TlsStarted => write!(f, "expected {expected}, but the TLS handshake succeeded"),
                ServerResponse::Bytes => write!(f, "expected {expected}, but the server sent something"),
            },
            Self::AssertsFailed(failed) => match failed.as_slice() {
                [one] => write!(f, "assert failed: {one}"),
                many => {
                    f.write_str("assert failed: ")?;
                    joined(f, many, "; ")
                }
            },
            Self::CaptureMissed { name, pattern, text } => {
                write!(f, "capture failed: {name}: the pattern {pattern} does not match \"{text}\"")
            }
            Self::TimedOut { waiting_for, limit, section, .. } => {
                write!(f, "timeout: waited {} for {waiting_for}", HumanDuration(*limit))?;
                section.map_or(Ok(()), |section| write!(f, " (the limit of {section})"))
            }
            Self::ConnectionLost { why } => write!(f, "expected an open connection, but {why}"),
            Self::DeliveryUnknown { why } => {
                write!(f, "message may have been delivered: no reply to its content ({why})")
            }
            Self::NotSmtp(ReplyError::NoCode) => {
                f.write_str("protocol error: the line does not begin with a three-digit code")
            }
            Self::NotSmtp(ReplyError::NoSeparator { code }) => {
                write!(f, "protocol error: no space or hyphen after the code {code}")
            }
            Self::NotSmtp(ReplyError::CodeChanged { first, now }) => {
                write!(f, "protocol error: the code changed from {first} to {now} within a reply")
            }
            Self::NotSmtp(ReplyError::TooManyLines) => {
                write!(f, "protocol error: a reply of over {} lines", group_thousands(MAX_REPLY_LINES))
            }
            Self::NotSmtp(ReplyError::TooMuchText) => {
                write!(f, "protocol error: a reply of over {} MiB", MAX_REPLY_TEXT >> 20)
            }
            Self::LineTooLong => f.write_str("protocol error: a line over 64 KiB"),
            Self::UnsolicitedInput { text } => write!(f, "protocol error: unsolicited input: {text}"),
            Self::BytesAfterStarttls { text } => {
                write!(f, "protocol error: unencrypted bytes after the reply to STARTTLS (CVE-2011-0411): {text}")
            }
            Self::CannotResolve { host, why } => {
                write!(f, "cannot connect to {host}: the name does not resolve: {why}")
            }
            Self::CannotConnect { address, why } => write!(f, "cannot connect to {address}: {why}"),
            Self::Certificate { why, .. } => write!(f, "certificate not trusted: {why}"),
            Self::TlsFailed { why, after_handshake: false } => write!(f, "TLS handshake failed: {why}"),
            Self::TlsFailed { why, after_handshake: true } => write!(f, "TLS error after the handshake: {why}"),
            Self::TlsRefused { why, .. } => write!(f, "TLS handshake refused by this side: {why}"),
            Self::AuthRefused { mechanism, reply, code: _ } => {
                write!(f, "expected authentication with {mechanism} to succeed, got {reply}")
            }
            Self::MissingCapability { what, .. } => write!(f, "server lacks {what}"),
            Self::Sasl { mechanism, why } => write!(f, "protocol error: authentication with {mechanism}: {why}"),
            Self::BadValue { what } | Self::Unreadable { what } => write!(f, "{what}"),
            Self::Recipients { refused, stopped: _ } => {
                let plural = if refused.len() == 1 { "recipient" } else { "recipients" };
                let deferred = refused.iter().filter(|one| one.is_temporary()).count();
                let what = match deferred {
                    0 => "refused",
                    all if all == refused.len() => "deferred",
                    _ => "refused or deferred",
                };
                write!(f, "{plural} {what}: ")?;
                for (i, RefusedRecipient { address, reply, .. }) in refused.iter().enumerate() {
                    write!(f, "{}<{address}>: {reply}", if i == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::Interrupted { signal } => write!(f, "interrupted by {signal}"),
        }
    }
}

impl fmt::Display for FailedAssert {
    /// `reply.elapsed < 0.5 (reply.elapsed = 0.7)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expression)?;
        for (i, (name, value)) in self.values.iter().enumerate() {
            write!(f, "{}{name} = {value}", if i == 0 { " (" } else { ", " })?;
        }
        f.write_str(if self.values.is_empty() { "" } else { ")" })
    }
}

impl fmt::Display for Failure {
    /// The cause and the place of its step: `expected 250, got 550 (sessions/smoke.toml:14)`. A failed assert stands at its
    /// own place, as in the diagnosis.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        let place = match &self.cause {
            Cause::AssertsFailed(failed) => failed.first().map(|one| &one.place).filter(|place| !place.file.is_empty()),
            _ => None,
        };
        let place = place.unwrap_or(&self.place);
        if place.file.is_empty() {
            return Ok(());
        }
        write!(f, " ({}:{})", escape_unprintable(place.file.as_bytes()), place.line)
    }
}

fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], between: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { between })?;
    }
    Ok(())
}

/// A duration as session files write it: `5m`, `1m 30s`, `700ms`.
#[derive(Clone, Copy, Debug)]
pub struct HumanDuration(pub Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let millis = u64::from(self.0.subsec_millis());
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (millis, "ms")];
        let mut between = "";
        for (amount, unit) in parts.into_iter().filter(|(amount, _)| *amount > 0) {
            write!(f, "{between}{amount}{unit}")?;
            between = " ";
        }
        match (between, self.0.subsec_nanos()) {
            ("", 0) => f.write_str("0s"),
            ("", _) => f.write_str("under 1ms"),
            _ => Ok(()),
        }
    }
}

/// `1,234`.
pub fn group_thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size as people read it: `312 bytes`, `96 kB`, `1.2 MB`.
pub fn human_size(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        0..1_000 => format!("{count} bytes"),
        1_000..999_500 => format!("{} kB", (count + 500) / 1_000),
        // One decimal, rounded down: exact in integers at any size.
        _ => {
            let millions = usize::try_from(count / 1_000_000).unwrap_or(usize::MAX);
            format!("{}.{} MB", group_thousands(millions), count / 100_000 % 10)
        }
    }
}
