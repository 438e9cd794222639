//! Options that send a part of a batch, or send it to somebody else: whether a session allows them.

use crate::cli::arguments::RunArguments;
use crate::cli::error::CommandError;
use crate::cli::sessions::load::LoadedSession;
use crate::session::{Action, RawBytes, Visitor, walk_action};
use crate::transcript::escape_unprintable;

/// Checks `--limit`, `--key` and `--to` against the sessions.
pub fn check_row_selection(all: &RunArguments, sessions: &[&LoadedSession]) -> Result<(), CommandError> {
    let arguments = &all.batch;
    let part = match (arguments.limit, arguments.key.is_empty()) {
        (Some(_), _) => Some("--limit"),
        (None, false) => Some("--key"),
        (None, true) => None,
    };
    for loaded in sessions {
        let name = || escape_unprintable(loaded.path.name().as_bytes());
        if let (Some(option), None) = (part, &loaded.session.rows) {
            let error = CommandError::usage(format!("{option}: {} has no [rows]", name()));
            return Err(error.with_help("it selects rows of a batch"));
        }
        if arguments.to.is_some() && writes_recipients(loaded) {
            let what =
                format!("--to: {} writes RCPT or content itself, so that its recipients cannot be replaced", name());
            return Err(CommandError::usage(what).with_help("it replaces the recipients of `message` steps only"));
        }
    }
    Ok(())
}

/// Whether a session may send RCPT with a step other than `message`.
fn writes_recipients(loaded: &LoadedSession) -> bool {
    let mut finder = RecipientFinder::default();
    finder.visit_session(&loaded.session);
    finder.found
}

#[derive(Default)]
struct RecipientFinder {
    found: bool,
}

impl<'s> Visitor<'s> for RecipientFinder {
    fn visit_action(&mut self, action: &'s Action) {
        self.found |= match action {
            // What a value brings in may be RCPT.
            Action::Send(template) => may_be_rcpt(&template.source),
            Action::Raw(RawBytes::Text(template)) => has_rcpt(template.source.as_bytes()) || !template.is_literal(),
            Action::Raw(RawBytes::Bytes(bytes)) => has_rcpt(bytes),
            Action::Raw(RawBytes::File(_) | RawBytes::Parts(_)) | Action::Body { .. } | Action::Bdat { .. } => true,
            _ => false,
        };
        walk_action(self, action);
    }
}

/// Whether a line can be RCPT: unless its verb is literal.
fn may_be_rcpt(text: &str) -> bool {
    let verb = text.trim_start().split(' ').next().unwrap_or_default();
    has_rcpt(text.as_bytes()) || verb.contains('{') || text.contains("{%")
}

fn has_rcpt(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window.eq_ignore_ascii_case(b"RCPT"))
}
