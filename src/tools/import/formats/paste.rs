//! Pastes without marks, of telnet and of `openssl s_client`: the syntax of a line decides which side it is from.

use super::marks::{is_of_another_log, is_record};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply, reply_code};
use crate::tools::import::log_text::{LogLine, is_command};

const TELNET: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: false };

/// Reads a paste of telnet, netcat or the like.
pub(super) fn read_telnet(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(TELNET);
    let banner = lines.iter().position(|line| is_banner(&line.text()));
    let start = match banner {
        Some(banner) => banner + 1,
        None => lines.iter().position(|line| is_reply(line.bytes) || is_command(line.bytes)).unwrap_or(lines.len()),
    };
    for line in &lines[..start] {
        telnet_remark(&line.text(), &mut dialogue);
    }
    Paste { lines: &lines[start..], is_remark: is_telnet_remark, note_remark: |_, _| {} }.read(&mut dialogue);
    dialogue
}

/// Reads a paste of `openssl s_client`: the dialogue follows the certificate.
pub(super) fn read_s_client(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(TELNET);
    let start = lines.iter().position(|line| is_reply(line.bytes)).unwrap_or(lines.len());
    let mut starttls = false;
    let mut name = "mail.example.com".to_owned();
    let mut verified = None;
    let mut handshake = 1;
    for line in &lines[..start] {
        let text = line.text();
        let text = text.trim();
        if text.contains("openssl s_client") || text.contains(" -connect ") {
            let value = |option: &str| text.split_whitespace().skip_while(|word| *word != option).nth(1);
            starttls |= text.contains("-starttls ");
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
    if starttls || first == Some(250) {
        dialogue.push(handshake, LogEvent::Connected);
        let note = "a guess: s_client does not show what it said before TLS";
        dialogue.push(handshake, LogEvent::Note(note.to_owned()));
        dialogue.push_line(handshake, Side::Server, b"220");
        dialogue.push_line(handshake, Side::Client, format!("EHLO {name}").as_bytes());
        dialogue.push_line(handshake, Side::Server, b"250");
        dialogue.push_line(handshake, Side::Client, b"STARTTLS");
        dialogue.push_line(handshake, Side::Server, b"220");
        if first == Some(250) {
            rest = &rest[1..];
        }
    }
    dialogue.push(handshake, LogEvent::TlsStarted { verified });
    let shown = without_tickets(rest);
    Paste { lines: &shown, is_remark: is_s_client_remark, note_remark: |_, _| {} }.read(&mut dialogue);
    dialogue
}

/// Without what s_client prints about session tickets in the middle of a dialogue, and without commands that s_client took
/// for itself.
fn without_tickets<'a>(lines: &[LogLine<'a>]) -> Vec<LogLine<'a>> {
    let mut shown: Vec<LogLine<'a>> = Vec::new();
    let mut in_block = false;
    for line in lines {
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

/// Lines of a dialogue without marks.
pub(super) struct Paste<'a> {
    pub lines: &'a [LogLine<'a>],
    /// Whether a line is the program's own; `Some(true)` if it ends the connection.
    pub is_remark: fn(&str) -> Option<bool>,
    /// Reads a remark that does not end the connection.
    pub note_remark: fn(LogLine<'_>, &mut LoggedDialogue),
}

impl Paste<'_> {
    pub fn read(&self, dialogue: &mut LoggedDialogue) {
        let mut in_content = false;
        let mut closed = false;
        for (at, line) in self.lines.iter().enumerate() {
            let text = line.text();
            let answered = dialogue.last_line_of(Side::Server).and_then(|body| reply_code(body.bytes()?));
            let continued = dialogue
                .last_line_of(Side::Server)
                .is_some_and(|body| body.bytes().is_some_and(|line| line.get(3) == Some(&b'-')));
            let remark = (self.is_remark)(&text);
            if closed {
                // Each later connection begins with its own banner.
                dialogue.other_connections += usize::from(is_banner(&text) || text.starts_with("CONNECTED("));
            } else if in_content && remark != Some(true) {
                dialogue.push_line(line.number, Side::Client, line.bytes);
                in_content = line.bytes != b".";
            } else if let Some(ends) = remark {
                closed = ends;
                if ends {
                    dialogue.push(line.number, LogEvent::Closed { by: Side::Server, reset: false });
                } else {
                    (self.note_remark)(*line, dialogue);
                }
            } else if answered != Some(334) && is_of_another_log(line.bytes) {
                let note = format!("from line {} on the log has lines of another format", line.number);
                dialogue.push(line.number, LogEvent::Note(note));
                break;
            } else if line.bytes.is_empty() && (answered != Some(354) || continued) {
                // An empty line of the client gets an error; any other one is only in the paste.
                let refused = self.lines.get(at + 1).is_some_and(|next| next.bytes.first() == Some(&b'5'));
                if answered.is_some() && refused && !continued {
                    dialogue.push_line(line.number, Side::Client, b"");
                }
            } else if answered == Some(334) && !continued {
                dialogue.push_line(line.number, Side::Client, line.bytes);
            } else if answered == Some(354) && !continued && !is_reply(line.bytes) {
                dialogue.push_line(line.number, Side::Client, line.bytes);
                in_content = line.bytes != b".";
            } else {
                let side = if is_reply(line.bytes) { Side::Server } else { Side::Client };
                dialogue.push_line(line.number, side, line.bytes);
            }
        }
    }
}

fn is_banner(text: &str) -> bool {
    text.starts_with("Escape character is")
        || (text.starts_with("Connected to ") && text.trim_end().ends_with('.'))
        || (text.starts_with("Connection to ") && text.contains(" succeeded!"))
}

fn telnet_remark(text: &str, dialogue: &mut LoggedDialogue) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let program = words.iter().position(|word| ["telnet", "nc", "ncat", "netcat"].contains(word));
    if let Some(program) = program {
        let arguments: Vec<&&str> = words[program + 1..].iter().filter(|word| !word.starts_with('-')).collect();
        if let [host, port] = arguments.as_slice()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            dialogue.server = Some(format!("{host}:{port}"));
        }
    } else if let Some(host) = text.strip_prefix("Connected to ") {
        dialogue.server.get_or_insert_with(|| host.trim_end().trim_end_matches('.').to_owned());
    }
}

fn is_telnet_remark(text: &str) -> Option<bool> {
    let text = text.trim_end();
    let ends = text.starts_with("Connection closed by foreign host")
        || text == "Connection closed."
        || text == "Connection to host lost."
        || text == "closed"
        || text == "DONE"
        || text.starts_with("Ncat: ");
    let other = text.starts_with("Trying ")
        || is_banner(text)
        || text == "telnet>"
        || text.starts_with("telnet> ")
        || ["^]", "^C", "^D"].contains(&text)
        // JavaMail shows its own remarks among lines without marks.
        || text.starts_with("DEBUG SMTP")
        || text == "read R BLOCK";
    if ends { Some(true) } else { other.then_some(false) }
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

fn is_s_client_remark(text: &str) -> Option<bool> {
    let text = text.trim_end();
    let ends =
        text == "DONE" || text == "closed" || text.starts_with("read:errno=") || text.starts_with("write:errno=");
    let other = text == "read R BLOCK"
        || text == "RENEGOTIATING"
        || text == "KEYUPDATE"
        || text.starts_with("depth=")
        || text.starts_with("verify return:")
        || text.starts_with("verify error:")
        || is_openssl_error(text)
        || is_record(text.as_bytes())
        || is_hex_dump(text);
    if ends { Some(true) } else { other.then_some(false) }
}
