//! Escapes, so that nothing that a server sends can move a cursor, deceive a reader or forge a line.
//!
//! ```text
//! line   = *( char / escape / "[secret]" ) [ "\n" / "\c" ]
//! escape = "\\" / "\x" 2HEXDIG
//! ```

use crate::smtp::lines::{LineEnd, WireLine};
use std::fmt::{self, Write};
use std::ops::Range;

/// What a transcript shows instead of a secret.
pub(super) const SECRET: &str = "[secret]";

/// Text that is safe to show anywhere: escaped and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SafeText(String);

impl SafeText {
    /// Escapes `text`, which must not contain secrets.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        Self(escape_unprintable(text.as_ref()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for SafeText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Appends a wire line as the transcript shows it: with escapes, `[secret]` for each hidden range, and the mark of its end.
///
/// `hidden` is sorted and does not overlap, like the result of [`super::Redactor::find`]; other ranges are cut.
pub fn write_notation(line: WireLine<'_>, hidden: &[Range<usize>], out: &mut String) {
    let bytes = line.bytes;
    let mut from = 0;
    for range in hidden {
        let start = range.start.clamp(from, bytes.len());
        let end = range.end.clamp(start, bytes.len());
        write_piece(&bytes[from..start], false, out);
        out.push_str(SECRET);
        from = end;
    }
    write_piece(&bytes[from..], true, out);
    match line.end {
        LineEnd::CrLf => {}
        LineEnd::Lf => out.push_str("\\n"),
        LineEnd::Missing => out.push_str("\\c"),
    }
}

/// Escapes text for remarks, errors and reports. Unlike in lines, a backslash, a space at the end and `[secret]` are not
/// escaped.
pub fn escape_unprintable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for_each_valid(text, &mut out, |valid, out| escape(valid, false, out));
    out
}

/// Appends the name of a connection. Brackets and spaces are escaped, too.
pub(super) fn write_connection_name(name: &str, out: &mut String) {
    for c in name.chars() {
        match c {
            '[' | ']' | ' ' => write_bytes(c, out),
            c => escape(c.encode_utf8(&mut [0; 4]), true, out),
        }
    }
}

/// Appends the text between two secrets; `last` if the line ends after it.
pub(super) fn write_piece(bytes: &[u8], last: bool, out: &mut String) {
    let space = if last && bytes.last() == Some(&b' ') { 1 } else { 0 };
    let (bytes, space) = bytes.split_at(bytes.len() - space);
    for_each_valid(bytes, out, |valid, out| escape(valid, true, out));
    if !space.is_empty() {
        out.push_str("\\x20");
    }
}

/// Calls `valid` with each part that is valid UTF-8, and writes every other byte as an escape.
fn for_each_valid(bytes: &[u8], out: &mut String, mut valid: impl FnMut(&str, &mut String)) {
    match std::str::from_utf8(bytes) {
        Ok(text) => valid(text, out),
        Err(_) => {
            for chunk in bytes.utf8_chunks() {
                valid(chunk.valid(), out);
                chunk.invalid().iter().for_each(|b| write_byte(*b, out));
            }
        }
    }
}

/// With `reversible`, characters that the notation itself uses are escaped, too.
fn escape(text: &str, reversible: bool, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    let mut from = 0;
    let mut at = 0;
    // Parts that need no escapes are copied in one piece: this runs for every line of a batch.
    while let Some(byte) = text.as_bytes().get(at) {
        let (width, plain) = match byte {
            b'\\' => (1, !reversible),
            b'[' => (1, !(reversible && text[at..].starts_with(SECRET))),
            0x20..=0x7e => (1, true),
            0x00..=0x1f | 0x7f => (1, false),
            _ => {
                let c = text[at..].chars().next().expect("at is a boundary before the end");
                (c.len_utf8(), !is_deceptive(c))
            }
        };
        if !plain {
            out.push_str(&text[from..at]);
            match byte {
                b'\\' => out.push_str("\\\\"),
                _ => text.as_bytes()[at..at + width].iter().for_each(|b| write_byte(*b, out)),
            }
            from = at + width;
        }
        at += width;
    }
    out.push_str(&text[from..]);
}

/// Whether no character needs an escape. Without an early exit, so that it is compiled to vector instructions.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, 0x20..=0x7e) & (byte != b'\\') & (byte != b'['))
}

fn write_bytes(c: char, out: &mut String) {
    c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| write_byte(b, out));
}

fn write_byte(byte: u8, out: &mut String) {
    let _ = write!(out, "\\x{byte:02x}"); // writing to a String cannot fail
}

/// Whether a character beyond ASCII is invisible or changes how others are displayed: C1 controls, line and paragraph
/// separators, Unicode's format characters (bidirectional overrides, zero-width, tags) and the rest of
/// Default_Ignorable_Code_Point, interlinear annotation, noncharacters.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}'
        | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fdd0}'..='\u{fdef}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || (c as u32) & 0xfffe == 0xfffe
}
