//! Compares what a client sent with the lines of a script, and describes both in messages.

use super::script::{ExpectedLine, LinePattern, ScriptOp, verb};
use super::script_line::{has_secret, wire_length};
use crate::smtp::lines::{LineEnd, WireLine};
use crate::smtp::transaction::bdat_octets;
use crate::transcript::{LineBody, write_notation};

/// The longest line of a client: far more than SMTP's 512 octets, because scripts test such clients too.
const MAX_LINE: usize = 1 << 20;
/// The most bytes of a line that are shown in a message.
const SHOWN: usize = 200;

/// Whether the input matches an expected line.
pub(super) enum MatchResult {
    /// The match has this number of bytes.
    Match(usize),
    Incomplete,
    Mismatch,
}

pub(super) fn match_group(group: &[ScriptOp], input: &[u8]) -> MatchResult {
    match group.first() {
        Some(ScriptOp::Expect(expected)) => match_input(&expected.what, input),
        _ => MatchResult::Mismatch,
    }
}

/// Matches the beginning of the input.
pub(super) fn match_input(what: &LinePattern, input: &[u8]) -> MatchResult {
    match what {
        // A match without bytes: the decoder consumes the content from its first byte.
        LinePattern::Content(_) => MatchResult::Match(0),
        LinePattern::Exact(body) | LinePattern::Command(body) if body.end == LineEnd::Missing => {
            match_fragment(body, input)
        }
        LinePattern::Exact(body) => {
            match_line(input, |bytes, end| end == body.end && matches_pieces(&body.pieces, bytes))
        }
        LinePattern::Command(body) => {
            match_line(input, |bytes, end| end == body.end && matches_command(&body.pieces, bytes))
        }
        LinePattern::Bdat(body) => match_line(input, |bytes, end| {
            let wanted = body.pieces.first().map_or(&[][..], Vec::as_slice);
            end == body.end && bdat_octets(bytes).is_some() && is_last(bytes) == is_last(wanted)
        }),
        LinePattern::Verb(body) if body.end == LineEnd::Missing => {
            let wanted = body.pieces.first().map_or(&[][..], |piece| verb(piece));
            match input.get(..wanted.len()) {
                Some(begin) if begin.eq_ignore_ascii_case(wanted) => match_length(body, input),
                None if wanted[..input.len()].eq_ignore_ascii_case(input) => MatchResult::Incomplete,
                _ => MatchResult::Mismatch,
            }
        }
        LinePattern::Verb(body) => match_line(input, |bytes, _| matches_verb(&body.pieces, bytes)),
        LinePattern::Any(body) if body.end == LineEnd::Missing => match_length(body, input),
        LinePattern::Any(_) => match_line(input, |_, _| true),
    }
}

/// Whether BDAT ends the content (RFC 3030 §2).
fn is_last(bdat: &[u8]) -> bool {
    bdat.trim_ascii_end().rsplit(|byte| *byte == b' ').next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"))
}

/// Matches a whole line at the beginning of the input.
pub(super) fn match_line(input: &[u8], is_expected: impl Fn(&[u8], LineEnd) -> bool) -> MatchResult {
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
    if is_expected(bytes, end) { MatchResult::Match(at + 1) } else { MatchResult::Mismatch }
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

/// Matches bytes without a line end that are not compared: as many as the script has, or a line if it ends earlier.
fn match_length(body: &LineBody, input: &[u8]) -> MatchResult {
    let length = usize::try_from(wire_length(body)).unwrap_or(usize::MAX).max(1);
    let line = input.iter().take(length).position(|byte| *byte == b'\n');
    match line {
        Some(end) => MatchResult::Match(end + 1),
        // The length of a secret is unknown: everything received counts as the secret.
        None if has_secret(body) && !input.is_empty() => MatchResult::Match(input.len()),
        None if input.len() >= length => MatchResult::Match(length),
        None => MatchResult::Incomplete,
    }
}

/// Whether `bytes` begin with the same word. A secret in the word matches any end of it.
fn matches_verb(pieces: &[Vec<u8>], bytes: &[u8]) -> bool {
    let first = pieces.first().map_or(&[][..], Vec::as_slice);
    let (wanted, got) = (verb(first), verb(bytes));
    let goes_on = pieces.len() > 1 && wanted.len() == first.len();
    let got = if goes_on { got.get(..wanted.len()).unwrap_or(got) } else { got };
    got.eq_ignore_ascii_case(wanted)
}

/// Whether `bytes` are these pieces, with keywords in any case.
fn matches_command(pieces: &[Vec<u8>], bytes: &[u8]) -> bool {
    let keywords = pieces.first().map_or(0, |piece| keyword_length(piece));
    let (Some(wanted), Some(got)) = (pieces.first(), bytes.get(..keywords)) else { return pieces.is_empty() };
    let mut rest = pieces.to_vec();
    rest[0].drain(..keywords);
    got.eq_ignore_ascii_case(&wanted[..keywords]) && matches_pieces(&rest, &bytes[keywords..])
}

/// The length of the verb, with FROM: and TO: after MAIL and RCPT.
fn keyword_length(line: &[u8]) -> usize {
    let word = verb(line);
    let has_path = [&b"MAIL"[..], b"RCPT"].iter().any(|verb| word.eq_ignore_ascii_case(verb));
    let colon = line.iter().position(|byte| *byte == b':').filter(|_| has_path);
    colon.map_or(word.len(), |colon| colon + 1)
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

pub(super) fn first_line(input: &[u8]) -> Option<&[u8]> {
    (!input.is_empty()).then(|| input.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// A line in the notation of transcripts, in quotes; the end is shown unless it is CRLF.
pub(super) fn quote_line(line: &[u8]) -> String {
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

pub(super) fn describe_expected(expected: &ExpectedLine) -> String {
    let body = match &expected.what {
        LinePattern::Exact(body) | LinePattern::Command(body) | LinePattern::Bdat(body) => body,
        LinePattern::Verb(body) => return quote_line(body.pieces.first().map_or(&[][..], |piece| verb(piece))),
        LinePattern::Any(_) => return "a line".to_owned(),
        LinePattern::Content(_) => return "content".to_owned(),
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

/// What the client should still have done or read.
pub(super) fn describe_unfinished(op: &ScriptOp) -> Option<String> {
    match op {
        ScriptOp::Expect(expected) => Some(describe_expected(expected)),
        ScriptOp::Send { bytes, .. } => Some(format!("a client that reads {}", quote_line(bytes.trim_ascii_end()))),
        ScriptOp::AnyOrder(groups) => groups.iter().flatten().find_map(describe_unfinished),
        ScriptOp::StartTls(None) | ScriptOp::AwaitHandshake => Some("a TLS handshake".to_owned()),
        ScriptOp::EndTls => Some("the end of TLS".to_owned()),
        ScriptOp::EndInContent { .. } => Some("content".to_owned()),
        ScriptOp::Optional(_)
        | ScriptOp::StartTls(Some(_))
        | ScriptOp::OptionalTls
        | ScriptOp::SendOutsideTls(_)
        | ScriptOp::HalfClose
        | ScriptOp::StopReading
        | ScriptOp::Ignore
        | ScriptOp::IgnoreUpToQuit
        | ScriptOp::Wait(_)
        | ScriptOp::Close
        | ScriptOp::Reset
        | ScriptOp::AwaitClose
        | ScriptOp::AwaitQuit => None,
    }
}
