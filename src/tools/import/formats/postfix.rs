//! Logs of Postfix's `smtpd -v`, and of `smtp -v`, which is the client.

use super::marks::{Marked, postfix, postfix_process, sends_replies};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, find};

const FIDELITY: LogFidelity = LogFidelity { content: false, handshakes: false, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let is_server = sends_replies(lines.iter().filter_map(|line| postfix(line.bytes)));
    let side = |sent: bool| if sent == is_server { Side::Server } else { Side::Client };
    let first = lines.iter().find(|line| postfix(line.bytes).is_some());
    let first = first.and_then(|line| postfix_process(line.bytes)).map(|(pid, _)| pid);
    let mut others: Vec<&[u8]> = Vec::new();
    // A process serves one connection after the other.
    let mut disconnected = false;
    let mut later = 0;
    for line in lines {
        let Some((pid, text)) = postfix_process(line.bytes) else { continue };
        if Some(pid) != first {
            if postfix(line.bytes).is_some() && !others.contains(&pid) {
                others.push(pid);
            }
            continue;
        }
        if !is_server && dialogue.server.is_none() && postfix(line.bytes).is_some() {
            dialogue.server = server(text);
        }
        if text.starts_with(b"connect from ") && dialogue.has_line_of(Side::Server) {
            disconnected = true;
            later += 1;
        }
        if disconnected {
            continue;
        }
        match postfix(line.bytes) {
            Some(Marked::Sent(text)) => dialogue.push_line(line.number, side(true), text),
            Some(Marked::Received(text)) => dialogue.push_line(line.number, side(false), text),
            _ => remark(line.number, text, &mut dialogue),
        }
    }
    dialogue.other_connections = others.len() + later;
    dialogue
}

/// `host:port` of `> host[addr]:port: ` in a log of Postfix's client.
fn server(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text.get(2..)?);
    let (host, rest) = text.split_once('[')?;
    let (_, port) = rest.split_once("]:")?;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("{host}:{port}"))
}

fn remark(number: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
    if find(text, "TLS connection established").is_some() {
        let verified = if text.starts_with(b"Trusted") || text.starts_with(b"Verified") { Some(true) } else { None };
        dialogue.push(number, LogEvent::TlsStarted { verified });
    } else if text.starts_with(b"SSL_accept error") || text.starts_with(b"SSL_connect error") {
        dialogue.push(number, LogEvent::TlsFailed(String::from_utf8_lossy(text).into_owned()));
    } else if text.starts_with(b"lost connection after") || text.starts_with(b"disconnect from") {
        dialogue.push(number, LogEvent::Closed { by: Side::Client, reset: false });
    } else if text.starts_with(b"timeout after") {
        dialogue.push(number, LogEvent::Note(String::from_utf8_lossy(text).into_owned()));
    }
}
