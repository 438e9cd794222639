//! The lines that `run` prints for the rows of a batch instead of the transcript: `sent ann@example.com: 250 2.0.0 queued as 4F2A`.

use crate::batch::{RowReport, RowState};
use crate::event::{Status, group_thousands};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// The most failed rows that are listed with `--quiet`; further ones are counted.
const MAX_FAILED: usize = 50;
/// How many characters of a reply are shown.
const MAX_REASON: usize = 200;

/// Prints a line for each attempt at a row, or with `--quiet` for each row that failed.
pub struct RowLines {
    quiet: bool,
    /// Where to print, and how many rows have failed.
    state: Mutex<(Box<dyn Write + Send>, usize)>,
}

impl RowLines {
    /// Prints to `out`.
    pub fn new(quiet: bool, out: Box<dyn Write + Send>) -> Self {
        Self { quiet, state: Mutex::new((out, 0)) }
    }

    /// Prints the line of an attempt.
    pub fn print(&self, report: &RowReport<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, failed) = &mut *state;
        let has_failed = has_failed(report);
        *failed += usize::from(has_failed);
        if !self.quiet || (has_failed && *failed <= MAX_FAILED) {
            // The writers of the command keep their errors.
            let _ = writeln!(out, "{}", row_line(report)).and_then(|()| out.flush());
        }
    }

    /// The count of the failed rows that were not listed.
    pub fn omitted(&self) -> Option<String> {
        let failed = self.state.lock().unwrap_or_else(PoisonError::into_inner).1;
        let more = failed.saturating_sub(MAX_FAILED);
        let rows = if more == 1 { "row" } else { "rows" };
        (self.quiet && more > 0).then(|| format!("… and {} more failed {rows}", group_thousands(more)))
    }
}

fn has_failed(report: &RowReport<'_>) -> bool {
    let is_bad = !matches!(report.end.state, None | Some(RowState::Sent)) || report.end.status != Status::Passed;
    is_bad && !report.is_retried
}

/// `refused ann@example.com (people.csv:3): 550 5.1.1 no such user`.
fn row_line(report: &RowReport<'_>) -> String {
    let (row, end) = (report.row, report.end);
    let state = match end.state {
        None => "skipped",
        Some(RowState::Sent) => "sent",
        Some(RowState::Refused) => "refused",
        Some(RowState::Deferred) => "deferred",
        Some(RowState::Unknown) => "unknown",
        Some(RowState::Failed) => "failed",
    };
    // A row without a key has its number, which could be the key of another one.
    let word = if row.has_key { "" } else { "row " };
    let mut line = format!("{state} {word}{}", row.key);
    if (has_failed(report) || report.is_retried) && !row.place.is_empty() {
        line += &format!(" ({})", row.place);
    }
    if report.is_retried {
        line += ", to be tried again";
    } else if end.state == Some(RowState::Sent) && end.status != Status::Passed {
        line += ", then failed";
    }
    if let Some(reason) = &end.reason {
        let reason = reason.replace('\n', " / ");
        // An error of a value ends with the place of its row, too.
        let reason = reason.strip_suffix(&format!(" ({})", row.place)).unwrap_or(&reason);
        match reason.char_indices().nth(MAX_REASON) {
            Some((at, _)) => line += &format!(": {}…", &reason[..at]),
            None => line += &format!(": {reason}"),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::RowEnd;
    use crate::event::RowId;
    use crate::transcript::SafeText;
    use std::io;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn end(state: Option<RowState>, status: Status, reason: &str) -> RowEnd {
        RowEnd { state, status, reason: (!reason.is_empty()).then(|| reason.to_owned()) }
    }

    fn row(number: u64) -> RowId {
        let (key, place) = (SafeText::new(format!("u{number}@x.y")), SafeText::new(format!("p.csv:{}", number + 1)));
        RowId { number, key, has_key: true, place, attempt: 1, repetition: None }
    }

    #[test]
    fn each_row_has_its_state_its_place_if_it_failed_and_its_reply() {
        let table = [
            (end(Some(RowState::Sent), Status::Passed, "250 ok"), false, "sent u1@x.y: 250 ok"),
            (
                end(Some(RowState::Sent), Status::Failed, "got 550"),
                false,
                "sent u1@x.y (p.csv:2), then failed: got 550",
            ),
            (end(Some(RowState::Refused), Status::Failed, "550 a\nb"), false, "refused u1@x.y (p.csv:2): 550 a / b"),
            (
                end(Some(RowState::Deferred), Status::TempFail, "451 x"),
                true,
                "deferred u1@x.y (p.csv:2), to be tried again: 451 x",
            ),
            (
                end(Some(RowState::Failed), Status::DataErr, "duplicate key (p.csv:2)"),
                false,
                "failed u1@x.y (p.csv:2): duplicate key",
            ),
            (end(None, Status::Passed, ""), false, "skipped u1@x.y"),
        ];
        for (end, is_retried, expected) in table {
            assert_eq!(row_line(&RowReport { row: &row(1), end: &end, is_retried }), expected);
        }
        let numbered = RowId { key: SafeText::new("7"), has_key: false, ..row(7) };
        let invalid = end(Some(RowState::Failed), Status::DataErr, "the row has 2 fields");
        let line = row_line(&RowReport { row: &numbered, end: &invalid, is_retried: false });
        assert_eq!(line, "failed row 7 (p.csv:8): the row has 2 fields", "its number is not taken for a key");
        let keyed = RowId { has_key: true, ..numbered };
        let line = row_line(&RowReport { row: &keyed, end: &invalid, is_retried: false });
        assert_eq!(line, "failed 7 (p.csv:8): the row has 2 fields", "a key that equals the row's number");
        let long = end(Some(RowState::Refused), Status::Failed, &"é".repeat(5000));
        let line = row_line(&RowReport { row: &row(1), end: &long, is_retried: false });
        assert!(line.chars().count() < MAX_REASON + 40, "{line}");
    }

    #[test]
    fn quiet_lines_list_the_first_failed_rows_and_count_the_others() {
        let page = Page::default();
        let lines = RowLines::new(true, Box::new(page.clone()));
        for number in 1..=120 {
            let (state, status) = match number % 2 {
                0 => (RowState::Refused, Status::Failed),
                _ => (RowState::Sent, Status::Passed),
            };
            let end = end(Some(state), status, "550 no");
            lines.print(&RowReport { row: &row(number), end: &end, is_retried: false });
        }
        let text = String::from_utf8(page.0.lock().expect("nobody panics with it").clone()).expect("it is UTF-8");
        assert_eq!(text.lines().count(), 50);
        assert_eq!(text.lines().last(), Some("refused u100@x.y (p.csv:101): 550 no"));
        assert_eq!(lines.omitted().as_deref(), Some("… and 10 more failed rows"));
    }
}
