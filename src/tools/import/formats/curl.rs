//! Output of `curl -v`, and of `curl --trace` and `curl --trace-ascii`.

use super::curl_trace::{TraceReader, is_trace};
use super::marks::{Marked, curl};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, verb};

const FIDELITY: LogFidelity = LogFidelity { content: false, handshakes: true, line_ends: false };
const TRACE: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: true };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    if lines.iter().any(|line| is_trace(line.bytes)) {
        return read_trace(lines);
    }
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let mut connected = false;
    for line in lines {
        match curl(line.bytes) {
            Some(Marked::Sent(text)) => dialogue.push_line(line.number, Side::Client, text),
            Some(Marked::Received(text)) => dialogue.push_line(line.number, Side::Server, text),
            Some(Marked::Remark(text)) => {
                let text = String::from_utf8_lossy(text).trim().to_owned();
                let begins = text.starts_with("Connected to ") || text.starts_with("Established connection to ");
                if begins && connected && dialogue.has_line_of(Side::Server) {
                    dialogue.other_connections += 1;
                } else {
                    connected |= begins;
                }
                if dialogue.other_connections == 0 {
                    remark(line.number, &text, &mut dialogue);
                }
            }
            None => {}
        }
        if dialogue.other_connections > 0 {
            count_the_rest(lines, line.number, &mut dialogue);
            break;
        }
    }
    dialogue
}

fn read_trace(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(TRACE);
    let mut reader = TraceReader::default();
    let is_connected =
        |text: &[u8]| text.starts_with(b"Connected to ") || text.starts_with(b"Established connection to ");
    for line in lines {
        let Some(text) = reader.take(*line, &mut dialogue) else { continue };
        if is_connected(text) && dialogue.has_line_of(Side::Server) {
            dialogue.other_connections += 1;
        }
        if dialogue.other_connections > 0 {
            break;
        }
        remark(line.number, String::from_utf8_lossy(text).trim(), &mut dialogue);
    }
    reader.finish(&mut dialogue);
    dialogue
}

fn count_the_rest(lines: &[LogLine<'_>], from: usize, dialogue: &mut LoggedDialogue) {
    let rest = lines.iter().filter(|line| line.number > from);
    dialogue.other_connections += rest
        .filter(|line| matches!(curl(line.bytes), Some(Marked::Remark(text)) if text.starts_with(b"Connected to ")))
        .count();
}

fn remark(number: usize, text: &str, dialogue: &mut LoggedDialogue) {
    let last_command = dialogue.events.iter().rev().find_map(|logged| match &logged.event {
        LogEvent::Line { side: Side::Client, body } => body.bytes().map(verb),
        _ => None,
    });
    if let Some(address) = text.strip_prefix("Trying ") {
        dialogue.server.get_or_insert_with(|| address.trim_end_matches('.').to_owned());
    } else if let Some(named) = text.strip_prefix("Connected to ") {
        // `Connected to mx.example (192.0.2.1) port 25 (#0)`
        let host = named.split(' ').next().unwrap_or_default();
        if let Some((_, port)) = named.split_once(" port ") {
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            dialogue.server = Some(format!("{host}:{port}"));
        }
        dialogue.push(number, LogEvent::Connected);
    } else if text.starts_with("SSL connection using ") {
        dialogue.push(number, LogEvent::TlsStarted { verified: None });
    } else if text.contains("SSL certificate verify ok") {
        dialogue.set_verified(true);
    } else if text.contains("SSL certificate verify result") || text.contains("continuing anyway") {
        dialogue.set_verified(false);
    } else if text.starts_with("SSL certificate problem") || text.contains("SSL_connect") {
        dialogue.push(number, LogEvent::TlsFailed(text.to_owned()));
    } else if (text.contains("closing connection") || text.starts_with("Closing connection"))
        && last_command.as_deref() != Some("QUIT")
    {
        dialogue.push(number, LogEvent::Closed { by: Side::Client, reset: false });
    } else if text.contains("Empty reply") || text.contains("response reading failed") {
        dialogue.push(number, LogEvent::Closed { by: Side::Server, reset: text.contains("reset") });
    }
}
