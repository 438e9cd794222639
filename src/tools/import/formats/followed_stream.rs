//! Text of `tshark -q -z follow,tcp,ascii,N`: blocks of bytes with their lengths, those of the server after a tab.

use super::literals::push_bytes;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::log_text::LogLine;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: true };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    // What a terminal or an editor printed has lost its CRs: then each line had one.
    dialogue.fidelity.line_ends = lines.iter().any(|line| line.crs > 0);
    let mut rest = lines;
    let mut nodes = Vec::new();
    let mut blocks = Vec::new();
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        if let Some((node, address)) = line.text().strip_prefix("Node ").and_then(|text| text.split_once(": ")) {
            // Another stream.
            if node == "0" && !nodes.is_empty() {
                dialogue.other_connections += 1;
            }
            nodes.push(address.trim().to_owned());
        } else if let Some((second, length)) = block_header(line.bytes).filter(|_| dialogue.other_connections == 0) {
            let (bytes, used) = take_block(rest, length, dialogue.fidelity.line_ends);
            blocks.push((rest.first().map_or(line.number, |first| first.number), second, bytes));
            rest = &rest[used..];
        }
    }
    // The server is the side whose first block is a reply; a client says nothing before.
    let second_is_server =
        blocks.first().is_none_or(|(_, second, bytes)| *second == is_reply(bytes.get(..4).unwrap_or_default()));
    dialogue.server = nodes.into_iter().nth(usize::from(second_is_server));
    dialogue.push(1, LogEvent::Connected);
    for (number, second, bytes) in blocks {
        let side = if second == second_is_server { Side::Server } else { Side::Client };
        push_bytes(number, side, &bytes, &mut dialogue);
    }
    dialogue
}

/// `18`, or a tab and `25`: whether the second node sent the block, and how long it is.
fn block_header(line: &[u8]) -> Option<(bool, usize)> {
    let digits = line.strip_prefix(b"\t").unwrap_or(line);
    let length = str::from_utf8(digits).ok()?.parse().ok().filter(|length| *length > 0)?;
    Some((digits.len() < line.len(), length))
}

/// The bytes of a block, and how many lines it takes with the empty one after it.
fn take_block(lines: &[LogLine<'_>], length: usize, has_crs: bool) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut used = 0;
    for line in lines {
        used += 1;
        bytes.extend_from_slice(line.bytes);
        if bytes.len() >= length {
            // The line end after the last byte is tshark's.
            return (bytes, used);
        }
        let crs = if has_crs { line.crs } else { 1 };
        bytes.extend(std::iter::repeat_n(b'\r', crs));
        bytes.push(b'\n');
    }
    bytes.truncate(length);
    (bytes, used)
}
