//! Reads a transcript as a script for a server: one list of operations for each connection.
//!
//! `S:` lines are sent, `C:` lines are awaited, `*:` remarks are stage directions. Remarks that only tell what
//! happened (`expected 250, got 550`, pauses, notes) are passed over.

use super::compile::compile;
use super::directive::{Directive, parse_directive};
use crate::transcript::{LineBody, Mark, ParseError, TranscriptLine, parse};
use std::fmt;
use std::time::Duration;

/// What a scripted server does, connection by connection, in the order in which clients connect.
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

/// One thing to do, or to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptOp {
    Send {
        bytes: Vec<u8>,
        times: u32,
        pace: Option<Pace>,
    },
    Expect(ExpectedLine),
    /// Groups that may come in any order.
    AnyOrder(Vec<Vec<ScriptOp>>),
    StartTls,
    /// A handshake where the client begins one, which may fail: behind a STARTTLS that no `TLS started` follows.
    OptionalTls,
    Wait(Duration),
    Close,
    Reset,
    /// The client is to close.
    AwaitClose,
}

/// `*: chunk 1 every 10ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub size: usize,
    pub every: Duration,
}

/// What the client is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedLine {
    /// In the transcript, counted from 1.
    pub line: usize,
    pub what: LinePattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinePattern {
    /// Exactly this line; a secret in it stands for anything.
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
    /// Reads a transcript. Gives every error, not only the first.
    pub fn parse(text: &str) -> Result<Self, Vec<ScriptError>> {
        let records = parse(text).map_err(|errors| errors.into_iter().map(ScriptError::from).collect::<Vec<_>>())?;
        let mut errors = Vec::new();
        let tracks = split_by_connection(records, &mut errors);
        let connections: Vec<_> = tracks.into_iter().map(|track| compile(track, &mut errors)).collect();
        if connections.is_empty() && errors.is_empty() {
            errors.push(script_error(
                1,
                "this transcript holds no connection: neither an S: or C: line nor `*: connected`",
            ));
        }
        errors.sort_by_key(|e| e.line);
        if errors.is_empty() { Ok(Self { connections }) } else { Err(errors) }
    }
}

impl Script {
    /// Whether the first client begins with a handshake, before anybody says anything.
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

pub(super) fn script_error(line: usize, why: impl Into<String>) -> ScriptError {
    ScriptError { line, column: 1, why: why.into() }
}

/// What one connection's lines are, before they are made operations.
pub(super) enum ScriptItem {
    Client(LineBody),
    Server(LineBody),
    Directive(Directive),
}

pub(super) struct ConnectionLines {
    pub(super) name: String,
    pub(super) items: Vec<(usize, ScriptItem)>,
}

/// Deals the records out to their connections; `*: connected` begins a new one of its name.
fn split_by_connection(records: Vec<TranscriptLine>, errors: &mut Vec<ScriptError>) -> Vec<ConnectionLines> {
    let mut tracks: Vec<ConnectionLines> = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let line = index + 1;
        let (name, item) = match record {
            TranscriptLine::Comment(_) | TranscriptLine::Blank => continue,
            TranscriptLine::Wire { mark, connection, body, .. } => {
                let item = if mark == Mark::Server { ScriptItem::Server(body) } else { ScriptItem::Client(body) };
                (connection, item)
            }
            TranscriptLine::Remark { connection, text, .. } => match parse_directive(&text) {
                Ok(Some(direction)) => (connection, ScriptItem::Directive(direction)),
                Ok(None) => continue,
                Err(why) => {
                    errors.push(script_error(line, why));
                    continue;
                }
            },
        };
        let name = name.unwrap_or_else(|| "main".to_owned());
        if matches!(item, ScriptItem::Directive(Directive::Connected)) {
            tracks.push(ConnectionLines { name, items: Vec::new() });
            continue;
        }
        match tracks.iter_mut().rfind(|track| track.name == name) {
            Some(track) => track.items.push((line, item)),
            None => tracks.push(ConnectionLines { name, items: vec![(line, item)] }),
        }
    }
    tracks
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

#[cfg(test)]
mod tests;
