//! How a connection ends: by either side, or by what the system says of it.

use super::Channel;
use crate::event::Fact;
use crate::exec::answer::{Answer, End};
use crate::exec::narrate::Narrator;
use crate::session::CloseHow;
use std::io::{self, ErrorKind};
use std::time::Instant;

impl Channel {
    /// Waits until the server closes; what it still says is told.
    pub fn await_close(&mut self, narrator: &mut Narrator<'_>, until: Instant) {
        while self.is_open() {
            match self.next_answer(narrator, until) {
                Answer::Reply(_) | Answer::Malformed(_) => {}
                Answer::Ended(_) | Answer::Nothing { .. } | Answer::Interrupted(_) => return,
            }
        }
    }

    /// Ends the connection, or its sending half.
    pub fn close(&mut self, narrator: &mut Narrator<'_>, how: CloseHow) {
        let Some(mut stream) = self.stream.take() else { return };
        self.tell_partial(narrator);
        narrator.tell(&self.name, Fact::ClosedByClient { how });
        // The peer may have ended it first: there is nothing left to do then.
        let _ = stream.close(how);
        if how == CloseHow::Write {
            self.stream = Some(stream);
        }
    }

    /// Tells the server's end, with what it left of a line, and lets go of the stream.
    pub(super) fn ended(&mut self, narrator: &mut Narrator<'_>, end: End) -> End {
        self.tell_partial(narrator);
        if let Some(mut stream) = self.stream.take() {
            match end {
                End::Fin => narrator.tell(&self.name, Fact::ClosedByServer),
                End::Reset => narrator.tell(&self.name, Fact::ResetByServer),
                End::Failed(_) | End::Garbled(_) | End::Absent => {
                    narrator.tell(&self.name, Fact::ClosedByClient { how: CloseHow::Fin });
                }
            }
            let _ = stream.close(CloseHow::Fin);
        }
        end
    }

    pub(super) fn end_of(&self, error: &io::Error) -> End {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => End::Reset,
            ErrorKind::UnexpectedEof | ErrorKind::NotConnected => End::Fin,
            _ if self.encrypted() => End::Garbled(error.to_string()),
            _ => End::Failed(error.to_string()),
        }
    }
}
