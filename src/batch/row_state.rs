//! What is heard of a row while its turn lasts, and the state that follows from it.

use super::tally::RowState;
use crate::event::{Cause, Fact, Failure, Note, Outcome, RecipientOutcome, ServerResponse, Status, Verdict};
use crate::exec::ledger_recipient;
use crate::session::Place;
use crate::transcript::SafeText;

/// The facts of a row that its state is judged by.
#[derive(Default)]
pub struct RowObservation {
    /// Commands and lines beside content that were sent, by their verbs.
    pub(super) commands: Vec<String>,
    /// Whole replies.
    pub(super) replies: usize,
    /// What the first 5yz reply was to.
    pub(super) refused: Option<String>,
    /// The last byte of content was about to leave.
    pub(super) sealed: bool,
    /// All of the row's message left before its turn.
    pub(super) in_flight: bool,
    /// How many replies away the reply to the session's own content is; `None` for a `message`, which says itself what
    /// became of its recipients.
    pub(super) due: Option<usize>,
    /// The end of content left in the session's own words: nothing is known of it but by its reply.
    pub(super) unsure: bool,
    /// Content of the session's own was accepted, and more of it followed.
    pub(super) accepted_before: bool,
    /// The last line of the reply to content, or of the last reply since then, or at all.
    pub(super) sealed_reply: Option<String>,
    pub(super) last_reply: Option<String>,
    pub(super) recipients: Vec<(String, RecipientOutcome, String)>,
    /// How many of them were heard of before the step that is running.
    pub(super) before_step: usize,
    /// Those that were refused, each with its reply, and how many of them before the step that is running.
    pub(super) refused_for_good: Vec<(SafeText, SafeText)>,
    pub(super) refused_before_step: usize,
    /// The step that had the first of them.
    pub(super) refused_at: Option<Place>,
    /// Another message of the row was not begun, since something failed before it.
    pub(super) left_out: bool,
    pub(super) line: String,
}

impl RowObservation {
    pub fn observe(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::RowStarted { .. } => {
                *self = Self { sealed: self.in_flight, in_flight: self.in_flight, ..Self::default() };
            }
            Fact::LineSent(line) => {
                self.line.clear();
                line.notation(&mut self.line);
                let verb = self.line.split([' ', ':', '\\']).next().unwrap_or_default();
                // A pipelined group of any size costs no more than what a judgement needs.
                if self.commands.len() < 10_000 {
                    self.commands.push(verb.to_ascii_uppercase());
                }
            }
            Fact::LineReceived(line) => {
                self.line.clear();
                line.notation(&mut self.line);
                if self.line.as_bytes().get(3) == Some(&b'-') {
                    return;
                }
                if self.line.starts_with('5') && self.refused.is_none() {
                    self.refused = self.commands.get(self.replies).cloned();
                }
                self.replies += 1;
                match &mut self.due {
                    // What is said behind the reply to content is about something else.
                    Some(0) => {}
                    Some(due) => {
                        *due -= 1;
                        if *due == 0 {
                            self.sealed_reply = Some(self.line.clone());
                        }
                    }
                    None if self.sealed => self.sealed_reply = Some(self.line.clone()),
                    None => {}
                }
                self.last_reply = Some(self.line.clone());
            }
            // Another attempt at a step says anew what became of its recipients.
            Fact::StepStarted { step } if step.attempt > 1 => {
                self.recipients.truncate(self.before_step);
                self.refused_for_good.truncate(self.refused_before_step);
            }
            Fact::StepStarted { .. } => {
                self.before_step = self.recipients.len();
                self.refused_before_step = self.refused_for_good.len();
            }
            Fact::StepFinished { verdict: Verdict::Failed(failure) | Verdict::Error(failure), .. }
                if self.refused_for_good.len() > self.refused_before_step =>
            {
                self.refused_at.get_or_insert_with(|| failure.place.clone());
            }
            Fact::Noted(Note::RecipientResult { address, outcome, reply, message }) => {
                let name = ledger_recipient(message.as_deref(), address.as_str());
                if *outcome == RecipientOutcome::Refused {
                    self.refused_for_good.push((address.clone(), reply.clone()));
                }
                self.recipients.push((name, *outcome, reply.as_str().to_owned()));
            }
            _ => {}
        }
    }

    /// The end of content is about to leave.
    pub(super) fn seal(&mut self, recipients: &[String]) {
        self.accepted_before |= self.due.is_some() && self.is_accepted();
        self.sealed = true;
        self.sealed_reply = None;
        self.due = recipients.is_empty().then_some(1);
    }

    /// Whether content of the session's own was accepted.
    fn is_accepted(&self) -> bool {
        self.recipients.is_empty() && self.sealed_reply.as_deref().is_some_and(|reply| reply.starts_with('2'))
    }

    pub(super) fn any(&self, wanted: RecipientOutcome) -> bool {
        self.recipients.iter().any(|(_, outcome, _)| *outcome == wanted)
    }

    /// What became of the row; `None` where an interruption ended it and nothing was sent.
    pub(super) fn state(&self, outcome: &Outcome) -> Option<RowState> {
        match self.state_of_begun(outcome) {
            // Those that were not begun are still to be sent; what was done with is not done again.
            Some(RowState::Sent | RowState::Refused) if self.left_out && !self.recipients.is_empty() => {
                Some(RowState::Deferred)
            }
            state => state,
        }
    }

    fn state_of_begun(&self, outcome: &Outcome) -> Option<RowState> {
        use RecipientOutcome::{Accepted, Deferred, Refused, Unknown};
        let Some(failure) = &outcome.failure else { return Some(self.state_by_recipients().unwrap_or(RowState::Sent)) };
        if self.accepted_before && !self.is_accepted() {
            // A part of the row was sent: to send the row again would send that part twice.
            return Some(RowState::Unknown);
        }
        if self.any(Unknown) || matches!(failure.cause, Cause::DeliveryUnknown { .. }) {
            return Some(RowState::Unknown);
        }
        if self.any(Refused) && matches!(failure.cause, Cause::Recipients { stopped: true, .. }) {
            // It is not for the others either, as long as this one is refused.
            return Some(RowState::Refused);
        }
        if self.any(Accepted) {
            return self.state_by_recipients();
        }
        // What a `message` says of its recipients is all there is to know.
        if self.sealed && self.recipients.is_empty() {
            // Content was complete, or its last write failed before the dot.
            match self.sealed_reply.as_deref().and_then(|reply| reply.bytes().next()) {
                Some(b'2') => return Some(RowState::Sent),
                Some(b'4') => return Some(RowState::Deferred),
                Some(b'5') => return Some(RowState::Refused),
                // Writing stopped before the end of content left.
                _ if !self.unsure && matches!(failure.cause, Cause::ConnectionLost { .. } | Cause::TimedOut { .. }) => {
                    return Some(RowState::Deferred);
                }
                _ => return Some(RowState::Unknown),
            }
        }
        if matches!(failure.cause, Cause::Interrupted { .. }) {
            return None;
        }
        Some(match failure.status {
            _ if self.any(Deferred) => RowState::Deferred,
            _ if self.any(Refused) => RowState::Refused,
            Status::TempFail | Status::Unavailable | Status::NoHost | Status::Protocol | Status::NoPerm => {
                RowState::Deferred
            }
            Status::Failed => match self.refused.as_deref() {
                Some("RCPT" | "DATA" | "BDAT" | ".") => RowState::Refused,
                // Earlier than RCPT.
                Some(_) => RowState::Deferred,
                None => RowState::Failed,
            },
            _ => RowState::Failed,
        })
    }

    /// The recipients that were refused for good, where others come again.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let (place, refused) = (self.refused_at.clone()?, self.refused_for_good.clone());
        let cause = Cause::Recipients { refused, stopped: false };
        (!self.refused_for_good.is_empty()).then(|| Failure::new(Status::Failed, place, cause))
    }

    /// The reply that made the row's state what it is.
    pub(super) fn decided_by(&self, state: RowState, outcome: &Outcome) -> Option<String> {
        let wanted = match state {
            RowState::Sent => RecipientOutcome::Accepted,
            RowState::Refused => RecipientOutcome::Refused,
            RowState::Deferred => RecipientOutcome::Deferred,
            RowState::Unknown | RowState::Failed => return None,
        };
        let is_reply = |reply: &str| reply.bytes().take(3).filter(u8::is_ascii_digit).count() == 3;
        let mut of_recipients = self.recipients.iter().filter(|(_, outcome, _)| *outcome == wanted);
        if let Some((_, _, reply)) = of_recipients.find(|(_, _, reply)| is_reply(reply)) {
            return Some(reply.clone());
        }
        let cause = outcome.failure.as_ref().map(|failure| &failure.cause);
        let of_content = self.sealed_reply.clone().filter(|_| self.recipients.is_empty());
        of_content.or_else(|| match cause {
            Some(Cause::Unexpected { got: ServerResponse::Reply { code, text }, .. }) => {
                Some(format!("{code:03} {}", text.as_str().replace('\n', " / ")))
            }
            // An earlier attempt found them so.
            Some(Cause::Recipients { refused, .. }) if state == RowState::Refused => {
                refused.first().map(|(_, reply)| reply.as_str().to_owned())
            }
            Some(_) => None,
            None => self.last_reply.clone().filter(|_| self.recipients.is_empty()),
        })
    }

    fn state_by_recipients(&self) -> Option<RowState> {
        use RecipientOutcome::{Deferred, Refused, Unknown};
        let states = [(Unknown, RowState::Unknown), (Deferred, RowState::Deferred), (Refused, RowState::Refused)];
        let state = states.into_iter().find(|(outcome, _)| self.any(*outcome)).map(|(_, state)| state);
        state.or_else(|| (!self.recipients.is_empty()).then_some(RowState::Sent))
    }
}

/// What several attempts found refused, in their order.
pub(super) fn merge_refusals(earlier: Option<Box<Failure>>, now: Option<Failure>) -> Option<Box<Failure>> {
    let Some(mut all) = earlier else { return now.map(Box::new) };
    let more = now.map(|now| now.cause);
    if let (Cause::Recipients { refused, .. }, Some(Cause::Recipients { refused: more, .. })) = (&mut all.cause, more) {
        refused.extend(more);
    }
    Some(all)
}
