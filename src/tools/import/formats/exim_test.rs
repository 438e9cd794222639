//! Output of the client of Exim's test suite.

use super::marks::{Marked, exim_test};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::LogLine;
use std::time::Duration;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: false };

/// The longest pause that is taken over.
const MAX_PAUSE: u64 = 3600;

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let mut ended = false;
    for line in lines {
        let text = line.text();
        if text.starts_with("Connecting to ") {
            if dialogue.has_line_of(Side::Server) || dialogue.has_line_of(Side::Client) {
                ended = true;
                dialogue.other_connections += 1;
            } else {
                connecting(line.number, &text, &mut dialogue);
            }
        }
        if ended {
            continue;
        }
        match exim_test(line.bytes) {
            Some(Marked::Sent(text)) => dialogue.push_line(line.number, Side::Client, text),
            Some(Marked::Received(text)) => dialogue.push_line(line.number, Side::Server, text),
            Some(Marked::Remark(remark)) => {
                // `+++ 2` sleeps.
                let seconds = remark.strip_prefix(b"+++ ").and_then(|text| str::from_utf8(text).ok());
                if let Some(seconds) = seconds.and_then(|text| text.trim().parse().ok()) {
                    dialogue.push(line.number, LogEvent::Paused(Duration::from_secs(MAX_PAUSE.min(seconds))));
                }
            }
            None if text.starts_with("Succeeded in starting TLS") => {
                dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
            }
            None if text.starts_with("Failed to start TLS") => {
                dialogue.push(line.number, LogEvent::TlsFailed(text.into_owned()));
            }
            None if text.starts_with("Expected EOF read") || text.starts_with("Unexpected EOF read") => {
                dialogue.push(line.number, LogEvent::Closed { by: Side::Server, reset: false });
            }
            None => {}
        }
    }
    dialogue
}

/// `Connecting to 127.0.0.1 port 1225 ... connected`
fn connecting(number: usize, text: &str, dialogue: &mut LoggedDialogue) {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [_, _, host, "port", port, ..] = words.as_slice() {
        dialogue.server = Some(format!("{host}:{port}"));
    }
    dialogue.push(number, LogEvent::Connected);
}
