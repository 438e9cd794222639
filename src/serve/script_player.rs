//! Runs the script of one connection: sends its `S:` lines, waits for its `C:` lines, and reports where the client
//! deviates.

use super::dialogue::{ClientEnd, Dialogue, ServerAction, TlsHandshake};
use super::script::{ConnectionScript, ExpectedLine, LinePattern, ScriptOp, bdat_octets, verb};
use crate::smtp::content::ContentDecoder;
use crate::smtp::lines::{LineEnd, WireLine};
use crate::transcript::{LineBody, write_notation};
use std::collections::VecDeque;

/// The reply to a client that sent something else.
const MISMATCH: &[u8] = b"421 script mismatch\r\n";
/// How many bytes of a repeated line are written at once.
const BATCH: usize = 64 * 1024;
/// The longest line of a client: far more than SMTP's 512 octets, because scripts test such clients too.
const MAX_LINE: usize = 1 << 20;
/// The most bytes of a line that are shown in a message.
const SHOWN: usize = 200;

/// The dialogue of a scripted server with one client.
pub(super) struct ScriptPlayer {
    ops: VecDeque<ScriptOp>,
    input: Vec<u8>,
    end: Option<ClientEnd>,
    in_tls: bool,
    /// What is left of BDAT's octets, or of content.
    octets: u64,
    content: Option<ContentDecoder>,
    problem: Option<String>,
    mismatch_sent: bool,
}

/// Whether the input matches an expected line.
enum MatchResult {
    /// The match has this number of bytes.
    Match(usize),
    Incomplete,
    Mismatch,
}

impl ScriptPlayer {
    /// At the beginning of the script.
    pub(super) fn new(script: &ConnectionScript) -> Self {
        Self {
            ops: script.ops.iter().cloned().collect(),
            input: Vec::new(),
            end: None,
            in_tls: false,
            octets: 0,
            content: None,
            problem: None,
            mismatch_sent: false,
        }
    }

    /// Consumes BDAT's octets or content. Returns whether they are complete.
    fn finish_unit(&mut self) -> bool {
        if let Some(decoder) = &mut self.content {
            let (used, done) = decoder.push(&self.input, &mut Vec::new());
            self.input.drain(..used);
            if !done {
                return false;
            }
            self.content = None;
        }
        let taken = usize::try_from(self.octets).unwrap_or(usize::MAX).min(self.input.len());
        self.input.drain(..taken);
        self.octets -= taken as u64;
        self.octets == 0
    }

    /// The action if input is expected: read, or report that it did not come.
    fn await_input(&mut self, expected: &str) -> ServerAction {
        if self.end.is_none() { ServerAction::Read } else { self.report_mismatch(expected) }
    }

    fn report_mismatch(&mut self, expected: &str) -> ServerAction {
        let got = match (first_line(&self.input), self.end) {
            (Some(line), _) => quote_line(line),
            (None, Some(ClientEnd::Idle)) => "nothing".to_owned(),
            (None, Some(ClientEnd::Stopped)) => "nothing before the server was stopped".to_owned(),
            (None, _) => "the end of the connection".to_owned(),
        };
        self.problem = Some(format!("expected {expected}, got {got}"));
        self.mismatch_sent = true;
        ServerAction::Write { bytes: MISMATCH.to_vec(), pace: None }
    }

    /// The action for an optional handshake. `None`: continue unencrypted.
    fn optional_tls(&mut self) -> Option<ServerAction> {
        match (self.input.first(), self.end) {
            (None, None) => Some(ServerAction::Read),
            // The type of a handshake record (RFC 8446 §5.1).
            (Some(0x16), _) => Some(ServerAction::StartTls { may_fail: true }),
            _ => None,
        }
    }
}

impl Dialogue for ScriptPlayer {
    fn next_action(&mut self) -> ServerAction {
        if self.mismatch_sent {
            return ServerAction::Close;
        }
        loop {
            if !self.finish_unit() {
                let what = if self.content.is_some() { "the content's end" } else { "the rest of BDAT's octets" };
                return self.await_input(what);
            }
            let Some(op) = self.ops.pop_front() else { return ServerAction::Close };
            match op {
                ScriptOp::Send { bytes, times, pace } => {
                    let batch = u32::try_from(BATCH / bytes.len().max(1)).unwrap_or(1).clamp(1, times.max(1));
                    if batch < times {
                        self.ops.push_front(ScriptOp::Send { bytes: bytes.clone(), times: times - batch, pace });
                    }
                    return ServerAction::Write { bytes: bytes.repeat(batch as usize), pace };
                }
                ScriptOp::Wait(duration) => return ServerAction::Wait(duration),
                ScriptOp::StartTls if self.in_tls => {}
                ScriptOp::StartTls => return ServerAction::StartTls { may_fail: false },
                ScriptOp::OptionalTls if self.in_tls => {}
                ScriptOp::OptionalTls => match self.optional_tls() {
                    Some(ServerAction::Read) => {
                        self.ops.push_front(ScriptOp::OptionalTls);
                        return ServerAction::Read;
                    }
                    Some(turn) => return turn,
                    None => {}
                },
                ScriptOp::Close => {
                    self.ops.push_front(ScriptOp::Close);
                    return ServerAction::Close;
                }
                ScriptOp::Reset => {
                    self.ops.push_front(ScriptOp::Reset);
                    return ServerAction::Reset;
                }
                ScriptOp::AwaitClose if !self.input.is_empty() => {
                    return self.report_mismatch("the end of the connection");
                }
                ScriptOp::AwaitClose if self.end.is_none() => {
                    self.ops.push_front(ScriptOp::AwaitClose);
                    return ServerAction::Read;
                }
                ScriptOp::AwaitClose => {}
                ScriptOp::Expect(expected) => match match_input(&expected.what, &self.input) {
                    MatchResult::Match(length) => {
                        if expected.what == LinePattern::Content {
                            self.content = Some(ContentDecoder::default());
                        } else if !matches!(expected.what, LinePattern::Exact(_)) {
                            self.octets = self.input.get(..length).and_then(bdat_octets).unwrap_or(0);
                        }
                        self.input.drain(..length);
                    }
                    MatchResult::Incomplete if self.end.is_none() => {
                        self.ops.push_front(ScriptOp::Expect(expected));
                        return ServerAction::Read;
                    }
                    _ => return self.report_mismatch(&describe_expected(&expected)),
                },
                ScriptOp::AnyOrder(groups) if groups.is_empty() => {}
                ScriptOp::AnyOrder(mut groups) => {
                    let found: Vec<MatchResult> = groups.iter().map(|group| match_group(group, &self.input)).collect();
                    if let Some(at) = found.iter().position(|found| matches!(found, MatchResult::Match(_))) {
                        let group = groups.remove(at);
                        self.ops.push_front(ScriptOp::AnyOrder(groups));
                        for op in group.into_iter().rev() {
                            self.ops.push_front(op);
                        }
                    } else if self.end.is_none() && found.iter().any(|found| matches!(found, MatchResult::Incomplete)) {
                        self.ops.push_front(ScriptOp::AnyOrder(groups));
                        return ServerAction::Read;
                    } else {
                        let expected: Vec<_> = groups
                            .iter()
                            .filter_map(|group| match group.first() {
                                Some(ScriptOp::Expect(expected)) => Some(describe_expected(expected)),
                                _ => None,
                            })
                            .collect();
                        return self.report_mismatch(&expected.join(" or "));
                    }
                }
            }
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    fn tls_started(&mut self, _: TlsHandshake) {
        self.in_tls = true;
    }

    fn client_ended(&mut self, how: ClientEnd) {
        self.end = Some(how);
    }

    /// A script that did not come to its end is a problem too. But a client need not read the last reply: one that
    /// stops reading an endless reply may be just what is tested.
    fn problem(&self) -> Option<String> {
        if self.problem.is_some() {
            return self.problem.clone();
        }
        let waits = |op: &ScriptOp| {
            !matches!(op, ScriptOp::Send { .. } | ScriptOp::Wait(_) | ScriptOp::AwaitClose | ScriptOp::OptionalTls)
        };
        let left = self.ops.iter().any(waits).then(|| self.ops.iter().find_map(describe_unfinished)).flatten()?;
        Some(format!("expected {left}, got the end of the connection"))
    }
}

/// What the client should still have done or read.
fn describe_unfinished(op: &ScriptOp) -> Option<String> {
    match op {
        ScriptOp::Expect(expected) => Some(describe_expected(expected)),
        ScriptOp::Send { bytes, .. } => Some(format!("a client that reads {}", quote_line(bytes.trim_ascii_end()))),
        ScriptOp::AnyOrder(groups) => groups.iter().flatten().find_map(describe_unfinished),
        ScriptOp::StartTls => Some("a TLS handshake".to_owned()),
        ScriptOp::OptionalTls | ScriptOp::Wait(_) | ScriptOp::Close | ScriptOp::Reset | ScriptOp::AwaitClose => None,
    }
}

fn match_group(group: &[ScriptOp], input: &[u8]) -> MatchResult {
    match group.first() {
        Some(ScriptOp::Expect(expected)) => match_input(&expected.what, input),
        _ => MatchResult::Mismatch,
    }
}

/// Matches the beginning of the input.
fn match_input(what: &LinePattern, input: &[u8]) -> MatchResult {
    match what {
        // A match without bytes: the decoder consumes the content from its first byte.
        LinePattern::Content => MatchResult::Match(0),
        LinePattern::Exact(body) if body.end == LineEnd::Missing => match_fragment(body, input),
        LinePattern::Exact(body) => {
            match_line(input, |bytes, end| end == body.end && matches_pieces(&body.pieces, bytes))
        }
        LinePattern::Verb(body) => match_line(input, |bytes, _| {
            let wanted = body.pieces.first().map_or(&[][..], |piece| verb(piece));
            verb(bytes).eq_ignore_ascii_case(wanted)
        }),
        LinePattern::Any(_) => match_line(input, |_, _| true),
    }
}

/// Matches a whole line at the beginning of the input.
fn match_line(input: &[u8], fits: impl Fn(&[u8], LineEnd) -> bool) -> MatchResult {
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else {
        return if input.len() > MAX_LINE { MatchResult::Mismatch } else { MatchResult::Incomplete };
    };
    // The same limit as without an end, however the line was cut in transit.
    if at > MAX_LINE {
        return MatchResult::Mismatch;
    }
    let (bytes, end) = match input[..at].strip_suffix(b"\r") {
        Some(bytes) => (bytes, LineEnd::CrLf),
        None => (&input[..at], LineEnd::Lf),
    };
    if fits(bytes, end) { MatchResult::Match(at + 1) } else { MatchResult::Mismatch }
}

/// Matches bytes without a line end, after which the server speaks.
fn match_fragment(body: &LineBody, input: &[u8]) -> MatchResult {
    if body.pieces.len() > 1 {
        // The length of a secret is unknown: everything received counts as the secret.
        let line = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return if !line.is_empty() && matches_pieces(&body.pieces, line) {
            MatchResult::Match(line.len())
        } else if input.contains(&b'\n') || input.len() > MAX_LINE {
            MatchResult::Mismatch
        } else {
            MatchResult::Incomplete
        };
    }
    let wanted = body.pieces.first().map_or(&[][..], Vec::as_slice);
    if input.starts_with(wanted) {
        MatchResult::Match(wanted.len())
    } else if wanted.starts_with(input) {
        MatchResult::Incomplete
    } else {
        MatchResult::Mismatch
    }
}

/// Whether `bytes` are these pieces with anything between them.
fn matches_pieces(pieces: &[Vec<u8>], bytes: &[u8]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().map_or(bytes.is_empty(), |only| only == bytes);
    };
    let Some(rest) = bytes.strip_prefix(first.as_slice()) else { return false };
    let Some(mut rest) = rest.strip_suffix(last.as_slice()) else { return false };
    for piece in middle.iter().filter(|piece| !piece.is_empty()) {
        match rest.windows(piece.len()).position(|window| window == piece.as_slice()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

fn first_line(input: &[u8]) -> Option<&[u8]> {
    (!input.is_empty()).then(|| input.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// A line in the notation of transcripts, in quotes; the end is shown unless it is CRLF.
fn quote_line(line: &[u8]) -> String {
    let (bytes, end) = match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
        (Some(bytes), _) => (bytes, LineEnd::CrLf),
        (None, Some(bytes)) => (bytes, LineEnd::Lf),
        (None, None) => (line, LineEnd::CrLf),
    };
    let mut text = String::new();
    let cut = bytes.get(..SHOWN).unwrap_or(bytes);
    write_notation(
        WireLine { bytes: cut, end: if cut.len() < bytes.len() { LineEnd::CrLf } else { end } },
        &[],
        &mut text,
    );
    if cut.len() < bytes.len() { format!("\"{text}…\"") } else { format!("\"{text}\"") }
}

fn describe_expected(expected: &ExpectedLine) -> String {
    let body = match &expected.what {
        LinePattern::Exact(body) => body,
        LinePattern::Verb(body) => return quote_line(body.pieces.first().map_or(&[][..], |piece| verb(piece))),
        LinePattern::Any(_) => return "a line".to_owned(),
        LinePattern::Content => return "content".to_owned(),
    };
    // Each secret is replaced by one byte.
    let bytes = body.pieces.join(&b'?');
    let mut hidden = Vec::new();
    let mut at = 0;
    for piece in body.pieces.iter().take(body.pieces.len().saturating_sub(1)) {
        at += piece.len();
        hidden.push(at..at + 1);
        at += 1;
    }
    let mut text = String::new();
    write_notation(WireLine { bytes: &bytes, end: body.end }, &hidden, &mut text);
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests;
