//! What went wrong, and the sentence that says it.

use super::Status;
use crate::session::Place;
use crate::smtp::reply::{MAX_REPLY_LINES, MAX_REPLY_TEXT, ReplyError};
use crate::transcript::{Shown, printable};
use std::fmt;
use std::time::Duration;

/// What went wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub place: Place,
    pub cause: Cause,
    pub more: More,
}

/// What else is to be said of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// Which parts of an expectation the reply did not meet, a sentence each.
    pub parts: Vec<Shown>,
    /// What else failed of the same step: asserts, captures, members of a pipeline. These hold none themselves.
    pub also: Vec<Failure>,
}

impl Failure {
    /// A failure of which nothing else is to be said.
    pub fn new(status: Status, place: Place, cause: Cause) -> Self {
        Self { status, place, cause, more: More::default() }
    }
}

/// Why a step or a session failed. `Display` says it in a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `expected 250, got 550`.
    Unexpected {
        expected: Shown,
        got: Got,
    },
    AssertsFailed(Vec<FailedAssert>),
    CaptureMissed {
        name: Shown,
        pattern: Shown,
        text: Shown,
    },
    /// A limit passed: what was waited for, the limit, and the section that sets it, where it is a default.
    TimedOut {
        waiting_for: Shown,
        limit: Duration,
        section: Option<&'static str>,
    },
    /// The server ended the connection where a reply was due, or writing failed.
    Lost {
        why: Shown,
    },
    /// Content was complete and no reply came: RFC 1047's case.
    DeliveryUnknown {
        why: Shown,
    },
    NotSmtp(ReplyError),
    LineTooLong,
    /// Bytes came before a command was sent.
    OutOfTurn {
        text: Shown,
    },
    /// Bytes in the clear behind STARTTLS's reply (CVE-2011-0411).
    Injected {
        text: Shown,
    },
    CannotResolve {
        host: Shown,
        why: Shown,
    },
    CannotConnect {
        address: Shown,
        why: Shown,
    },
    /// The certificate is not to be trusted, and why; what it says.
    Certificate {
        why: Shown,
        details: Vec<Shown>,
    },
    /// TLS broke: in the handshake, or behind it.
    TlsFailed {
        why: Shown,
        behind: bool,
    },
    AuthRefused {
        mechanism: Shown,
        reply: Shown,
    },
    /// The server lacks what the session needs.
    Lacking {
        what: Shown,
        help: Option<Shown>,
    },
    /// A SASL exchange that went wrong.
    Sasl {
        mechanism: Shown,
        why: Shown,
    },
    /// A rendered value is not valid, or a source has none.
    BadValue {
        what: Shown,
    },
    /// A file cannot be read.
    Unreadable {
        what: Shown,
    },
    Recipients {
        refused: Vec<(Shown, Shown)>,
        /// The message was stopped for the others too (`on_refused = "abort"`).
        stopped: bool,
    },
    Interrupted {
        signal: &'static str,
    },
}

/// What came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// Code and text.
    Reply {
        code: u16,
        text: Shown,
    },
    Closed,
    Reset,
    Nothing,
    Malformed,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAssert {
    pub expression: Shown,
    pub place: Place,
    /// The names in it with their values.
    pub values: Vec<(Shown, Shown)>,
}

impl Cause {
    /// Whether there was an answer to judge: what failed so is a failure, all else an error.
    pub fn answered(&self) -> bool {
        match self {
            Self::Unexpected { .. }
            | Self::AssertsFailed(_)
            | Self::CaptureMissed { .. }
            | Self::AuthRefused { .. }
            | Self::Lacking { .. }
            | Self::Recipients { .. } => true,
            Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::DeliveryUnknown { .. }
            | Self::NotSmtp(_)
            | Self::LineTooLong
            | Self::OutOfTurn { .. }
            | Self::Injected { .. }
            | Self::CannotResolve { .. }
            | Self::CannotConnect { .. }
            | Self::Certificate { .. }
            | Self::TlsFailed { .. }
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
                Got::Reply { code, .. } => write!(f, "expected {expected}, got {code:03}"),
                Got::Closed => write!(f, "expected {expected}, but the server closed the connection"),
                Got::Reset => write!(f, "expected {expected}, but the server reset the connection"),
                Got::Nothing => write!(f, "expected {expected}, but nothing came"),
                Got::Malformed => write!(f, "expected {expected}, but what came is not SMTP"),
                Got::Bytes => write!(f, "expected {expected}, but the server sent something"),
            },
            Self::AssertsFailed(failed) => match failed.as_slice() {
                [one] => write!(f, "assert failed: {one}"),
                many => {
                    write!(f, "{} asserts failed: ", many.len())?;
                    joined(f, many, "; ")
                }
            },
            Self::CaptureMissed { name, pattern, text } => {
                write!(f, "capture of {name}: the pattern {pattern} does not match \"{text}\"")
            }
            Self::TimedOut { waiting_for, limit, section } => {
                write!(f, "timed out after {}, waiting for {waiting_for}", Words(*limit))?;
                section.map_or(Ok(()), |section| write!(f, " (the limit of {section})"))
            }
            Self::Lost { why } => write!(f, "the connection was lost: {why}"),
            Self::DeliveryUnknown { why } => {
                write!(f, "no reply came to the content ({why}): the message may have been delivered, or not")
            }
            Self::NotSmtp(ReplyError::NoCode) => {
                f.write_str("what the server sent is not SMTP: the line does not begin with a three-digit code")
            }
            Self::NotSmtp(ReplyError::CodeChanged { first, now }) => {
                write!(f, "what the server sent is not SMTP: the code changed from {first} to {now} within a reply")
            }
            Self::NotSmtp(ReplyError::TooManyLines) => {
                write!(f, "what the server sent is not SMTP: a reply of over {} lines", thousands(MAX_REPLY_LINES))
            }
            Self::NotSmtp(ReplyError::TooMuchText) => {
                write!(f, "what the server sent is not SMTP: a reply of over {} MiB", MAX_REPLY_TEXT >> 20)
            }
            Self::LineTooLong => f.write_str("what the server sent is not SMTP: a line over 64 KiB"),
            Self::OutOfTurn { text } => write!(f, "the server spoke out of turn: {text}"),
            Self::Injected { text } => {
                write!(f, "the server sent bytes in the clear behind its reply to STARTTLS (CVE-2011-0411): {text}")
            }
            Self::CannotResolve { host, why } => write!(f, "cannot resolve {host}: {why}"),
            Self::CannotConnect { address, why } => write!(f, "cannot connect to {address}: {why}"),
            Self::Certificate { why, .. } => write!(f, "the server's certificate is not to be trusted: {why}"),
            Self::TlsFailed { why, behind: false } => write!(f, "the TLS handshake failed: {why}"),
            Self::TlsFailed { why, behind: true } => write!(f, "TLS broke behind the handshake: {why}"),
            Self::AuthRefused { mechanism, reply } => write!(f, "authentication with {mechanism} was refused: {reply}"),
            Self::Lacking { what, .. } => write!(f, "the server lacks {what}"),
            Self::Sasl { mechanism, why } => write!(f, "authentication with {mechanism} went wrong: {why}"),
            Self::BadValue { what } | Self::Unreadable { what } => write!(f, "{what}"),
            Self::Recipients { refused, stopped: _ } => {
                let plural = if refused.len() == 1 { "recipient was" } else { "recipients were" };
                let deferred = refused.iter().filter(|(_, reply)| reply.as_str().starts_with('4')).count();
                let what = match deferred {
                    0 => "refused",
                    all if all == refused.len() => "deferred",
                    _ => "refused or deferred",
                };
                write!(f, "{} {plural} {what}: ", thousands(refused.len()))?;
                for (i, (address, reply)) in refused.iter().enumerate() {
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
        write!(f, " ({}:{})", printable(place.file.as_bytes()), place.line)
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
pub struct Words(pub Duration);

impl fmt::Display for Words {
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
pub fn thousands(number: usize) -> String {
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
pub fn bytes(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        0..1_000 => format!("{count} bytes"),
        1_000..999_500 => format!("{} kB", (count + 500) / 1_000),
        // One decimal, rounded down: exact in integers at any size.
        _ => {
            let millions = usize::try_from(count / 1_000_000).unwrap_or(usize::MAX);
            format!("{}.{} MB", thousands(millions), count / 100_000 % 10)
        }
    }
}
