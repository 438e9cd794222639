//! A script for a server: one list of operations for each connection.

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
    StartTls,
    /// A handshake, if the client begins one; it may fail. Stands after a STARTTLS without `TLS started`.
    OptionalTls,
    Wait(Duration),
    Close,
    Reset,
    /// Wait until the client closes.
    AwaitClose,
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
}

/// How a line of the client is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePattern {
    /// Exactly this line; a secret in it matches anything.
    Exact(LineBody),
    /// A line that begins with the same word. BDAT's octets belong to it.
    Verb(LineBody),
    /// Any line. BDAT's octets belong to it.
    Any(LineBody),
    /// Content up to its dot.
    Content,
}

/// How `C:` lines are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchMode {
    #[default]
    Exact,
    Verb,
    Any,
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

impl Script {
    /// Whether the first connection begins with a handshake.
    pub(super) fn begins_with_tls(&self) -> bool {
        let waits = |op: &&ScriptOp| matches!(op, ScriptOp::Wait(_));
        let first = self.connections.first().and_then(|first| first.ops.iter().find(|op| !waits(op)));
        matches!(first, Some(ScriptOp::StartTls | ScriptOp::OptionalTls))
    }

    /// Whether the first client's first line is LHLO (RFC 2033 §4.1).
    pub(super) fn speaks_lmtp(&self) -> bool {
        let lines = self.connections.iter().flat_map(|one| &one.ops).filter_map(|op| match op {
            ScriptOp::Expect(ExpectedLine {
                what: LinePattern::Exact(body) | LinePattern::Verb(body) | LinePattern::Any(body),
                ..
            }) => Some(body),
            _ => None,
        });
        let first = lines.take(1).find_map(|body| body.pieces.first());
        first.is_some_and(|line| verb(line).eq_ignore_ascii_case(b"LHLO"))
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

/// `BDAT 86 LAST` is 86 (RFC 3030 §2).
pub(super) fn bdat_octets(line: &[u8]) -> Option<u64> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    if !words.next()?.eq_ignore_ascii_case(b"BDAT") {
        return None;
    }
    std::str::from_utf8(words.next()?.trim_ascii()).ok()?.parse().ok()
}
