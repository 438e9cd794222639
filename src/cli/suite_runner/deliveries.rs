//! The line about a session's mail: `sent 1 message to 3 recipients, 96 kB, queued as 4F2A`.

use crate::event::{Fact, Note, RecipientOutcome, group_thousands, human_size};
use crate::transcript::SafeText;
use std::collections::HashMap;

/// How many queue IDs are printed; the others are counted.
const NAMED_QUEUE_IDS: usize = 3;
/// How many queue IDs are kept.
const KEPT_QUEUE_IDS: usize = 20;

/// How many recipients had each outcome.
#[derive(Debug, Default)]
struct RecipientCounts {
    accepted: usize,
    refused: usize,
    deferred: usize,
    unknown: usize,
}

/// Counts messages and recipients.
#[derive(Debug, Default)]
pub struct Deliveries {
    messages: usize,
    bytes: u64,
    queued: usize,
    queue_ids: Vec<SafeText>,
    recipients: RecipientCounts,
    /// The recipients that are counted as refused or deferred, by message. The next attempt replaces that.
    failed: HashMap<(Option<String>, SafeText), RecipientOutcome>,
    /// The whole session may be retried, so the result of a step is not final.
    session_retries: bool,
}

impl Deliveries {
    /// Counts a fact.
    pub fn observe_fact(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::AttemptStarted { turn } => {
                self.session_retries = true;
                if turn.attempt == 1 {
                    self.failed.clear();
                }
            }
            // The ledger counts rows; each starts anew here.
            Fact::RowStarted { .. } => self.failed.clear(),
            Fact::StepStarted { step } if step.attempt == 1 && !self.session_retries => self.failed.clear(),
            Fact::Noted(Note::MessageAccepted { size, queue_id, .. }) => {
                self.messages += 1;
                self.bytes = self.bytes.saturating_add(*size);
                if let Some(id) = queue_id {
                    self.queued += 1;
                    if self.queue_ids.len() < KEPT_QUEUE_IDS {
                        self.queue_ids.push(id.clone());
                    }
                }
            }
            Fact::Noted(Note::RecipientResult { address, outcome, message, .. }) => {
                let whose = (message.clone(), address.clone());
                if let Some(before) = self.failed.remove(&whose) {
                    *self.count_of(before) -= 1;
                }
                *self.count_of(*outcome) += 1;
                if matches!(outcome, RecipientOutcome::Refused | RecipientOutcome::Deferred) {
                    self.failed.insert(whose, *outcome);
                }
            }
            _ => {}
        }
    }

    fn count_of(&mut self, outcome: RecipientOutcome) -> &mut usize {
        match outcome {
            RecipientOutcome::Accepted => &mut self.recipients.accepted,
            RecipientOutcome::Refused => &mut self.recipients.refused,
            RecipientOutcome::Deferred => &mut self.recipients.deferred,
            RecipientOutcome::Unknown => &mut self.recipients.unknown,
        }
    }

    /// The queue IDs of the messages that were sent, up to 20.
    pub fn queue_ids(&self) -> &[SafeText] {
        &self.queue_ids
    }

    /// `None` if no message was tried.
    pub fn summary(&self) -> Option<String> {
        let RecipientCounts { refused, deferred, unknown, .. } = self.recipients;
        let counts = [(refused, "refused"), (deferred, "deferred"), (unknown, "unknown")];
        let others: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", group_thousands(*count)))
            .collect();
        let others = others.join(", ");
        match (self.messages, others.as_str()) {
            (0, "") => None,
            (0, others) => Some(format!("not sent: {others}")),
            (_, "") => Some(self.sent()),
            (_, others) => Some(format!("{}; {others}", self.sent())),
        }
    }

    fn sent(&self) -> String {
        let messages = plural(self.messages, "message");
        let mut text =
            format!("sent {messages} to {}, {}", plural(self.recipients.accepted, "recipient"), human_size(self.bytes));
        for (index, id) in self.queue_ids.iter().take(NAMED_QUEUE_IDS).enumerate() {
            text += if index == 0 { ", queued as " } else { ", " };
            text += id.as_str();
        }
        if self.queued > NAMED_QUEUE_IDS {
            text += &format!(" and {} more", group_thousands(self.queued - NAMED_QUEUE_IDS));
        }
        text
    }
}

/// `1 message`, `2 messages`.
pub fn plural(count: usize, what: &str) -> String {
    format!("{} {what}{}", group_thousands(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SessionAttempt, StepId};
    use crate::session::Place;
    use RecipientOutcome::{Accepted, Deferred, Refused, Unknown};

    fn sent(size: u64, queue_id: Option<&str>) -> Fact<'static> {
        Fact::Noted(Note::MessageAccepted { recipients: 1, size, queue_id: queue_id.map(SafeText::new) })
    }

    fn recipients(outcomes: &[RecipientOutcome]) -> Vec<Fact<'static>> {
        let note = |index, outcome| Note::RecipientResult {
            address: SafeText::new(format!("{index}@c")),
            outcome,
            reply: SafeText::new("words"),
            message: None,
        };
        outcomes.iter().enumerate().map(|(index, outcome)| Fact::Noted(note(index, *outcome))).collect()
    }

    fn summary(facts: &[Fact<'_>]) -> Option<String> {
        let mut deliveries = Deliveries::default();
        facts.iter().for_each(|fact| deliveries.observe_fact(fact));
        deliveries.summary()
    }

    #[test]
    fn the_summary_line_has_all_counts() {
        let table = [
            (vec![], &[][..], None, "no message"),
            (
                vec![sent(96_252, Some("4F2A"))],
                &[Accepted, Accepted, Accepted],
                Some("sent 1 message to 3 recipients, 96 kB, queued as 4F2A"),
                "the usual",
            ),
            (vec![sent(1, None)], &[Accepted], Some("sent 1 message to 1 recipient, 1 byte"), "no name in a queue"),
            (
                vec![sent(400, Some("A"))],
                &[Accepted, Refused, Deferred],
                Some("sent 1 message to 1 recipient, 400 bytes, queued as A; 1 refused, 1 deferred"),
                "in part",
            ),
            (vec![], &[Refused, Unknown], Some("not sent: 1 refused, 1 unknown"), "not at all"),
            (
                ["A", "B", "C", "D"].map(|id| sent(500, Some(id))).into(),
                &[Accepted; 4],
                Some("sent 4 messages to 4 recipients, 2 kB, queued as A, B, C and 1 more"),
                "several",
            ),
        ];
        for (messages, outcomes, expected, why) in table {
            let facts: Vec<_> = messages.into_iter().chain(recipients(outcomes)).collect();
            assert_eq!(summary(&facts).as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_deferred_recipient_counts_as_accepted_after_a_retry() {
        let step = |attempt| StepId {
            number: 1,
            title: SafeText::new("message"),
            named: false,
            place: Place { file: String::new(), line: 1, column: 1 },
            repetition: None,
            attempt,
        };
        let (first, second) = (step(1), step(2));
        let mut facts = vec![Fact::StepStarted { step: &first }];
        facts.extend(recipients(&[Deferred]));
        facts.push(Fact::StepStarted { step: &second });
        facts.push(sent(5, None));
        facts.extend(recipients(&[Accepted]));
        assert_eq!(summary(&facts).as_deref(), Some("sent 1 message to 1 recipient, 5 bytes"));
    }
    #[test]
    fn a_retried_session_counts_recipients_by_its_last_attempt() {
        let turn = |attempt| Fact::AttemptStarted { turn: SessionAttempt { repetition: None, attempt } };
        let of = |index: usize, outcome| recipients(&vec![outcome; index + 1]).split_off(index);
        let mut facts = vec![turn(1), sent(5, None)];
        facts.extend(recipients(&[Accepted, Deferred, Deferred, Refused]));
        facts.extend([turn(2), sent(5, None)]);
        facts.extend(of(1, Accepted));
        assert_eq!(
            summary(&facts).as_deref(),
            Some("sent 2 messages to 2 recipients, 10 bytes; 1 refused, 1 deferred"),
            "of the third nothing else was heard"
        );
        facts.push(turn(3));
        facts.extend(of(2, Deferred));
        facts.extend([turn(4), sent(5, None)]);
        facts.extend(of(2, Accepted));
        assert_eq!(
            summary(&facts).as_deref(),
            Some("sent 3 messages to 3 recipients, 15 bytes; 1 refused"),
            "nobody is deferred any more"
        );
        // The next run of the session has its own failures.
        facts.push(turn(1));
        facts.extend(of(3, Accepted));
        assert_eq!(summary(&facts).as_deref(), Some("sent 3 messages to 4 recipients, 15 bytes; 1 refused"));
    }
}
