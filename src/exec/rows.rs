//! Rows on a connection: whether one can begin, and how it ends.

use super::connection::{ConnectionState, SHORT_WAIT, SmtpConnection};
use super::error::{Deadline, StepError};
use super::events::EventSink;
use super::read_outcome::{QuietCheck, ReadOutcome};
use crate::event::Failure;
use crate::session::{Action, Session, Span, Step, all_steps};
use crate::smtp::timeouts::Timeout;
use crate::transcript::Secrets;

/// An invalid row is placed where the session names its file.
pub fn invalid_row(session: &Session, secrets: &Secrets, place: &str, why: &str) -> Failure {
    let span = session.rows.as_ref().map_or_else(Span::default, |rows| rows.file.span.clone());
    StepError::bad_value(secrets, why).in_row(secrets, place).failure(session.source_map.place(&span))
}

/// Whether another row can go over the connection.
pub fn is_usable(main: &SmtpConnection<'_>) -> bool {
    main.may_quit() && main.server.last_code() != 221
}

/// Whether the server has said 421 and then no more: what is in flight after it was not read (RFC 5321 §3.8).
pub fn is_deaf(main: &mut SmtpConnection<'_>, events: &mut EventSink<'_>) -> bool {
    let until = events.now() + SHORT_WAIT;
    main.server.last_code() == 421 && main.ends_in_silence(events, until)
}

/// Checks, before a row is begun, whether the server is still there, and ends the transaction that a failed row left
/// (`reset`). What `message` sends does that itself.
pub fn is_ready(session: &Session, main: &mut SmtpConnection<'_>, events: &mut EventSink<'_>, reset: bool) -> bool {
    if main.server.replies == 0 || main.state == ConnectionState::OutOfSync {
        // Nothing has come yet: the row's own steps await the greeting.
        return true;
    }
    match main.check_quiet(events) {
        QuietCheck::Quiet if !reset => true,
        // RSET (RFC 5321 §4.1.1.5).
        QuietCheck::Quiet => {
            let deadline = Deadline::of_reply(session, events.now(), None, Timeout::Other);
            match main.send_line(events, b"RSET\r\n", deadline.at) {
                Some(ReadOutcome::Reply(facts)) => facts.reply.code.class() == 2,
                _ => false,
            }
        }
        QuietCheck::Ended(_) => false,
        QuietCheck::Unsolicited { .. } => {
            main.fail(events);
            false
        }
    }
}

/// Whether a row leaves values that the next one must not see.
pub fn has_captures(steps: &[Step]) -> bool {
    all_steps(steps).any(|step| !step.captures.is_empty())
}

/// Whether the steps send commands of their own, so that a transaction may be open after they stopped.
pub fn has_own_commands(steps: &[Step]) -> bool {
    let writes = |action: &Action| {
        matches!(
            action,
            Action::Send(_) | Action::Raw(_) | Action::Body { .. } | Action::Bdat { .. } | Action::Pipeline(_)
        )
    };
    all_steps(steps).any(|step| writes(&step.action))
}
