//! The end of a session: QUIT where the dialogue allows it and something went wrong, and all connections closed.

use super::connection::SmtpConnection;
use super::executor::Executor;
use super::read_outcome::QuietCheck;
use super::steps::Flow;
use crate::session::CloseMode;
use std::time::Duration;

/// How long QUIT's reply is awaited behind a failure, and the server's end behind its 221.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends all connections. What comes of it changes no verdict.
pub fn disconnect_all(executor: &mut Executor<'_>, flow: Flow) {
    for mut connection in executor.take_connections() {
        // A session that came to its end has said what it had to say; one that a signal ended has no time for it.
        if flow > Flow::Continue && connection.may_quit() && executor.interrupted.is_none() {
            quit(executor, &mut connection);
        } else if flow == Flow::Continue && connection.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 221)
        {
            // RFC 5321 §4.1.1.10: behind 221 it is the server that closes, whoever wrote the QUIT.
            let until = executor.events.now() + PATIENCE;
            connection.await_close(&mut executor.events, until);
        }
        connection.close(&mut executor.events, CloseMode::Fin);
    }
}

fn quit(executor: &mut Executor<'_>, connection: &mut SmtpConnection) {
    if !matches!(connection.check_quiet(&mut executor.events), QuietCheck::Quiet) {
        return;
    }
    executor.events.emit_sent(&connection.name, b"QUIT\r\n", &[]);
    let until = executor.events.now() + PATIENCE;
    let (count, written) = connection.write(&mut executor.events, b"QUIT\r\n", until, false);
    executor.events.note_partial_write(&connection.name, b"QUIT\r\n".len() - count);
    if written.is_ok() {
        connection.read_reply(&mut executor.events, until);
    }
}
