//! Pastes without marks, of telnet and the like: the syntax of a line decides which side it is from.

use super::marks::is_of_another_log;
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
    let is_test = lines.iter().any(|line| line.after("**** SMTP testing session").is_some());
    let is_remark = if is_test { is_remark_of_exim } else { is_telnet_remark };
    Paste { lines: &lines[start..], is_remark, note_remark: |_, _| {} }.read(&mut dialogue);
    dialogue
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
                // An empty line of the client gets an error, or stands after a header; any other one is only in the paste.
                let refused = self.lines.get(at + 1).is_some_and(|next| next.bytes.first() == Some(&b'5'));
                if !continued && (answered.is_some() && refused || self.is_end_of_header(at)) {
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

    /// Whether an empty line stands between a field of a header and text.
    fn is_end_of_header(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).and_then(|before| self.lines.get(before)) else { return false };
        let Some(next) = self.lines.get(at + 1) else { return false };
        let colon = before.bytes.iter().position(|byte| *byte == b':').unwrap_or(0);
        let is_name = before.bytes[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let is_remark = |line: &LogLine<'_>| (self.is_remark)(&line.text()).is_some();
        let is_spoken = |line: &LogLine<'_>| is_reply(line.bytes) || is_command(line.bytes) || is_remark(line);
        colon > 0 && is_name && !is_spoken(before) && !next.bytes.is_empty() && !is_spoken(next)
    }
}

fn is_banner(text: &str) -> bool {
    let text = text.strip_prefix("Ncat: ").unwrap_or(text);
    text.starts_with("Escape character is")
        || text.starts_with("SSL connection to ")
        || (text.starts_with("Connected to ") && text.trim_end().ends_with('.'))
        || (text.starts_with("Connection to ") && text.contains(" succeeded!"))
        // `mx.example [192.0.2.1] 25 (smtp) open`
        || (text.contains("] ") && text.trim_end().ends_with(") open"))
}

fn telnet_remark(text: &str, dialogue: &mut LoggedDialogue) {
    let text = text.strip_prefix("Ncat: ").unwrap_or(text);
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
    } else if text.starts_with("SSL connection to ") {
        dialogue.push(1, LogEvent::TlsStarted { verified: None });
    }
}

/// What `exim -bh` prints besides the dialogue.
fn is_remark_of_exim(text: &str) -> Option<bool> {
    let is_remark = [">>> ", "**** ", "LOG: ", "!!! "].iter().any(|mark| text.starts_with(mark));
    is_remark.then_some(false).or_else(|| is_telnet_remark(text))
}

fn is_telnet_remark(text: &str) -> Option<bool> {
    let text = text.trim_end();
    let ends = text.starts_with("Connection closed by foreign host")
        || text == "Connection closed."
        || text == "Connection to host lost."
        || text == "closed"
        || text == "DONE"
        || (text.starts_with("Ncat: ") && !is_preamble(text));
    let other = text.starts_with("Trying ")
        || is_banner(text)
        || text == "telnet>"
        || text.starts_with("telnet> ")
        || ["^]", "^C", "^D"].contains(&text)
        || is_preamble(text)
        || text == "read R BLOCK";
    if ends { Some(true) } else { other.then_some(false) }
}

/// What ncat says before the dialogue.
fn is_preamble(text: &str) -> bool {
    let text = text.strip_prefix("Ncat: ").unwrap_or_default();
    ["Version ", "Connected to ", "SSL connection to ", "Subject: ", "SHA-1 fingerprint: "]
        .iter()
        .any(|begin| text.starts_with(begin))
}
