//! What becomes of each recipient, and the replies to the content that say so.

use super::super::{body, read_through};
use super::Transaction;
use crate::event::{Cause, Note, RecipientOutcome, RefusedRecipient, ServerResponse, Status};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::{Limit, StepError};
use crate::exec::executor::{Executor, ledger_recipient};
use crate::exec::judge;
use crate::exec::read_outcome::ReadOutcome;
use crate::exec::row_result::RecipientResult;
use crate::smtp::address::Mailbox;
use crate::smtp::queue_id::queue_id;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;

/// How far it is with a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RecipientState {
    Open,
    /// RCPT was accepted.
    Accepted,
    /// What became of it was told.
    Reported,
}

/// The recipients of a message.
pub struct Recipients {
    states: Vec<RecipientState>,
    /// Those that were refused, and the replies.
    refused: Vec<RefusedRecipient>,
    /// What the first refusal means for the session.
    status: Option<Status>,
}

impl Recipients {
    pub fn new(count: usize) -> Self {
        Self { states: vec![RecipientState::Open; count], refused: Vec::new(), status: None }
    }

    pub fn any_accepted(&self) -> bool {
        self.states.contains(&RecipientState::Accepted)
    }

    /// Whether there is one of which nothing was told.
    pub fn any_left(&self) -> bool {
        self.states.iter().any(|state| *state != RecipientState::Reported)
    }

    pub fn any_refused(&self) -> bool {
        self.status.is_some()
    }

    fn accepted(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|index| self.states.get(*index) == Some(&RecipientState::Accepted)).collect()
    }

    fn open(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|index| self.states.get(*index) != Some(&RecipientState::Reported)).collect()
    }

    fn set(&mut self, index: usize, state: RecipientState) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    /// Whether recipients were refused on the way. `stopped`: that stopped the message for the others.
    pub fn verdict(self, stopped: bool) -> Result<(), StepError> {
        match self.status {
            None => Ok(()),
            Some(status) => Err(StepError::new(status, Cause::Recipients { refused: self.refused, stopped })),
        }
    }
}

impl Transaction<'_> {
    /// 250, 251 and 252 are successes (RFC 5321 §3.4).
    pub(super) fn apply_rcpt_reply(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &SmtpConnection,
        index: usize,
        reply: &Reply,
    ) {
        if judge::codes("25x").accepts(reply, &mut |_| None) {
            self.recipients.set(index, RecipientState::Accepted);
        } else {
            self.refuse(executor, connection, index, reply);
        }
    }

    /// A refusal of one recipient, by RCPT or by a reply of its own to the content.
    fn refuse(&mut self, executor: &mut Executor<'_>, connection: &SmtpConnection, index: usize, reply: &Reply) {
        executor.attempted.decided_by.get_or_insert_with(|| reply.clone());
        let status = if reply.code.class() == 4 { Status::TempFail } else { Status::Failed };
        self.recipients.status.get_or_insert(status);
        let outcome = match outcome_of(reply) {
            // Before the content has left nothing is on its way.
            RecipientOutcome::Accepted | RecipientOutcome::Unknown if !self.complete => RecipientOutcome::Deferred,
            outcome => outcome,
        };
        let said = SaidOfRecipient::from(reply);
        self.recipients.refused.push(RefusedRecipient {
            address: self.address(executor, index),
            reply: executor.events.shown_reply(&said.text),
            code: reply.code.get(),
        });
        self.report_recipient(executor, connection, index, outcome, &said);
    }

    fn address(&self, executor: &Executor<'_>, index: usize) -> SafeText {
        self.plan.mail.recipients.get(index).map_or(SafeText::default(), |one| executor.events.shown(one.to_string()))
    }

    /// The recipients that the message may still reach.
    pub(super) fn left(&self) -> Vec<Mailbox> {
        let all = &self.plan.mail.recipients;
        self.recipients.open().into_iter().filter_map(|index| all.get(index)).cloned().collect()
    }

    fn report_recipient(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &SmtpConnection,
        index: usize,
        outcome: RecipientOutcome,
        said: &SaidOfRecipient,
    ) {
        self.recipients.set(index, RecipientState::Reported);
        executor.attempted.maybe_delivered |= matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Unknown);
        let (address, reply) = (self.address(executor, index), executor.events.shown_reply(&said.text));
        let message = executor.numbering.name();
        executor.record.recipients.push(RecipientResult {
            name: ledger_recipient(message.as_deref(), address.as_str()),
            address: address.clone(),
            outcome,
            reply: reply.clone(),
            code: said.code,
        });
        executor.note(connection, Note::RecipientResult { address, outcome, reply, message });
    }

    /// The reply to the content came, or did not: over LMTP there is one for each accepted recipient (RFC 2033 §4.2),
    /// with PRDR behind a 353 as well, and then one for all.
    pub(super) fn apply_content_reply(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        answer: ReadOutcome,
        limit: Limit,
    ) -> Result<(), StepError> {
        let code = match &answer {
            ReadOutcome::Reply(facts) => facts.reply.code.get(),
            _ => 0,
        };
        let result = if executor.server.is_lmtp() {
            self.reply_for_each(executor, connection, answer, limit)
        } else if self.plan.prdr && code == 353 {
            self.prdr(executor, connection)
        } else {
            self.reply_for_all(executor, connection, answer, limit)
        };
        connection.in_message = false;
        if result.is_ok() {
            read_through(executor, connection, self.expect, limit.at);
        }
        result
    }

    fn reply_for_all(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        answer: ReadOutcome,
        limit: Limit,
    ) -> Result<(), StepError> {
        let reply = match &answer {
            ReadOutcome::Reply(facts) => Some(facts.reply.clone()),
            _ => None,
        };
        let result = body::judged(executor, self.expect, answer, limit);
        if let Some(reply) = reply {
            let accepted = self.recipients.accepted();
            self.taken(executor, connection, &accepted, &reply);
            for index in accepted {
                self.report_recipient(executor, connection, index, outcome_of(&reply), &SaidOfRecipient::from(&reply));
            }
        }
        result
    }

    fn reply_for_each(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        first: ReadOutcome,
        limit: Limit,
    ) -> Result<(), StepError> {
        let mut first = Some((first, limit));
        let mut taken = (Vec::new(), None);
        let mut lost = Ok(());
        for index in self.recipients.accepted() {
            let (answer, limit) = first.take().unwrap_or_else(|| self.content_answer(executor, connection));
            let reply = match &answer {
                ReadOutcome::Reply(facts) => Some(facts.reply.clone()),
                _ => None,
            };
            match (reply, body::judged(executor, self.expect, answer, limit)) {
                (Some(reply), Ok(())) => {
                    if outcome_of(&reply) == RecipientOutcome::Accepted {
                        taken.0.push(index);
                        taken.1.get_or_insert_with(|| reply.clone());
                    }
                    self.report_recipient(
                        executor,
                        connection,
                        index,
                        outcome_of(&reply),
                        &SaidOfRecipient::from(&reply),
                    );
                }
                (Some(reply), Err(_)) => self.refuse(executor, connection, index, &reply),
                (None, Ok(())) => {}
                (None, Err(error)) => {
                    lost = Err(error);
                    break;
                }
            }
        }
        if let (indices, Some(reply)) = taken {
            self.taken(executor, connection, &indices, &reply);
        }
        lost
    }

    /// draft-hall-prdr: behind 353 a reply for each accepted recipient, then one for all, without which none counts.
    fn prdr(&mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> Result<(), StepError> {
        let mut own = Vec::new();
        for index in self.recipients.accepted() {
            let (answer, limit) = self.content_answer(executor, connection);
            match answer {
                ReadOutcome::Reply(facts) if facts.reply.code.class() >= 4 => {
                    self.refuse(executor, connection, index, &facts.reply);
                }
                ReadOutcome::Reply(facts) => own.push((index, facts.reply)),
                answer => return body::judged(executor, self.expect, answer, limit),
            }
        }
        let (answer, limit) = self.content_answer(executor, connection);
        let reply = match &answer {
            ReadOutcome::Reply(facts) => Some(facts.reply.clone()),
            _ => None,
        };
        let all_refused = own.is_empty();
        let result = body::judged(executor, self.expect, answer, limit);
        let Some(reply) = reply else { return result };
        let indices: Vec<usize> = own.iter().map(|(index, _)| *index).collect();
        self.taken(executor, connection, &indices, &reply);
        for (index, own) in own {
            let words = if reply.code.class() == 2 { &own } else { &reply };
            self.report_recipient(executor, connection, index, outcome_of(words), &SaidOfRecipient::from(words));
        }
        // Where each was refused for itself, that is what is told of the message.
        if all_refused { Ok(()) } else { result }
    }

    fn content_answer(&self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) -> (ReadOutcome, Limit) {
        let limit = executor.limit(self.step.timeout, Timeout::DataTermination);
        connection.in_message = true;
        (connection.read_reply(&mut executor.events, limit.at), limit)
    }

    /// The server took the message for these recipients, if its reply says so.
    fn taken(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
        indices: &[usize],
        reply: &Reply,
    ) {
        if outcome_of(reply) != RecipientOutcome::Accepted || indices.is_empty() {
            // RFC 3030 §2: behind a BDAT that failed the transaction is not over.
            return;
        }
        connection.in_transaction = !executor.ahead.is_empty();
        connection.delivered = true;
        let text = reply.text();
        let queue_id = queue_id(&text).map(|name| executor.events.shown(name));
        let note = Note::MessageAccepted { recipients: indices.len(), size: self.plan.mail.size(), queue_id };
        executor.note(connection, note);
    }

    /// The server refused the content before its end, as was expected.
    pub(super) fn answered_early(&mut self, executor: &mut Executor<'_>, connection: &SmtpConnection) {
        if let Some(reply) = connection.reply.as_ref().map(|facts| facts.reply.clone()) {
            for index in self.recipients.open() {
                self.report_recipient(executor, connection, index, outcome_of(&reply), &SaidOfRecipient::from(&reply));
            }
        }
    }

    /// Tells what became of those recipients that nothing was said about. Gives whether that is unknown of any.
    pub(super) fn report_remaining_recipients(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &SmtpConnection,
        error: Option<&StepError>,
    ) -> bool {
        let open = self.recipients.open();
        let unknown = error.is_some_and(|error| error.status == Status::IoErr);
        let (outcome, said) = match (&self.stopped, error.map(|error| &error.cause)) {
            (Some(stop), _) => (stop.outcome, stop.said.clone()),
            _ if unknown || self.complete => {
                (RecipientOutcome::Unknown, SaidOfRecipient::nothing("no reply came to the content"))
            }
            (None, Some(Cause::Unexpected { got: ServerResponse::Reply { code, .. }, .. })) => {
                let reply = connection.reply.as_ref().map(|facts| SaidOfRecipient::from(&facts.reply));
                let outcome = if code / 100 == 5 { RecipientOutcome::Refused } else { RecipientOutcome::Deferred };
                (outcome, reply.unwrap_or_default())
            }
            (None, Some(_)) => (RecipientOutcome::Deferred, SaidOfRecipient::nothing("the message was not completed")),
            (None, None) => {
                let why = "not sent, since another recipient was refused";
                (RecipientOutcome::Deferred, SaidOfRecipient::nothing(why))
            }
        };
        let any_unknown = outcome == RecipientOutcome::Unknown && !open.is_empty();
        for index in open {
            self.report_recipient(executor, connection, index, outcome, &said);
        }
        any_unknown
    }
}

/// What the server said of a recipient, or why it said nothing.
#[derive(Clone, Debug, Default)]
pub struct SaidOfRecipient {
    pub text: String,
    /// The code of the reply; `None` if there was none.
    pub code: Option<u16>,
}

impl From<&Reply> for SaidOfRecipient {
    fn from(reply: &Reply) -> Self {
        Self { text: judge::reply_words(reply), code: Some(reply.code.get()) }
    }
}

impl SaidOfRecipient {
    fn nothing(why: &str) -> Self {
        Self { text: why.to_owned(), code: None }
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
