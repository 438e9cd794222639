//! `mailrun import`: makes a session file from a transcript or from the log of another program.
//!
//! A format ([`LogFormat`]) reads a log as a [`LoggedDialogue`](dialogue::LoggedDialogue). From that, steps are built which say
//! the same and expect the same replies.

mod builder;
mod client_turn;
mod dialogue;
mod entities;
mod error;
mod failed_connection;
mod formats;
mod line_wrapping;
mod log_cleaning;
mod log_format;
mod log_margins;
mod log_text;
mod part_steps;
mod replies;
mod script_text;
mod secrets;
mod session_text;
pub(super) mod steps;
#[cfg(test)]
mod tests;

pub use error::ImportError;
pub use log_format::{LogFormat, detect_log_format};
pub use log_text::is_command;
pub use script_text::LogScript;

use crate::session::{DecodeMode, SourceError, SourceFile, Sources, TextDecoding, decode_text, load};
use crate::source::MAX_SESSION_BYTES;
use dialogue::Side;
use std::borrow::Cow;
use std::path::Path;

/// Makes a session file from a log. `name` is the log's name, for a comment. Without `format` it is recognized.
///
/// # Errors
/// If the log is not of the format, or has no dialogue.
pub fn import(name: &str, log: &[u8], format: Option<LogFormat>) -> Result<String, ImportError> {
    let (format, dialogue) = read_dialogue(log, format)?;
    let session = builder::build(&dialogue);
    let text = session_text::write_session(name, format, &dialogue, &session);
    check_length(text.len())?;
    match load("imported.toml", &text, &NoFiles, &[]) {
        Ok(_) => Ok(text),
        Err(errors) => {
            let why = errors.list.first().map(|error| error.message.clone()).unwrap_or_default();
            Err(ImportError::new(format!("the dialogue cannot be written as a session file: {why}"), SHORTEN))
        }
    }
}

/// Makes a script for `serve` from the log of another program, or from a dialogue that is indented, as RFCs print it: its server says
/// what the log's server said. `None` if this is a transcript, or no log.
///
/// # Errors
/// If the log has no dialogue.
pub fn script_of_log(log: &[u8]) -> Option<Result<LogScript, ImportError>> {
    match read_dialogue(log, None) {
        Ok((LogFormat::Transcript, _)) if begins_a_line(log, b"S: ") => None,
        Ok((_, dialogue)) => Some(Ok(script_text::write_script(&dialogue))),
        Err(error) => detect_log_format(log).filter(|format| *format != LogFormat::Transcript).map(|_| Err(error)),
    }
}

fn begins_a_line(log: &[u8], mark: &[u8]) -> bool {
    log.split(|byte| *byte == b'\n').any(|line| line.starts_with(mark))
}

fn read_dialogue(log: &[u8], format: Option<LogFormat>) -> Result<(LogFormat, dialogue::LoggedDialogue), ImportError> {
    let log = from_utf16(log)?;
    let log = if log_format::is_capture(&log) { Cow::Borrowed(&*log) } else { log_cleaning::clean(&log) };
    if log_cleaning::has_two_versions(&log) {
        return Err(ImportError::new(
            "this is a diff that has lines of two versions of the log",
            "import one of the versions, without the marks of the diff",
        ));
    }
    let Some(format) = format.or_else(|| detect_log_format(&log)) else {
        if let Some(error) = failed_connection::find_failure(&log) {
            return Err(error);
        }
        if is_packet_list(&log) {
            let message = "this lists the packets of a capture, without the bytes of the dialogue";
            return Err(ImportError::new(message, "import the file of `tcpdump -w` or `dumpcap -w`"));
        }
        if log.trim_ascii().is_empty() {
            return Err(ImportError::new(
                "the log is empty",
                "run the program with the option that shows its dialogue",
            ));
        }
        let names: Vec<&str> = LogFormat::ALL.iter().map(|format| format.name()).collect();
        let help = format!("--as names the format: {}", names.join(", "));
        return Err(ImportError::new("this is no log of a dialogue that mailrun recognizes", help));
    };
    let mut dialogue = formats::read_log(&log, format)?;
    if format != LogFormat::Pcap {
        dialogue.wrapped = line_wrapping::find_wrapped_line(&log_text::log_lines(&log), format);
    }
    if !dialogue.has_line_of(Side::Server) && !dialogue.has_line_of(Side::Client) {
        if let Some(error) = failed_connection::find_failure(&log) {
            return Err(error);
        }
        let message = format!("there is no line of a dialogue in this file, read as {}", format.title());
        return Err(ImportError::new(message, "--as names another format"));
    }
    Ok((format, dialogue))
}

/// Whether this is what tcpdump or tshark print of packets: `16:43:51.532197 IP … > …: Flags [.], …`, `1 0.000000 … → … SMTP 91 S: …`.
fn is_packet_list(log: &[u8]) -> bool {
    log.split(|byte| *byte == b'\n').any(|line| {
        let has = |wanted| log_text::find(line, wanted).is_some();
        has(" > ") && has(": Flags [") || has(" → ") && (has(" SMTP ") || has(" TCP "))
    })
}

const SHORTEN: &str = "import the part of the log that matters";

/// Checks that a session file of `length` bytes can be read.
fn check_length(length: usize) -> Result<(), ImportError> {
    if u64::try_from(length).is_ok_and(|length| length <= MAX_SESSION_BYTES) {
        return Ok(());
    }
    let limit = MAX_SESSION_BYTES >> 20;
    Err(ImportError::new(format!("the session file would be larger than {limit} MiB"), SHORTEN))
}

/// PowerShell saves the output of programs as UTF-16.
fn from_utf16(log: &[u8]) -> Result<Cow<'_, [u8]>, ImportError> {
    if !log.starts_with(b"\xff\xfe") && !log.starts_with(b"\xfe\xff") {
        return Ok(Cow::Borrowed(log));
    }
    let decoding = TextDecoding { label: None, mode: DecodeMode::Strict };
    match decode_text(log, decoding) {
        Ok((text, _)) => Ok(Cow::Owned(text.into_bytes())),
        Err(error) => Err(ImportError::new(error.to_string(), "save the log as UTF-8")),
    }
}

/// An imported session reads no file.
struct NoFiles;

impl Sources for NoFiles {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        Err(SourceError::Refused(format!("{}: an imported session reads no file", path.display())))
    }
}
