//! What becomes of each recipient, and the replies to the content that say so.

use super::content::judge_content_reply;
use super::delivery::Delivery;
use super::recipient_states::{RecipientState, ServerStatement};
use crate::event::RecipientResult;
use crate::event::{Cause, Note, RecipientOutcome, RefusedRecipient, ServerResponse, Status};
use crate::exec::checks::codes;
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::skip_long_line;
use crate::exec::read_outcome::ReadOutcome;
use crate::smtp::address::Mailbox;
use crate::smtp::queue_id::queue_id;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;

impl<'a> Delivery<'_, 'a> {
    /// 250, 251 and 252 are successes (RFC 5321 §3.4).
    pub fn apply_rcpt_reply(&mut self, context: &mut StepContext<'_, 'a>, index: usize, reply: &Reply) {
        if codes("25x").accepts(reply, &mut |_| None) {
            self.recipients.set(index, RecipientState::Accepted);
        } else {
            self.refuse(context, index, reply);
        }
    }

    /// A refusal of one recipient, by RCPT or by a reply of its own to the content.
    fn refuse(&mut self, context: &mut StepContext<'_, 'a>, index: usize, reply: &Reply) {
        context.progress.attempt.decided_by.get_or_insert_with(|| reply.clone());
        let status = if reply.code.class() == 4 { Status::TempFail } else { Status::Failed };
        self.recipients.status.get_or_insert(status);
        let outcome = match RecipientOutcome::of(reply) {
            // Before the content has left nothing is on its way.
            RecipientOutcome::Accepted | RecipientOutcome::Unknown if !self.complete => RecipientOutcome::Deferred,
            outcome => outcome,
        };
        let statement = ServerStatement::from(reply);
        self.recipients.refused.push(RefusedRecipient {
            address: self.address(context, index),
            reply: context.events.shown_reply(&statement.text),
            code: reply.code.get(),
        });
        self.report_recipient(context, index, outcome, &statement);
    }

    fn address(&self, context: &StepContext<'_, '_>, index: usize) -> SafeText {
        self.job.recipients.get(index).map_or(SafeText::default(), |one| context.events.shown(one.to_string()))
    }

    /// The recipients that the message may still reach.
    pub fn remaining_recipients(&self) -> Vec<Mailbox> {
        let all = &self.job.recipients;
        self.recipients.open().into_iter().filter_map(|index| all.get(index)).cloned().collect()
    }

    fn report_recipient(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        index: usize,
        outcome: RecipientOutcome,
        statement: &ServerStatement,
    ) {
        self.recipients.set(index, RecipientState::Reported);
        context.progress.attempt.maybe_delivered |=
            matches!(outcome, RecipientOutcome::Accepted | RecipientOutcome::Unknown);
        let (address, reply) = (self.address(context, index), context.events.shown_reply(&statement.text));
        let message = context.row.numbering.name();
        // The same name as in the intent, so that another attempt leaves the recipient out.
        let recipient = self.job.recipients.get(index);
        let name = recipient.map(|one| context.row.ledger_name(&context.events.secrets, one)).unwrap_or_default();
        context.progress.record.recipients.push(RecipientResult {
            name,
            address: address.clone(),
            outcome,
            reply: reply.clone(),
            code: statement.code,
        });
        context.note(Note::RecipientResult { address, outcome, reply, message });
    }

    /// The reply to the content came, or did not: over LMTP there is one for each accepted recipient (RFC 2033 §4.2),
    /// with PRDR after a 353 too, and then one for all.
    pub fn apply_content_reply(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        outcome: ReadOutcome,
        deadline: Deadline,
    ) -> Result<(), StepError> {
        let code = outcome.reply().map_or(0, |reply| reply.code.get());
        let expect = context.expected()?;
        let result = if context.server().is_lmtp() {
            self.apply_reply_for_each(context, outcome, deadline)
        } else if self.job.policy.prdr && code == 353 {
            self.apply_prdr_replies(context)
        } else {
            self.apply_reply_for_all(context, outcome, deadline)
        };
        context.connection.set_in_content(false);
        if result.is_ok() {
            skip_long_line(context, expect, deadline.at);
        }
        result
    }

    fn apply_reply_for_all(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        outcome: ReadOutcome,
        deadline: Deadline,
    ) -> Result<(), StepError> {
        let reply = outcome.reply().cloned();
        let result = judge_content_reply(context, outcome, deadline);
        if let Some(reply) = reply {
            let accepted = self.recipients.accepted();
            self.report_accepted(context, &accepted, &reply);
            for index in accepted {
                self.report_recipient(context, index, RecipientOutcome::of(&reply), &ServerStatement::from(&reply));
            }
        }
        result
    }

    fn apply_reply_for_each(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        first: ReadOutcome,
        deadline: Deadline,
    ) -> Result<(), StepError> {
        let mut first = Some((first, deadline));
        let mut taken = (Vec::new(), None);
        let mut lost = Ok(());
        for index in self.recipients.accepted() {
            let (outcome, deadline) = first.take().unwrap_or_else(|| self.read_next_reply(context));
            let reply = outcome.reply().cloned();
            match (reply, judge_content_reply(context, outcome, deadline)) {
                (Some(reply), Ok(())) => {
                    if RecipientOutcome::of(&reply) == RecipientOutcome::Accepted {
                        taken.0.push(index);
                        taken.1.get_or_insert_with(|| reply.clone());
                    }
                    self.report_recipient(context, index, RecipientOutcome::of(&reply), &ServerStatement::from(&reply));
                }
                (Some(reply), Err(_)) => self.refuse(context, index, &reply),
                (None, Ok(())) => {}
                (None, Err(error)) => {
                    lost = Err(error);
                    break;
                }
            }
        }
        if let (indices, Some(reply)) = taken {
            self.report_accepted(context, &indices, &reply);
        }
        lost
    }

    /// draft-hall-prdr: after 353 a reply for each accepted recipient, then one for all, without which none counts.
    fn apply_prdr_replies(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        let mut own = Vec::new();
        for index in self.recipients.accepted() {
            let (outcome, deadline) = self.read_next_reply(context);
            match outcome {
                ReadOutcome::Reply(facts) if facts.reply.code.class() >= 4 => {
                    self.refuse(context, index, &facts.reply);
                }
                ReadOutcome::Reply(facts) => own.push((index, facts.reply)),
                outcome => return judge_content_reply(context, outcome, deadline),
            }
        }
        let (outcome, deadline) = self.read_next_reply(context);
        let reply = outcome.reply().cloned();
        let all_refused = own.is_empty();
        let result = judge_content_reply(context, outcome, deadline);
        let Some(reply) = reply else { return result };
        let indices: Vec<usize> = own.iter().map(|(index, _)| *index).collect();
        self.report_accepted(context, &indices, &reply);
        for (index, own) in own {
            let words = if reply.code.class() == 2 { &own } else { &reply };
            self.report_recipient(context, index, RecipientOutcome::of(words), &ServerStatement::from(words));
        }
        // If each was refused for itself, that is what is reported of the message.
        if all_refused { Ok(()) } else { result }
    }

    fn read_next_reply(&self, context: &mut StepContext<'_, 'a>) -> (ReadOutcome, Deadline) {
        let deadline = context.deadline(context.step.timeout, Timeout::DataTermination);
        context.connection.set_in_content(true);
        (context.connection.read_reply(context.events, deadline.at), deadline)
    }

    /// The server took the message for these recipients, if its reply says so.
    fn report_accepted(&mut self, context: &mut StepContext<'_, 'a>, indices: &[usize], reply: &Reply) {
        if RecipientOutcome::of(reply) != RecipientOutcome::Accepted || indices.is_empty() {
            // RFC 3030 §2: after a BDAT that failed the transaction is not over.
            return;
        }
        let outbox = &mut context.connection.outbox;
        outbox.in_transaction = outbox.queued_count() > 0;
        outbox.delivered = true;
        let text = reply.text();
        let queue_id = queue_id(&text).map(|name| context.events.shown(name));
        let note = Note::MessageAccepted { recipients: indices.len(), size: self.job.content.size(), queue_id };
        context.note(note);
    }

    /// The server refused the content before its end, as was expected.
    pub fn report_early_reply(&mut self, context: &mut StepContext<'_, 'a>) {
        if let Some(reply) = context.connection.server.reply.as_ref().map(|facts| facts.reply.clone()) {
            for index in self.recipients.open() {
                self.report_recipient(context, index, RecipientOutcome::of(&reply), &ServerStatement::from(&reply));
            }
        }
    }

    /// Reports what became of the remaining recipients. Gives whether that is unknown of any.
    pub fn report_remaining_recipients(
        &mut self,
        context: &mut StepContext<'_, 'a>,
        error: Option<&StepError>,
    ) -> bool {
        let open = self.recipients.open();
        let unknown = error.is_some_and(|error| error.status == Status::IoErr);
        let (outcome, statement) = match (&self.stopped, error.map(|error| &error.cause)) {
            (Some(stop), _) => (stop.outcome, stop.statement.clone()),
            _ if unknown || self.complete => {
                (RecipientOutcome::Unknown, ServerStatement::missing("no reply came to the content"))
            }
            (None, Some(Cause::Unexpected { got: ServerResponse::Reply { code, .. }, .. })) => {
                let reply = context.connection.server.reply.as_ref();
                let statement = reply.map(|facts| ServerStatement::from(&facts.reply));
                let outcome = if code / 100 == 5 { RecipientOutcome::Refused } else { RecipientOutcome::Deferred };
                (outcome, statement.unwrap_or_default())
            }
            (None, Some(_)) => (RecipientOutcome::Deferred, ServerStatement::missing("the message was not completed")),
            (None, None) => {
                let why = "not sent, since another recipient was refused";
                (RecipientOutcome::Deferred, ServerStatement::missing(why))
            }
        };
        let any_unknown = outcome == RecipientOutcome::Unknown && !open.is_empty();
        for index in open {
            self.report_recipient(context, index, outcome, &statement);
        }
        any_unknown
    }
}
