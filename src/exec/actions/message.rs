//! A mail transaction: MAIL, RCPT for each recipient, DATA, content, replies (RFC 5321 §3.3, RFC 2033 over LMTP).
//!
//! Where PIPELINING is offered, MAIL, RCPT and DATA leave in one write (RFC 2920 §3.1).

use super::body::{self, Sending, Sent, Source};
use super::compose::{Mail, compose};
use super::{Command, expected, put};
use crate::event::{Cause, Note, RecipientOutcome, Status};
use crate::exec::answer::Answer;
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::session::{Expect, Message, OnRefused, Step};
use crate::smtp::address::Mailbox;
use crate::smtp::limits::Wait;
use crate::smtp::reply::Reply;
use crate::transcript::Shown;

pub fn message(player: &mut Player<'_>, channel: &mut Channel, step: &Step, message: &Message) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    let mail = compose(player, message)?;
    let mail_line = mail.mail_line(player, channel)?;
    let mut transaction = Transaction { step, message, mail: &mail, expect, refused: Vec::new(), status: None };
    transaction.run(player, channel, mail_line)
}

struct Transaction<'t> {
    step: &'t Step,
    message: &'t Message,
    mail: &'t Mail<'t>,
    /// Of the reply to the content.
    expect: &'t Expect,
    /// The recipients that were refused, and the replies.
    refused: Vec<(Shown, Shown)>,
    /// What the first refusal means for the session.
    status: Option<Status>,
}

impl Transaction<'_> {
    fn run(&mut self, player: &mut Player<'_>, channel: &mut Channel, mail_line: String) -> Result<(), Trouble> {
        if channel.in_transaction {
            let replies = self.say(player, channel, &["RSET\r\n".to_owned()])?;
            self.accept(player, replies.first(), "250")?;
            channel.in_transaction = false;
        }
        channel.in_transaction = true;
        let rcpts: Vec<String> = self.mail.recipients.iter().map(|recipient| self.mail.rcpt_line(recipient)).collect();
        let pipelined = self.message.pipelining && channel.ehlo.has("PIPELINING");
        let (accepted, data) = if pipelined {
            self.envelope_at_once(player, channel, mail_line, rcpts)?
        } else {
            (self.envelope_in_turn(player, channel, mail_line, rcpts)?, None)
        };
        let stopped = accepted.is_empty() || (self.message.on_refused == OnRefused::Abort && !self.refused.is_empty());
        if stopped {
            if data.is_some_and(|reply| reply.code.get() == 354) {
                self.lone_dot(player, channel)?;
            }
            return self.outcome();
        }
        let data = match data {
            Some(reply) => Some(reply),
            None => self.say(player, channel, &["DATA\r\n".to_owned()])?.into_iter().next(),
        };
        self.accept(player, data.as_ref(), "354")?;
        self.content(player, channel, &accepted)?;
        self.outcome()
    }

    /// MAIL, RCPT and DATA in one write. With `abort` and several recipients DATA waits for RCPT's replies. Gives the
    /// accepted recipients, and DATA's reply where it was asked for.
    fn envelope_at_once(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        mail_line: String,
        rcpts: Vec<String>,
    ) -> Result<(Vec<Mailbox>, Option<Reply>), Trouble> {
        let with_data = self.message.on_refused == OnRefused::Skip || rcpts.len() == 1;
        let mut lines = vec![mail_line];
        lines.extend(rcpts);
        if with_data {
            lines.push("DATA\r\n".to_owned());
        }
        let mut replies = self.say(player, channel, &lines)?;
        let data = if with_data { replies.pop() } else { None };
        let mut replies = replies.iter();
        if let Err(trouble) = self.accept(player, replies.next(), "250") {
            if data.is_some_and(|reply| reply.code.get() == 354) {
                self.lone_dot(player, channel)?;
            }
            return Err(trouble);
        }
        let mut accepted = Vec::new();
        for (recipient, reply) in self.mail.recipients.iter().zip(replies) {
            if self.hear_rcpt(player, channel, recipient, reply) {
                accepted.push(recipient.clone());
            }
        }
        Ok((accepted, data))
    }

    /// A command at a time; with `abort` the first refusal is the last command.
    fn envelope_in_turn(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        mail_line: String,
        rcpts: Vec<String>,
    ) -> Result<Vec<Mailbox>, Trouble> {
        let replies = self.say(player, channel, &[mail_line])?;
        self.accept(player, replies.first(), "250")?;
        let mut accepted = Vec::new();
        for (recipient, line) in self.mail.recipients.iter().zip(rcpts) {
            let replies = self.say(player, channel, &[line])?;
            let Some(reply) = replies.first() else { break };
            if self.hear_rcpt(player, channel, recipient, reply) {
                accepted.push(recipient.clone());
            } else if reply.code.get() == 421 {
                // RFC 5321 §3.8: the server is closing; nothing more is to be said to it.
                return Ok(Vec::new());
            } else if self.message.on_refused == OnRefused::Abort {
                break;
            }
        }
        Ok(accepted)
    }

    /// 250, 251 and 252 are successes (RFC 5321 §3.4).
    fn hear_rcpt(&mut self, player: &mut Player<'_>, channel: &Channel, recipient: &Mailbox, reply: &Reply) -> bool {
        let accepted = judge::codes("25x").accepts(reply, &mut |_| None);
        if !accepted {
            self.refuse(player, channel, recipient, reply);
        }
        accepted
    }

    fn refuse(&mut self, player: &mut Player<'_>, channel: &Channel, recipient: &Mailbox, reply: &Reply) {
        let deferred = reply.code.class() == 4;
        self.status.get_or_insert(if deferred { Status::TempFail } else { Status::Failed });
        let outcome = if deferred { RecipientOutcome::Deferred } else { RecipientOutcome::Refused };
        let address = player.narrator.shown(recipient.to_string());
        let words = player.narrator.shown(judge::reply_words(reply));
        self.refused.push((address, words));
        self.tell(player, channel, recipient, outcome, &judge::reply_words(reply));
    }

    fn tell(
        &self,
        player: &mut Player<'_>,
        channel: &Channel,
        recipient: &Mailbox,
        outcome: RecipientOutcome,
        reply: &str,
    ) {
        let (address, reply) = (player.narrator.shown(recipient.to_string()), player.narrator.shown(reply));
        player.note(channel, Note::Recipient { address, outcome, reply });
    }

    /// All recipients were refused and the server took DATA all the same: a message of no lines (RFC 2920 §3.1).
    fn lone_dot(&self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        self.say(player, channel, &[".\r\n".to_owned()]).map(drop)
    }

    fn content(&mut self, player: &mut Player<'_>, channel: &mut Channel, accepted: &[Mailbox]) -> Result<(), Trouble> {
        let timeout = self.step.timeout;
        let unreadable =
            |error: std::io::Error| Trouble::unreadable(&player.narrator, error.to_string()).at(&self.message.span);
        let source = Source {
            reader: self.mail.open(channel.ehlo.has("8BITMIME")).map_err(unreadable)?,
            length: Some(self.mail.size()),
            name: "the message".to_owned(),
            span: self.message.span.clone(),
            used: self.mail.used.clone(),
        };
        let sending =
            Sending { stuffing: true, timeout, chunk: self.step.chunk, expect: self.expect, recipients: accepted };
        if body::send(player, channel, source, &sending)? == Sent::AnsweredEarly {
            return Ok(());
        }
        let result = if player.server.is_lmtp() {
            self.replies(player, channel, accepted)
        } else {
            self.reply(player, channel, accepted)
        };
        channel.in_transaction = false;
        result
    }

    /// SMTP: one reply for all.
    fn reply(&mut self, player: &mut Player<'_>, channel: &mut Channel, accepted: &[Mailbox]) -> Result<(), Trouble> {
        let limit = player.limit(self.step.timeout, Wait::DataTermination);
        let replies = channel.replies;
        let result = body::reply(player, channel, self.expect, limit);
        let reply = channel.reply.as_ref().filter(|_| channel.replies > replies).map(|facts| facts.reply.clone());
        let (outcome, words) = match &reply {
            Some(reply) => (outcome_of(reply), judge::reply_words(reply)),
            None => (RecipientOutcome::Unknown, "no reply".to_owned()),
        };
        channel.delivered |= outcome == RecipientOutcome::Accepted;
        for recipient in accepted {
            self.tell(player, channel, recipient, outcome, &words);
        }
        result
    }

    /// LMTP: one reply for each accepted recipient, in their order (RFC 2033 §4.2).
    fn replies(&mut self, player: &mut Player<'_>, channel: &mut Channel, accepted: &[Mailbox]) -> Result<(), Trouble> {
        channel.in_message = true;
        let mut lost = None;
        for recipient in accepted {
            if lost.is_some() {
                self.tell(player, channel, recipient, RecipientOutcome::Unknown, "no reply");
                continue;
            }
            let limit = player.limit(self.step.timeout, Wait::DataTermination);
            let replies = channel.replies;
            let result = body::reply(player, channel, self.expect, limit);
            channel.in_message = true;
            match (&channel.reply, result) {
                (Some(facts), result) if channel.replies > replies => {
                    let reply = facts.reply.clone();
                    if result.is_ok() {
                        let outcome = outcome_of(&reply);
                        channel.delivered |= outcome == RecipientOutcome::Accepted;
                        self.tell(player, channel, recipient, outcome, &judge::reply_words(&reply));
                    } else {
                        self.refuse(player, channel, recipient, &reply);
                    }
                }
                (_, Err(trouble)) => {
                    self.tell(player, channel, recipient, RecipientOutcome::Unknown, "no reply");
                    lost = Some(trouble);
                }
                (_, Ok(())) => {}
            }
        }
        channel.in_message = false;
        lost.map_or(Ok(()), Err)
    }

    /// Whether recipients were refused on the way.
    fn outcome(&mut self) -> Result<(), Trouble> {
        match self.status {
            None => Ok(()),
            Some(status) => Err(Trouble::new(status, Cause::Recipients { refused: std::mem::take(&mut self.refused) })),
        }
    }

    fn accept(&self, player: &Player<'_>, reply: Option<&Reply>, words: &str) -> Result<(), Trouble> {
        let expect = judge::codes(words);
        match reply {
            Some(reply) if expect.accepts(reply, &mut |_| None) => Ok(()),
            Some(reply) => Err(judge::mismatch(&player.narrator, &expect, reply)),
            None => Err(Trouble::bad_value(&player.narrator, "no command was sent")),
        }
    }

    /// Sends commands in one write, and gives all their replies, each within its own limit.
    fn say(&self, player: &mut Player<'_>, channel: &mut Channel, lines: &[String]) -> Result<Vec<Reply>, Trouble> {
        let (bytes, any) = (lines.concat(), judge::any());
        let command = Command {
            chunk: self.step.chunk,
            used: self.mail.used.clone(),
            ..Command::line(bytes.as_bytes(), &any, self.step.timeout)
        };
        let limit = player.limit(self.step.timeout, command.wait);
        let mut known = put(player, channel, &command, limit)?;
        let mut replies = Vec::new();
        for line in lines {
            let command = Command::line(line.as_bytes(), &any, self.step.timeout);
            // For each command its own: the first one's began with the writing.
            let limit = if replies.is_empty() { limit } else { player.limit(self.step.timeout, command.wait) };
            let answer: Answer = match known.take() {
                Some(answer) => answer,
                None => channel.answer(&mut player.narrator, limit.at),
            };
            if let Some(facts) = player.judge(&any, answer, &command.waiting_for(), limit)? {
                let closing = facts.reply.code.get() == 421;
                replies.push(facts.reply);
                if closing && replies.len() < lines.len() {
                    // RFC 5321 §3.8: behind 421 come no more replies.
                    let reply = &replies[replies.len() - 1];
                    return Err(judge::mismatch(&player.narrator, &judge::codes("250"), reply));
                }
            }
        }
        Ok(replies)
    }
}

fn outcome_of(reply: &Reply) -> RecipientOutcome {
    match reply.code.class() {
        2 => RecipientOutcome::Accepted,
        4 => RecipientOutcome::Deferred,
        _ => RecipientOutcome::Refused,
    }
}
