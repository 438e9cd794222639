//! Output of swaks.

use super::marks::{Marked, is_swaks_dump, swaks};
use super::paste::Paste;
use crate::smtp::lines::LineEnd;
use crate::tools::import::client_turn::PROXY_V2;
use crate::tools::import::dialogue::{ContentTracker, LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::log_text::{LogLine, is_command};
use crate::transcript::LineBody;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: false };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let marked: Vec<Marked<'_>> = lines.iter().filter_map(|line| swaks(line.bytes)).collect();
    let marks = Hints {
        client: marked.iter().any(|line| matches!(line, Marked::Sent(_))),
        server: marked.iter().any(|line| matches!(line, Marked::Received(_))),
    };
    let commands = || lines.iter().any(|line| is_command(line.bytes));
    let replies = || lines.iter().any(|line| is_reply(line.bytes));
    if !marks.client && !marks.server && commands() && replies() {
        return read_without_hints(lines);
    }
    let unmarked = match (marks.client, marks.server) {
        (true, false) if replies() => Some(Side::Server),
        (false, true) if commands() => Some(Side::Client),
        _ => None,
    };
    let reader = SwaksReader {
        unmarked,
        in_tls: false,
        ends: ContentEnds::new(lines),
        begun: false,
        content: ContentTracker::default(),
    };
    reader.read(lines)
}

/// Reads output of swaks in which only the remarks have marks (`--no-send-hints --no-receive-hints`).
fn read_without_hints(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    let start = lines.iter().position(|line| is_swaks_remark(&line.text()).is_some()).unwrap_or(0);
    let shown: Vec<LogLine<'_>> = lines[start..].iter().copied().filter(|line| !is_swaks_dump(line.bytes)).collect();
    let note_remark = |line: LogLine<'_>, dialogue: &mut LoggedDialogue| {
        if let Some(Marked::Remark(text)) = swaks(line.bytes) {
            remark(line, &String::from_utf8_lossy(text), dialogue);
        }
    };
    Paste { lines: &shown, is_remark: is_swaks_remark, note_remark }.read(&mut dialogue);
    dialogue
}

fn is_swaks_remark(text: &str) -> Option<bool> {
    (text.starts_with("=== ") || text.starts_with("*** ")).then_some(false)
}

/// Which lines have hints, as swaks calls its marks. `--no-send-hints` and `--no-receive-hints` leave them out.
struct Hints {
    client: bool,
    server: bool,
}

struct SwaksReader {
    /// Whose lines have no hints.
    unmarked: Option<Side>,
    in_tls: bool,
    ends: ContentEnds,
    /// Whether a line of the dialogue came.
    begun: bool,
    content: ContentTracker,
}

impl SwaksReader {
    fn read(mut self, lines: &[LogLine<'_>]) -> LoggedDialogue {
        let mut dialogue = LoggedDialogue::new(FIDELITY);
        dialogue.fidelity.line_ends = self.ends.known();
        for (at, line) in lines.iter().enumerate() {
            let marked = swaks(line.bytes);
            if matches!(marked, Some(Marked::Sent(_) | Marked::Received(_))) {
                self.note_tls(*line, &mut dialogue);
            }
            match marked {
                Some(Marked::Sent(text)) => self.sent(lines, at, text, &mut dialogue),
                Some(Marked::Received(text)) => {
                    self.content.note(Side::Server, text);
                    received(line.number, text, &mut dialogue);
                }
                Some(Marked::Remark(text)) => {
                    let text = String::from_utf8_lossy(text);
                    self.in_tls |= text.starts_with("TLS started");
                    remark(*line, &text, &mut dialogue);
                }
                None => self.unmarked(*line, &mut dialogue),
            }
        }
        dialogue
    }

    /// `~` in a mark stands for TLS. The remark about the handshake may be left out (`--hide-informational`).
    fn note_tls(&mut self, line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
        let tls = line.bytes.iter().take(3).any(|byte| *byte == b'~');
        if tls && !self.in_tls {
            dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
        }
        self.in_tls = tls;
        self.begun = true;
    }

    fn sent(&self, lines: &[LogLine<'_>], at: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
        let line = lines[at];
        let content = self.content.awaits_content();
        let next = lines.get(at + 1).and_then(|next| swaks(next.bytes));
        let goes_on = matches!(next, Some(Marked::Sent(_)));
        if content && !goes_on && is_summary(text) && dialogue.last_line_of(Side::Server).is_some() {
            dialogue.push(line.number, LogEvent::MissingContent);
            return;
        }
        if dialogue.last_line_of(Side::Client).is_none()
            && !dialogue.has_line_of(Side::Server)
            && let Some(header) = BASE64_STANDARD.decode(text).ok().filter(|header| header.starts_with(PROXY_V2))
        {
            let body = LineBody::plain(header, LineEnd::Missing);
            dialogue.push(line.number, LogEvent::Line { side: Side::Client, body });
            return;
        }
        let body = match content && goes_on {
            true => self.ends.body(line, text),
            false => LineBody::plain(text, LineEnd::CrLf),
        };
        dialogue.push(line.number, LogEvent::Line { side: Side::Client, body });
    }

    fn unmarked(&mut self, line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
        let begun = self.begun || is_command(line.bytes) || is_reply(line.bytes);
        match self.unmarked {
            Some(Side::Server) if is_reply(line.bytes) => {
                self.content.note(Side::Server, line.bytes);
                dialogue.push_line(line.number, Side::Server, line.bytes);
            }
            Some(Side::Client) if begun && !is_swaks_dump(line.bytes) => {
                dialogue.push_line(line.number, Side::Client, line.bytes)
            }
            // No line of swaks begins so.
            _ if self.begun && line.bytes.starts_with(b">") && !is_swaks_dump(line.bytes) => {
                dialogue.push(line.number, LogEvent::Note(format!("not understood: {}", line.text())));
            }
            // `--no-info-hints` leaves the mark of remarks out.
            _ => remark(line, &line.text(), dialogue),
        }
    }
}

/// The ends of content's lines: swaks prints their CRs, so that a log that was not edited tells CRLF from LF.
struct ContentEnds {
    /// The CRs that each line of the log has, since it was saved with CRLF.
    common: usize,
    shown: bool,
}

impl ContentEnds {
    fn new(lines: &[LogLine<'_>]) -> Self {
        let common = lines.iter().map(|line| line.crs).min().unwrap_or(0);
        let sent = |line: &LogLine<'_>| matches!(swaks(line.bytes), Some(Marked::Sent(_)));
        Self { common, shown: lines.iter().any(|line| line.crs > common && sent(line)) }
    }

    fn known(&self) -> bool {
        self.shown
    }

    /// A line of content that is not its last one.
    fn body(&self, line: LogLine<'_>, text: &[u8]) -> LineBody {
        match line.crs.saturating_sub(self.common) {
            0 if self.shown => LineBody::plain(text, LineEnd::Lf),
            0 | 1 => LineBody::plain(text, LineEnd::CrLf),
            crs => LineBody::plain([text, &vec![b'\r'; crs - 1]].concat(), LineEnd::CrLf),
        }
    }
}

fn received(number: usize, text: &[u8], dialogue: &mut LoggedDialogue) {
    if text.trim_ascii().is_empty() {
        // Printed if the connection was lost, or nothing came in time.
        dialogue.push(number, LogEvent::Note("swaks shows an empty reply here".to_owned()));
    } else if text.starts_with(b"Timeout (") {
        dialogue.push(number, LogEvent::NoReply(String::from_utf8_lossy(text).into_owned()));
    } else {
        dialogue.push_line(number, Side::Server, text);
    }
}

/// `12 lines sent` stands for content with `--suppress-data`.
fn is_summary(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let count = text.strip_suffix(" lines sent").or_else(|| text.strip_suffix(" line sent"));
    count.is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remark(line: LogLine<'_>, text: &str, dialogue: &mut LoggedDialogue) {
    let number = line.number;
    if let Some(address) = text.strip_prefix("Trying ") {
        let address = address.trim_end_matches('.');
        if dialogue.server.is_none() && !address.starts_with("pipe to ") {
            dialogue.server = Some(address.to_owned());
        }
    } else if text.starts_with("Connected to ") {
        dialogue.push(number, LogEvent::Connected);
    } else if text.starts_with("TLS started") && line.bytes.starts_with(b"===") {
        dialogue.push(number, LogEvent::TlsStarted { verified: None });
    } else if text.starts_with("TLS peer certificate failed") {
        dialogue.set_verified(false);
    } else if text.starts_with("TLS peer certificate passed") {
        dialogue.set_verified(!text.contains(", failed host"));
    } else if text.starts_with("TLS startup failed") {
        dialogue.push(number, LogEvent::TlsFailed(text.to_owned()));
    } else if text.starts_with("Dropping connection") || text.starts_with("Connection closed with") {
        // After QUIT both close: the writer of the session leaves that out.
        dialogue.push(number, LogEvent::Closed { by: Side::Client, reset: false });
    } else if text.contains("closed connection unexpectedly") {
        dialogue.push(number, LogEvent::Closed { by: Side::Server, reset: false });
    } else if line.bytes.starts_with(b"***") {
        dialogue.push(number, LogEvent::Note(format!("swaks: {text}")));
    }
}
