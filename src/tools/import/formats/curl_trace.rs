//! Output of `curl --trace` and `curl --trace-ascii`: blocks of bytes with their offsets.

use super::literals::push_bytes;
use super::marks::{Marked, curl_trace};
use crate::tools::import::dialogue::{LogEvent, LoggedDialogue, Side};
use crate::tools::import::log_text::LogLine;

/// How wide the hexadecimal part of a line is: 16 bytes, each with a space.
const HEX_WIDTH: usize = 48;

/// Whether a line is the first one of a block, or a remark of a trace.
pub(super) fn is_trace(line: &[u8]) -> bool {
    curl_trace(line).is_some()
}

/// Blocks of bytes, as they come.
#[derive(Default)]
pub(super) struct TraceReader<'a> {
    /// The side of the block, how long it is, and the line of the log where it begins.
    block: Option<(Side, usize, usize)>,
    is_content: bool,
    rows: Vec<(usize, &'a [u8])>,
    /// Content that was sent so far, and the line of the log where it begins.
    content: Option<(usize, Vec<u8>)>,
    /// Whether a comment says that bytes may be missing.
    noted: bool,
}

impl<'a> TraceReader<'a> {
    /// Takes a line; returns the text of a remark.
    pub fn take(&mut self, line: LogLine<'a>, dialogue: &mut LoggedDialogue) -> Option<&'a [u8]> {
        let (side, text) = match curl_trace(line.bytes) {
            None => {
                self.rows.extend(row(line.bytes));
                return None;
            }
            Some(Marked::Remark(text)) => {
                self.finish_block(dialogue);
                return Some(text);
            }
            Some(Marked::Sent(text)) => (Side::Client, text),
            Some(Marked::Received(text)) => (Side::Server, text),
        };
        self.finish_block(dialogue);
        // `Send SSL data` are records of TLS.
        if text.starts_with(b"header, ") || text.starts_with(b"data, ") {
            let length =
                text.split(|byte| *byte == b' ').nth(1).and_then(|word| str::from_utf8(word).ok()?.parse().ok());
            // The first row of the block comes next.
            self.block = Some((side, length.unwrap_or(0), line.number + 1));
            self.is_content = side == Side::Client && text.starts_with(b"data, ");
        }
        None
    }

    /// Ends the block: its lines are added to the dialogue.
    pub fn finish_block(&mut self, dialogue: &mut LoggedDialogue) {
        let rows = std::mem::take(&mut self.rows);
        let Some((side, length, number)) = self.block.take() else { return };
        let is_hex = rows.iter().all(|(_, text)| hex_row(text).is_some());
        let bytes = if is_hex {
            rows.iter().filter_map(|(_, text)| hex_row(text)).flatten().collect()
        } else {
            join(&rows, length)
        };
        if self.is_content {
            if !is_hex && !std::mem::replace(&mut self.noted, true) {
                let text = "a guess: a dot of this content may be any byte that is not printable ASCII";
                dialogue.push(number, LogEvent::Note(text.to_owned()));
            }
            self.content.get_or_insert_with(|| (number, Vec::new())).1.extend(bytes);
            return;
        }
        if let Some((number, mut content)) = self.content.take() {
            // Some versions do not show the end of content.
            if side == Side::Server && content != b".\r\n" && !content.ends_with(b"\r\n.\r\n") {
                content.extend_from_slice(if content.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" });
            }
            push_bytes(number, Side::Client, &content, dialogue);
        }
        push_bytes(number, side, &bytes, dialogue);
    }

    /// Ends the log.
    pub fn finish(mut self, dialogue: &mut LoggedDialogue) {
        self.finish_block(dialogue);
        if let Some((number, content)) = self.content.take() {
            push_bytes(number, Side::Client, &content, dialogue);
        }
    }
}

/// `0010: …`: the offset, and what follows it.
fn row(line: &[u8]) -> Option<(usize, &[u8])> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let offset = usize::from_str_radix(str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
    let rest = line[digits..].strip_prefix(b":")?;
    Some((offset, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// The bytes of a line of `--trace`; `None` if it is one of `--trace-ascii`.
fn hex_row(text: &[u8]) -> Option<Vec<u8>> {
    let hex = text.get(..HEX_WIDTH)?;
    let mut bytes = Vec::new();
    for word in hex.chunks(3) {
        match word {
            b"   " => {}
            [_, _, b' '] => bytes.push(u8::from_str_radix(str::from_utf8(&word[..2]).ok()?, 16).ok()?),
            _ => return None,
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The bytes of lines of `--trace-ascii`. A line ends at CRLF, which is not shown, or after 64 bytes: the offset of the next line
/// tells which.
fn join(rows: &[(usize, &[u8])], length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, (offset, text)) in rows.iter().enumerate() {
        let next = rows.get(at + 1).map_or(length, |(next, _)| *next);
        bytes.extend_from_slice(text);
        let missing = next.saturating_sub(offset.saturating_add(text.len()));
        if missing >= 2 {
            // White space at the end of a line may be lost.
            bytes.extend(std::iter::repeat_n(b' ', (missing - 2).min(64)));
            bytes.extend_from_slice(b"\r\n");
        } else {
            bytes.extend(std::iter::repeat_n(b' ', missing));
        }
    }
    bytes
}
