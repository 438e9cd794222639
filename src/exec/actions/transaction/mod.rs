//! A mail transaction: MAIL, RCPT for each recipient, DATA or BDAT, content, replies (RFC 5321 §3.3, RFC 2033 over
//! LMTP).
//!
//! It goes in turns of one write and then all its replies. Where PIPELINING is offered (RFC 2920 §3.1) the first turn is
//! the envelope with DATA, or with the first chunk of content, and the last one is the end of the content with the
//! envelope of the message that follows on this connection: so a message costs one round trip.

mod ahead;
mod chunks;
mod content;
mod envelope;
mod flight;
mod outcome;

pub use ahead::{Ahead, Next, settle};

use super::{Command, Done, expected, put};
use crate::event::{Cause, RecipientOutcome, Status};
use crate::exec::answer::Answer;
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::{Limit, Trouble};
use crate::session::{Expect, Message, OnRefused, Step};
use crate::smtp::limits::Wait;
use crate::smtp::reply::Reply;
use crate::transcript::Passage;
use envelope::{Line, Order, Plan};
use outcome::{Recipients, outcome_of};
use std::collections::VecDeque;

/// The `message` step. `next` is what follows it, where that is a message as well.
pub fn message(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    message: &Message,
    next: Option<Next<'_>>,
) -> Result<Done, Trouble> {
    let expect = expected(player, step)?;
    // Behind the message before this one the envelope may have left already.
    let which = (std::ptr::from_ref(step).addr(), player.scope.loop_index());
    let (plan, awaited, whole) = match player.ahead.pop_front_if(|ahead| !ahead.in_next_row) {
        Some(ahead) => {
            player.message_id = ahead.message_id;
            player.several.begin(message, false);
            (ahead.plan, ahead.lines, ahead.whole)
        }
        None => {
            // Another attempt carries the Message-ID of the one before; another message never does.
            let again = player.last_message.as_ref().is_some_and(|last| *last == which);
            player.several.begin(message, again);
            (Plan::new(player, channel, message)?, VecDeque::new(), false)
        }
    };
    player.last_message = Some(which);
    if plan.mail.recipients.is_empty() {
        return Ok(Done::SentBefore);
    }
    let recipients = Recipients::new(plan.mail.recipients.len());
    let transaction = Transaction {
        step,
        message,
        plan: &plan,
        expect,
        next,
        awaited,
        limit: None,
        known: None,
        recipients,
        stopped: None,
        go_ahead: false,
        closing: false,
        complete: whole,
        passage: Passage::default(),
    };
    transaction.run(player, channel).map(|()| Done::Passed)
}

struct Transaction<'t> {
    step: &'t Step,
    message: &'t Message,
    plan: &'t Plan<'t>,
    /// Of the reply to the content.
    expect: &'t Expect,
    next: Option<Next<'t>>,
    /// What was sent and has not been answered.
    awaited: VecDeque<Line>,
    /// Of the first of them: it began with the writing.
    limit: Option<Limit>,
    /// Its answer, where that was there before all was written.
    known: Option<Answer>,
    recipients: Recipients,
    /// A refusal that stopped the message, and what it means for the recipients.
    stopped: Option<Stop>,
    /// DATA got its 354.
    go_ahead: bool,
    /// 421 came: no more replies do (RFC 5321 §3.8).
    closing: bool,
    /// The last byte of the content may have left.
    complete: bool,
    /// What was told of the content.
    passage: Passage,
}

/// Why a message stopped.
struct Stop {
    trouble: Trouble,
    outcome: RecipientOutcome,
    words: String,
}

impl Transaction<'_> {
    fn run(mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        let sent = self.send(player, channel);
        let unknown = self.settle_recipients(player, channel, sent.as_ref().err());
        let halted = self.is_halted();
        let stop = self.stopped.take().map(|stop| stop.trouble);
        let aborted = self.message.on_refused == OnRefused::Abort && !self.complete;
        // Behind what stops a message no recipient is refused: one that was came first.
        let refused = match (self.recipients.verdict(aborted), stop) {
            (Err(first), Some(stop)) => Err(first.with([stop])),
            (Ok(()), Some(stop)) => Err(stop),
            (refused, None) => refused,
        };
        match (sent, refused) {
            // Trying again may send twice, whatever was said of the other recipients.
            (Err(trouble), refused) if unknown && trouble.status == Status::IoErr => Err(trouble.with(refused.err())),
            // What stopped the message came first; what follows from it changes nothing but the connection.
            (Err(_), Err(refused)) if halted => Err(Trouble { severs: true, ..refused }),
            // Where the others were to have it all the same, that failed too, and behind the refusal.
            (Err(trouble), Err(refused)) => Err(refused.with([trouble])),
            (Err(trouble), Ok(())) => Err(trouble),
            (Ok(()), refused) => refused,
        }
    }

    /// Everything from the envelope to the replies to the content, or as far as the server lets it.
    fn send(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        if self.complete {
            return self.land(player, channel);
        }
        if self.awaited.is_empty() {
            let lines = self.plan.envelope(channel.in_transaction);
            channel.in_transaction = true;
            if self.plan.pipelined && self.plan.chunked && self.plan.eager {
                return self.chunks(player, channel, lines);
            }
            self.envelope(player, channel, lines)?;
        }
        self.hear_all(player, channel)?;
        if self.is_over() {
            return self.give_up(player, channel);
        }
        if self.plan.chunked {
            return self.chunks(player, channel, Vec::new());
        }
        if !self.go_ahead {
            self.say(player, channel, vec![Line::new(Order::Data, "DATA\r\n")])?;
            self.hear_all(player, channel)?;
        }
        if !self.go_ahead {
            return Ok(()); // and why is in `stopped`
        }
        self.data(player, channel)
    }

    /// In one write; without PIPELINING a command at a time, as long as the message can still be sent.
    fn envelope(&mut self, player: &mut Player<'_>, channel: &mut Channel, lines: Vec<Line>) -> Result<(), Trouble> {
        if self.plan.pipelined {
            return self.say(player, channel, lines);
        }
        for line in lines {
            self.say(player, channel, vec![line])?;
            self.hear_all(player, channel)?;
            if self.is_halted() {
                break;
            }
        }
        Ok(())
    }

    /// Whether no more is to be asked for: a refusal stopped the message.
    fn is_halted(&self) -> bool {
        let aborted = self.message.on_refused == OnRefused::Abort && self.recipients.any_refused();
        self.stopped.is_some() || self.closing || aborted
    }

    /// Whether no content is to be sent.
    fn is_over(&self) -> bool {
        self.is_halted() || !self.recipients.any_accepted()
    }

    /// Leaves the transaction before its content.
    fn give_up(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        if !self.go_ahead {
            return Ok(());
        }
        if self.recipients.any_accepted() {
            // A dot would deliver nothing to somebody: nothing more can be said on this connection.
            let why = "the server wants content for a message that it refused";
            return Err(Trouble::severing(Status::Protocol, Cause::OutOfTurn { text: player.narrator.shown(why) }));
        }
        // RFC 2920 §3.1: all recipients were refused and DATA was taken all the same: a message of no lines.
        self.say(player, channel, vec![Line::new(Order::Dot, ".\r\n")])?;
        self.hear_all(player, channel)
    }

    /// Sends commands in one write; their replies are awaited from now on.
    fn say(&mut self, player: &mut Player<'_>, channel: &mut Channel, lines: Vec<Line>) -> Result<(), Trouble> {
        let bytes: String = lines.iter().map(|line| line.text.as_str()).collect();
        let any = judge::any();
        let command = Command {
            chunk: self.step.chunk,
            used: self.plan.mail.used.clone(),
            // A dot among them ends content that has no recipients.
            end_in: 0,
            ..Command::line(bytes.as_bytes(), &any, self.step.timeout)
        };
        let limit = player.limit(self.step.timeout, command.wait);
        self.known = put(player, channel, &command, limit)?;
        self.awaited.extend(lines);
        self.limit = Some(limit);
        Ok(())
    }

    /// Reads all replies that are due, each within its own limit. That to the content may be several.
    fn hear_all(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        while let Some(line) = self.awaited.pop_front() {
            let wait = Wait::of_command(line.text.as_bytes());
            let limit = self.limit.take().unwrap_or_else(|| player.limit(self.step.timeout, wait));
            player.narrator.between = line.order == Order::Chunk;
            let answer = match self.known.take() {
                Some(answer) => answer,
                None => channel.answer(&mut player.narrator, limit.at),
            };
            player.narrator.between = false;
            self.heard(player, channel, &line, answer, limit)?;
        }
        Ok(())
    }

    /// What a reply means for the message.
    fn heard(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        line: &Line,
        answer: Answer,
        limit: Limit,
    ) -> Result<(), Trouble> {
        if line.order == Order::Last && !self.is_over() {
            return self.content_heard(player, channel, answer, limit);
        }
        let undecided = self.complete && !self.is_halted() && self.recipients.any_left();
        if undecided && let Some(why) = super::body::unanswered(&answer, limit) {
            return Err(Trouble::delivery_unknown(&player.narrator, &why));
        }
        let waiting_for = Command::line(line.text.as_bytes(), self.expect, None).waiting_for();
        let facts = player.judge(&judge::any(), answer, &waiting_for, limit)?;
        let Some(reply) = facts.map(|facts| facts.reply) else { return Ok(()) };
        match line.order {
            // Behind content that left already it is MAIL's reply that counts.
            Order::Reset if self.complete && reply.code.get() != 421 => {}
            Order::Reset => self.require(player, line.order, &reply, "250"),
            Order::Mail => self.require(player, line.order, &reply, "250"),
            // What is said of recipients of no transaction says nothing about them.
            Order::Rcpt(index) if self.stopped.is_none() => self.hear_rcpt(player, channel, index, &reply),
            Order::Data if reply.code.get() == 354 => self.go_ahead = true,
            Order::Data if self.is_over() => {}
            Order::Data => self.require(player, line.order, &reply, "354"),
            Order::Chunk if !self.is_over() => self.require(player, line.order, &reply, "250"),
            Order::Rcpt(_) | Order::Chunk | Order::Last | Order::Dot => {}
        }
        if reply.code.get() == 421 {
            self.closing = true;
            self.awaited.clear();
        }
        Ok(())
    }

    /// Another reply than this stops the message.
    fn require(&mut self, player: &mut Player<'_>, order: Order, reply: &Reply, words: &str) {
        let expect = judge::codes(words);
        if self.stopped.is_some() || expect.accepts(reply, &mut |_| None) {
            return;
        }
        let outcome = match order {
            // A 5yz before RCPT says nothing against the recipients.
            Order::Reset | Order::Mail => RecipientOutcome::Deferred,
            _ => match outcome_of(reply) {
                RecipientOutcome::Accepted | RecipientOutcome::Unknown => RecipientOutcome::Deferred,
                outcome => outcome,
            },
        };
        player.attempted.decided_by.get_or_insert_with(|| reply.clone());
        let trouble = judge::mismatch(&player.narrator, &expect, reply);
        self.stopped = Some(Stop { trouble, outcome, words: judge::reply_words(reply) });
    }
}
