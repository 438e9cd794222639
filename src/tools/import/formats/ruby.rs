//! Debug output of Ruby's Net::SMTP (`set_debug_output`): what was sent and received as literals of Ruby.

use super::literals::push_literal;
use super::marks::{Marked, ruby};
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side};
use crate::tools::import::log_text::{LogLine, find};

const FIDELITY: LogFidelity = LogFidelity { content: false, handshakes: true, line_ends: true };

pub(super) fn read(lines: &[LogLine<'_>]) -> LoggedDialogue {
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    for line in lines {
        let begins = line.after("Connection opened: ");
        if begins.is_some() && dialogue.has_line_of(Side::Server) {
            dialogue.other_connections += 1;
        }
        if dialogue.other_connections > 0 {
            continue;
        }
        match ruby(line.bytes) {
            Some(Marked::Sent(literal)) => push_literal(line.number, Side::Client, literal, &mut dialogue),
            Some(Marked::Received(literal)) => push_literal(line.number, Side::Server, literal, &mut dialogue),
            Some(Marked::Remark(_)) => {}
            None if let Some(address) = begins => {
                dialogue.server = Some(String::from_utf8_lossy(address).trim().to_owned());
                dialogue.push(line.number, LogEvent::Connected);
            }
            None if line.after("TLS connection started").is_some() => {
                dialogue.push(line.number, LogEvent::TlsStarted { verified: None });
            }
            None if line.after("writing message from ").is_some() => {
                dialogue.push(line.number, LogEvent::MissingContent);
            }
            None if find(line.bytes, "end of file reached").is_some() => {
                dialogue.push(line.number, LogEvent::Closed { by: Side::Server, reset: false });
            }
            None => {}
        }
    }
    dialogue
}
