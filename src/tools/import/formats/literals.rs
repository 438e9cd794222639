//! Literals of programming languages, in which libraries show what was sent and received.

use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LoggedDialogue, Side};
use crate::transcript::LineBody;

/// Adds the lines of a literal. Content is one literal.
pub(super) fn push_literal(number: usize, side: Side, literal: &[u8], dialogue: &mut LoggedDialogue) {
    push_bytes(number, side, &unescape(literal), dialogue);
}

/// Adds the lines of what was sent in one go.
pub(super) fn push_bytes(number: usize, side: Side, bytes: &[u8], dialogue: &mut LoggedDialogue) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let body = match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
            (Some(line), _) => LineBody::plain(line, LineEnd::CrLf),
            (None, Some(line)) => LineBody::plain(line, LineEnd::Lf),
            (None, None) => LineBody::plain(line, LineEnd::Missing),
        };
        dialogue.push(number, LogEvent::Line { side, body });
    }
}

/// The bytes of a literal, as `repr` of Python or `dump` of Ruby writes it.
fn unescape(literal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(literal.len());
    let mut rest = literal;
    while let Some((first, after)) = rest.split_first() {
        let (bytes, length): (Vec<u8>, usize) = match (first, after) {
            (b'\\', [b'n', ..]) => (vec![b'\n'], 2),
            (b'\\', [b'r', ..]) => (vec![b'\r'], 2),
            (b'\\', [b't', ..]) => (vec![b'\t'], 2),
            (b'\\', [b'a', ..]) => (vec![0x07], 2),
            (b'\\', [b'b', ..]) => (vec![0x08], 2),
            (b'\\', [b'v', ..]) => (vec![0x0b], 2),
            (b'\\', [b'f', ..]) => (vec![0x0c], 2),
            (b'\\', [b'e', ..]) => (vec![0x1b], 2),
            (b'\\', [b'x', digits @ ..]) => match hexadecimal(digits, 2).and_then(|code| u8::try_from(code).ok()) {
                Some(byte) => (vec![byte], 4),
                None => (vec![b'\\'], 1),
            },
            // `\u{1f600}` of Ruby.
            (b'\\', [b'u', b'{', digits @ ..]) => {
                // It has up to six digits.
                let length = digits.iter().take(7).position(|byte| *byte == b'}').unwrap_or(0);
                match hexadecimal(digits, length).and_then(char::from_u32) {
                    Some(character) => (character.to_string().into_bytes(), length + 4),
                    None => (vec![b'\\'], 1),
                }
            }
            (b'\\', [letter @ (b'u' | b'U'), digits @ ..]) => {
                let length = if *letter == b'u' { 4 } else { 8 };
                match hexadecimal(digits, length).and_then(char::from_u32) {
                    Some(character) => (character.to_string().into_bytes(), length + 2),
                    None => (vec![b'\\'], 1),
                }
            }
            (b'\\', [other, ..]) => (vec![*other], 2),
            _ => (vec![*first], 1),
        };
        out.extend(bytes);
        rest = &rest[length..];
    }
    out
}

fn hexadecimal(digits: &[u8], length: usize) -> Option<u32> {
    let digits = str::from_utf8(digits.get(..length)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
