//! Debug output of PHPMailer (`SMTPDebug` from 2), as text or HTML.

use super::marks::{Marked, php_mailer};
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::entities::decode_entities;
use crate::tools::import::log_text::{LogLine, trim_start};
use crate::transcript::LineBody;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: false, line_ends: false };

/// What is shown instead of a password.
const HIDDEN: [&[u8]; 2] = [b"[credentials hidden]", b"<credentials hidden>"];

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    for line in lines {
        let unescaped = from_html(line.bytes);
        match php_mailer(&unescaped) {
            Some(Marked::Sent(text)) if HIDDEN.contains(&text.trim_ascii()) => {
                let body = LineBody { pieces: vec![Vec::new(), Vec::new()], end: LineEnd::CrLf };
                dialogue.push(line.number, LogEvent::Line { side: Side::Client, body });
            }
            Some(Marked::Sent(text)) => dialogue.push_line(line.number, Side::Client, text),
            Some(Marked::Received(text)) => dialogue.push_line(line.number, Side::Server, text),
            Some(Marked::Remark(_)) => {}
            None => continuation(line.number, &unescaped, &mut dialogue),
        }
    }
    dialogue
}

/// The further lines of a reply are indented.
fn continuation(number: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
    let indented = text.first().is_some_and(u8::is_ascii_whitespace);
    let text = trim_start(text);
    if (indented && is_reply(text)) && dialogue.last_line_of(Side::Server).is_some() {
        dialogue.push_line(number, Side::Server, text);
    } else if let Some((_, address)) = String::from_utf8_lossy(text).split_once("Connection: opening to ") {
        let address = address.split(',').next().unwrap_or_default().trim();
        dialogue.server = Some(address.trim_start_matches("ssl://").trim_start_matches("tcp://").to_owned());
        dialogue.push(number, LogEvent::Connected);
        if address.starts_with("ssl://") {
            dialogue.push(number, LogEvent::TlsStarted { verified: None });
        }
    }
}

/// Without the tags and entities of PHPMailer's HTML output.
fn from_html(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii_end();
    let Some(line) = line.strip_suffix(b"<br>").or_else(|| line.strip_suffix(b"<br />")) else {
        return line.to_vec();
    };
    decode_entities(line)
}
