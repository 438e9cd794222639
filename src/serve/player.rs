//! Plays one connection's script: sends its `S:` lines, awaits its `C:` lines, says where the client parts from it.

use super::dialogue::{Dialogue, End, TlsSeen, Turn};
use super::script::{ConnectionScript, Expected, Op, What, bdat_octets, verb};
use crate::smtp::content::ContentDecoder;
use crate::smtp::lines::{LineEnd, WireLine};
use crate::transcript::{Body, notation};
use std::collections::VecDeque;

/// What a client is told that said something else.
const MISMATCH: &[u8] = b"421 script mismatch\r\n";
/// What is written in one go of a line that is repeated.
const BATCH: usize = 64 * 1024;
/// The longest line of a client's that is waited for: far more than SMTP's 512, since scripts are for trying such things.
const MAX_LINE: usize = 1 << 20;
/// What is shown of a line in a message.
const SHOWN: usize = 200;

pub(super) struct Player {
    ops: VecDeque<Op>,
    input: Vec<u8>,
    end: Option<End>,
    in_tls: bool,
    /// The rest of a unit that began: BDAT's octets, or content.
    octets: u64,
    content: Option<ContentDecoder>,
    problem: Option<String>,
    told: bool,
}

/// What is in the input for an expected line.
enum Found {
    /// It is this many bytes long.
    Match(usize),
    More,
    Otherwise,
}

impl Player {
    pub(super) fn new(script: &ConnectionScript) -> Self {
        Self {
            ops: script.ops.iter().cloned().collect(),
            input: Vec::new(),
            end: None,
            in_tls: false,
            octets: 0,
            content: None,
            problem: None,
            told: false,
        }
    }

    /// Finishes a unit that began. Whether it is finished.
    fn unit(&mut self) -> bool {
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

    /// The turn at which something from the client is due: wait, or say that it did not come.
    fn due(&mut self, expected: &str) -> Turn {
        if self.end.is_none() { Turn::Read } else { self.part(expected) }
    }

    fn part(&mut self, expected: &str) -> Turn {
        let got = match (first_line(&self.input), self.end) {
            (Some(line), _) => quoted(line),
            (None, Some(End::Idle)) => "nothing".to_owned(),
            (None, Some(End::Stopped)) => "nothing before the server was stopped".to_owned(),
            (None, _) => "the end of the connection".to_owned(),
        };
        self.problem = Some(format!("expected {expected}, got {got}"));
        self.told = true;
        Turn::Write { bytes: MISMATCH.to_vec(), pace: None }
    }

    /// A handshake that the client began unasked, or did not begin. `None`: go on in clear.
    fn perhaps_tls(&mut self) -> Option<Turn> {
        match (self.input.first(), self.end) {
            (None, None) => Some(Turn::Read),
            // A handshake record (RFC 8446 §5.1).
            (Some(0x16), _) => Some(Turn::StartTls { may_fail: true }),
            _ => None,
        }
    }
}

impl Dialogue for Player {
    fn turn(&mut self) -> Turn {
        if self.told {
            return Turn::Close;
        }
        loop {
            if !self.unit() {
                let what = if self.content.is_some() { "the content's end" } else { "the rest of BDAT's octets" };
                return self.due(what);
            }
            let Some(op) = self.ops.pop_front() else { return Turn::Close };
            match op {
                Op::Send { bytes, times, pace } => {
                    let batch = u32::try_from(BATCH / bytes.len().max(1)).unwrap_or(1).clamp(1, times.max(1));
                    if batch < times {
                        self.ops.push_front(Op::Send { bytes: bytes.clone(), times: times - batch, pace });
                    }
                    return Turn::Write { bytes: bytes.repeat(batch as usize), pace };
                }
                Op::Wait(duration) => return Turn::Wait(duration),
                Op::StartTls if self.in_tls => {}
                Op::StartTls => return Turn::StartTls { may_fail: false },
                Op::PerhapsTls if self.in_tls => {}
                Op::PerhapsTls => match self.perhaps_tls() {
                    Some(Turn::Read) => {
                        self.ops.push_front(Op::PerhapsTls);
                        return Turn::Read;
                    }
                    Some(turn) => return turn,
                    None => {}
                },
                Op::Close => {
                    self.ops.push_front(Op::Close);
                    return Turn::Close;
                }
                Op::Reset => {
                    self.ops.push_front(Op::Reset);
                    return Turn::Reset;
                }
                Op::AwaitEnd if !self.input.is_empty() => return self.part("the end of the connection"),
                Op::AwaitEnd if self.end.is_none() => {
                    self.ops.push_front(Op::AwaitEnd);
                    return Turn::Read;
                }
                Op::AwaitEnd => {}
                Op::Expect(expected) => match find(&expected.what, &self.input) {
                    Found::Match(length) => {
                        if expected.what == What::Content {
                            self.content = Some(ContentDecoder::default());
                        } else if !matches!(expected.what, What::Exact(_)) {
                            self.octets = self.input.get(..length).and_then(bdat_octets).unwrap_or(0);
                        }
                        self.input.drain(..length);
                    }
                    Found::More if self.end.is_none() => {
                        self.ops.push_front(Op::Expect(expected));
                        return Turn::Read;
                    }
                    _ => return self.part(&describe(&expected)),
                },
                Op::AnyOrder(groups) if groups.is_empty() => {}
                Op::AnyOrder(mut groups) => {
                    let found: Vec<Found> = groups.iter().map(|group| first(group, &self.input)).collect();
                    if let Some(at) = found.iter().position(|found| matches!(found, Found::Match(_))) {
                        let group = groups.remove(at);
                        self.ops.push_front(Op::AnyOrder(groups));
                        for op in group.into_iter().rev() {
                            self.ops.push_front(op);
                        }
                    } else if self.end.is_none() && found.iter().any(|found| matches!(found, Found::More)) {
                        self.ops.push_front(Op::AnyOrder(groups));
                        return Turn::Read;
                    } else {
                        let expected: Vec<_> = groups
                            .iter()
                            .filter_map(|group| match group.first() {
                                Some(Op::Expect(expected)) => Some(describe(expected)),
                                _ => None,
                            })
                            .collect();
                        return self.part(&expected.join(" or "));
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

    fn tls_started(&mut self, _: TlsSeen) {
        self.in_tls = true;
    }

    fn ended(&mut self, how: End) {
        self.end = Some(how);
    }

    /// A script that was not played to its end is a problem, too. A client need not hear the last of it: one that
    /// has its fill of an endless reply leaves, and that may be what is tried.
    fn problem(&self) -> Option<String> {
        if self.problem.is_some() {
            return self.problem.clone();
        }
        let waits = |op: &Op| !matches!(op, Op::Send { .. } | Op::Wait(_) | Op::AwaitEnd | Op::PerhapsTls);
        let left = self.ops.iter().any(waits).then(|| self.ops.iter().find_map(left_over)).flatten()?;
        Some(format!("expected {left}, got the end of the connection"))
    }
}

/// What the client was still to do or to hear.
fn left_over(op: &Op) -> Option<String> {
    match op {
        Op::Expect(expected) => Some(describe(expected)),
        Op::Send { bytes, .. } => Some(format!("a client that hears {}", quoted(bytes.trim_ascii_end()))),
        Op::AnyOrder(groups) => groups.iter().flatten().find_map(left_over),
        Op::StartTls => Some("a TLS handshake".to_owned()),
        Op::PerhapsTls | Op::Wait(_) | Op::Close | Op::Reset | Op::AwaitEnd => None,
    }
}

fn first(group: &[Op], input: &[u8]) -> Found {
    match group.first() {
        Some(Op::Expect(expected)) => find(&expected.what, input),
        _ => Found::Otherwise,
    }
}

/// Looks for what is expected at the input's beginning.
fn find(what: &What, input: &[u8]) -> Found {
    match what {
        // Content of no length is still unbegun: the decoder takes it from the first byte.
        What::Content => Found::Match(0),
        What::Exact(body) if body.end == LineEnd::Missing => unended(body, input),
        What::Exact(body) => line(input, |bytes, end| end == body.end && matches(&body.pieces, bytes)),
        What::Verb(body) => line(input, |bytes, _| {
            let wanted = body.pieces.first().map_or(&[][..], |piece| verb(piece));
            verb(bytes).eq_ignore_ascii_case(wanted)
        }),
        What::Any(_) => line(input, |_, _| true),
    }
}

/// A whole line at the input's beginning.
fn line(input: &[u8], fits: impl Fn(&[u8], LineEnd) -> bool) -> Found {
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else {
        return if input.len() > MAX_LINE { Found::Otherwise } else { Found::More };
    };
    // As where the end has not come yet, however the line was cut on its way.
    if at > MAX_LINE {
        return Found::Otherwise;
    }
    let (bytes, end) = match input[..at].strip_suffix(b"\r") {
        Some(bytes) => (bytes, LineEnd::CrLf),
        None => (&input[..at], LineEnd::Lf),
    };
    if fits(bytes, end) { Found::Match(at + 1) } else { Found::Otherwise }
}

/// Bytes without a line's end, behind which the server speaks.
fn unended(body: &Body, input: &[u8]) -> Found {
    if body.pieces.len() > 1 {
        // How long a secret is is not known: what has come is taken for it.
        let line = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return if !line.is_empty() && matches(&body.pieces, line) {
            Found::Match(line.len())
        } else if input.contains(&b'\n') || input.len() > MAX_LINE {
            Found::Otherwise
        } else {
            Found::More
        };
    }
    let wanted = body.pieces.first().map_or(&[][..], Vec::as_slice);
    if input.starts_with(wanted) {
        Found::Match(wanted.len())
    } else if wanted.starts_with(input) {
        Found::More
    } else {
        Found::Otherwise
    }
}

/// Whether `bytes` is the pieces with anything between them.
fn matches(pieces: &[Vec<u8>], bytes: &[u8]) -> bool {
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

/// A line as the transcript would show it, in quotes. CRLF goes without saying.
fn quoted(line: &[u8]) -> String {
    let (bytes, end) = match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
        (Some(bytes), _) => (bytes, LineEnd::CrLf),
        (None, Some(bytes)) => (bytes, LineEnd::Lf),
        (None, None) => (line, LineEnd::CrLf),
    };
    let mut text = String::new();
    let cut = bytes.get(..SHOWN).unwrap_or(bytes);
    notation(WireLine { bytes: cut, end: if cut.len() < bytes.len() { LineEnd::CrLf } else { end } }, &[], &mut text);
    if cut.len() < bytes.len() { format!("\"{text}…\"") } else { format!("\"{text}\"") }
}

fn describe(expected: &Expected) -> String {
    let body = match &expected.what {
        What::Exact(body) => body,
        What::Verb(body) => return quoted(body.pieces.first().map_or(&[][..], |piece| verb(piece))),
        What::Any(_) => return "a line".to_owned(),
        What::Content => return "content".to_owned(),
    };
    // A byte stands for each secret.
    let bytes = body.pieces.join(&b'?');
    let mut hidden = Vec::new();
    let mut at = 0;
    for piece in body.pieces.iter().take(body.pieces.len().saturating_sub(1)) {
        at += piece.len();
        hidden.push(at..at + 1);
        at += 1;
    }
    let mut text = String::new();
    notation(WireLine { bytes: &bytes, end: body.end }, &hidden, &mut text);
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests;
