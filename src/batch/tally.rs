//! Counts of what became of the rows, and the line that says so.

use super::end::LeftReasons;
use crate::event::group_thousands;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    Sent,
    /// A 5xx reply to RCPT, DATA, BDAT or content.
    Refused,
    /// A 4xx reply, a 5xx reply before RCPT, or the connection was lost before the content was complete.
    Deferred,
    /// The last byte may have left, and no reply came.
    Unknown,
    /// Its values are not valid, or a step failed that sends no mail: the ledger records nothing.
    Failed,
}

/// Counts of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`RowState::Sent`].
    pub sent: usize,
    /// [`RowState::Refused`].
    pub refused: usize,
    /// [`RowState::Deferred`].
    pub deferred: usize,
    /// [`RowState::Unknown`].
    pub unknown: usize,
    /// [`RowState::Failed`].
    pub failed: usize,
    /// All their steps were skipped by `if`, `--from-step` or `--to-step`.
    pub skipped: usize,
    /// In a list of `[rows] exclude`, or all their recipients are.
    pub excluded: usize,
    /// Not begun, because there was no connection or the run was interrupted.
    pub pending: usize,
    /// Sent by an earlier run, as the ledger says.
    pub sent_before: usize,
    /// Refused in an earlier run.
    pub refused_before: usize,
    /// Unknown since an earlier run.
    pub unknown_before: usize,
    /// Recipients that had their message before, of rows that this run sends to the others.
    pub recipients_sent_before: usize,
    /// Recipients that were refused before, of such rows.
    pub recipients_refused_before: usize,
    /// Held by another run with the same ledger.
    pub held: usize,
    /// There may be more rows, which were not read.
    pub has_unread_rows: bool,
}

impl Tally {
    /// Counts a row.
    pub fn count(&mut self, state: RowState) {
        *match state {
            RowState::Sent => &mut self.sent,
            RowState::Refused => &mut self.refused,
            RowState::Deferred => &mut self.deferred,
            RowState::Unknown => &mut self.unknown,
            RowState::Failed => &mut self.failed,
        } += 1;
    }

    /// Rows that this run has finished.
    pub fn finished(&self) -> usize {
        self.sent + self.refused + self.deferred + self.unknown + self.failed + self.skipped
    }

    /// Rows that another run sends.
    pub fn left(&self) -> usize {
        self.deferred + self.pending
    }

    /// `3 sent, 2 refused, 4 deferred (421 4.3.2 too busy), 5 excluded, 9,994 sent before`.
    pub fn summary(&self, reasons: &LeftReasons) -> String {
        let deferred = reasons.deferred.as_ref().map(|why| match reasons.has_others {
            true => format!("{why}; and other reasons"),
            false => why.clone(),
        });
        let counts = [
            (self.sent, "sent", None),
            (self.refused, "refused", None),
            (self.deferred, "deferred", deferred.as_deref()),
            (self.unknown, "unknown", None),
            (self.failed, "failed", None),
            (self.skipped, "skipped", None),
            (self.excluded, "excluded", None),
            (self.pending, "pending", reasons.pending.as_deref()),
            (self.sent_before, "sent before", None),
            (self.refused_before, "refused before", None),
            (self.unknown_before, "unknown before", None),
            (self.held, "held by another run", None),
        ];
        let mut words: Vec<_> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, word, why)| {
                let why = why.map_or(String::new(), |why| format!(" ({why})"));
                format!("{} {word}{why}", group_thousands(*count))
            })
            .collect();
        if words.is_empty() {
            words.push("0 sent".to_owned());
        }
        words.extend(self.has_unread_rows.then(|| "the rest not read".to_owned()));
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_in_a_line_with_the_reason_for_what_is_left() {
        let none = LeftReasons::default();
        let tally = Tally { sent: 3, refused: 2, unknown: 1, excluded: 5, sent_before: 9994, ..Tally::default() };
        assert_eq!(tally.summary(&none), "3 sent, 2 refused, 1 unknown, 5 excluded, 9,994 sent before");
        assert_eq!(Tally::default().summary(&none), "0 sent");
        let interrupted = Tally { sent: 3, pending: 7, has_unread_rows: true, ..Tally::default() };
        assert_eq!(interrupted.summary(&none), "3 sent, 7 pending, the rest not read");
        let mut reasons = none;
        reasons.pending = Some("cannot connect to a:1: refused".to_owned());
        reasons.add_deferred("421 4.3.2 too busy");
        let left = Tally { sent: 3, deferred: 4, pending: 2, held: 1, ..Tally::default() };
        let expected = "3 sent, 4 deferred (421 4.3.2 too busy), 2 pending (cannot connect to a:1: refused), \
                        1 held by another run";
        assert_eq!(left.summary(&reasons), expected);
        reasons.add_deferred("450 4.2.0 greylisted");
        assert!(left.summary(&reasons).contains("4 deferred (421 4.3.2 too busy; and other reasons)"));
    }
}
