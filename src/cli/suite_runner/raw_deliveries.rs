//! Counts mail that a session sends with `body` after its own `DATA`, for which there are no notes.

use crate::event::{Event, Fact, Note, Observer};
use crate::report::ConnectionMap;

/// Counts messages that no `message` step sends.
#[derive(Default)]
pub struct RawDeliveries {
    /// Messages that a server accepted.
    pub accepted: usize,
    /// Messages that were sent completely and not answered.
    pub unanswered: usize,
    /// The connections that content was sent on.
    connections: ConnectionMap<StepContent>,
}

/// What the running step has sent.
#[derive(Default)]
struct StepContent {
    accepted: usize,
    unanswered: usize,
    /// The step is a `message`: its notes are counted instead.
    has_notes: bool,
}

impl Observer for RawDeliveries {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::ContentSent => self.connections.get_or_insert(event.connection).unanswered += 1,
            Fact::ContentAnswered { code } => {
                let step = self.connections.get_mut(event.connection).filter(|step| step.unanswered > 0);
                if let Some(step) = step {
                    step.unanswered -= 1;
                    step.accepted += usize::from(code / 100 == 2);
                }
            }
            Fact::Noted(Note::MessageAccepted { .. } | Note::RecipientResult { .. }) => {
                if let Some(step) = self.connections.get_mut(event.connection) {
                    step.has_notes = true;
                }
            }
            Fact::StepFinished { .. } => {
                let step = self.connections.get_mut(event.connection).map(std::mem::take);
                if let Some(step) = step.filter(|step| !step.has_notes) {
                    self.accepted += step.accepted;
                    self.unanswered += step.unanswered;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{StepId, Verdict};
    use crate::session::Place;
    use crate::transcript::SafeText;
    use std::time::Duration;

    #[test]
    fn content_that_no_note_reports_is_counted_by_its_reply() {
        let step = StepId {
            number: 1,
            title: SafeText::new("x"),
            named: false,
            place: Place::default(),
            repetition: None,
            attempt: 1,
        };
        let sent = || Fact::ContentSent;
        let answered = |code| Fact::ContentAnswered { code };
        let note = || Fact::Noted(Note::MessageAccepted { recipients: 1, size: 1, queue_id: None });
        // What happened within a step, and how many messages were accepted and left unanswered.
        let table: [(Vec<Fact<'_>>, (usize, usize), &str); 7] = [
            (vec![sent(), answered(250)], (1, 0), "accepted"),
            (vec![sent(), answered(550)], (0, 0), "refused"),
            (vec![sent(), answered(250), note()], (0, 0), "a message's own"),
            (vec![sent()], (0, 1), "no reply"),
            (vec![answered(552)], (0, 0), "refused before its end"),
            (vec![sent(), sent(), answered(250)], (1, 1), "two in one write"),
            (vec![], (0, 0), "no content"),
        ];
        for (facts, expected, why) in table {
            let mut deliveries = RawDeliveries::default();
            let end = Fact::StepFinished { step: &step, verdict: &Verdict::Passed, elapsed: Duration::ZERO };
            for fact in facts.into_iter().chain([end]) {
                deliveries.observe(&Event { at: Duration::ZERO, connection: "main", fact });
            }
            assert_eq!((deliveries.accepted, deliveries.unanswered), expected, "{why}");
        }
    }
}
