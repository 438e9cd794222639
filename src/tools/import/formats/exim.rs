//! Debug output of Exim (`-d`, `-v`), of the side that sends mail or of the one that receives it.

use super::marks::{Marked, exim, sends_replies};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::log_text::{LogLine, find, trim_start};

const FIDELITY: LogFidelity = LogFidelity { content: false, handshakes: false, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let is_server = sends_replies(lines.iter().filter_map(|line| exim(line.bytes)));
    let side = |sent: bool| if sent == is_server { Side::Server } else { Side::Client };
    let first = lines.iter().find(|line| exim(line.bytes).is_some()).and_then(|line| process(line.bytes));
    let mut others: Vec<&[u8]> = Vec::new();
    let mut closed = false;
    let mut last: Option<Side> = None;
    for line in lines {
        let marked = exim(line.bytes);
        if marked.is_some() && process(line.bytes) != first {
            others.extend(process(line.bytes).filter(|pid| !others.contains(pid)));
            last = None;
            continue;
        }
        if closed && find(line.bytes, "Connecting to ").is_some() {
            dialogue.other_connections += 1;
        }
        if dialogue.other_connections > 0 {
            continue;
        }
        match marked {
            // `(writing message)`, and the dot of its end; or `writing message and terminating "."`
            Some(Marked::Sent(text)) if text.starts_with(b"writing message") || text == b"(writing message)" => {
                dialogue.push(line.number, LogEvent::MissingContent);
                last = None;
            }
            Some(Marked::Sent(b".")) if ends_with_content(&dialogue) => last = None,
            Some(Marked::Sent(text)) => {
                dialogue.push_line(line.number, side(true), text);
                last = Some(side(true));
            }
            Some(Marked::Received(text)) => {
                dialogue.push_line(line.number, side(false), text);
                last = Some(side(false));
            }
            Some(Marked::Remark(text)) => {
                last = None;
                let by = if text.ends_with(b"<<") != is_server { Side::Server } else { Side::Client };
                if find(text, "close").is_some() && !closed {
                    closed = true;
                    dialogue.push(line.number, LogEvent::Closed { by, reset: false });
                }
            }
            None => match continuation(line.bytes).filter(|_| last == Some(Side::Server)) {
                Some(text) => dialogue.push_line(line.number, Side::Server, text),
                None => remark(*line, &mut dialogue),
            },
        }
    }
    dialogue.other_connections += others.len();
    dialogue
}

fn ends_with_content(dialogue: &LoggedDialogue) -> bool {
    dialogue.events.last().is_some_and(|logged| logged.event == LogEvent::MissingContent)
}

/// The text of an indented line that continues a reply. Exim may print the time and the process ID before the indentation.
fn continuation(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    loop {
        let text = trim_start(rest);
        if is_reply(text) && rest.starts_with(b" ") && (rest.len() == line.len() || rest.starts_with(b"  ")) {
            return Some(text);
        }
        let word = text.iter().take_while(|byte| byte.is_ascii_digit() || b":.-".contains(byte)).count();
        if word == 0 || text.get(word) != Some(&b' ') {
            return None;
        }
        rest = &text[word..];
    }
}

/// The process ID before a mark, if the output has any.
fn process(line: &[u8]) -> Option<&[u8]> {
    let before = &line[..find(line, "SMTP")?];
    let last = before.split(|byte| *byte == b' ').rfind(|word| !word.is_empty())?;
    last.iter().all(u8::is_ascii_digit).then_some(last)
}

fn remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let text = line.text();
    if let Some((_, named)) = text.split_once("Connecting to ") {
        // `Connecting to mx.example [192.0.2.1]:25 from …`
        if let Some((host, rest)) = named.split_once(" [") {
            let port = rest.split_once("]:").map(|(_, port)| port).unwrap_or_default();
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            dialogue.server.get_or_insert_with(|| format!("{host}:{port}"));
        }
    }
}
