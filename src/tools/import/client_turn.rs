//! What the client said between two turns of the server, cut into commands, content and the rest.

use super::dialogue::LogEvent;
use crate::smtp::lines::LineEnd;
use crate::smtp::transaction;
use crate::transcript::LineBody;

/// What a PROXY header of version 2 begins with.
pub const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A line of the client, or content that the log does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientItem {
    pub line: usize,
    /// `None` for content that the log does not have.
    pub body: Option<LineBody>,
}

impl ClientItem {
    /// From an event of a log.
    pub fn new(line: usize, event: &LogEvent) -> Self {
        let body = match event {
            LogEvent::Line { body, .. } => Some(body.clone()),
            _ => None,
        };
        Self { line, body }
    }

    /// Its bytes, if it is a line without secrets that ended in CRLF.
    pub fn plain(&self) -> Option<&[u8]> {
        self.body.as_ref().filter(|body| body.end == LineEnd::CrLf)?.bytes()
    }
}

/// A unit of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPart {
    pub kind: PartKind,
    pub items: Vec<ClientItem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// One line and CRLF.
    Command,
    /// An answer to 334.
    SaslAnswer,
    /// Lines up to a lone dot.
    Content,
    /// Content that the log does not have.
    MissingContent,
    /// BDAT and its octets.
    Chunk,
    /// BDAT whose octets the log does not have.
    EmptyChunk,
    /// Bytes without a reply: a PROXY header, content without its dot, a line without an end.
    Bytes,
}

impl ClientPart {
    /// How many replies it asks for.
    pub fn replies(&self) -> usize {
        usize::from(self.kind != PartKind::Bytes)
    }

    /// Its first line, if it has no secret.
    pub fn first(&self) -> Option<&[u8]> {
        self.items.first()?.plain()
    }
}

/// What the dialogue is at when the client's turn, or a part of it, begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnState {
    /// The last reply was a 354.
    pub content: bool,
    /// The last reply was a 334.
    pub sasl: bool,
    /// No reply came before.
    pub greeting: bool,
    /// Whether a recipient was accepted since MAIL; `None` if the log shows no reply to any.
    pub has_recipient: Option<bool>,
}

/// Cuts a turn into parts. `codes` are the codes of the replies to it; `logs_content` is false if the log leaves content out.
pub fn cut_turn(items: &[ClientItem], codes: &[u16], state: TurnState, logs_content: bool) -> Vec<ClientPart> {
    let mut parts: Vec<ClientPart> = Vec::new();
    let mut rest = items;
    let mut state = state;
    let mut asked = 0;
    while let Some(first) = rest.first() {
        let (kind, length) = next_part(rest, state, !codes.is_empty());
        let (kind, length) = match kind {
            PartKind::Chunk if !logs_content && bdat_octets(first).is_some_and(|n| n > 0) => (PartKind::EmptyChunk, 1),
            // The log shows that content ended, and nothing else of it. After a 354 without a recipient clients send a dot alone
            // (RFC 2920 §3.1).
            PartKind::Content if length == 1 && !logs_content && state.has_recipient != Some(false) => {
                (PartKind::MissingContent, 1)
            }
            kind => (kind, length),
        };
        let (taken, after) = rest.split_at(length);
        rest = after;
        let part = ClientPart { kind, items: taken.to_vec() };
        let code = codes.get(asked).copied();
        asked += part.replies();
        // Pipelined content follows DATA, which was answered 354.
        let is_data = part.first().is_some_and(|line| line.trim_ascii().eq_ignore_ascii_case(b"DATA"));
        state = TurnState {
            content: kind == PartKind::Command && is_data && code == Some(354) && dot(rest).is_some(),
            sasl: code == Some(334) && matches!(kind, PartKind::Command | PartKind::SaslAnswer),
            greeting: false,
            has_recipient: state.has_recipient,
        };
        parts.push(part);
    }
    parts
}

/// The kind of the part at the beginning of `rest`, and how many items it has. `is_answered`: the turn has a reply.
fn next_part(rest: &[ClientItem], state: TurnState, is_answered: bool) -> (PartKind, usize) {
    let first = &rest[0];
    let Some(body) = &first.body else { return (PartKind::MissingContent, 1) };
    if state.content {
        return match dot(rest) {
            Some(length) => (PartKind::Content, length),
            // A server that answers content without a dot is worth a test.
            None if is_answered => (PartKind::Command, rest.iter().take_while(|item| item.body.is_some()).count()),
            None => (PartKind::Bytes, rest.iter().take_while(|item| item.body.is_some()).count()),
        };
    }
    if state.greeting && body.bytes().is_some_and(|bytes| bytes.starts_with(PROXY_V2)) {
        return (PartKind::Bytes, 1);
    }
    if body.end == LineEnd::Missing {
        // The next write goes on with the line.
        let is_open = |item: &&ClientItem| item.body.as_ref().is_some_and(|body| body.end == LineEnd::Missing);
        let open = rest.iter().take_while(is_open).count();
        return match rest.get(open).filter(|item| item.body.is_some()) {
            Some(_) => (PartKind::Command, open + 1),
            None if is_answered => (PartKind::Command, open),
            None => (PartKind::Bytes, open),
        };
    }
    if state.sasl {
        return (PartKind::SaslAnswer, 1);
    }
    if state.greeting && first.plain().is_some_and(|line| line.starts_with(b"PROXY ")) {
        return (PartKind::Bytes, 1);
    }
    match bdat_octets(first) {
        Some(octets) => (PartKind::Chunk, 1 + chunk_lines(&rest[1..], octets)),
        None => (PartKind::Command, 1),
    }
}

/// How many items there are up to the lone dot.
fn dot(items: &[ClientItem]) -> Option<usize> {
    items.iter().position(|item| item.plain() == Some(b".")).map(|at| at + 1)
}

/// The octets that a line announces, if it is BDAT.
pub fn bdat_octets(item: &ClientItem) -> Option<usize> {
    usize::try_from(transaction::bdat_octets(item.plain()?)?).ok()
}

/// The number of lines that `octets` octets of content take.
fn chunk_lines(items: &[ClientItem], octets: usize) -> usize {
    let mut left = octets;
    let mut lines = 0;
    for item in items {
        let Some(body) = item.body.as_ref().filter(|_| left > 0) else { break };
        left = left.saturating_sub(body_length(body));
        lines += 1;
    }
    lines
}

fn body_length(body: &LineBody) -> usize {
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    body.pieces.iter().map(Vec::len).sum::<usize>() + end
}
