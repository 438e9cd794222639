//! Finds lines of a log that an editor or a mail program wrapped.

use super::dialogue::{is_reply, reply_code};
use super::formats::marks::{LineMark, Marked, curl, swaks};
use super::log_format::LogFormat;
use super::log_text::{LogLine, is_command};

/// The widths at which programs wrap text, in bytes.
const NARROWEST: usize = 72;
const WIDEST: usize = 80;

/// The number of the first line that seems to be wrapped: it is not longer than a line of text, and would be if it had the first word
/// of the next line, which has no mark of the format and is no reply or command. Looks only in formats that show nothing else
/// between the lines of a dialogue.
pub fn find_wrapped_line(lines: &[LogLine<'_>], format: LogFormat) -> Option<usize> {
    let mark: Option<LineMark> = match format {
        LogFormat::Swaks => Some(swaks),
        LogFormat::Curl => Some(curl),
        LogFormat::Telnet | LogFormat::SClient => None,
        _ => return None,
    };
    let is_spoken = |line: &[u8]| match mark {
        Some(mark) => matches!(mark(line), Some(Marked::Sent(_) | Marked::Received(_))),
        // What follows a 334 or 354 is no command.
        None => reply_code(line).is_none_or(|code| code / 100 != 3) && (is_reply(line) || is_command(line)),
    };
    let goes_on = |line: &[u8]| match mark {
        Some(mark) => mark(line).is_none() && line.first().is_some_and(u8::is_ascii_alphanumeric),
        None => !is_reply(line) && !is_command(line) && line.first().is_some_and(u8::is_ascii_alphanumeric),
    };
    lines.windows(2).find_map(|pair| {
        let [line, next] = pair else { return None };
        let word = next.bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
        let length = line.bytes.len();
        let is_full = length <= WIDEST && length + 1 + word.len() > NARROWEST && length * 2 > NARROWEST;
        (is_full && is_spoken(line.bytes) && goes_on(next.bytes)).then_some(line.number)
    })
}
