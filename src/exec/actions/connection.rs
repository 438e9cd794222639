//! Steps of a connection: `quit`, `close`, `connect`, `proxy`, `xclient`.

use super::{SmtpCommand, exchange, expected};
use crate::event::Note;
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::exec::read_outcome::StreamEnd;
use crate::session::{CloseMode, EhloFacts, Step, Template};
use crate::smtp::timeouts::Timeout;
use crate::smtp::{proxy, xtext};
use std::net::SocketAddr;
use std::time::Duration;

/// How long the server has to close behind its 221, or to answer QUIT behind a failure.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// QUIT, then waits for the server to close (RFC 5321 §4.1.1.10). Whether it did changes no verdict.
pub fn quit(executor: &mut Executor<'_>, connection: &mut SmtpConnection, step: &Step) -> Result<(), StepError> {
    let expect = expected(executor, step)?;
    let command = SmtpCommand { chunk: step.chunk, ..SmtpCommand::line(b"QUIT\r\n", expect, step.timeout) };
    match exchange(executor, connection, &command) {
        Ok(_) => {}
        // Behind a delivered message the failure is said and changes no status: the mail is the server's.
        Err(error) if connection.delivered && executor.events.clock.interrupted().is_none() => {
            let why = executor.events.shown(error.cause.to_string());
            executor.note(connection, Note::QuitFailed { why });
            connection.close(&mut executor.events, CloseMode::Fin);
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let until = executor.events.now() + FAREWELL;
    connection.await_close(&mut executor.events, until);
    connection.close(&mut executor.events, CloseMode::Fin);
    Ok(())
}

pub fn close(executor: &mut Executor<'_>, connection: &mut SmtpConnection, how: CloseMode) -> Result<(), StepError> {
    if !connection.is_open() {
        return Err(StepError::lost(&executor.events, &StreamEnd::Absent));
    }
    connection.close(&mut executor.events, how);
    Ok(())
}

/// A new connection in place of one that ended.
pub fn connect(executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
    connection.close(&mut executor.events, CloseMode::Fin);
    executor.connect(connection, false)
}

/// The PROXY header is the first thing on a connection, before the greeting, which may come meanwhile.
pub fn proxy(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    version: u8,
    (source, destination): (SocketAddr, SocketAddr),
) -> Result<(), StepError> {
    let bytes = match version {
        1 => proxy::header_v1(source, destination),
        _ => proxy::header_v2(source, destination),
    }
    .map_err(|error| StepError::bad_value(&executor.events, error.to_string()))?;
    let command = SmtpCommand {
        bytes: &bytes,
        used: Vec::new(),
        chunk: step.chunk,
        wait: Timeout::Other,
        timeout: step.timeout,
        expect: None,
        requires_quiet: false,
        reply_to: None,
        records_content: false,
    };
    let unpaired = connection.unpaired;
    exchange(executor, connection, &command)?;
    connection.unpaired = unpaired;
    // The header has no reply.
    connection.reset_tracker();
    Ok(())
}

/// Postfix's XCLIENT: its reply is a new greeting, behind which the session begins anew.
pub fn xclient(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    attributes: &[(String, Template)],
) -> Result<(), StepError> {
    let mut line = String::from("XCLIENT");
    for (name, value) in attributes {
        line += &format!(" {name}={}", xtext::encode(executor.render_line(value)?.as_bytes()));
    }
    line += "\r\n";
    let expect = expected(executor, step)?;
    let command = SmtpCommand { chunk: step.chunk, ..SmtpCommand::line(line.as_bytes(), expect, step.timeout) };
    let facts = exchange(executor, connection, &command)?;
    if facts.is_some_and(|facts| facts.reply.code.get() == 220) {
        connection.ehlo = EhloFacts::default();
    }
    Ok(())
}
