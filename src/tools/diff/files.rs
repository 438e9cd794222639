//! Reads what is compared: a transcript, a JSON report, or the events of `--json -`.

use super::collector::DialogueCollector;
use super::dialogue::{ObservedDialogue, ServerAnswer};
use crate::transcript::{Mark, TranscriptLine, parse};
use serde_json::Value;
use std::fmt;

/// Why a file cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffFileError {
    /// Line and column, counted from 1, if a place is to blame.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

impl DiffFileError {
    fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into() }
    }
}

impl fmt::Display for DiffFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DiffFileError {}

/// Reads the dialogues of a file, each with the name of its session, which is empty in a transcript. `name` is the file's
/// name, for places.
///
/// # Errors
/// If the file is neither a transcript nor a JSON result, or no server answers in it.
pub fn read_dialogues(name: &str, bytes: &[u8]) -> Result<Vec<(String, ObservedDialogue)>, DiffFileError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        DiffFileError { place: Some((line, 1)), message: "this line is not UTF-8".to_owned() }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let dialogues = match text.trim_start().starts_with('{') {
        true => read_json(text)?,
        false => vec![(String::new(), read_transcript(name, text)?)],
    };
    if dialogues.iter().any(|(_, dialogue)| dialogue.has_answers()) {
        return Ok(dialogues);
    }
    Err(DiffFileError::new("there is no reply of a server in this file"))
}

fn read_transcript(name: &str, text: &str) -> Result<ObservedDialogue, DiffFileError> {
    // Transcripts in a mail or a page may be indented.
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let parsed = parse(&lines.join("\n")).map_err(|errors| match errors.into_iter().next() {
        None => DiffFileError::new("this is no transcript"),
        Some(error) => {
            let indent = text.lines().nth(error.line - 1).map_or(0, |line| line.len() - line.trim_start().len());
            DiffFileError { place: Some((error.line, error.column + indent)), message: error.why }
        }
    })?;
    let mut collector = DialogueCollector::default();
    for (index, line) in parsed.iter().enumerate() {
        add_line(&mut collector, line, &format!("{name}:{}", index + 1));
    }
    Ok(collector.finish())
}

fn add_line(collector: &mut DialogueCollector, line: &TranscriptLine, place: &str) {
    match line {
        TranscriptLine::Wire { mark, connection, body, .. } => {
            let connection = connection.as_deref().unwrap_or("main");
            collector.set_place(connection, place);
            match mark {
                Mark::Client => collector.sent(connection, &body.to_string()),
                _ => collector.received(connection, &body.to_string()),
            }
        }
        TranscriptLine::Remark { connection, text, .. } => {
            let connection = connection.as_deref().unwrap_or("main");
            match text.trim() {
                remark if remark == "connected" || remark.starts_with("connected to ") => {
                    collector.connected(connection)
                }
                remark if remark.starts_with("TLS started") => {
                    collector.set_place(connection, place);
                    collector.handshake(connection, ServerAnswer::TlsStarted);
                }
                remark
                    if remark.starts_with("TLS handshake failed") || remark.starts_with("certificate not trusted") =>
                {
                    collector.set_place(connection, place);
                    collector.handshake(connection, ServerAnswer::TlsFailed(remark.to_owned()));
                }
                "closed by the server" => collector.ended(connection, ServerAnswer::Closed),
                "reset by the server" => collector.ended(connection, ServerAnswer::Reset),
                _ => {}
            }
        }
        TranscriptLine::Comment(_) | TranscriptLine::Blank => {}
    }
}

fn read_json(text: &str) -> Result<Vec<(String, ObservedDialogue)>, DiffFileError> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        documents.push(document.map_err(|error| DiffFileError {
            place: Some((error.line(), error.column().max(1))),
            message: format!("not valid JSON: {}", json_error(&error)),
        })?);
    }
    match documents.as_slice() {
        [report] if report.get("sessions").is_some() => read_report(report),
        events if events.iter().all(|event| event.get("event").is_some()) => Ok(read_events(events)),
        _ => Err(DiffFileError::new("this JSON is no result of mailrun: it has neither `sessions` nor `event`")),
    }
}

/// The error without its place.
fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The JSON report: each session has its transcript.
fn read_report(report: &Value) -> Result<Vec<(String, ObservedDialogue)>, DiffFileError> {
    let sessions = report["sessions"].as_array().ok_or_else(|| DiffFileError::new("`sessions` is no list"))?;
    let read = |session: &Value| {
        let name = session["file"].as_str().unwrap_or_default().to_owned();
        let lines = session["transcript"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
        let parsed = parse(&lines.join("\n")).map_err(|errors| {
            let why = errors.into_iter().next().map_or_else(String::new, |error| error.to_string());
            DiffFileError::new(format!("the transcript of {name}: {why}"))
        })?;
        let mut collector = DialogueCollector::default();
        parsed.iter().for_each(|line| add_line(&mut collector, line, ""));
        Ok((name, collector.finish()))
    };
    sessions.iter().map(read).collect()
}

/// The events of `--json -`, those of several sessions by their number.
fn read_events(events: &[Value]) -> Vec<(String, ObservedDialogue)> {
    let mut sessions: Vec<(u64, String, DialogueCollector)> = Vec::new();
    for event in events {
        // Events of the whole run have no session.
        let Some(number) = event["session"].as_u64() else { continue };
        let known = sessions.iter().position(|(known, ..)| *known == number);
        let at = known.unwrap_or_else(|| {
            sessions.push((number, String::new(), DialogueCollector::default()));
            sessions.len() - 1
        });
        let (_, file, collector) = &mut sessions[at];
        let connection = event["connection"].as_str().unwrap_or("main");
        let line = || event["line"].as_str().unwrap_or_default();
        match event["event"].as_str().unwrap_or_default() {
            "session_started" => event["file"].as_str().unwrap_or_default().clone_into(file),
            "connected" => collector.connected(connection),
            "line_sent" => collector.sent(connection, line()),
            "line_received" => collector.received(connection, line()),
            "tls_started" => collector.handshake(connection, ServerAnswer::TlsStarted),
            "closed_by_server" => collector.ended(connection, ServerAnswer::Closed),
            "reset_by_server" => collector.ended(connection, ServerAnswer::Reset),
            _ => {}
        }
    }
    sessions.into_iter().map(|(_, file, collector)| (file, collector.finish())).collect()
}
