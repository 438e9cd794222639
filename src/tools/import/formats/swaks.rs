//! Output of swaks.

use super::marks::{Marked, swaks};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, is_command};

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    for line in lines {
        match swaks(line.bytes) {
            Some(Marked::Sent(text)) if is_summary(text, &dialogue) => {
                dialogue.push(line.number, LogEvent::MissingContent);
            }
            Some(Marked::Sent(text)) => dialogue.push_line(line.number, Side::Client, text),
            // Printed if the connection was lost, or nothing came in time.
            Some(Marked::Received(text)) if text.trim_ascii().is_empty() => {
                dialogue.push(line.number, LogEvent::Note("swaks shows an empty reply here".to_owned()));
            }
            Some(Marked::Received(text)) if text.starts_with(b"Timeout (") => {
                let text = String::from_utf8_lossy(text);
                dialogue.push(line.number, LogEvent::Note(format!("no reply came: {text}")));
            }
            Some(Marked::Received(text)) => dialogue.push_line(line.number, Side::Server, text),
            Some(Marked::Remark(text)) => remark(*line, &String::from_utf8_lossy(text), &mut dialogue),
            None => {}
        }
    }
    dialogue
}

/// `12 lines sent` stands for content with `--suppress-data`.
fn is_summary(text: &[u8], dialogue: &LoggedDialogue) -> bool {
    let text = String::from_utf8_lossy(text);
    let count = text.strip_suffix(" lines sent").or_else(|| text.strip_suffix(" line sent"));
    let awaited = dialogue
        .last_line_of(Side::Server)
        .is_some_and(|body| body.bytes().is_some_and(|line| line.starts_with(b"354")) && !is_command(text.as_bytes()));
    awaited && count.is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remark(line: LogLine<'_>, text: &str, dialogue: &mut LoggedDialogue) {
    let number = line.number;
    if let Some(address) = text.strip_prefix("Trying ") {
        let address = address.trim_end_matches('.');
        if dialogue.server.is_none() && !address.starts_with("pipe to ") {
            dialogue.server = Some(address.to_owned());
        }
    } else if text.starts_with("Connected to ") {
        dialogue.push(number, LogEvent::Connected);
    } else if text.starts_with("TLS started") {
        dialogue.push(number, LogEvent::TlsStarted { verified: None });
    } else if text.starts_with("TLS peer certificate failed") {
        dialogue.set_verified(false);
    } else if text.starts_with("TLS peer certificate passed") {
        dialogue.set_verified(!text.contains(", failed host"));
    } else if text.starts_with("TLS startup failed") {
        dialogue.push(number, LogEvent::TlsFailed(text.to_owned()));
    } else if text.starts_with("Dropping connection") || text.starts_with("Connection closed with") {
        // After QUIT both close: the writer of the session leaves that out.
        dialogue.push(number, LogEvent::Closed { by: Side::Client, reset: false });
    } else if text.contains("closed connection unexpectedly") {
        dialogue.push(number, LogEvent::Closed { by: Side::Server, reset: false });
    } else if line.bytes.starts_with(b"***") {
        dialogue.push(number, LogEvent::Note(format!("swaks: {text}")));
    }
}
