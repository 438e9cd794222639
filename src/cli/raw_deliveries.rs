//! Mail that steps of one's own hand over, `body` behind a `DATA`: what a server said of it, since no note tells.

use crate::event::{Event, Fact, Note, Observer};
use crate::report::{ConnectionMap, is_dot};

/// Counts it. Over BDAT, whose content may be anything that is sent, nothing is known.
#[derive(Default)]
pub struct RawDeliveries {
    /// How many messages a server took.
    pub accepted: usize,
    /// How many have left whole and were not answered.
    pub unanswered: usize,
    /// Those that content was sent on.
    connections: ConnectionMap<ConnectionContent>,
}

#[derive(Default)]
struct ConnectionContent {
    dot: Dot,
    /// The step is a `message`, whose notes tell more.
    told: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Dot {
    #[default]
    No,
    Left,
    /// Its reply has begun: whether well.
    Answered(bool),
}

impl Observer for RawDeliveries {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::LineSent(line) if is_dot(line) => self.connections.get_or_insert(event.connection).dot = Dot::Left,
            Fact::Content(block) if block.has_dot_line() => {
                self.connections.get_or_insert(event.connection).dot = Dot::Left;
            }
            Fact::LineReceived(line) => {
                let Some(connection) = self.connections.get_mut(event.connection) else { return };
                if connection.dot == Dot::Left {
                    let mut text = String::new();
                    line.notation(&mut text);
                    connection.dot = Dot::Answered(text.starts_with('2'));
                }
            }
            Fact::Noted(Note::MessageAccepted { .. } | Note::RecipientResult { .. }) => {
                if let Some(connection) = self.connections.get_mut(event.connection) {
                    connection.told = true;
                }
            }
            Fact::StepFinished { .. } => {
                let Some(connection) = self.connections.get_mut(event.connection) else { return };
                let (dot, told) = (connection.dot, std::mem::take(&mut connection.told));
                connection.dot = Dot::No;
                match dot {
                    Dot::Answered(true) if !told => self.accepted += 1,
                    Dot::Left if !told => self.unanswered += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RedactedLine, StepId, Verdict};
    use crate::session::Place;
    use crate::smtp::lines::split_lines;
    use crate::transcript::SafeText;
    use std::time::Duration;

    #[test]
    fn content_that_no_note_tells_of_is_counted_by_its_reply() {
        let step =
            StepId { number: 1, title: SafeText::new("x"), place: Place::default(), repetition: None, attempt: 1 };
        let sent = || Fact::Noted(Note::MessageAccepted { recipients: 1, size: 1, queue_id: None });
        // What happened within a step, and how many were accepted and left unanswered by hand.
        let table: [(&[&str], (usize, usize), &str); 6] = [
            (&["C.", "S250 2.0.0 ok"], (1, 0), "accepted"),
            (&["C.", "S550-no", "S550 2.0.0 no"], (0, 0), "refused"),
            (&["C.", "S250 ok", "sent"], (0, 0), "a message's own"),
            (&["C."], (0, 1), "nobody knows"),
            (&["C..", "S250 ok"], (0, 0), "stuffed, so no end"),
            (&["CNOOP", "S250 ok"], (0, 0), "no content"),
        ];
        for (events, expected, why) in table {
            let mut watch = RawDeliveries::default();
            for text in events {
                let mut tell = |fact| watch.observe(&Event { at: Duration::ZERO, connection: "main", fact });
                let bytes = format!("{}\r\n", text.get(1..).unwrap_or_default());
                let line = split_lines(bytes.as_bytes()).next().expect("one line");
                match text.as_bytes()[0] {
                    b'C' => tell(Fact::LineSent(RedactedLine::new(line, &[]))),
                    b'S' => tell(Fact::LineReceived(RedactedLine::new(line, &[]))),
                    _ => tell(sent()),
                }
            }
            let fact = Fact::StepFinished { step: &step, verdict: &Verdict::Passed, elapsed: Duration::ZERO };
            watch.observe(&Event { at: Duration::ZERO, connection: "main", fact });
            assert_eq!((watch.accepted, watch.unanswered), expected, "{why}");
        }
    }
}
