//! The `quit` step.

use super::command::exchange;
use crate::event::Note;
use crate::exec::connection::SHORT_WAIT;
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::SmtpCommand;
use crate::session::CloseMode;

/// QUIT, then waits for the server to close (RFC 5321 §4.1.1.10). Whether it did changes no verdict.
pub fn quit(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    let (step, expect) = (context.step, context.expected()?);
    let line = SmtpCommand::line(context, b"QUIT\r\n", expect, step.timeout);
    // After a failure the implied QUIT is a courtesy: its reply is not awaited for minutes. The failure of a row is not that of
    // the run.
    let has_failed = context.progress.failure.is_some() || context.run.session.rows.is_some();
    let is_courtesy = step.timeout.is_none()
        && context.run.session.timeout.is_none()
        && has_failed
        && expect.accepts_close()
        && context.connection.server.last_code() >= 400;
    let deadline = match is_courtesy {
        true => Deadline::after(context.events.now(), SHORT_WAIT, None),
        false => line.deadline,
    };
    match exchange(context, &SmtpCommand { chunk: step.chunk, deadline, ..line }) {
        Ok(_) => {
            let until = context.events.now() + SHORT_WAIT;
            context.connection.await_close(context.events, until);
        }
        Err(error) => return excuse_failure(context, error),
    }
    context.connection.close(context.events, CloseMode::Fin);
    Ok(())
}

/// After a delivered message a failed QUIT is reported and changes no status: the mail is the server's. The connection is over.
pub fn excuse_failure(context: &mut StepContext<'_, '_>, error: StepError) -> Result<(), StepError> {
    if !context.connection.outbox.delivered || context.events.clock.interrupted().is_some() {
        return Err(error);
    }
    let why = context.events.shown(error.cause.to_string());
    context.note(Note::QuitFailed { why });
    context.connection.close(context.events, CloseMode::Fin);
    Ok(())
}
