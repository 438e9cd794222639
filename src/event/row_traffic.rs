//! What a row's replies say, on one connection; the tracker knows what each of them answers.

use super::row_result::{ContentAnswer, RawContent, RawDialogue, Rejection};
use crate::smtp::reply::Reply;
use crate::smtp::transaction::{Answered, CommandVerb};
use std::time::Duration;

/// The replies of one row on one connection.
#[derive(Debug, Default)]
pub struct RowTraffic {
    /// Replies, whole or not, SMTP or not.
    pub replies: usize,
    /// When the last whole one came.
    pub last_reply_at: Option<Duration>,
    /// A MAIL command was answered.
    pub began_transaction: bool,
    rejected: Option<Rejection>,
    /// The contents that the session wrote itself, since the last message of a `message` step.
    contents: Vec<RawSend>,
    /// The content that is sent is the session's own.
    is_raw: bool,
    accepted_before: bool,
}

/// A content on its way.
#[derive(Debug, Default)]
struct RawSend {
    end_left: bool,
    /// The classes of the replies for single recipients.
    each: Vec<u8>,
    /// The last reply; `None` if there was none that is SMTP.
    reply: Option<Reply>,
    is_answered: bool,
}

impl RawSend {
    fn answer(&self) -> ContentAnswer {
        let Some(reply) = &self.reply else { return ContentAnswer::Unknown };
        let class = reply.code.class();
        // What some recipients got must not be sent again for the others.
        let accepted = self.each.iter().filter(|class| **class == 2).count() + usize::from(class == 2);
        if accepted > 0 && accepted <= self.each.len() {
            return ContentAnswer::Unknown;
        }
        match class {
            2 => ContentAnswer::Accepted,
            4 => ContentAnswer::Deferred,
            5 => ContentAnswer::Refused,
            _ => ContentAnswer::Unknown,
        }
    }
}

impl RowTraffic {
    /// The end of a content is about to leave. `is_raw`: the session wrote it itself.
    pub fn begin_content(&mut self, is_raw: bool) {
        self.is_raw = is_raw;
        if is_raw {
            self.contents.push(RawSend::default());
        } else {
            self.accepted_before |= self.contents.iter().any(|one| one.answer() == ContentAnswer::Accepted);
            self.contents.clear();
        }
    }

    /// A `message` step begins: what it sends is not the session's own.
    pub fn begin_message(&mut self) {
        self.is_raw = false;
    }

    /// The end of a content has left, or may have.
    pub fn content_sent(&mut self) {
        if self.is_raw {
            match self.contents.iter_mut().find(|one| !one.end_left) {
                Some(one) => one.end_left = true,
                None => self.contents.push(RawSend { end_left: true, ..RawSend::default() }),
            }
        }
    }

    /// A reply came, which is `None` if it was not SMTP.
    pub fn answered(&mut self, what: Answered, reply: Option<&Reply>, at: Duration) {
        self.replies += 1;
        if let Some(reply) = reply {
            self.last_reply_at = Some(at);
            if reply.code.class() == 5 && self.rejected.is_none() {
                self.rejected = rejection(what, reply.code.get());
            }
        }
        match what {
            Answered::Command(CommandVerb::Mail { .. }) => self.began_transaction = true,
            Answered::GoAhead { content_sent: true } => self.content_sent(),
            Answered::Recipient { last: false, .. } => {
                if let Some(one) = self.unanswered() {
                    one.each.push(reply.map_or(0, |reply| reply.code.class()));
                }
            }
            Answered::Content | Answered::Recipient { last: true, .. } => {
                if let Some(one) = self.unanswered() {
                    // A refusal before the end answers it, too.
                    one.end_left = true;
                    one.is_answered = true;
                    one.reply = reply.cloned();
                }
            }
            Answered::Nothing | Answered::Command(_) | Answered::GoAhead { content_sent: false } => {}
        }
    }

    fn unanswered(&mut self) -> Option<&mut RawSend> {
        self.contents.iter_mut().find(|one| !one.is_answered)
    }

    /// What it all came to; the texts of replies are for the caller to show. `last_reply` is the connection's.
    pub fn summary(&self, last_reply: Option<&Reply>, text: &dyn Fn(&Reply) -> String) -> RawDialogue {
        let (last, before) = match self.contents.split_last() {
            Some((last, before)) => (Some(last), before),
            None => (None, &[][..]),
        };
        let content = match last {
            Some(one) if one.end_left => RawContent::Sent(one.answer()),
            _ => RawContent::NotSent,
        };
        RawDialogue {
            content,
            content_reply: last.and_then(|one| one.reply.as_ref()).map(text),
            accepted_before: self.accepted_before || before.iter().any(|one| one.answer() == ContentAnswer::Accepted),
            rejected: self.rejected,
            last_reply: last_reply.filter(|_| self.last_reply_at.is_some()).map(text),
        }
    }
}

/// Whether a reply says that the server does not take the command at all, or not now (RFC 5321 §4.2.2).
pub fn is_command_error(code: u16) -> bool {
    matches!(code, 500 | 502 | 503 | 504)
}

/// What a 5yz reply refused; a reply that nobody asked for refused nothing.
fn rejection(what: Answered, code: u16) -> Option<Rejection> {
    match what {
        Answered::Nothing => None,
        // The message is too large (RFC 1870 §6.1).
        Answered::Command(CommandVerb::Mail { .. }) if code == 552 => Some(Rejection::Delivery),
        // The server does not take the command: that says nothing of a recipient.
        Answered::Command(CommandVerb::Data | CommandVerb::Chunk | CommandVerb::LastChunk)
            if is_command_error(code) =>
        {
            Some(Rejection::Other)
        }
        Answered::Command(verb) if !verb.is_delivery() => Some(Rejection::Other),
        Answered::Command(_) | Answered::GoAhead { .. } | Answered::Recipient { .. } | Answered::Content => {
            Some(Rejection::Delivery)
        }
    }
}
