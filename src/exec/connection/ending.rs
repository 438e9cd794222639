//! How a connection ends: by either side, or by what the system says of it.

use super::SmtpConnection;
use crate::event::Fact;
use crate::exec::events::EventSink;
use crate::exec::read_outcome::{ReadOutcome, StreamEnd};
use crate::session::CloseMode;
use std::io::{self, ErrorKind};
use std::time::Instant;

impl SmtpConnection {
    /// Waits until the server closes; what it still says is told.
    pub fn await_close(&mut self, events: &mut EventSink<'_>, until: Instant) {
        while self.is_open() {
            match self.read_next_reply(events, until) {
                ReadOutcome::Reply(_) | ReadOutcome::Malformed(_) => {}
                ReadOutcome::Ended(_) | ReadOutcome::Nothing { .. } | ReadOutcome::Interrupted(_) => return,
            }
        }
    }

    /// Ends the connection, or its sending half.
    pub fn close(&mut self, events: &mut EventSink<'_>, how: CloseMode) {
        let Some(mut stream) = self.stream.take() else { return };
        self.emit_partial_line(events);
        events.emit(&self.name, Fact::ClosedByClient { how });
        // The peer may have ended it first: there is nothing left to do then.
        let _ = stream.close(how);
        if how == CloseMode::Write {
            self.stream = Some(stream);
        }
    }

    /// Tells the server's end, with what it left of a line, and lets go of the stream.
    pub(super) fn ended(&mut self, events: &mut EventSink<'_>, end: StreamEnd) -> StreamEnd {
        self.emit_partial_line(events);
        if let Some(mut stream) = self.stream.take() {
            match end {
                StreamEnd::Fin => events.emit(&self.name, Fact::ClosedByServer),
                StreamEnd::Reset => events.emit(&self.name, Fact::ResetByServer),
                StreamEnd::Failed(_) | StreamEnd::Garbled(_) | StreamEnd::Absent => {
                    events.emit(&self.name, Fact::ClosedByClient { how: CloseMode::Fin });
                }
            }
            let _ = stream.close(CloseMode::Fin);
        }
        end
    }

    pub(super) fn end_of(&self, error: &io::Error) -> StreamEnd {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => StreamEnd::Reset,
            ErrorKind::UnexpectedEof | ErrorKind::NotConnected => StreamEnd::Fin,
            _ if self.encrypted() => StreamEnd::Garbled(error.to_string()),
            _ => StreamEnd::Failed(error.to_string()),
        }
    }
}
