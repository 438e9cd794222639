//! The transcript in a record. Of a very long one the beginning and the end are kept.

use crate::event::group_thousands;
use std::collections::VecDeque;

/// How many lines are kept of the beginning and of the end.
const HEAD: usize = 3_000;
const TAIL: usize = 1_000;

/// A line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLine {
    pub text: String,
    /// The index of the step that it belongs to.
    pub step: Option<usize>,
    /// The name of the connection; the default one is `main`.
    pub connection: std::sync::Arc<str>,
    /// Whether it reports a failure.
    pub failure: bool,
    /// Whether it is part of a message's content.
    pub content: bool,
}

/// The transcript of a session.
#[derive(Clone, Debug, Default)]
pub struct RecordedLines {
    head: Vec<RecordedLine>,
    tail: VecDeque<RecordedLine>,
    omitted: usize,
}

impl RecordedLines {
    pub fn push(&mut self, line: RecordedLine) {
        if self.head.len() < HEAD {
            self.head.push(line);
            return;
        }
        self.tail.push_back(line);
        if self.tail.len() > TAIL {
            self.tail.pop_front();
            self.omitted += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    pub fn head(&self) -> &[RecordedLine] {
        &self.head
    }

    pub fn tail(&self) -> impl DoubleEndedIterator<Item = &RecordedLine> {
        self.tail.iter()
    }

    /// All lines that are kept.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RecordedLine> {
        self.head.iter().chain(&self.tail)
    }

    /// The remark in place of lines that were dropped.
    pub fn omission_remark(&self) -> Option<String> {
        crate::report::transcript::omission_remark(self.omitted)
    }

    /// Returns the lines as text, with the remark if lines were dropped.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut put = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        self.head.iter().for_each(|line| put(&line.text));
        self.omission_remark().iter().for_each(|gap| put(gap));
        self.tail.iter().for_each(|line| put(&line.text));
        text
    }

    /// Returns the lines as text. Content is left out, for reports that others may read: a remark counts its lines.
    pub fn text_without_content(&self) -> String {
        let lines: Vec<&RecordedLine> = self.head.iter().collect();
        let mut text = without_content(&lines);
        self.omission_remark().iter().for_each(|gap| text.push_str(&format!("{gap}\n")));
        let lines: Vec<&RecordedLine> = self.tail.iter().collect();
        text.push_str(&without_content(&lines));
        text
    }

    /// Returns up to `most` lines of a step's connection, ending with the step's last line.
    pub fn context_of(&self, step: Option<usize>, most: usize) -> Vec<&RecordedLine> {
        let all: Vec<&RecordedLine> = self.iter().collect();
        let last = match step {
            Some(step) => all.iter().rposition(|line| line.step == Some(step)),
            None => all.len().checked_sub(1),
        };
        let Some(last) = last else { return Vec::new() };
        let connection = &all[last].connection;
        let mut around: Vec<&RecordedLine> =
            all[..=last].iter().rev().filter(|line| line.connection == *connection).take(most).copied().collect();
        around.reverse();
        around
    }
}

/// The lines as text, with a remark in place of content.
pub fn without_content(lines: &[&RecordedLine]) -> String {
    let mut text = String::new();
    for group in lines.chunk_by(|one, other| one.content && other.content) {
        match group {
            [first, ..] if first.content => {
                text.push_str(&format!("*: … {} more lines of content\n", group_thousands(group.len())));
            }
            _ => group.iter().for_each(|line| text.push_str(&format!("{}\n", line.text))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_counted_in_place_of_its_lines() {
        let mut lines = RecordedLines::default();
        for (text, content) in [("C: DATA", false), ("C: Subject: x", true), ("C: y", true), ("C: .", false)] {
            lines.push(RecordedLine {
                text: text.to_owned(),
                step: None,
                connection: "main".into(),
                failure: false,
                content,
            });
        }
        assert_eq!(lines.text_without_content(), "C: DATA\n*: … 2 more lines of content\nC: .\n");
        assert_eq!(lines.text(), "C: DATA\nC: Subject: x\nC: y\nC: .\n");
    }
}
