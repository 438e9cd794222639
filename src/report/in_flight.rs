//! How many messages were sent and not answered yet. A second Ctrl-C reports the number.

use super::ConnectionMap;
use crate::event::{Event, Fact, Observer};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The count of all sessions that run.
static MESSAGES: AtomicUsize = AtomicUsize::new(0);

/// Messages whose content was sent, or partly sent, and has no reply: what became of them is unknown.
pub fn messages_in_flight() -> usize {
    MESSAGES.load(Ordering::Relaxed)
}

/// Counts the messages in flight of one session.
#[derive(Default)]
pub struct InFlightCounter {
    connections: ConnectionMap<ContentCount>,
}

#[derive(Clone, Copy, Default)]
struct ContentCount {
    /// Contents that were sent to their end.
    complete: usize,
    /// Another content was begun.
    begun: bool,
}

impl ContentCount {
    fn messages(self) -> usize {
        self.complete + usize::from(self.begun)
    }
}

impl InFlightCounter {
    fn change(&mut self, connection: &str, change: impl FnOnce(&mut ContentCount)) {
        let count = self.connections.get_or_insert(connection);
        let before = count.messages();
        change(count);
        let after = count.messages();
        MESSAGES.fetch_add(after, Ordering::Relaxed);
        MESSAGES.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Observer for InFlightCounter {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::Content(_) if self.connections.get_mut(event.connection).is_none_or(|count| !count.begun) => {
                self.change(event.connection, |count| count.begun = true);
            }
            Fact::ContentSent => self.change(event.connection, |count| {
                count.complete += 1;
                count.begun = false;
            }),
            Fact::ContentAnswered { .. } => self.change(event.connection, |count| {
                count.complete = count.complete.saturating_sub(1);
            }),
            // What was not sent to its end within its step never is.
            Fact::StepFinished { .. } => self.change(event.connection, |count| count.begun = false),
            // What has no reply by now gets none, and its step reports that.
            Fact::ClosedByServer | Fact::ResetByServer | Fact::ClosedByClient { .. } => {
                self.change(event.connection, |count| *count = ContentCount::default());
            }
            _ => {}
        }
    }
}

impl Drop for InFlightCounter {
    fn drop(&mut self) {
        let left: usize = self.connections.values().map(|count| count.messages()).sum();
        MESSAGES.fetch_sub(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ContentBlock, RedactedLine, StepId, Verdict};
    use crate::session::Place;
    use crate::smtp::lines::split_lines;
    use crate::transcript::SafeText;
    use std::time::Duration;

    #[test]
    fn what_was_sent_and_not_answered_is_in_flight() {
        let step = StepId {
            number: 1,
            title: SafeText::new("x"),
            named: false,
            place: Place::default(),
            repetition: None,
            attempt: 1,
        };
        let line = split_lines(b"RSET\r\n").next().expect("one line");
        let content = || Fact::Content(ContentBlock::new(b"Subject: x\r\n", None));
        let command = || Fact::LineSent(RedactedLine::new(line, &[]));
        let end = || Fact::StepFinished { step: &step, verdict: &Verdict::Passed, elapsed: Duration::ZERO };
        let answered = || Fact::ContentAnswered { code: 250 };
        let mut counter = InFlightCounter::default();
        // What happens, and how many messages are in flight then.
        let table = [
            (command(), 0, "nothing of it has left"),
            (content(), 1, "it may arrive whole"),
            (content(), 1, "more of it"),
            (Fact::ContentSent, 1, "its end"),
            (command(), 1, "of the next message, pipelined"),
            (content(), 2, "that one, too"),
            (Fact::ContentSent, 2, "and its end"),
            (answered(), 1, "the first one was answered"),
            (end(), 1, "its step is over"),
            (answered(), 0, "and the other one"),
            (content(), 1, "another one"),
            (end(), 0, "whose end did not leave"),
            (content(), 1, "and another one"),
            (Fact::ContentSent, 1, "with its end"),
            (Fact::ClosedByServer, 0, "whose reply never comes"),
        ];
        for (fact, expected, why) in table {
            counter.observe(&Event { at: Duration::ZERO, connection: "main", fact });
            assert_eq!(counter.connections.values().map(|count| count.messages()).sum::<usize>(), expected, "{why}");
            // No other test of this program counts messages.
            assert_eq!(messages_in_flight(), expected, "{why}");
        }
        counter.observe(&Event { at: Duration::ZERO, connection: "main", fact: content() });
        drop(counter);
        assert_eq!(messages_in_flight(), 0, "a session that is over has none");
    }
}
