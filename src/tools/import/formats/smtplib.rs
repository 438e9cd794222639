//! Debug output of Python's smtplib (`set_debuglevel(1)` or `2`): what was sent and received as literals of Python.

use super::literals::push_literal;
use super::marks::{Marked, smtplib, without_python_time};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, find};

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
            Some(Marked::Sent(literal)) => push_literal(line.number, Side::Client, literal, &mut dialogue),
            // What reading at the end of the connection gives.
            Some(Marked::Received(b"")) => closed(line.number, &mut dialogue),
            Some(Marked::Received(literal)) => push_literal(line.number, Side::Server, literal, &mut dialogue),
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
