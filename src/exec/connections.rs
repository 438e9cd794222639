//! The connections of a session, by name.

use super::connection::{ByteCounts, SHORT_WAIT, SmtpConnection};
use super::events::{EventSink, MAIN};
use super::flow::Flow;
use super::read_outcome::QuietCheck;
use crate::event::RawDialogue;
use crate::session::CloseMode;
use crate::smtp::reply::Reply;
use crate::transcript::Secrets;
use std::cmp::Reverse;
use std::rc::Rc;

/// The connections of a session, by name.
#[derive(Default)]
pub struct Connections<'a> {
    /// `main` first, so that it is the first to say QUIT; then the one used last at the end.
    list: Vec<SmtpConnection<'a>>,
    bytes: Rc<ByteCounts>,
}

impl<'a> Connections<'a> {
    /// The connection of this name; one that was never used is new and not open.
    pub fn get(&mut self, name: &str) -> &mut SmtpConnection<'a> {
        let known = self.list.iter().position(|connection| connection.name == name);
        let index = if name == MAIN { 0 } else { self.list.len() - usize::from(known.is_some()) };
        if known != Some(index) {
            let connection = match known {
                Some(known) => self.list.remove(known),
                None => SmtpConnection::new(name, self.bytes.clone()),
            };
            self.list.insert(index, connection);
        }
        &mut self.list[index]
    }

    /// The default connection.
    pub fn main(&mut self) -> &mut SmtpConnection<'a> {
        self.get(MAIN)
    }

    /// Whether the next message has left as a whole: its turn comes whatever happens.
    pub fn is_in_flight(&self) -> bool {
        let mut first = self.list.iter().filter_map(|connection| connection.outbox.first_queued());
        first.any(|queued| queued.fully_sent)
    }

    /// The next row's turn has come. Gives whether something of its message has left.
    pub fn begin_queued_row(&mut self) -> bool {
        self.list.iter_mut().any(|connection| connection.outbox.begin_row())
    }

    /// What is sent and answered from now on belongs to another row.
    pub fn begin_row(&mut self) {
        self.list.iter_mut().for_each(|connection| connection.log.begin_row());
    }

    /// What the row's replies said, on all connections, and how many there were.
    pub fn row_traffic(&mut self, secrets: &Secrets) -> (RawDialogue, usize) {
        let text = |reply: &Reply| {
            let last = reply.lines.last().map(Vec::as_slice).unwrap_or_default();
            let line = [reply.code.to_string().as_bytes(), b" ", last].concat();
            secrets.shown(line.trim_ascii_end()).as_str().to_owned()
        };
        // Of several at the same moment the first one.
        let latest =
            self.list.iter().enumerate().max_by_key(|(index, one)| (one.log.row.last_reply_at, Reverse(*index)));
        let latest = latest.map(|(index, _)| index);
        let replies = self.list.iter().map(|one| one.log.row.replies).sum();
        let dialogues = self.list.iter_mut().enumerate().map(|(index, one)| {
            let last_reply = one.server.reply.as_ref().map(|facts| &facts.reply).filter(|_| Some(index) == latest);
            one.log.dialogue(last_reply, &text)
        });
        (dialogues.fold(RawDialogue::default(), RawDialogue::and), replies)
    }

    /// Ends all connections: with QUIT if the dialogue allows it and something went wrong. What comes of it changes no
    /// verdict. `interrupted`: a signal ended the session.
    pub fn disconnect(self, events: &mut EventSink<'_>, flow: Flow, interrupted: bool) {
        for mut connection in self.list {
            let until = events.now() + SHORT_WAIT;
            // A session that ran to its end has said what it had to say; one that a signal ended has no time for it.
            if flow > Flow::Continue && connection.may_quit() && !interrupted {
                if matches!(connection.check_quiet(events), QuietCheck::Quiet) {
                    connection.send_line(events, b"QUIT\r\n", until);
                }
            } else if flow == Flow::Continue && connection.server.last_code() == 221 {
                // RFC 5321 §4.1.1.10: after 221 it is the server that closes, whoever wrote the QUIT.
                connection.await_close(events, until);
            }
            connection.close(events, CloseMode::Fin);
        }
    }
}
