//! How deep expressions nest, found before the engine reads them: its parser, its compiler and what drops their trees
//! go one call deeper for each operator of a chain, and only brackets and statements are counted there.
//!
//! Tags begin and end here where they do for the engine: what it reads must be counted.

use super::lexer::literal_end;
use std::ops::Range;

/// The operators that may stand one around the other, and the `elif`s that one template may have. A thread's 2 MiB of
/// stack bear four times as many in a debug build.
pub const MAX_NESTING: usize = 250;

/// What nests too deep, and where it does.
pub struct NestingError {
    pub what: &'static str,
    pub bytes: Range<usize>,
}

impl NestingError {
    pub fn message(&self) -> String {
        match self.what {
            ELIF => format!("a template may have {MAX_NESTING} times elif, this one has more"),
            _ => format!("operators may nest {MAX_NESTING} deep in a template or expression, these nest deeper"),
        }
    }
}

const ELIF: &str = "elif";
const OPERATORS: &str = "operators";

/// Words that take one expression into another.
const NESTING_WORDS: [&str; 6] = ["and", "or", "not", "in", "is", "if"];

pub fn of_template(source: &str) -> Result<(), NestingError> {
    let bytes = source.as_bytes();
    let mut elifs = 0;
    let mut at = 0;
    while let Some(open) = find(bytes, at, b"{") {
        at = match bytes.get(open + 1) {
            Some(b'{') => expression(source, open + 2, "}}", &mut elifs)?,
            Some(b'%') => match basic_tag(&bytes[open + 2..], b"raw") {
                Some(length) => after_raw(bytes, open + 2 + length),
                None => expression(source, open + 2, "%}", &mut elifs)?,
            },
            Some(b'#') => {
                // A sign of white space control belongs to the start.
                let inside = open + 2 + usize::from(matches!(bytes.get(open + 2), Some(b'-' | b'+')));
                find(bytes, inside, b"#}").map_or(bytes.len(), |end| end + 2)
            }
            _ => open + 1,
        };
    }
    Ok(())
}

pub fn of_expression(source: &str) -> Result<(), NestingError> {
    expression(source, 0, "", &mut 0).map(drop)
}

/// What stands between two brackets: each item of a list begins anew.
struct Level {
    /// How deep its bracket stands.
    base: usize,
    now: usize,
    most: usize,
}

impl Level {
    fn at(base: usize) -> Self {
        Self { base, now: base, most: base }
    }

    fn operator(&mut self) -> bool {
        self.now += 1;
        self.now <= MAX_NESTING
    }
}

/// Counts from `at` on until `close`; gives where it ended.
fn expression(source: &str, mut at: usize, close: &str, elifs: &mut usize) -> Result<usize, NestingError> {
    let bytes = source.as_bytes();
    let mut level = Level::at(0);
    let mut outer: Vec<Level> = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        if !close.is_empty() && outer.is_empty() && bytes[at..].starts_with(close.as_bytes()) {
            return Ok(at + close.len());
        }
        let start = at;
        at += 1;
        let fits = match byte {
            b'"' | b'\'' => {
                at = literal_end(bytes, start);
                true
            }
            b'0'..=b'9' => {
                at = number_end(bytes, start);
                let glued = word_end(source, at);
                // `1if` is a number and a word; `1e5` and `0xff` count with it, which harms nobody.
                let fits = glued == at || level.operator();
                at = glued;
                fits
            }
            b'(' | b'[' | b'{' => {
                let fits = level.operator();
                let inner = Level::at(level.now);
                outer.push(std::mem::replace(&mut level, inner));
                fits
            }
            b')' | b']' | b'}' => {
                if let Some(around) = outer.pop() {
                    let inside = std::mem::replace(&mut level, around);
                    level.now = inside.most.max(inside.now);
                }
                true
            }
            b',' => {
                level.most = level.most.max(level.now);
                level.now = level.base;
                true
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'~' | b'|' | b'.' | b'<' | b'>' | b'!' | b'=' => level.operator(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                at = word_end(source, start);
                if at == start {
                    at += source[start..].chars().next().map_or(1, char::len_utf8);
                }
                let word = &source[start..at];
                if word == ELIF {
                    *elifs += 1;
                    if *elifs > MAX_NESTING {
                        return Err(NestingError { what: ELIF, bytes: start..at });
                    }
                }
                !NESTING_WORDS.contains(&word) || level.operator()
            }
            _ => true,
        };
        if !fits {
            return Err(NestingError { what: OPERATORS, bytes: start..at });
        }
    }
    Ok(bytes.len())
}

fn word_end(source: &str, start: usize) -> usize {
    let letters = source[start..].chars().take_while(|c| *c == '_' || c.is_alphanumeric());
    start + letters.map(char::len_utf8).sum::<usize>()
}

/// Behind the number that begins at `start`; a dot in it is no operator, but for an index behind another dot (`a.0.1`).
fn number_end(bytes: &[u8], start: usize) -> usize {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
    };
    let end = digits(start);
    let is_index = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'.');
    let has_fraction = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    if has_fraction && !is_index { digits(end + 1) } else { end }
}

/// The length of ` name %}`, as it stands behind `{%`.
fn basic_tag(text: &[u8], name: &[u8]) -> Option<usize> {
    let text_behind = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut at = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    at += text_behind(&text[at..]);
    at += text[at..].starts_with(name).then_some(name.len())?;
    at += text_behind(&text[at..]);
    at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
    text[at..].starts_with(b"%}").then_some(at + 2)
}

fn after_raw(bytes: &[u8], mut at: usize) -> usize {
    while let Some(open) = find(bytes, at, b"{%") {
        at = open + 2;
        if let Some(length) = basic_tag(&bytes[at..], b"endraw") {
            return at + length;
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, what).map(|found| from + found)
}

#[cfg(test)]
mod tests;
