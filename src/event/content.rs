//! What crosses the wire, as reports may see it: a line, or a block of mail content.

use crate::smtp::lines::{LineEnd, WireLine, split_lines};
use crate::smtp::reply::ReplyCode;
use crate::transcript::{ContentRedaction, hex_dump, write_notation};
use memchr::memchr_iter;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A line on the wire. Its secret parts cannot be had from it.
#[derive(Clone, Copy, Debug)]
pub struct RedactedLine<'a> {
    line: WireLine<'a>,
    /// Ascending and apart, counted from `offset` bytes before the line.
    hidden: &'a [Range<usize>],
    offset: usize,
    /// Whether it is between the chunks of a message's content: a BDAT command that is not the last one, or its reply.
    pub in_chunk_gap: bool,
    /// Whether it is mail content, or part of it is: a line of `raw` after a 354, octets of BDAT.
    pub is_content: bool,
}

impl<'a> RedactedLine<'a> {
    /// `hidden` are the ranges of the line that are secret, ascending and apart.
    pub fn new(line: WireLine<'a>, hidden: &'a [Range<usize>]) -> Self {
        Self { line, hidden, offset: 0, in_chunk_gap: false, is_content: false }
    }

    /// The same line, content or not.
    pub fn with_content(self, is_content: bool) -> Self {
        Self { is_content, ..self }
    }

    /// The same line, between chunks or not.
    pub fn with_chunk_gap(self, in_chunk_gap: bool) -> Self {
        Self { in_chunk_gap, ..self }
    }

    /// Of a server's line: the code of the reply, if this is the reply's last line (RFC 5321 §4.2).
    pub fn final_reply_code(&self) -> Option<u16> {
        let (digits, rest) = self.line.bytes.split_at_checked(3)?;
        let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
        matches!(rest.first(), None | Some(b' ')).then(|| ReplyCode::new(code)).flatten().map(ReplyCode::get)
    }

    /// Of a server's line: whether it says that all is well so far.
    pub fn is_positive(&self) -> bool {
        self.line.bytes.first() == Some(&b'2')
    }

    /// Whether a part of it is secret.
    pub fn has_secret(&self) -> bool {
        let length = self.line.bytes.len();
        self.hidden().iter().any(|range| range.start < range.end.min(length))
    }

    /// Appends it as the transcript shows it.
    pub fn notation(&self, out: &mut String) {
        write_notation(self.line, &self.hidden(), out);
    }

    /// Calls `row` with each row of its hex dump.
    pub fn hex(&self, row: impl FnMut(&str)) {
        hex_dump(self.line, &self.hidden(), row);
    }

    /// Its length on the wire in bytes, with its end.
    pub fn wire_length(&self) -> usize {
        wire_length(self.line)
    }

    fn hidden(&self) -> Cow<'a, [Range<usize>]> {
        if self.offset == 0 || self.hidden.is_empty() {
            return Cow::Borrowed(self.hidden);
        }
        let ranges = self.hidden.iter();
        ranges.map(|range| range.start.saturating_sub(self.offset)..range.end.saturating_sub(self.offset)).collect()
    }
}

fn wire_length(line: WireLine<'_>) -> usize {
    line.bytes.len()
        + match line.end {
            LineEnd::CrLf => 2,
            LineEnd::Lf => 1,
            LineEnd::Missing => 0,
        }
}

/// A block of mail content as it is on the wire, about 64 kB or less. It begins at a line's beginning and ends at a line's
/// end, unless its lines are longer than that. Its secret parts cannot be had from it.
#[derive(Clone, Copy)]
pub struct ContentBlock<'a> {
    bytes: &'a [u8],
    /// `None` if nothing of it can be secret.
    redaction: Option<&'a ContentRedaction<'a>>,
}

impl<'a> ContentBlock<'a> {
    /// `redaction` is that of these bytes.
    pub fn new(bytes: &'a [u8], redaction: Option<&'a ContentRedaction<'a>>) -> Self {
        Self { bytes, redaction }
    }

    /// Its lines. Secrets are searched for only here: who asks for lines pays for them.
    pub fn lines(&self) -> ContentLines<'a> {
        let hidden = self.redaction.map_or(&[][..], ContentRedaction::hidden);
        ContentLines { rest: self.bytes, hidden, offset: 0 }
    }

    /// Its length on the wire in bytes.
    pub fn wire_length(&self) -> usize {
        self.bytes.len()
    }

    /// How many lines it has; the last one may lack its end.
    pub fn line_count(&self) -> usize {
        count_lines(self.bytes)
    }
}

impl fmt::Debug for ContentBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentBlock").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The lines of a [`ContentBlock`].
#[derive(Clone)]
pub struct ContentLines<'a> {
    rest: &'a [u8],
    /// Those that end after the last line, counted from the block's beginning.
    hidden: &'a [Range<usize>],
    /// How many bytes of the block came before `rest`.
    offset: usize,
}

impl ContentLines<'_> {
    /// How many lines and bytes are left. This does not cut the lines.
    pub fn remaining(&self) -> (usize, usize) {
        (count_lines(self.rest), self.rest.len())
    }
}

impl<'a> Iterator for ContentLines<'a> {
    type Item = RedactedLine<'a>;

    fn next(&mut self) -> Option<RedactedLine<'a>> {
        let line = split_lines(self.rest).next()?;
        let (offset, end) = (self.offset, self.offset + line.bytes.len());
        let first = self.hidden.iter().take_while(|range| range.end <= offset).count();
        self.hidden = self.hidden.get(first..).unwrap_or_default();
        let count = self.hidden.iter().take_while(|range| range.start < end).count();
        let hidden = self.hidden.get(..count).unwrap_or_default();
        let length = wire_length(line);
        self.rest = self.rest.get(length..).unwrap_or_default();
        self.offset += length;
        Some(RedactedLine { line, hidden, offset, in_chunk_gap: false, is_content: true })
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    let is_open = bytes.last().is_some_and(|last| *last != b'\n');
    memchr_iter(b'\n', bytes).count() + usize::from(is_open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{ContentWindow, Redactor};

    /// What each line of a block shows.
    fn shown(redactor: &Redactor, content: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        redactor.for_each_block(&mut ContentWindow::default(), content, &[], &[], |bytes, redaction| {
            let block = ContentBlock::new(bytes, redaction);
            assert_eq!(block.lines().remaining(), (block.line_count(), block.wire_length()));
            assert_eq!(block.lines().count(), block.line_count());
            assert_eq!(block.lines().map(|line| line.wire_length()).sum::<usize>(), block.wire_length());
            shown.extend(block.lines().map(|line| {
                let mut text = String::new();
                line.notation(&mut text);
                assert_eq!(line.has_secret(), text.contains("[secret]"), "{text}");
                text
            }));
        });
        shown
    }

    #[test]
    fn a_block_is_cut_into_its_lines() {
        let mut redactor = Redactor::default();
        let table: &[(&[u8], &[&str], &str)] = &[
            (b"a\r\nb\nc", &["a", "b\\n", "c\\c"], "every end of a line"),
            (b"a\r\n\r\n", &["a", ""], "an empty line"),
            (b"", &[], "nothing"),
        ];
        for (content, lines, why) in table {
            assert_eq!(shown(&redactor, content), *lines, "{why}");
        }
        redactor.add("hunter2");
        redactor.add("two\r\nlines");
        let table: &[(&[u8], &[&str], &str)] = &[
            (
                b"ab\r\nx hunter2 y hunter2\r\nhunter2\r\nc",
                &["ab", "x [secret] y [secret]", "[secret]", "c\\c"],
                "whole",
            ),
            (b"say two\r\nlines!\r\nc\r\n", &["say [secret]", "[secret]!", "c"], "over two lines"),
        ];
        for (content, lines, why) in table {
            assert_eq!(shown(&redactor, content), *lines, "{why}");
        }
    }
}
