//! Content through DATA: stuffed, ended by a dot, with the next message's envelope behind it.

use super::super::body::{self, Behind, Sending, Sent, Source};
use super::Transaction;
use super::ahead::Ahead;
use crate::exec::channel::Channel;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::smtp::limits::Wait;
use std::cell::Cell;
use std::io::Read;

impl<'t> Transaction<'t> {
    pub(super) fn data(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        // Behind a 354 content that cannot be had can only be given up with the connection.
        let reader = self.open(player).map_err(|trouble| Trouble { severs: true, ..trouble })?;
        let ahead = Ahead::prepare(player, channel, self.step, self.plan, self.next, false, 0);
        let lines = ahead.as_ref().map(Ahead::bytes);
        let behind = match (&ahead, &lines) {
            (Some(ahead), Some(lines)) => Some(Behind { lines, used: &ahead.plan.mail.used }),
            _ => None,
        };
        let source = Source {
            reader,
            // The mail itself sees to it that it is as long as it was said to be.
            length: None,
            name: "the message".to_owned(),
            span: self.message.span.clone(),
            used: self.plan.mail.used.clone(),
        };
        let (timeout, dot_left) = (self.step.timeout, Cell::new(false));
        let sending = Sending {
            stuffing: true,
            timeout,
            chunk: self.step.chunk,
            expect: self.expect,
            recipients: &self.left(),
            dot_left: &dot_left,
            behind,
        };
        let sent = body::send(player, channel, source, &sending);
        self.complete = dot_left.get();
        if sent? == Sent::AnsweredEarly {
            self.answered_early(player, channel);
            return Ok(());
        }
        self.complete = true;
        // The dot ends the transaction, whatever becomes of the mail (RFC 5321 §4.1.1.4).
        channel.in_transaction = ahead.is_some();
        player.ahead.extend(ahead);
        let limit = player.limit(timeout, Wait::DataTermination);
        let answer = channel.answer(&mut player.narrator, limit.at);
        self.content_heard(player, channel, answer, limit)
    }

    pub(super) fn open(&self, player: &Player<'_>) -> Result<Box<dyn Read + 't>, Trouble> {
        self.plan
            .mail
            .open()
            .map(|reader| -> Box<dyn Read + 't> { reader })
            .map_err(|error| self.unreadable(player, &error))
    }

    pub(super) fn unreadable(&self, player: &Player<'_>, error: &std::io::Error) -> Trouble {
        Trouble::unreadable(&player.narrator, format!("the message: {error}")).at(&self.message.span)
    }
}
