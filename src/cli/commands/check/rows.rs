//! `mailrun check --rows`: renders every row without connecting.

use crate::cli::output::console;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::suite_runner::machine;
use crate::event::{Event, Failure, Observer, RowId, Status, group_thousands};
use crate::exec::{LocalHost, PreparedSession, Row, RunOptions, ServerTarget, TlsTrust};
use crate::net::{SystemClock, check_tls_input};
use crate::session::{RowsSettings, SourceError};
use crate::source::{RowReader, SourceRow};
use crate::transcript::SafeText;

/// How many errors are printed; those after them are counted.
const MAX_ERRORS: usize = 20;

/// Renders the rows of a session, and prints up to 20 errors, each with its row. Returns the status, and what to print of
/// rows that are all valid. Values are those of a dry run: secrets that cannot be read have placeholders.
pub fn check(loaded: &LoadedSession, rows: &RowsSettings, inputs: &SessionInputs<'_>) -> (Status, String) {
    let options = RunOptions {
        target: ServerTarget { url: inputs.arguments.server.clone(), ..ServerTarget::default() },
        variables: inputs.variables.clone(),
        seed: inputs.arguments.seed,
        trust: TlsTrust { check_input: Some(check_tls_input), ..TlsTrust::default() },
        dry_run: true,
        host: LocalHost { name: machine::hostname(), zone: machine::time_zone() },
        ..RunOptions::default()
    };
    let clock = SystemClock::new();
    let mut report = CheckedRows::default();
    let ready = match PreparedSession::new(&loaded.session, &options, &loaded.files, &clock, &mut EventDiscarder) {
        Ok(ready) => ready,
        Err(outcome) => {
            let failures = outcome.failure.into_iter().flat_map(Failure::into_list).collect();
            report.add("", failures);
            return (report.finish(), String::new());
        }
    };
    let opened = ready.path(&rows.file).and_then(|path| {
        let reader = RowReader::open(&loaded.files, &path, &rows.format);
        reader.map_err(|error| Box::new(ready.refuse(&error, &rows.file.span)))
    });
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(outcome) => {
            report.add("", outcome.failure.into_iter().collect());
            return (report.finish(), String::new());
        }
    };
    let mut unreadable: Option<SourceError> = None;
    let key = rows.key.as_ref().map(|(key, _)| key.as_str());
    let mut next = || match reader.next_row() {
        Ok(row) => row.map(|row| row_of(row, key)),
        Err(error) => {
            unreadable = Some(error);
            None
        }
    };
    ready.check_rows(&mut std::iter::from_fn(&mut next), &clock, &mut |place, failures, message_bytes| {
        report.rows += 1;
        if message_bytes > report.largest.0 {
            report.largest = (message_bytes, place.to_owned());
        }
        report.add(place, failures);
    });
    if let Some(error) = unreadable {
        report.add("", ready.refuse(&error, &rows.file.span).failure.into_iter().collect());
    }
    let text = report.text();
    (report.finish(), text)
}

/// The row as a run begins it.
fn row_of(row: SourceRow, key: Option<&str>) -> Row {
    let SourceRow { number, place, value } = row;
    let (value, mut error) = match value {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    };
    if let (Some(column), Some(row)) = (key, &value)
        && row.text(column).is_none()
    {
        error = Some(format!("the row has no value for its key {}", SafeText::new(column)));
    }
    let (name, shown) = (SafeText::new(number.to_string()), SafeText::new(&place));
    let id = RowId { number, key: name, place: shown, attempt: 1, repetition: None };
    Row { id: Some(id), place, value, error, ..Row::default() }
}

/// What was found in the rows.
#[derive(Default)]
struct CheckedRows {
    rows: usize,
    errors: usize,
    statuses: Vec<Status>,
    /// The size of the largest message in bytes, and its row.
    largest: (u64, String),
}

impl CheckedRows {
    /// Prints errors of the row at `place`, as long as there are not too many.
    fn add(&mut self, place: &str, failures: Vec<Failure>) {
        let place = if place.is_empty() { String::new() } else { format!("{}: ", SafeText::new(place)) };
        for failure in failures {
            self.errors += 1;
            self.statuses.push(failure.status);
            if self.errors <= MAX_ERRORS {
                console::print_line(&format!("{place}error: {failure}"));
            }
        }
        self.statuses.dedup();
    }

    /// Prints how many errors were not printed. Returns the status.
    fn finish(self) -> Status {
        let more = self.errors.saturating_sub(MAX_ERRORS);
        if more > 0 {
            let noun = if more == 1 { "error" } else { "errors" };
            console::print_line(&format!("and {} more {noun}", group_thousands(more)));
        }
        Status::worst(self.statuses)
    }

    /// The lines for rows without errors.
    fn text(&self) -> String {
        let mut text = format!("  {:<13}{}\n", "rows", group_thousands(self.rows));
        if self.largest.0 > 0 {
            let bytes = group_thousands(usize::try_from(self.largest.0).unwrap_or(usize::MAX));
            text += &format!("  {:<13}up to {bytes} bytes ({})\n", "messages", SafeText::new(&self.largest.1));
        }
        if self.errors > 0 { String::new() } else { text }
    }
}

/// Nothing runs, so no event matters.
struct EventDiscarder;

impl Observer for EventDiscarder {
    fn observe(&mut self, _: &Event<'_>) {}
}
