//! What becomes of each recipient, and the replies to the content that say so.

use super::super::{body, read_through};
use super::Transaction;
use crate::event::{Cause, Got, Note, RecipientOutcome, Status};
use crate::exec::answer::Answer;
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::{Limit, Trouble};
use crate::smtp::address::Mailbox;
use crate::smtp::limits::Wait;
use crate::smtp::queue_id::queue_id;
use crate::smtp::reply::Reply;
use crate::transcript::Shown;

/// How far it is with a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// RCPT was accepted.
    Accepted,
    /// What became of it was told.
    Told,
}

/// The recipients of a message.
pub struct Recipients {
    fates: Vec<Fate>,
    /// Those that were refused, and the replies.
    refused: Vec<(Shown, Shown)>,
    /// What the first refusal means for the session.
    status: Option<Status>,
}

impl Recipients {
    pub fn new(count: usize) -> Self {
        Self { fates: vec![Fate::Open; count], refused: Vec::new(), status: None }
    }

    pub fn any_accepted(&self) -> bool {
        self.fates.contains(&Fate::Accepted)
    }

    /// Whether there is one of which nothing was told.
    pub fn any_left(&self) -> bool {
        self.fates.iter().any(|fate| *fate != Fate::Told)
    }

    pub fn any_refused(&self) -> bool {
        self.status.is_some()
    }

    fn accepted(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|index| self.fates.get(*index) == Some(&Fate::Accepted)).collect()
    }

    fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|index| self.fates.get(*index) != Some(&Fate::Told)).collect()
    }

    fn set(&mut self, index: usize, fate: Fate) {
        if let Some(slot) = self.fates.get_mut(index) {
            *slot = fate;
        }
    }

    /// Whether recipients were refused on the way. `stopped`: that stopped the message for the others.
    pub fn verdict(self, stopped: bool) -> Result<(), Trouble> {
        match self.status {
            None => Ok(()),
            Some(status) => Err(Trouble::new(status, Cause::Recipients { refused: self.refused, stopped })),
        }
    }
}

impl Transaction<'_> {
    /// 250, 251 and 252 are successes (RFC 5321 §3.4).
    pub(super) fn hear_rcpt(&mut self, player: &mut Player<'_>, channel: &Channel, index: usize, reply: &Reply) {
        if judge::codes("25x").accepts(reply, &mut |_| None) {
            self.recipients.set(index, Fate::Accepted);
        } else {
            self.refuse(player, channel, index, reply);
        }
    }

    /// A refusal of one recipient, by RCPT or by a reply of its own to the content.
    fn refuse(&mut self, player: &mut Player<'_>, channel: &Channel, index: usize, reply: &Reply) {
        player.attempted.decided_by.get_or_insert_with(|| reply.clone());
        let status = if reply.code.class() == 4 { Status::TempFail } else { Status::Failed };
        self.recipients.status.get_or_insert(status);
        let outcome = match outcome_of(reply) {
            // Before the content has left nothing is on its way.
            RecipientOutcome::Accepted | RecipientOutcome::Unknown if !self.complete => RecipientOutcome::Deferred,
            outcome => outcome,
        };
        let words = player.narrator.said(judge::reply_words(reply));
        self.recipients.refused.push((self.address(player, index), words));
        self.tell(player, channel, index, outcome, &judge::reply_words(reply));
    }

    fn address(&self, player: &Player<'_>, index: usize) -> Shown {
        self.plan.mail.recipients.get(index).map_or(Shown::default(), |one| player.narrator.shown(one.to_string()))
    }

    /// The recipients that the message may still reach.
    pub(super) fn left(&self) -> Vec<Mailbox> {
        let all = &self.plan.mail.recipients;
        self.recipients.open().into_iter().filter_map(|index| all.get(index)).cloned().collect()
    }

    fn tell(
        &mut self,
        player: &mut Player<'_>,
        channel: &Channel,
        index: usize,
        outcome: RecipientOutcome,
        reply: &str,
    ) {
        self.recipients.set(index, Fate::Told);
        player.attempted.reached |= matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Unknown);
        let (address, reply) = (self.address(player, index), player.narrator.said(reply));
        let message = player.several.name();
        player.note(channel, Note::Recipient { address, outcome, reply, message });
    }

    /// The reply to the content came, or did not: over LMTP there is one for each accepted recipient (RFC 2033 §4.2),
    /// with PRDR behind a 353 as well, and then one for all.
    pub(super) fn content_heard(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        answer: Answer,
        limit: Limit,
    ) -> Result<(), Trouble> {
        let code = match &answer {
            Answer::Reply(facts) => facts.reply.code.get(),
            _ => 0,
        };
        let result = if player.server.is_lmtp() {
            self.reply_for_each(player, channel, answer, limit)
        } else if self.plan.prdr && code == 353 {
            self.prdr(player, channel)
        } else {
            self.reply_for_all(player, channel, answer, limit)
        };
        channel.in_message = false;
        if result.is_ok() {
            read_through(player, channel, self.expect, limit.at);
        }
        result
    }

    fn reply_for_all(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        answer: Answer,
        limit: Limit,
    ) -> Result<(), Trouble> {
        let reply = match &answer {
            Answer::Reply(facts) => Some(facts.reply.clone()),
            _ => None,
        };
        let result = body::judged(player, self.expect, answer, limit);
        if let Some(reply) = reply {
            let accepted = self.recipients.accepted();
            self.taken(player, channel, &accepted, &reply);
            for index in accepted {
                self.tell(player, channel, index, outcome_of(&reply), &judge::reply_words(&reply));
            }
        }
        result
    }

    fn reply_for_each(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        first: Answer,
        limit: Limit,
    ) -> Result<(), Trouble> {
        let mut first = Some((first, limit));
        let mut taken = (Vec::new(), None);
        let mut lost = Ok(());
        for index in self.recipients.accepted() {
            let (answer, limit) = first.take().unwrap_or_else(|| self.content_answer(player, channel));
            let reply = match &answer {
                Answer::Reply(facts) => Some(facts.reply.clone()),
                _ => None,
            };
            match (reply, body::judged(player, self.expect, answer, limit)) {
                (Some(reply), Ok(())) => {
                    if outcome_of(&reply) == RecipientOutcome::Accepted {
                        taken.0.push(index);
                        taken.1.get_or_insert_with(|| reply.clone());
                    }
                    self.tell(player, channel, index, outcome_of(&reply), &judge::reply_words(&reply));
                }
                (Some(reply), Err(_)) => self.refuse(player, channel, index, &reply),
                (None, Ok(())) => {}
                (None, Err(trouble)) => {
                    lost = Err(trouble);
                    break;
                }
            }
        }
        if let (indices, Some(reply)) = taken {
            self.taken(player, channel, &indices, &reply);
        }
        lost
    }

    /// draft-hall-prdr: behind 353 a reply for each accepted recipient, then one for all, without which none counts.
    fn prdr(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        let mut own = Vec::new();
        for index in self.recipients.accepted() {
            let (answer, limit) = self.content_answer(player, channel);
            match answer {
                Answer::Reply(facts) if facts.reply.code.class() >= 4 => {
                    self.refuse(player, channel, index, &facts.reply);
                }
                Answer::Reply(facts) => own.push((index, facts.reply)),
                answer => return body::judged(player, self.expect, answer, limit),
            }
        }
        let (answer, limit) = self.content_answer(player, channel);
        let reply = match &answer {
            Answer::Reply(facts) => Some(facts.reply.clone()),
            _ => None,
        };
        let all_refused = own.is_empty();
        let result = body::judged(player, self.expect, answer, limit);
        let Some(reply) = reply else { return result };
        let indices: Vec<usize> = own.iter().map(|(index, _)| *index).collect();
        self.taken(player, channel, &indices, &reply);
        for (index, own) in own {
            let words = if reply.code.class() == 2 { &own } else { &reply };
            self.tell(player, channel, index, outcome_of(words), &judge::reply_words(words));
        }
        // Where each was refused for itself, that is what is told of the message.
        if all_refused { Ok(()) } else { result }
    }

    fn content_answer(&self, player: &mut Player<'_>, channel: &mut Channel) -> (Answer, Limit) {
        let limit = player.limit(self.step.timeout, Wait::DataTermination);
        channel.in_message = true;
        (channel.answer(&mut player.narrator, limit.at), limit)
    }

    /// The server took the message for these recipients, if its reply says so.
    fn taken(&mut self, player: &mut Player<'_>, channel: &mut Channel, indices: &[usize], reply: &Reply) {
        if outcome_of(reply) != RecipientOutcome::Accepted || indices.is_empty() {
            // RFC 3030 §2: behind a BDAT that failed the transaction is not over.
            return;
        }
        channel.in_transaction = !player.ahead.is_empty();
        channel.delivered = true;
        let text = reply.text();
        let queue_id = queue_id(&text).map(|name| player.narrator.shown(name));
        let note = Note::Sent { recipients: indices.len(), size: self.plan.mail.size(), queue_id };
        player.note(channel, note);
    }

    /// The server refused the content before its end, as was expected.
    pub(super) fn answered_early(&mut self, player: &mut Player<'_>, channel: &Channel) {
        if let Some(reply) = channel.reply.as_ref().map(|facts| facts.reply.clone()) {
            for index in self.recipients.open() {
                self.tell(player, channel, index, outcome_of(&reply), &judge::reply_words(&reply));
            }
        }
    }

    /// Tells what became of those recipients that nothing was said about. Gives whether that is unknown of any.
    pub(super) fn settle_recipients(
        &mut self,
        player: &mut Player<'_>,
        channel: &Channel,
        trouble: Option<&Trouble>,
    ) -> bool {
        let open = self.recipients.open();
        let unknown = trouble.is_some_and(|trouble| trouble.status == Status::IoErr);
        let (outcome, words) = match (&self.stopped, trouble.map(|trouble| &trouble.cause)) {
            (Some(stop), _) => (stop.outcome, stop.words.clone()),
            _ if unknown || self.complete => (RecipientOutcome::Unknown, "no reply came to the content".to_owned()),
            (None, Some(Cause::Unexpected { got: Got::Reply { code, .. }, .. })) => {
                let reply = channel.reply.as_ref().map(|facts| judge::reply_words(&facts.reply));
                let outcome = if code / 100 == 5 { RecipientOutcome::Refused } else { RecipientOutcome::Deferred };
                (outcome, reply.unwrap_or_default())
            }
            (None, Some(_)) => (RecipientOutcome::Deferred, "the message was not completed".to_owned()),
            (None, None) => (RecipientOutcome::Deferred, "not sent, since another recipient was refused".to_owned()),
        };
        let any_unknown = outcome == RecipientOutcome::Unknown && !open.is_empty();
        for index in open {
            self.tell(player, channel, index, outcome, &words);
        }
        any_unknown
    }
}

/// RFC 5321 §4.2.1. A reply of another kind, to content or a recipient, says neither yes nor no: whether the mail went on
/// its way is unknown.
pub fn outcome_of(reply: &Reply) -> RecipientOutcome {
    match reply.code.class() {
        2 => RecipientOutcome::Accepted,
        4 => RecipientOutcome::Deferred,
        5 => RecipientOutcome::Refused,
        _ => RecipientOutcome::Unknown,
    }
}
