//! What is under way on a connection: commands whose replies are due, and messages of which something has left.

use super::error::Deadline;
use super::read_outcome::ReadOutcome;
use crate::prepare::{CommandKind, EnvelopeCommand, MessageJob, Row};
use std::collections::VecDeque;

/// The bytes of commands in one write.
pub fn command_bytes(commands: &[EnvelopeCommand]) -> Vec<u8> {
    commands.iter().flat_map(|command| command.text.bytes()).collect()
}

/// A command that was sent and has not been answered.
#[derive(Debug)]
pub struct PendingReply {
    /// The number of the message that it belongs to.
    pub job: u64,
    pub command: EnvelopeCommand,
}

/// A message of which something left before its turn.
pub struct QueuedMessage<'a> {
    pub job: MessageJob<'a>,
    /// The Message-ID of its row's first message.
    pub message_id: Option<String>,
    /// The row whose message it is, if that row's turn has not come.
    pub next_row: Option<Row>,
    /// Its content has left too: it is in flight, and its turn comes whatever happens.
    pub fully_sent: bool,
}

/// What is under way on a connection: commands whose replies are due, and messages of which something has left.
#[derive(Default)]
pub struct Outbox<'a> {
    pending: VecDeque<PendingReply>,
    queued: VecDeque<QueuedMessage<'a>>,
    last_number: u64,
    /// The deadline of the first pending reply, if it began with the write.
    pub first_deadline: Option<Deadline>,
    /// The outcome for the first pending reply, if it came before all was written.
    pub early_outcome: Option<ReadOutcome>,
    /// A write stopped midway, or the sending half was closed: replies may come, and nothing more can be sent.
    pub write_failed: bool,
    /// MAIL was sent and its transaction has not ended: RSET comes before the next one.
    pub in_transaction: bool,
    /// The server took a message, whichever steps sent it.
    pub delivered: bool,
}

impl<'a> Outbox<'a> {
    /// A number for the next message.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Commands were sent: their replies are due.
    pub fn expect_replies(&mut self, job: u64, commands: impl IntoIterator<Item = EnvelopeCommand>) {
        self.pending.extend(commands.into_iter().map(|command| PendingReply { job, command }));
    }

    /// What the next reply of this message is to.
    pub fn peek_reply_of(&self, job: u64) -> Option<CommandKind> {
        self.pending.front().filter(|pending| pending.job == job).map(|pending| pending.command.kind)
    }

    /// Takes the command that the next reply is to, if that is one of this message.
    pub fn take_reply_of(&mut self, job: u64) -> Option<EnvelopeCommand> {
        self.pending.pop_front_if(|pending| pending.job == job).map(|pending| pending.command)
    }

    /// No more replies of this message come.
    pub fn forget_replies_of(&mut self, job: u64) {
        while self.take_reply_of(job).is_some() {}
    }

    /// Nothing more is read for this message.
    pub fn end_replies_of(&mut self, job: u64) {
        self.forget_replies_of(job);
        self.first_deadline = None;
        self.early_outcome = None;
    }

    /// Something of a message left before its turn; `commands` were sent of it.
    pub fn queue(&mut self, message: QueuedMessage<'a>, commands: impl IntoIterator<Item = EnvelopeCommand>) {
        self.expect_replies(message.job.number, commands);
        self.queued.push_back(message);
    }

    /// How many messages have left, in part or as a whole, before their turn.
    pub fn queued_count(&self) -> usize {
        self.queued.len()
    }

    /// The first of them.
    pub fn first_queued(&self) -> Option<&QueuedMessage<'a>> {
        self.queued.front()
    }

    /// Takes the first of them if its turn has come.
    pub fn take_due(&mut self) -> Option<QueuedMessage<'a>> {
        self.queued.pop_front_if(|queued| queued.next_row.is_none())
    }

    /// Takes the first of them if only its envelope has left.
    pub fn take_unfinished(&mut self) -> Option<QueuedMessage<'a>> {
        self.queued.pop_front_if(|queued| !queued.fully_sent)
    }

    /// The next row's turn has come. Gives whether something of its message has left.
    pub fn begin_row(&mut self) -> bool {
        let first = self.queued.front_mut();
        first.is_some_and(|queued| {
            queued.next_row = None;
            true
        })
    }

    /// The server ended the connection before it read what was queued: nothing of it counts as sent. Gives the rows.
    pub fn take_queued_rows(&mut self) -> Vec<Row> {
        self.pending.clear();
        self.queued.drain(..).filter_map(|queued| queued.next_row).collect()
    }
}
