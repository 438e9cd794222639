//! The end of a session: QUIT if the dialogue allows it and something went wrong, and all connections closed.

use super::connection::SmtpConnection;
use super::events::EventSink;
use super::exchange::SHORT_WAIT;
use super::flow::Flow;
use super::read_outcome::QuietCheck;
use crate::session::CloseMode;

/// Ends all connections. What comes of it changes no verdict. `interrupted`: a signal ended the session.
pub fn disconnect_all(connections: Vec<SmtpConnection<'_>>, events: &mut EventSink<'_>, flow: Flow, interrupted: bool) {
    for mut connection in connections {
        // A session that ran to its end has said what it had to say; one that a signal ended has no time for it.
        if flow > Flow::Continue && connection.may_quit() && !interrupted {
            if matches!(connection.check_quiet(events), QuietCheck::Quiet) {
                let until = events.now() + SHORT_WAIT;
                connection.send_line(events, b"QUIT\r\n", until);
            }
        } else if flow == Flow::Continue && connection.server.last_code() == 221 {
            // RFC 5321 §4.1.1.10: after 221 it is the server that closes, whoever wrote the QUIT.
            let until = events.now() + SHORT_WAIT;
            connection.await_close(events, until);
        }
        connection.close(events, CloseMode::Fin);
    }
}
