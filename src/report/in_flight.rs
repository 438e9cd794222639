//! How many messages have left without an answer, for whoever ends the program at once.

use super::ConnectionMap;
use crate::event::{Event, Fact, Observer, RedactedLine};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of all sessions that run.
static MESSAGES: AtomicUsize = AtomicUsize::new(0);

/// Messages whose content was on its way and whose step has not ended: what became of them nobody knows.
pub fn messages_in_flight() -> usize {
    MESSAGES.load(Ordering::Relaxed)
}

/// Counts those of one session.
#[derive(Default)]
pub struct InFlightCounter {
    connections: ConnectionMap<SentContent>,
}

#[derive(Clone, Copy, Default)]
struct SentContent {
    /// Messages with their dot.
    complete: usize,
    /// Content has begun and there was no dot, which BDAT needs none of.
    begun: bool,
}

impl SentContent {
    fn messages(self) -> usize {
        self.complete + usize::from(self.begun)
    }
}

impl InFlightCounter {
    fn change(&mut self, connection: &str, change: impl FnOnce(&mut SentContent)) {
        let sent = self.connections.get_or_insert(connection);
        let before = sent.messages();
        change(sent);
        let after = sent.messages();
        MESSAGES.fetch_add(after, Ordering::Relaxed);
        MESSAGES.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Observer for InFlightCounter {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::LineSent(line) if is_dot(line) => self.change(event.connection, |sent| {
                sent.complete += 1;
                sent.begun = false;
            }),
            Fact::Content(block) if block.has_dot_line() => self.change(event.connection, |sent| {
                sent.complete += 1;
                sent.begun = false;
            }),
            Fact::Content(_) if self.connections.get_mut(event.connection).is_none_or(|sent| !sent.begun) => {
                self.change(event.connection, |sent| sent.begun = true);
            }
            Fact::StepFinished { .. } => self.change(event.connection, |sent| match sent.complete {
                0 => sent.begun = false,
                _ => sent.complete -= 1,
            }),
            _ => {}
        }
    }
}

impl Drop for InFlightCounter {
    fn drop(&mut self) {
        let left: usize = self.connections.values().map(|sent| sent.messages()).sum();
        MESSAGES.fetch_sub(left, Ordering::Relaxed);
    }
}

/// Whether it ends content.
pub fn is_dot(line: &RedactedLine<'_>) -> bool {
    if line.wire_length() != ".\r\n".len() {
        return false;
    }
    let mut text = String::new();
    line.notation(&mut text);
    text == "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ContentBlock, StepId, Verdict};
    use crate::session::Place;
    use crate::smtp::lines::split_lines;
    use crate::transcript::SafeText;
    use std::time::Duration;

    #[test]
    fn what_has_left_and_was_not_answered_is_in_flight() {
        let step = StepId {
            number: 1,
            title: SafeText::new("message"),
            place: Place::default(),
            repetition: None,
            attempt: 1,
        };
        let verdict = Verdict::Passed;
        let mut watch = InFlightCounter::default();
        // What is sent (content behind a bar; nothing: a step ends), and how many are in flight then.
        let table = [
            ("MAIL FROM:<a@b>", 0, "nothing of it has left"),
            ("DATA", 0, "nor now"),
            ("|Subject: x", 1, "it may arrive whole"),
            ("|..", 1, "no end"),
            (".", 1, "its end"),
            ("RCPT TO:<c@d>", 1, "of the next message, pipelined"),
            ("|y", 2, "that one, too"),
            (".", 2, "and its end"),
            ("", 1, "the first one was answered"),
            ("", 0, "and the other one"),
            ("", 0, "no message"),
            ("|z", 1, "BDAT's has no dot"),
            ("", 0, "and is answered all the same"),
        ];
        let count = |watch: &InFlightCounter| watch.connections.values().map(|sent| sent.messages()).sum::<usize>();
        for (text, expected, why) in table {
            let mut tell = |fact| watch.observe(&Event { at: Duration::ZERO, connection: "main", fact });
            let bytes = format!("{}\r\n", text.trim_start_matches('|'));
            match text {
                "" => tell(Fact::StepFinished { step: &step, verdict: &verdict, elapsed: Duration::ZERO }),
                text if text.starts_with('|') => tell(Fact::Content(ContentBlock::new(bytes.as_bytes(), None))),
                _ => split_lines(bytes.as_bytes()).for_each(|line| tell(Fact::LineSent(RedactedLine::new(line, &[])))),
            }
            assert_eq!(count(&watch), expected, "{why}");
        }
    }
}
