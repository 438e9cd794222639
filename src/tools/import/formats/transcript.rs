//! Transcripts: mailrun's own, and dialogues in the style of RFC 5321 appendix D.

use super::marks::{Marked, transcript, without_timestamp};
use crate::session::parse_duration;
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{
    ContentTracker, LogEvent, LogFidelity, LoggedDialogue, LoggedEvent, Side, is_reply,
};
use crate::tools::import::error::ImportError;
use crate::tools::import::log_text::{LogLine, log_lines, trim_start};
use crate::transcript::{LineBody, Mark, TranscriptLine, parse};

const OWN: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: true };
const RFC: LogFidelity = LogFidelity { content: true, handshakes: false, line_ends: false };

/// Reads a transcript. One with remarks (`*: `) is mailrun's own, and every line of it must be right. Without remarks it is read
/// in mailrun's notation if every line is right, as `serve` reads it, otherwise in the style of the RFCs.
pub(super) fn read(log: &[u8]) -> Result<LoggedDialogue, ImportError> {
    let lines = log_lines(log);
    if lines.iter().any(|line| matches!(transcript(line.bytes), Some(Marked::Remark(_)))) {
        return Ok(from_records(parse_own(log, &lines)?, OWN));
    }
    match parse_own(log, &lines) {
        Ok(records) => Ok(from_records(records, RFC)),
        Err(_) => Ok(read_rfc_style(&lines)),
    }
}

fn parse_own(log: &[u8], lines: &[LogLine<'_>]) -> Result<Vec<TranscriptLine>, ImportError> {
    let text = str::from_utf8(log.strip_prefix(b"\xef\xbb\xbf").unwrap_or(log)).map_err(|error| {
        let line = log[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        ImportError::new("this line is not UTF-8", "a transcript has such bytes as \\xNN").at(line, 1)
    })?;
    // An indented transcript is read like one that is not.
    let indented: Vec<&str> = text.lines().map(str::trim_start).collect();
    parse(&indented.join("\n")).map_err(|errors| {
        let first = errors.first();
        let (line, column) = first.map_or((1, 1), |error| (error.line, error.column));
        let indent = lines.get(line - 1).map_or(0, |line| line.bytes.len() - trim_start(line.bytes).len());
        let why = first.map_or_else(String::new, |error| error.why.clone());
        ImportError::new(why, "--as names another format").at(line, column + indent)
    })
}

fn from_records(records: Vec<TranscriptLine>, fidelity: LogFidelity) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(fidelity);
    let mut content = ContentTracker::default();
    for (at, record) in records.into_iter().enumerate() {
        let line = at + 1;
        let (connection, event) = match record {
            TranscriptLine::Wire { body, .. }
                if fidelity == RFC && body.bytes().is_some_and(is_stage_direction) && !content.is_in_content() =>
            {
                (None, None)
            }
            TranscriptLine::Wire { mark, connection, body, .. } => {
                let side = if mark == Mark::Client { Side::Client } else { Side::Server };
                content.note(side, body.bytes().unwrap_or_default());
                // A line end that is written shows that the others are CRLF.
                dialogue.fidelity.line_ends |= body.end != LineEnd::CrLf;
                (connection, Some(LogEvent::Line { side, body }))
            }
            TranscriptLine::Remark { connection, text, .. } => {
                if let Some(address) = text.strip_prefix("connected to ") {
                    dialogue.server.get_or_insert_with(|| address.trim().to_owned());
                }
                (connection, remark(&text))
            }
            TranscriptLine::Comment(_) | TranscriptLine::Blank => (None, None),
        };
        if let Some(event) = event {
            dialogue.events.push(LoggedEvent { line, connection, event });
        }
    }
    dialogue
}

/// What a remark of mailrun means for a session, if anything.
fn remark(text: &str) -> Option<LogEvent> {
    let text = text.trim();
    let by = |side, reset| Some(LogEvent::Closed { by: side, reset });
    if text == "connected" || text.starts_with("connected ") {
        return Some(LogEvent::Connected);
    }
    if text.starts_with("TLS started") {
        let verified = text.ends_with("verified").then(|| !text.ends_with("not verified"));
        return Some(LogEvent::TlsStarted { verified });
    }
    if text.starts_with("TLS handshake failed") || text.starts_with("certificate not trusted") {
        return Some(LogEvent::TlsFailed(text.to_owned()));
    }
    for (beginning, event) in [
        ("TLS closed by the client", Some(LogEvent::TlsClosed)),
        ("closed by the server", by(Side::Server, false)),
        ("reset by the server", by(Side::Server, true)),
        ("closed by the client", by(Side::Client, false)),
        ("reset by the client", by(Side::Client, true)),
        ("sending half closed", Some(LogEvent::HalfClosed)),
        ("… ", Some(LogEvent::Note(format!("the transcript is shortened here: {text}")))),
        ("expected ", Some(LogEvent::Note(format!("the transcript says: {text}")))),
    ] {
        if text.starts_with(beginning) {
            return event;
        }
    }
    let pause = text.strip_prefix("paused for ")?;
    Some(parse_duration(&pause.replace(' ', "")).map_or_else(|_| LogEvent::Note(text.to_owned()), LogEvent::Paused))
}

/// Reads a dialogue in the style of the RFCs: `C: ` and `S: `, maybe indented, without escapes. If only the client's lines
/// are marked, replies are the server's.
fn read_rfc_style(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(RFC);
    let mut content = ContentTracker::default();
    let server_is_marked = lines.iter().any(|line| matches!(transcript(line.bytes), Some(Marked::Received(_))));
    for line in lines {
        let bare = trim_start(line.bytes);
        match transcript(line.bytes) {
            Some(Marked::Sent(text) | Marked::Received(text))
                if is_stage_direction(text) && !content.is_in_content() => {}
            Some(Marked::Sent(text)) => {
                content.note(Side::Client, text);
                push(line.number, Side::Client, text, &mut dialogue);
            }
            Some(Marked::Received(text)) => {
                content.note(Side::Server, text);
                push(line.number, Side::Server, text, &mut dialogue);
            }
            Some(Marked::Remark(_)) => {}
            None if bare.starts_with(b"C & S:") => {
                if bare.windows(9).any(|word| word.eq_ignore_ascii_case(b"negotiate")) {
                    dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
                }
            }
            None if !server_is_marked && is_reply(without_timestamp(line.bytes)) => {
                push(line.number, Side::Server, without_timestamp(line.bytes), &mut dialogue);
            }
            None if bare.is_empty() || bare.starts_with(b"#") => {}
            None => {
                let text = format!("not understood: {}", String::from_utf8_lossy(bare));
                dialogue.push(line.number, LogEvent::Note(text));
            }
        }
    }
    dialogue
}

/// `S: <waits for connection on TCP port 25>`
fn is_stage_direction(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"<") && text.ends_with(b">") && text.contains(&b' ')
}

/// Adds a line; `[secret]` in it stands for a secret.
fn push(number: usize, side: Side, text: &[u8], dialogue: &mut LoggedDialogue) {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"[secret]") {
        pieces.push(rest[..at].to_vec());
        rest = &rest[at + b"[secret]".len()..];
    }
    pieces.push(rest.to_vec());
    dialogue.push(number, LogEvent::Line { side, body: LineBody { pieces, end: LineEnd::CrLf } });
}
