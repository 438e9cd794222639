//! The format of a file of rows: which character separates the fields, or JSON Lines.
//!
//! - `.tsv` files are tab-separated. `.jsonl` files, and files that begin with `{`, are JSON Lines.
//! - A first line `sep=;` sets the delimiter and is no row. Excel writes it, and reads it.
//! - In other files the delimiter is the one of comma, semicolon and tab that occurs most often in the header line,
//!   outside quotes. If none occurs, it is the comma; if two occur equally often, it is the first in this order.

use super::encoding::Encoding;
use memchr::memchr2;
use std::fmt;

/// How much of a file is read to find its format. If the header line does not end there, it is cut.
pub const MAX_BEGINNING: usize = 1 << 20;

const CANDIDATES: [u8; 3] = *b",;\t";

/// What a file of rows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    Delimited(DelimitedFormat),
    JsonLines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelimitedFormat {
    pub delimiter: u8,
    /// The length of the line `sep=;` with its line end, which is skipped; else 0.
    pub skipped: usize,
    /// The number of the line after it.
    pub first_line: u64,
}

/// `delimiter` and `encoding` next to a file of rows. What is not given is detected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CsvOptions {
    pub delimiter: Option<u8>,
    pub encoding: Option<&'static Encoding>,
}

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatHints<'a> {
    /// The end of its name, without the dot.
    pub extension: Option<&'a str>,
    /// `delimiter` in the session file. It counts more than all else.
    pub delimiter: Option<u8>,
}

/// A delimiter that is not one ASCII character, or is one that has another meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelimiterError(pub String);

impl fmt::Display for DelimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" cannot be a delimiter: it must be one ASCII character, and no letter, digit, quotation mark or line \
             end",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for DelimiterError {}

/// Reads the value of `delimiter`.
///
/// # Errors
/// If it cannot separate fields.
pub fn parse_delimiter(text: &str) -> Result<u8, DelimiterError> {
    match text.as_bytes() {
        [byte] if is_delimiter(*byte) => Ok(*byte),
        _ => Err(DelimiterError(text.to_owned())),
    }
}

fn is_delimiter(byte: u8) -> bool {
    byte == b'\t' || ((byte.is_ascii_punctuation() || byte == b' ') && byte != b'"')
}

/// The format of a file that begins with these bytes, which are UTF-8 without a byte order mark (or any encoding that
/// has ASCII's characters). `None` if more of the file is needed; not if `is_complete`.
pub fn detect_format(beginning: &[u8], is_complete: bool, hints: &FormatHints<'_>) -> Option<RowFormat> {
    let is_complete = is_complete || beginning.len() >= MAX_BEGINNING;
    let extension = hints.extension.map(str::to_ascii_lowercase);
    let is_tsv = match extension.as_deref() {
        Some("jsonl" | "ndjson" | "json") => return Some(RowFormat::JsonLines),
        Some("tsv" | "tab") => true,
        _ => false,
    };
    if !is_tsv && hints.delimiter.is_none() {
        match beginning.trim_ascii_start().first() {
            Some(b'{') => return Some(RowFormat::JsonLines),
            None if !is_complete => return None,
            _ => {}
        }
    }
    let (first, rest) = match split_line(beginning) {
        Some((_, [])) | None if !is_complete => return None,
        Some(lines) => lines,
        None => (beginning, &[][..]),
    };
    let (named, skipped) = match separator_line(first) {
        Some(delimiter) => (Some(delimiter), beginning.len() - rest.len()),
        None => (None, 0),
    };
    let found = match hints.delimiter.or(named).or(is_tsv.then_some(b'\t')) {
        Some(delimiter) => delimiter,
        None => most_frequent_delimiter(beginning.get(skipped..).unwrap_or_default(), is_complete)?,
    };
    Some(RowFormat::Delimited(DelimitedFormat {
        delimiter: found,
        skipped,
        first_line: if skipped > 0 { 2 } else { 1 },
    }))
}

/// The first line without its end (LF, CRLF or CR), and the bytes after it. `None` if it has no end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr2(b'\r', b'\n', bytes)?;
    let (line, rest) = bytes.split_at(end);
    let rest = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
    Some((line, rest))
}

/// The delimiter of a line `sep=;`, which may be quoted.
fn separator_line(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && is_delimiter(*delimiter) => {
            Some(*delimiter)
        }
        _ => None,
    }
}

/// Counts in the header line: the first line that has more than delimiters, quotation marks and white space. `None` if
/// it does not end in `bytes`.
fn most_frequent_delimiter(bytes: &[u8], is_complete: bool) -> Option<u8> {
    let mut counts = [0_usize; CANDIDATES.len()];
    let (mut is_quoted, mut has_text, mut field_begins) = (false, false, true);
    let mut has_ended = false;
    for &byte in bytes {
        // A mark that ends a field and the one after it, which continues it, cancel out.
        if byte == b'"' && (is_quoted || field_begins || !has_text) {
            is_quoted = !is_quoted;
        } else if is_quoted {
            has_text |= !byte.is_ascii_whitespace();
        } else if matches!(byte, b'\r' | b'\n') {
            if has_text {
                has_ended = true;
                break;
            }
            counts = [0; CANDIDATES.len()];
        } else if let Some(index) = CANDIDATES.iter().position(|candidate| *candidate == byte) {
            if let Some(count) = counts.get_mut(index) {
                *count += 1;
            }
        } else {
            has_text |= !byte.is_ascii_whitespace();
        }
        field_begins = CANDIDATES.contains(&byte) || matches!(byte, b'\r' | b'\n') || (byte == b'"' && !is_quoted);
    }
    if !has_ended && !is_complete {
        return None;
    }
    let best = counts.iter().copied().max().unwrap_or_default();
    let index = counts.iter().position(|count| *count == best).unwrap_or_default();
    Some(CANDIDATES.get(index).copied().unwrap_or(b','))
}

/// The label of UTF-16 without a byte order mark, if a file looks like it: each character of ASCII is next to a NUL.
/// It is for the help of an error only.
pub fn utf16_suggestion(beginning: &[u8]) -> Option<&'static str> {
    let pairs: Vec<&[u8]> = beginning.get(..beginning.len().min(64) & !1)?.chunks_exact(2).collect();
    let all = |matches: fn(&&[u8]) -> bool| pairs.len() >= 2 && pairs.iter().all(matches);
    if all(|pair| matches!(pair, [1..=127, 0])) {
        Some("utf-16le")
    } else if all(|pair| matches!(pair, [0, 1..=127])) {
        Some("utf-16be")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delimited(delimiter: u8, skipped: usize) -> RowFormat {
        RowFormat::Delimited(DelimitedFormat { delimiter, skipped, first_line: if skipped > 0 { 2 } else { 1 } })
    }

    #[test]
    fn formats_are_detected() {
        let csv = Some("csv");
        let table: &[(Option<&str>, &str, RowFormat, &str)] = &[
            (csv, "email,name\na,b\n", delimited(b',', 0), "commas"),
            (csv, "email;name\r\na;b\r\n", delimited(b';', 0), "Excel in Germany"),
            (csv, "email\tname\ra\tb\r", delimited(b'\t', 0), "tabs and CR"),
            (csv, "email\n", delimited(b',', 0), "one column"),
            (csv, "", delimited(b',', 0), "nothing"),
            (csv, "\"a,b,c\";d\n", delimited(b';', 0), "commas within quotes do not count"),
            (csv, "\"a\n,b,\";d\n", delimited(b';', 0), "a line end within quotes does not end the header line"),
            (csv, "\"a\"\",,\";d\n", delimited(b';', 0), "two marks within quotes"),
            (csv, "a\"b,c\";d;e\n", delimited(b';', 0), "a mark within an unquoted field is an ordinary character"),
            (csv, "a;\"b,c,d\"\n", delimited(b';', 0), "a quoted field after a delimiter"),
            (csv, "a,b;c\n", delimited(b',', 0), "equally often: the comma"),
            (csv, "a;b\tc\n", delimited(b';', 0), "equally often: the semicolon"),
            (csv, "a;b;c\n1,2,3,4,5\n", delimited(b';', 0), "only the header line counts"),
            (csv, "\n;;;\n \r\na,b\n", delimited(b',', 0), "lines without text come before the header line"),
            (csv, "sep=;\r\na,b,c;d\r\n", delimited(b';', 7), "Excel's line"),
            (csv, "SEP=\t\na\tb\n", delimited(b'\t', 6), "in capitals, with a tab"),
            (csv, "\"sep=|\"\na|b\n", delimited(b'|', 8), "in quotes, with another character"),
            (csv, "sep=;", delimited(b';', 5), "nothing after it"),
            (csv, "sep=x\nb,c\n", delimited(b',', 0), "a letter is no delimiter"),
            (csv, "sep=\nb;c\n", delimited(b',', 0), "no delimiter: it is a header"),
            (csv, "sep=;;\nb;c\n", delimited(b';', 0), "a column that is named like it"),
            (Some("tsv"), "a,b,c\td\n", delimited(b'\t', 0), "the name says tabs"),
            (Some("TAB"), "{a}\tb\n", delimited(b'\t', 0), "in capitals, and a brace"),
            (Some("tsv"), "sep=;\na;b\n", delimited(b';', 6), "the line counts more than the name"),
            (Some("txt"), "a\tb\n", delimited(b'\t', 0), "Excel's Unicode text"),
            (None, "a;b\n", delimited(b';', 0), "no name"),
            (None, "\r\n {\"a\":1}\n", RowFormat::JsonLines, "a brace after white space"),
            (csv, "{\"a\":1}", RowFormat::JsonLines, "a brace, whatever the name"),
            (Some("jsonl"), "", RowFormat::JsonLines, "the name says JSON Lines"),
        ];
        for (extension, text, expected, why) in table {
            let hints = FormatHints { extension: *extension, delimiter: None };
            assert_eq!(detect_format(text.as_bytes(), true, &hints), Some(*expected), "{why}");
            for end in 0..text.len() {
                let early = detect_format(&text.as_bytes()[..end], false, &hints);
                assert!(early.is_none() || early == Some(*expected), "{why}: decided too early, after {end} bytes");
            }
        }
        let long = vec![b'a'; MAX_BEGINNING];
        let first = detect_format(&long, false, &FormatHints::default());
        assert_eq!(first, Some(delimited(b',', 0)), "a header line that is too long is cut");
        let hints = FormatHints { extension: csv, delimiter: Some(b'|') };
        let table = [
            ("a,b|c\n", delimited(b'|', 0), "the session file's delimiter"),
            ("sep=;\na|b\n", delimited(b'|', 6), "it counts more than the line, which is skipped"),
            ("{x}|b\n", delimited(b'|', 0), "and more than a brace"),
        ];
        for (text, expected, why) in table {
            assert_eq!(detect_format(text.as_bytes(), true, &hints), Some(expected), "{why}");
        }
    }

    #[test]
    fn delimiters_are_checked() {
        for (text, expected, why) in [
            (",", Some(b','), "a comma"),
            ("\t", Some(b'\t'), "a tab"),
            ("|", Some(b'|'), "a bar"),
            (" ", Some(b' '), "a space"),
            ("", None, "nothing"),
            (",,", None, "two"),
            ("\"", None, "a quotation mark"),
            ("\n", None, "a line end"),
            ("\0", None, "NUL"),
            ("x", None, "a letter"),
            ("§", None, "not ASCII"),
        ] {
            assert_eq!(parse_delimiter(text).ok(), expected, "{why}");
        }
    }

    #[test]
    fn utf_16_without_a_mark_is_suggested() {
        let table: &[(&[u8], Option<&str>, &str)] = &[
            (b"e\0m\0a\0i\0l\0\n\0", Some("utf-16le"), "little-endian"),
            (b"\0e\0m\0a\0i\0l\0\n", Some("utf-16be"), "big-endian"),
            (b"email\n", None, "ASCII"),
            (b"a\0b\n", None, "one NUL"),
            (b"", None, "nothing"),
        ];
        for (bytes, expected, why) in table {
            assert_eq!(utf16_suggestion(bytes), *expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn more_of_the_file_does_not_change_the_format(text in "[a,;\t\"\r\n{sep=]{0,24}", end in 0usize..24) {
            let bytes = text.as_bytes();
            let hints = FormatHints::default();
            let whole_file = detect_format(bytes, true, &hints);
            prop_assert!(whole_file.is_some());
            if let early @ Some(_) = detect_format(&bytes[..end.min(bytes.len())], false, &hints) {
                prop_assert_eq!(early, whole_file);
            }
        }
    }
}
