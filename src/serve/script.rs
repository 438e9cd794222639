//! A script for a server: one list of operations for each connection.

use super::content_reader::EndingDot;
use crate::net::certificate::CertificateFlaw;
use crate::transcript::{LineBody, ParseError};
use std::fmt;
use std::time::Duration;

/// What a scripted server does, by connection, in the order in which clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub connections: Vec<ConnectionScript>,
}

/// The script for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionScript {
    /// `main`, or the name in `C[name]`.
    pub name: String,
    pub ops: Vec<ScriptOp>,
}

/// One operation of the server, or one thing that it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptOp {
    Send {
        bytes: Vec<u8>,
        times: u32,
        pace: Option<Pace>,
    },
    Expect(ExpectedLine),
    /// Groups in any order.
    AnyOrder(Vec<Vec<ScriptOp>>),
    /// Groups in this order, each of which the client may leave out.
    Optional(Vec<Vec<ScriptOp>>),
    /// The handshake, with a bad certificate if there is one. A client may refuse that.
    StartTls(Option<CertificateFlaw>),
    /// A handshake, if the client begins one; it may fail. Stands after a STARTTLS without `TLS started`.
    OptionalTls,
    /// Waits for the client's first bytes of a handshake, and drops them. Inside TLS it waits for nothing.
    AwaitHandshake,
    /// Waits for the client's close_notify; then the connection goes on unencrypted.
    EndTls,
    /// Sends these bytes below TLS.
    SendOutsideTls(Vec<u8>),
    /// Ends the connection after this number of bytes of the content that begins here.
    EndInContent {
        bytes: u64,
        reset: bool,
    },
    /// Shuts the sending half.
    HalfClose,
    /// Reads nothing more until the client has gone.
    StopReading,
    /// Reads and ignores everything until the client has gone.
    Ignore,
    /// Ignores what the client still sends of content that was answered before its end, up to QUIT or the end of the
    /// connection.
    IgnoreUpToQuit,
    Wait(Duration),
    Close,
    Reset,
    /// Wait until the client closes.
    AwaitClose,
    /// The same, but a QUIT is answered with 221.
    AwaitQuit,
}

/// `*: chunk 1 every 10ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub size: usize,
    pub every: Duration,
}

/// What the client must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedLine {
    /// The line in the transcript, counted from 1.
    pub line: usize,
    pub what: LinePattern,
    /// The octets after BDAT, if the transcript has fewer of them than BDAT announces.
    pub octets: Option<u64>,
}

/// How a line of the client is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePattern {
    /// Exactly this line; a secret in it matches anything.
    Exact(LineBody),
    /// This command line; the case of its keywords does not matter (RFC 5321 §2.4).
    Command(LineBody),
    /// BDAT with any number of octets, which belong to it; LAST is compared.
    Bdat(LineBody),
    /// A line that begins with the same word. BDAT's octets belong to it.
    Verb(LineBody),
    /// Any line. BDAT's octets belong to it.
    Any(LineBody),
    /// Content up to its end.
    Content(EndingDot),
}

/// How `C:` lines are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchMode {
    /// Whole command lines, except the case of their keywords, the argument of EHLO, HELO and LHLO, and the number of BDAT's
    /// octets.
    #[default]
    Command,
    Exact,
    Verb,
    Any,
}

impl MatchMode {
    /// The names of the modes, the default first.
    pub const NAMES: [&'static str; 4] = ["command", "exact", "verb", "any"];

    /// The mode of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let modes = [Self::Command, Self::Exact, Self::Verb, Self::Any];
        modes.into_iter().zip(Self::NAMES).find_map(|(mode, known)| (known == name).then_some(mode))
    }
}

/// Why a file is not a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    pub why: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.why)
    }
}

impl From<ParseError> for ScriptError {
    fn from(error: ParseError) -> Self {
        Self { line: error.line, column: error.column, why: error.why }
    }
}

/// Whether a handshake, or the refusal to do one, comes before anything else.
pub(super) fn begins_with_tls<'o>(ops: impl IntoIterator<Item = &'o ScriptOp>) -> bool {
    let first = ops.into_iter().find(|op| !matches!(op, ScriptOp::Wait(_)));
    matches!(first, Some(ScriptOp::StartTls(_) | ScriptOp::OptionalTls | ScriptOp::AwaitHandshake | ScriptOp::Ignore))
}

impl Script {
    /// Whether the first connection begins with a handshake.
    pub(super) fn begins_with_tls(&self) -> bool {
        self.connections.first().is_some_and(|first| begins_with_tls(&first.ops))
    }

    /// Whether the first client's first line is LHLO (RFC 2033 §4.1).
    pub(super) fn speaks_lmtp(&self) -> bool {
        let lines = self.connections.iter().flat_map(|one| &one.ops).filter_map(|op| match op {
            ScriptOp::Expect(expected) => expected.what.body(),
            _ => None,
        });
        let first = lines.take(1).find_map(|body| body.pieces.first());
        first.is_some_and(|line| verb(line).eq_ignore_ascii_case(b"LHLO"))
    }
}

impl LinePattern {
    /// The line in the transcript, unless it is content.
    pub(super) fn body(&self) -> Option<&LineBody> {
        match self {
            Self::Exact(body) | Self::Command(body) | Self::Bdat(body) | Self::Verb(body) | Self::Any(body) => {
                Some(body)
            }
            Self::Content(_) => None,
        }
    }
}

/// An error at the beginning of a line.
pub(super) fn script_error(line: usize, why: impl Into<String>) -> ScriptError {
    ScriptError { line, column: 1, why: why.into() }
}

/// The first word of a client's line.
pub(super) fn verb(line: &[u8]) -> &[u8] {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b':')).next().unwrap_or_default()
}
