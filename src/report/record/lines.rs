//! A transcript that is kept: of an endless one its beginning and its end.

use std::collections::VecDeque;

/// How many lines are kept of a transcript's beginning, and of its end.
const HEAD: usize = 3_000;
const TAIL: usize = 1_000;

/// A line of the transcript, as the transcript has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLine {
    pub text: String,
    /// Which of the record's steps it belongs to.
    pub step: Option<usize>,
    /// `main` is the default one.
    pub connection: std::sync::Arc<str>,
    /// Whether it says what went wrong.
    pub failure: bool,
}

/// The lines of a session.
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

    /// All that are kept.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RecordedLine> {
        self.head.iter().chain(&self.tail)
    }

    /// The remark that stands where lines are missing.
    pub fn omission_remark(&self) -> Option<String> {
        crate::report::transcript::omission_remark(self.omitted)
    }

    /// As text, a line each.
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

    /// The last lines of a step's connection up to its end, at most `most`: the dialogue around it.
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
