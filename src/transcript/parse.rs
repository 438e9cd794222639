//! Reads transcripts in mailrun's own notation.
//!
//! ```text
//! record = [ time ] mark [ "[" name "]" ] ":" [ SP text ]   / "#" [ SP ] text / ""
//! time   = *SP 1*DIGIT "." 1*9DIGIT 1*SP
//! mark   = "C" / "S" / "*"
//! ```

use super::body::unescape_at;
use super::line::{Mark, TranscriptLine};
use std::time::Duration;

/// What is wrong in a transcript, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    pub why: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl std::error::Error for ParseError {}

/// Reads a whole transcript, with or without timestamps. The space after the mark of an empty line is optional. A byte order mark
/// is skipped, and so is a CR at the end of a line.
pub fn parse(text: &str) -> Result<Vec<TranscriptLine>, Vec<ParseError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for (i, line) in text.lines().enumerate() {
        match parse_line(line) {
            Ok(record) => records.push(record),
            Err((at, why)) => {
                let before = line.get(..at).unwrap_or(line);
                errors.push(ParseError { line: i + 1, column: before.chars().count() + 1, why });
            }
        }
    }
    if errors.is_empty() { Ok(records) } else { Err(errors) }
}

/// Reads one line; an error comes with its position in bytes.
fn parse_line(line: &str) -> Result<TranscriptLine, (usize, String)> {
    if line.trim_ascii().is_empty() {
        return Ok(TranscriptLine::Blank);
    }
    if let Some(text) = line.strip_prefix('#') {
        return Ok(TranscriptLine::Comment(text.strip_prefix(' ').unwrap_or(text).to_owned()));
    }
    let (time, rest) = timestamp(line);
    let here = |rest: &str| line.len() - rest.len();
    let mark = match rest.as_bytes().first() {
        Some(b'C') => Mark::Client,
        Some(b'S') => Mark::Server,
        Some(b'*') => Mark::Remark,
        _ => return Err((here(rest), MARKS.to_owned())),
    };
    let (connection, rest) = match rest[1..].strip_prefix('[') {
        None => (None, &rest[1..]),
        Some(named) => {
            let end =
                named.find(']').ok_or_else(|| (here(named), "the connection's name has no closing ]".to_owned()))?;
            let name = unescape_at(&named[..end]).map_err(|(at, why)| (here(named) + at, why))?;
            let name = name.bytes().and_then(|name| String::from_utf8(name.to_vec()).ok());
            let name = name.ok_or_else(|| (here(named), "the connection's name is not text".to_owned()))?;
            (Some(name), &named[end + 1..])
        }
    };
    let Some(text) = rest.strip_prefix(':') else { return Err((here(rest), MARKS.to_owned())) };
    let text = match text.strip_prefix(' ') {
        Some(text) => text,
        None if text.is_empty() => text,
        None => return Err((here(text), "there must be a space after the mark".to_owned())),
    };
    Ok(match mark {
        Mark::Remark => TranscriptLine::Remark { connection, time, text: text.to_owned() },
        mark => {
            let body = unescape_at(text).map_err(|(at, why)| (here(text) + at, why))?;
            TranscriptLine::Wire { mark, connection, time, body }
        }
    })
}

const MARKS: &str = "a line begins with `C: `, `S: `, `*: ` or `# `";

/// Removes `   0.012 ` from the beginning of a line, if it is there.
fn timestamp(line: &str) -> (Option<Duration>, &str) {
    let read = || {
        let (time, rest) = line.trim_start_matches(' ').split_once(' ')?;
        let (seconds, fraction) = time.split_once('.')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
        Some((Duration::new(seconds.parse().ok()?, nanoseconds), rest.trim_start_matches(' ')))
    };
    match read() {
        Some((time, rest)) => (Some(time), rest),
        None => (None, line),
    }
}
