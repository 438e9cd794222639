//! Pastes of `openssl s_client` and `gnutls-cli`: a dialogue without marks follows what they print of the handshake.

use super::marks::is_record;
use super::paste::Paste;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply, reply_code};
use crate::tools::import::log_text::LogLine;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: false };

/// Reads a paste of `openssl s_client`: the dialogue follows the certificate.
pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let gnutls = lines.iter().position(|line| line.bytes == b"- Simple Client Mode:");
    let first_reply = || lines.iter().position(|line| is_reply(line.bytes));
    let start = gnutls.map(|at| at + 1).or_else(first_reply).unwrap_or(lines.len());
    let mut starttls = false;
    let mut hello = "EHLO";
    let mut name = "mail.example.com".to_owned();
    let mut verified = None;
    let mut without_crlf = false;
    let mut handshake = 1;
    for line in &lines[..start] {
        let text = line.text();
        let text = text.trim();
        if let Some(address) = text.strip_prefix("Connecting to '").and_then(|rest| rest.strip_suffix("'...")) {
            // gnutls-cli introduces itself with the name of the server.
            dialogue.server = Some(address.to_owned());
            address.rsplit_once(':').map_or(address, |(host, _)| host).clone_into(&mut name);
            handshake = line.number;
        } else if text.contains("gnutls-cli ") {
            starttls |= text.contains("--starttls");
        } else if let Some(status) = text.strip_prefix("- Status: The certificate is ") {
            verified = Some(status.starts_with("trusted"));
        } else if text.contains("openssl s_client") || text.contains(" -connect ") {
            let value = |option: &str| text.split_whitespace().skip_while(|word| *word != option).nth(1);
            starttls |= text.contains("-starttls ");
            if value("-starttls") == Some("lmtp") {
                hello = "LHLO";
            }
            without_crlf = text.contains("openssl s_client") && !text.split_whitespace().any(|word| word == "-crlf");
            if let Some(address) = value("-connect") {
                dialogue.server = Some(address.to_owned());
            }
            if let Some(given) = value("-name") {
                given.clone_into(&mut name);
            }
        } else if let Some(code) = text.split_once("Verify return code: ").map(|(_, code)| code) {
            verified = Some(code.starts_with("0 "));
        } else if text.starts_with("CONNECTED(") {
            handshake = line.number;
        }
    }
    // After `-starttls smtp`, s_client shows the end of the reply to its own EHLO.
    let first = lines.get(start).and_then(|line| reply_code(line.bytes));
    let mut rest = &lines[start..];
    if starttls || (first == Some(250) && gnutls.is_none()) {
        dialogue.push(handshake, LogEvent::Connected);
        let note = "a guess: the log does not show what was said before TLS";
        dialogue.push(handshake, LogEvent::Note(note.to_owned()));
        dialogue.push_line(handshake, Side::Server, b"220");
        dialogue.push_line(handshake, Side::Client, format!("{hello} {name}").as_bytes());
        dialogue.push_line(handshake, Side::Server, b"250");
        dialogue.push_line(handshake, Side::Client, b"STARTTLS");
        dialogue.push_line(handshake, Side::Server, b"220");
        if first == Some(250) && gnutls.is_none() {
            rest = &rest[1..];
        }
    }
    dialogue.push(handshake, LogEvent::TlsStarted { verified });
    if without_crlf {
        let note = "openssl ran without -crlf, so the lines that were typed ended in LF: `raw` sends such lines";
        dialogue.push(handshake, LogEvent::Note(note.to_owned()));
    }
    let shown = without_tickets(rest);
    Paste { lines: &shown, is_remark: is_s_client_remark, note_remark: |_, _| {} }.read(&mut dialogue);
    dialogue
}

/// Without what s_client prints about session tickets in the middle of a dialogue, and without commands that s_client took
/// for itself.
fn without_tickets<'a>(lines: &[LogLine<'a>]) -> Vec<LogLine<'a>> {
    let mut shown: Vec<LogLine<'a>> = Vec::new();
    let mut in_block = false;
    let mut in_record = false;
    for (at, line) in lines.iter().enumerate() {
        // `-trace` explains each record.
        let begins = |line: &LogLine<'_>| line.bytes == b"Sent Record" || line.bytes == b"Received Record";
        let headed = lines.get(at + 1).is_some_and(|next| next.bytes == b"Header:");
        in_record = begins(line) && headed || in_record && (line.bytes == b"Header:" || line.bytes.starts_with(b"  "));
        if in_record {
            continue;
        }
        if line.bytes == b"---" {
            in_block = !in_block;
        } else if line.bytes == b"RENEGOTIATING" && shown.last().is_some_and(|last| last.bytes.starts_with(b"R")) {
            // A line that begins with R renegotiates, and is not sent.
            shown.pop();
        } else if !in_block {
            shown.push(*line);
        }
    }
    shown
}

/// `    17 03 03 00 13`: the bytes that `-msg` shows.
fn is_hex_dump(text: &str) -> bool {
    let is_byte = |word: &str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.strip_prefix("    ").is_some_and(|bytes| !bytes.is_empty() && bytes.split(' ').all(is_byte))
}

/// `80ABC5F7FF7F0000:error:0A00010A:SSL routines:…`: the thread, and OpenSSL's error.
fn is_openssl_error(text: &str) -> bool {
    let thread = text.split_once(":error:").map_or("", |(thread, _)| thread);
    !thread.is_empty() && thread.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `read from 0x5646 [0x5647] (5 bytes => 5 (0x5))` and `0000 - 17 03 03 …`: what `-debug` shows.
fn is_debug_dump(text: &str) -> bool {
    let is_call = (text.starts_with("read from 0x") || text.starts_with("write to 0x")) && text.contains(" bytes => ");
    let is_row = text.split_once(" - ").is_some_and(|(offset, _)| {
        offset.len() == 4 && offset.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    });
    is_call || is_row
}

fn is_s_client_remark(text: &str) -> Option<bool> {
    let text = text.trim_end();
    let ends = text == "DONE"
        || text == "closed"
        || text.starts_with("read:errno=")
        || text.starts_with("write:errno=")
        || text == "- Peer has closed the GnuTLS connection";
    let other = text == "read R BLOCK"
        || text == "RENEGOTIATING"
        || text == "KEYUPDATE"
        || text.starts_with("depth=")
        || text.starts_with("verify return:")
        || text.starts_with("verify error:")
        || is_openssl_error(text)
        || is_record(text.as_bytes())
        || text.starts_with("|<")
        || is_debug_dump(text)
        || is_hex_dump(text);
    if ends { Some(true) } else { other.then_some(false) }
}
