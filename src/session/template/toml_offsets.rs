//! Maps a range of a TOML string's value to its range in the file, where it has escapes.

use crate::session::Span;
use std::ops::Range;

/// A character: its position in the value, and its range in the file.
struct MappedChar {
    value: usize,
    written: Range<usize>,
}

/// The bytes of `raw`, a TOML string with its quotes, that became `range` of `value`. `None` if `raw` is not a TOML string
/// with this value.
pub fn locate(raw: &str, value: &str, range: Range<usize>) -> Option<Range<usize>> {
    let (decoded, pieces) = decode(raw)?;
    if decoded != value {
        return None;
    }
    let open = quotes(raw)?.len();
    let at = |offset: usize| pieces.partition_point(|piece| piece.value <= offset).checked_sub(1);
    let start = if range.start >= decoded.len() {
        // After the last character: at the closing quotes.
        raw.len() - open
    } else {
        at(range.start).map_or(open, |i| pieces[i].written.start)
    };
    let end = match range.end.min(decoded.len()).checked_sub(1) {
        Some(last) if range.end > range.start => at(last).map_or(start, |i| pieces[i].written.end),
        _ => start,
    };
    Some(start..end.max(start))
}

fn quotes(raw: &str) -> Option<&'static str> {
    ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quotes| raw.len() >= 2 * quotes.len() && raw.starts_with(quotes) && raw.ends_with(quotes))
}

/// The value, and the range of each of its characters.
fn decode(raw: &str) -> Option<(String, Vec<MappedChar>)> {
    let quotes = quotes(raw)?;
    let end = raw.len() - quotes.len();
    let (basic, multi) = (quotes.starts_with('"'), quotes.len() == 3);
    let mut value = String::with_capacity(raw.len());
    let mut pieces = Vec::with_capacity(raw.len());
    let mut at = quotes.len();
    if multi {
        // TOML 1.1, Multi-line Basic Strings: a newline directly after the opening quotes is trimmed.
        at += newline(&raw[at..end]);
    }
    while let Some(c) = raw[at..end].chars().next() {
        let rest = &raw[at..end];
        let (character, length) = match c {
            '\\' if basic => match escape(rest, multi)? {
                Escape::Character(character, length) => (character, length),
                Escape::Continuation(length) => {
                    at += length;
                    continue;
                }
            },
            c => (c, c.len_utf8()),
        };
        pieces.push(MappedChar { value: value.len(), written: at..at + length });
        value.push(character);
        at += length;
    }
    Some((value, pieces))
}

fn newline(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with('\n')) }
}

enum Escape {
    Character(char, usize),
    /// A backslash at the end of a line removes all white space up to the next character.
    Continuation(usize),
}

fn escape(rest: &str, multi: bool) -> Option<Escape> {
    let letter = rest[1..].chars().next()?;
    let digits = match letter {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        return Some(Escape::Character(char::from_u32(code)?, 2 + digits));
    }
    let character = match letter {
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        '"' | '\\' => letter,
        ' ' | '\t' | '\n' | '\r' if multi => {
            let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
            return Some(Escape::Continuation(rest.len() - rest[1..].trim_start_matches(white).len()));
        }
        _ => return None,
    };
    Some(Escape::Character(character, 2))
}

/// The span of `range` in `source`, a string at `span` that the file writes as `raw`. The whole span if the range is
/// unknown. An expression of the command line is written as it is.
pub fn locate_span(span: &Span, raw: &str, source: &str, range: Option<Range<usize>>) -> Span {
    let locate = |range| if raw == source { Some(range) } else { locate(raw, source, range) };
    match range.and_then(locate) {
        Some(place) => Span { file: span.file, bytes: span.bytes.start + place.start..span.bytes.start + place.end },
        None => span.clone(),
    }
}
