//! Debug output of PHPMailer (`SMTPDebug` from 2), as text or HTML.

use super::marks::{Marked, php_mailer};
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::entities::decode_entities;
use crate::tools::import::log_text::{LogLine, find, trim_start};
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
            // Shown if the connection was lost.
            Some(Marked::Received(text)) if text.trim_ascii().is_empty() => {}
            Some(Marked::Received(text)) => {
                let lines = if is_html(line.bytes) { reply_lines(text) } else { vec![text] };
                for text in lines {
                    dialogue.push_line(line.number, Side::Server, text);
                }
            }
            Some(Marked::Remark(_)) => {}
            None => continuation(line.number, &unescaped, &mut dialogue),
        }
    }
    dialogue
}

/// The lines of a reply, which HTML output shows without the line ends between them: `250-mx250-SIZE 10250 HELP`.
fn reply_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while is_reply(rest) && rest.get(3) == Some(&b'-') {
        let code = &rest[..3];
        let begins = |at: &usize| rest[*at..].starts_with(code) && matches!(rest.get(at + 3), Some(b'-' | b' '));
        let Some(next) = (4..rest.len()).find(begins) else { break };
        lines.push(&rest[..next]);
        rest = &rest[next..];
    }
    lines.push(rest);
    lines
}

/// The further lines of a reply are indented, or follow without a mark.
fn continuation(number: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
    let text = trim_start(text);
    let open = dialogue
        .last_line_of(Side::Server)
        .and_then(|body| body.bytes())
        .is_some_and(|last| last.get(3) == Some(&b'-') && last.get(..3) == text.get(..3));
    if open && is_reply(text) {
        dialogue.push_line(number, Side::Server, text);
    } else if find(text, "SMTP NOTICE: EOF caught").is_some() {
        dialogue.push(number, LogEvent::Closed { by: Side::Server, reset: false });
    } else if let Some((_, address)) = String::from_utf8_lossy(text).split_once("Connection: opening to ") {
        let address = address.split(',').next().unwrap_or_default().trim();
        dialogue.server = Some(address.trim_start_matches("ssl://").trim_start_matches("tcp://").to_owned());
        dialogue.push(number, LogEvent::Connected);
        if address.starts_with("ssl://") {
            dialogue.push(number, LogEvent::TlsStarted { verified: None });
        }
    }
}

/// The ends of lines in PHPMailer's HTML output.
const BREAKS: [&[u8]; 2] = [b"<br>", b"<br />"];

fn is_html(line: &[u8]) -> bool {
    BREAKS.iter().any(|end| line.trim_ascii_end().ends_with(end))
}

/// Without the tags and entities of PHPMailer's HTML output.
fn from_html(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii_end();
    match BREAKS.iter().find_map(|end| line.strip_suffix(*end)) {
        Some(line) => decode_entities(line),
        None => line.to_vec(),
    }
}
