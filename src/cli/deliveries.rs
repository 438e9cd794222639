//! What became of a session's mail, in a line: `sent 1 message to 3 recipients, 96 kB, queued as 4F2A`.

use crate::event::{Fact, Note, RecipientOutcome, bytes, thousands};
use crate::transcript::Shown;

/// The names in queues that are told; more are counted.
const NAMED: usize = 3;
/// The names that are remembered.
const KEPT: usize = 20;

/// Counts messages and recipients.
#[derive(Debug, Default)]
pub struct Deliveries {
    messages: usize,
    bytes: u64,
    queued: usize,
    queue_ids: Vec<Shown>,
    accepted: usize,
    refused: usize,
    deferred: usize,
    unknown: usize,
    /// Refused and deferred before the step that is running: another attempt at it counts anew.
    before: (usize, usize),
}

impl Deliveries {
    pub fn hear(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::StepStarted { step } if step.attempt > 1 => (self.refused, self.deferred) = self.before,
            Fact::StepStarted { .. } => self.before = (self.refused, self.deferred),
            Fact::Noted(Note::Sent { size, queue_id, .. }) => {
                self.messages += 1;
                self.bytes = self.bytes.saturating_add(*size);
                if let Some(id) = queue_id {
                    self.queued += 1;
                    if self.queue_ids.len() < KEPT {
                        self.queue_ids.push(id.clone());
                    }
                }
            }
            Fact::Noted(Note::Recipient { outcome, .. }) => match outcome {
                RecipientOutcome::Accepted => self.accepted += 1,
                RecipientOutcome::Refused => self.refused += 1,
                RecipientOutcome::Deferred => self.deferred += 1,
                RecipientOutcome::Unknown => self.unknown += 1,
            },
            _ => {}
        }
    }

    /// The names in the queue of the messages that were sent: the first ones, where there are many.
    pub fn queue_ids(&self) -> &[Shown] {
        &self.queue_ids
    }

    /// Nothing where no message was tried.
    pub fn summary(&self) -> Option<String> {
        let counts = [(self.refused, "refused"), (self.deferred, "deferred"), (self.unknown, "unknown")];
        let others: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", thousands(*count)))
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
        let messages = counted(self.messages, "message");
        let mut text = format!("sent {messages} to {}, {}", counted(self.accepted, "recipient"), bytes(self.bytes));
        for (index, id) in self.queue_ids.iter().take(NAMED).enumerate() {
            text += if index == 0 { ", queued as " } else { ", " };
            text += id.as_str();
        }
        if self.queued > NAMED {
            text += &format!(" and {} more", thousands(self.queued - NAMED));
        }
        text
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StepId;
    use crate::session::Place;
    use RecipientOutcome::{Accepted, Deferred, Refused, Unknown};

    fn sent(size: u64, queue_id: Option<&str>) -> Fact<'static> {
        Fact::Noted(Note::Sent { recipients: 1, size, queue_id: queue_id.map(Shown::new) })
    }

    fn recipients(outcomes: &[RecipientOutcome]) -> Vec<Fact<'static>> {
        let note = |outcome| Note::Recipient {
            address: Shown::new("b@c"),
            outcome,
            reply: Shown::new("words"),
            message: None,
        };
        outcomes.iter().map(|outcome| Fact::Noted(note(*outcome))).collect()
    }

    fn summary(facts: &[Fact<'_>]) -> Option<String> {
        let mut deliveries = Deliveries::default();
        facts.iter().for_each(|fact| deliveries.hear(fact));
        deliveries.summary()
    }

    #[test]
    fn mail_is_summed_up_in_a_line() {
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
    fn what_an_attempt_deferred_counts_no_more_once_the_next_one_sent_it() {
        let step = |attempt| StepId {
            number: 1,
            title: Shown::new("message"),
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
}
