//! Logs in which each line of the dialogue has a mark of its own, and nothing else is to know: msmtp, mutt, Perl's Net::SMTP, sendmail.

use super::marks::{LineMark, Marked, msmtp, mutt, net_smtp, sendmail};
use crate::tools::import::dialogue::{ContentTracker, LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::log_text::{LogLine, find, trim_start};

/// A format in which each line of the client, or of both sides, has a mark.
pub(super) struct MarkedFormat {
    mark: LineMark,
    /// Whether each handshake is in the log.
    handshakes: bool,
    /// Whether replies have no mark.
    unmarked_replies: bool,
    /// Whether content is shown before its dots are stuffed (RFC 5321 §4.5.2).
    unstuffed: bool,
    /// Reads a line without a mark.
    remark: fn(LogLine<'_>, &mut LoggedDialogue),
}

/// `msmtp --debug`.
pub(super) const MSMTP: MarkedFormat =
    MarkedFormat { mark: msmtp, handshakes: true, unmarked_replies: false, unstuffed: false, remark: msmtp_remark };

/// A debug log of mutt or NeoMutt, from level 2 on; with content from level 5 on.
pub(super) const MUTT: MarkedFormat =
    MarkedFormat { mark: mutt, handshakes: false, unmarked_replies: false, unstuffed: false, remark: mutt_remark };

/// Perl's Net::SMTP with `Debug => 1`.
pub(super) const NET_SMTP: MarkedFormat = MarkedFormat {
    mark: net_smtp,
    handshakes: false,
    unmarked_replies: false,
    unstuffed: true,
    remark: net_smtp_remark,
};

/// `sendmail -v`, `mailx -v` and `s-nail -v`.
pub(super) const SENDMAIL: MarkedFormat = MarkedFormat {
    mark: sendmail,
    handshakes: false,
    unmarked_replies: true,
    unstuffed: true,
    remark: sendmail_remark,
};

pub(super) fn read(lines: &[LogLine<'_>], format: &MarkedFormat) -> LoggedDialogue {
    let fidelity = LogFidelity { content: true, handshakes: format.handshakes, line_ends: false };
    let mut dialogue = LoggedDialogue::new(fidelity);
    let mut content = ContentTracker::default();
    let mut in_content = false;
    for line in lines {
        match (format.mark)(line.bytes) {
            Some(Marked::Sent(text)) => {
                note_tls(*line, &mut dialogue);
                let text = in_one_line(text, format.mark);
                let mut text = text.as_slice();
                if content.is_in_content() && !in_content && text == b"." {
                    // Without any line before its dot, the log does not have the content.
                    dialogue.push(line.number, LogEvent::MissingContent);
                    content.note(Side::Client, text);
                    continue;
                }
                in_content = content.is_in_content();
                let stuffed = [b".", text].concat();
                if in_content && format.unstuffed && text.starts_with(b".") && text != b"." {
                    text = &stuffed;
                }
                content.note(Side::Client, text);
                dialogue.push_line(line.number, Side::Client, text);
            }
            Some(Marked::Received(text)) => {
                note_tls(*line, &mut dialogue);
                in_content = false;
                content.note(Side::Server, text);
                dialogue.push_line(line.number, Side::Server, text);
            }
            Some(Marked::Remark(_)) => {}
            None if format.unmarked_replies && is_reply(line.bytes) => {
                in_content = false;
                content.note(Side::Server, line.bytes);
                dialogue.push_line(line.number, Side::Server, line.bytes);
            }
            None => (format.remark)(*line, &mut dialogue),
        }
        if dialogue.other_connections > 0 {
            break;
        }
    }
    dialogue
}

/// mutt shows what it writes in one go, and writes some lines of content in several: the dot that stuffs one, and each
/// [`MUTT_BUFFER`] bytes of a long one. Elsewhere a mark is content.
fn in_one_line(text: &[u8], mark: LineMark) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((written, after)) = [1, MUTT_BUFFER].into_iter().find_map(|length| {
        let (written, next) = rest.split_at_checked(length)?;
        match mark(next) {
            Some(Marked::Sent(after)) if length > 1 || written == b"." => Some((written, after)),
            _ => None,
        }
    }) {
        line.extend_from_slice(written);
        rest = after;
    }
    line.extend_from_slice(rest);
    line
}

/// How many bytes of a line mutt reads and writes at once.
const MUTT_BUFFER: usize = 1022;

/// Perl's object gets another class with TLS: `Net::SMTP::_SSL=GLOB(…)`.
fn note_tls(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let has_handshake = || dialogue.events.iter().any(|logged| matches!(logged.event, LogEvent::TlsStarted { .. }));
    if find(line.bytes, "SSL=GLOB(").is_some() && !has_handshake() {
        dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
    }
}

fn msmtp_remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    if let Some(host) = line.after("host = ") {
        dialogue.server = Some(String::from_utf8_lossy(host).into_owned());
    } else if let Some(port) = line.after("port = ")
        && let Some(server) = &mut dialogue.server
    {
        *server = format!("{server}:{}", String::from_utf8_lossy(port));
    } else if line.after("TLS session parameters:").is_some() {
        dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
    }
}

fn mutt_remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let text = line.text();
    // `Connected to mx.example:25 on fd=4`
    let connected = text.split_once("Connected to ").and_then(|(_, rest)| rest.split_once(" on fd="));
    if let Some((address, _)) = connected {
        begin(line, address, dialogue);
    }
}

fn net_smtp_remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let ended = dialogue.events.last().is_some_and(|logged| matches!(logged.event, LogEvent::Closed { .. }));
    if find(line.bytes, "nexpected EOF on command channel").is_some() && !ended {
        dialogue.push(line.number, LogEvent::Closed { by: Side::Server, reset: false });
    }
}

fn sendmail_remark(line: LogLine<'_>, dialogue: &mut LoggedDialogue) {
    let text = line.text();
    let text = text.strip_prefix("s-nail: ").unwrap_or(&text);
    if let Some((_, host)) = text.split_once("... Connecting to ") {
        // `b@example.com... Connecting to mx.example.com. via esmtp...`
        let host = host.split_whitespace().next().unwrap_or_default();
        begin(line, host.trim_end_matches('.'), dialogue);
    } else if let Some(address) = text.strip_prefix("Connecting to ") {
        // `Connecting to 192.0.2.1:587 . . . connected.`
        begin(line, address.split_whitespace().next().unwrap_or_default(), dialogue);
    } else if text.starts_with("TLS connection using ") || text.starts_with("SSL connection using ") {
        dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
    }
}

/// A connection begins. A second one ends the dialogue.
fn begin(line: LogLine<'_>, address: &str, dialogue: &mut LoggedDialogue) {
    if dialogue.has_line_of(Side::Server) {
        dialogue.other_connections += 1;
    } else {
        dialogue.server = Some(String::from_utf8_lossy(trim_start(address.as_bytes())).into_owned());
        dialogue.push(line.number, LogEvent::Connected);
        if address.ends_with(":465") {
            dialogue.push(line.number, LogEvent::Note("a guess: TLS from the first byte on port 465".to_owned()));
            dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
        }
    }
}
