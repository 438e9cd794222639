//! Debug output of Python's smtplib (`set_debuglevel(1)` or `2`): what was sent and received as literals of Python.

use super::marks::{Marked, smtplib, without_python_time};
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, find};
use crate::transcript::LineBody;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: false, line_ends: true };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    for line in lines {
        let text = without_python_time(line.bytes);
        if text.starts_with(b"connect: to (") || text.starts_with(b"connect: (") {
            if dialogue.has_line_of(Side::Server) || dialogue.has_line_of(Side::Client) {
                dialogue.other_connections += 1;
            } else {
                connecting(line.number, text, &mut dialogue);
            }
        }
        if dialogue.other_connections > 0 {
            continue;
        }
        match smtplib(line.bytes) {
            Some(Marked::Sent(literal)) => push(line.number, Side::Client, literal, &mut dialogue),
            // What reading at the end of the connection gives.
            Some(Marked::Received(b"")) => closed(line.number, &mut dialogue),
            Some(Marked::Received(literal)) => push(line.number, Side::Server, literal, &mut dialogue),
            Some(Marked::Remark(_)) => {}
            None if find(text, "Connection unexpectedly closed").is_some() => closed(line.number, &mut dialogue),
            None => {}
        }
    }
    dialogue
}

/// `connect: to ('127.0.0.1', 25) None`, or without `to` and what follows the port.
fn connecting(number: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
    let text = String::from_utf8_lossy(text);
    let address = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(address, _)| address);
    if let Some((host, port)) = address.and_then(|address| address.split_once(", ")) {
        dialogue.server = Some(format!("{}:{port}", host.trim_matches(['\'', '"'])));
    }
    dialogue.push(number, LogEvent::Connected);
}

fn closed(number: usize, dialogue: &mut LoggedDialogue) {
    if !matches!(dialogue.events.last().map(|logged| &logged.event), Some(LogEvent::Closed { .. })) {
        dialogue.push(number, LogEvent::Closed { by: Side::Server, reset: false });
    }
}

/// Adds the lines of a literal. Content is one literal.
fn push(number: usize, side: Side, literal: &[u8], dialogue: &mut LoggedDialogue) {
    let bytes = unescape(literal);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let body = match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
            (Some(line), _) => LineBody::plain(line, LineEnd::CrLf),
            (None, Some(line)) => LineBody::plain(line, LineEnd::Lf),
            (None, None) => LineBody::plain(line, LineEnd::Missing),
        };
        dialogue.push(number, LogEvent::Line { side, body });
    }
}

/// The bytes of a literal of Python, as `repr` writes it.
fn unescape(literal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(literal.len());
    let mut rest = literal;
    while let Some((first, after)) = rest.split_first() {
        let (bytes, length): (Vec<u8>, usize) = match (first, after) {
            (b'\\', [b'n', ..]) => (vec![b'\n'], 2),
            (b'\\', [b'r', ..]) => (vec![b'\r'], 2),
            (b'\\', [b't', ..]) => (vec![b'\t'], 2),
            (b'\\', [b'x', digits @ ..]) => match hexadecimal(digits, 2).and_then(|code| u8::try_from(code).ok()) {
                Some(byte) => (vec![byte], 4),
                None => (vec![b'\\'], 1),
            },
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
