//! Debug output of nodemailer (`logger: true, debug: true`).

use super::marks::{Marked, nodemailer};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, find};

const FIDELITY: LogFidelity = LogFidelity { content: false, handshakes: false, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let mut first: Option<&[u8]> = None;
    let mut others: Vec<&[u8]> = Vec::new();
    for line in lines {
        let Some(marked) = nodemailer(line.bytes) else { continue };
        let id = connection_id(line.bytes);
        if !matches!(marked, Marked::Remark(_)) && first.is_none() {
            first = Some(id);
        }
        if first.is_some_and(|first| first != id) {
            if !matches!(marked, Marked::Remark(_)) && !others.contains(&id) {
                others.push(id);
            }
            continue;
        }
        match marked {
            // `<18 bytes encoded mime message (source size 20 bytes)>`
            Marked::Sent(text) if text.starts_with(b"<") && find(text, " bytes encoded").is_some() => {
                dialogue.push(line.number, LogEvent::MissingContent);
            }
            Marked::Sent(text) => dialogue.push_line(line.number, Side::Client, text),
            Marked::Received(text) => dialogue.push_line(line.number, Side::Server, text),
            Marked::Remark(text) => remark(line.number, &String::from_utf8_lossy(text), &mut dialogue),
        }
    }
    dialogue.other_connections = others.len();
    dialogue
}

/// What stands between the level and the text.
fn connection_id(line: &[u8]) -> &[u8] {
    let mut brackets = Vec::new();
    let mut at = 0;
    while let Some(open) = find(&line[at..], "[") {
        let Some(close) = find(&line[at + open..], "]") else { break };
        brackets.push(&line[at + open..at + open + close]);
        at += open + close + 1;
        // Text may have brackets, too.
        if brackets.len() == 2 {
            break;
        }
    }
    brackets.get(1).copied().unwrap_or_default()
}

fn remark(number: usize, text: &str, dialogue: &mut LoggedDialogue) {
    if let Some((_, address)) = text.split_once("connection established to ") {
        // `Secure connection established to 192.0.2.1:465`, or `Connection established to …`
        dialogue.server = Some(address.trim().to_owned());
        dialogue.push(number, LogEvent::Connected);
        if text.starts_with("Secure ") {
            dialogue.push(number, LogEvent::TlsStarted { verified: None });
        }
    } else if text.starts_with("Connection upgraded with STARTTLS") {
        dialogue.push(number, LogEvent::TlsStarted { verified: None });
    } else if let Some((_, address)) = text.split_once("established to ") {
        dialogue.server = Some(address.trim().to_owned());
    } else if text.starts_with("Closing connection to the server using \"end\"") {
        dialogue.push(number, LogEvent::Closed { by: Side::Client, reset: false });
    }
}
