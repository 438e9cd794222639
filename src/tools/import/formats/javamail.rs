//! Debug output of JavaMail and Jakarta Mail (`mail.debug=true`): the dialogue has no marks, and stands among remarks.

use super::paste::Paste;
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::LogLine;
use crate::transcript::LineBody;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: false, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    Paste { lines, is_remark, note_remark: remark }.read(&mut dialogue);
    dialogue
}

/// What JavaMail prints besides the dialogue, and what Java prints of an exception.
fn is_remark(text: &str) -> Option<bool> {
    let exception = |text: &str| {
        let name = text.split([':', ';', ' ']).next().unwrap_or_default();
        name.contains('.') && (name.ends_with("Exception") || name.ends_with("Error"))
    };
    let is_remark = text.starts_with("DEBUG")
        || text.starts_with("Loading javamail")
        || text.starts_with("\tat ")
        || text.starts_with("\t... ")
        || text.starts_with("Caused by: ")
        || text.trim_start().starts_with("nested exception is:")
        || text == ";"
        || exception(text.trim_start())
        || text.starts_with("Exception in thread ");
    is_remark.then(|| text.starts_with("DEBUG SMTP: EOF"))
}

fn remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let text = line.text();
    let Some(text) = text.strip_prefix("DEBUG SMTP: ") else { return };
    if let Some(address) = text.strip_prefix("trying to connect to host ") {
        // `trying to connect to host "mx.example", port 465, isSSL true`
        let word = |mark: &str| address.split_once(mark).and_then(|(_, rest)| rest.split(['"', ',']).next());
        if let (Some(host), Some(port)) = (word("\""), word("port ")) {
            dialogue.server = Some(format!("{host}:{port}"));
        }
        dialogue.push(line.number, LogEvent::Connected);
        if address.ends_with("isSSL true") {
            dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
        }
    } else if let Some(mechanism) = text.strip_prefix("AUTH ").and_then(|rest| rest.strip_suffix(" succeeded")) {
        suppressed(line.number, mechanism, b"235", dialogue);
    } else if let Some(mechanism) = text.strip_prefix("AUTH ").and_then(|rest| rest.strip_suffix(" failed")) {
        suppressed(line.number, mechanism, b"535", dialogue);
    }
}

/// Adds the exchange that JavaMail hides (`AUTH LOGIN command trace suppressed`), as it carries it out.
fn suppressed(number: usize, mechanism: &str, code: &[u8], dialogue: &mut LoggedDialogue) {
    let shown = dialogue.events.iter().any(|logged| match &logged.event {
        LogEvent::Line { side: Side::Client, body } => body.bytes().is_some_and(|line| line.starts_with(b"AUTH ")),
        _ => false,
    });
    if shown {
        return;
    }
    dialogue.push(number, LogEvent::Note(format!("a guess: the log does not show AUTH {mechanism}")));
    let secret = |before: &[u8]| LogEvent::Line {
        side: Side::Client,
        body: LineBody { pieces: vec![before.to_vec(), Vec::new()], end: LineEnd::CrLf },
    };
    if mechanism == "LOGIN" {
        dialogue.push_line(number, Side::Client, b"AUTH LOGIN");
        for _ in ["user name", "password"] {
            dialogue.push_line(number, Side::Server, b"334");
            dialogue.push(number, secret(b""));
        }
    } else {
        dialogue.push(number, secret(format!("AUTH {mechanism} ").as_bytes()));
    }
    dialogue.push_line(number, Side::Server, code);
}
