//! Counts of what became of the rows, and the line that says so.

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
    /// Not begun, because there was no connection or the run was interrupted.
    pub pending: usize,
    /// Sent by an earlier run, as the ledger says.
    pub sent_before: usize,
    /// Refused in an earlier run.
    pub refused_before: usize,
    /// Unknown since an earlier run.
    pub unknown_before: usize,
    /// Locked by another run with the same ledger.
    pub locked_elsewhere: usize,
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

    /// `3 sent, 2 refused, 1 unknown, 9,994 sent before`.
    pub fn summary(&self) -> String {
        let counts = [
            (self.sent, "sent"),
            (self.refused, "refused"),
            (self.deferred, "deferred"),
            (self.unknown, "unknown"),
            (self.failed, "failed"),
            (self.skipped, "skipped"),
            (self.pending, "pending"),
            (self.sent_before, "sent before"),
            (self.refused_before, "refused before"),
            (self.unknown_before, "unknown before"),
            (self.locked_elsewhere, "left to another run"),
        ];
        let nonzero = counts.iter().filter(|(count, _)| *count > 0);
        let mut words: Vec<_> = nonzero.map(|(count, word)| format!("{} {word}", group_thousands(*count))).collect();
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
    fn counts_are_printed_in_one_line() {
        let tally = Tally { sent: 3, refused: 2, unknown: 1, sent_before: 9994, ..Tally::default() };
        assert_eq!(tally.summary(), "3 sent, 2 refused, 1 unknown, 9,994 sent before");
        assert_eq!(Tally::default().summary(), "0 sent");
        let interrupted = Tally { sent: 3, pending: 7, has_unread_rows: true, ..Tally::default() };
        assert_eq!(interrupted.summary(), "3 sent, 7 pending, the rest not read");
    }
}
