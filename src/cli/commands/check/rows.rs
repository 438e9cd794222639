//! `mailrun check --rows`: renders every row without connecting.

use crate::cli::output::console;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::suite_runner::machine;
use crate::event::{Event, Failure, Observer, Outcome, RowId, Status, group_thousands};
use crate::exec::{CheckedRow, LocalHost, PreparedSession, Row, RunOptions, ServerTarget, TlsTrust};
use crate::net::{SystemClock, check_tls_input};
use crate::session::{ExclusionList, RowsSettings, SeenKeys, SourceError};
use crate::source::{RowReader, SourceRow, duplicate_key_error, read_exclusions};
use crate::transcript::SafeText;
use std::sync::Arc;

/// How many errors, and how many warnings, are printed; those after them are counted.
const MAX_ERRORS: usize = 20;

/// Renders the rows of a session, and prints up to 20 errors, each with its row. Returns the status, and what to print of
/// rows that are all valid. Values are those of a dry run: secrets that cannot be read have placeholders.
pub fn check(loaded: &LoadedSession, rows: &RowsSettings, inputs: &SessionInputs<'_>) -> (Status, String) {
    let options = options(inputs);
    let clock = SystemClock::new();
    let mut report = CheckedRows::default();
    let mut ready = match PreparedSession::new(&loaded.session, &options, &loaded.files, &clock, &mut EventDiscarder) {
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
    let exclusions = match exclusions(loaded, rows, &ready) {
        Ok(list) => Arc::new(list),
        Err(outcome) => {
            report.add("", outcome.failure.into_iter().collect());
            return (report.finish(), String::new());
        }
    };
    ready.exclude(Some(exclusions.clone()));
    let mut unreadable: Option<SourceError> = None;
    let mut seen = SeenKeys::default();
    let (mut read, mut excluded) = (0, 0);
    let mut next = || {
        loop {
            match reader.next_row() {
                Ok(None) => return None,
                Ok(Some(row)) => {
                    read += 1;
                    match row_of(row, rows, &exclusions, &mut seen) {
                        Some(row) => return Some(row),
                        None => excluded += 1,
                    }
                }
                Err(error) => {
                    unreadable = Some(error);
                    return None;
                }
            }
        }
    };
    let mut without_recipients = 0;
    ready.check_rows(&mut std::iter::from_fn(&mut next), &clock, &mut |place, row| {
        without_recipients += usize::from(row.is_excluded);
        report.add_row(place, row);
    });
    report.rows = read;
    report.excluded = (!rows.exclude.is_empty()).then_some(excluded + without_recipients);
    if let Some(error) = unreadable {
        report.add("", ready.refuse(&error, &rows.file.span).failure.into_iter().collect());
    }
    let text = report.text();
    (report.finish(), text)
}

/// The options of a run that sends nothing.
pub fn options(inputs: &SessionInputs<'_>) -> RunOptions {
    RunOptions {
        target: ServerTarget { url: inputs.arguments.server.clone(), ..ServerTarget::default() },
        variables: inputs.variables.clone(),
        seed: inputs.arguments.seed,
        trust: TlsTrust { check_input: Some(check_tls_input), ..TlsTrust::default() },
        dry_run: true,
        host: LocalHost { name: machine::hostname(), zone: machine::time_zone() },
        ..RunOptions::default()
    }
}

/// The lists of `exclude`, or why one cannot be used.
fn exclusions(
    loaded: &LoadedSession,
    rows: &RowsSettings,
    ready: &PreparedSession<'_>,
) -> Result<ExclusionList, Box<Outcome>> {
    let mut list = ExclusionList::default();
    for exclusion in &rows.exclude {
        let path = ready.path(&exclusion.file)?;
        read_exclusions(&loaded.files, &path, exclusion, &mut list)
            .map_err(|(error, span)| Box::new(ready.refuse(&error, &span)))?;
    }
    Ok(list)
}

/// The row as a run begins it; `None` if it is excluded.
fn row_of(row: SourceRow, rows: &RowsSettings, exclusions: &ExclusionList, seen: &mut SeenKeys) -> Option<Row> {
    let SourceRow { number, place, line, value } = row;
    let (value, mut error) = match value {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    };
    if let (Some((column, _)), Some(row)) = (&rows.key, &value) {
        match row.text(column) {
            Some(key) if !key.is_empty() || rows.ledger.is_none() => {
                if exclusions.contains(&key) {
                    return None;
                }
                // A run without a ledger may have rows without a key.
                let first = if key.is_empty() { None } else { seen.add(&key, rows.key_case, line) };
                error = first.map(|first| duplicate_key_error(&key, &place, first));
            }
            _ => error = Some(format!("the row has no value for its key {}", SafeText::new(column))),
        }
    }
    let (name, shown) = (SafeText::new(number.to_string()), SafeText::new(&place));
    let id = RowId { number, key: name, has_key: false, place: shown, attempt: 1, repetition: None };
    Some(Row { id: Some(id), place, value, error, ..Row::default() })
}

/// What was found in the rows.
#[derive(Default)]
struct CheckedRows {
    rows: usize,
    /// How many of them a list of `exclude` has; `None` if there is no list.
    excluded: Option<usize>,
    errors: usize,
    warnings: usize,
    statuses: Vec<Status>,
    /// The size of the largest message in bytes, and its row.
    largest: (u64, String),
}

impl CheckedRows {
    /// Prints what was found in a row.
    fn add_row(&mut self, place: &str, row: CheckedRow) {
        if row.message_bytes > self.largest.0 {
            self.largest = (row.message_bytes, place.to_owned());
        }
        for what in &row.long_addresses {
            self.warnings += 1;
            if self.warnings <= MAX_ERRORS {
                console::print_line(&format!("{}: warning: {what}", SafeText::new(place)));
            }
        }
        self.add(place, row.failures);
    }

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

    /// Prints how many errors and warnings were not printed. Returns the status.
    fn finish(self) -> Status {
        for (count, noun) in [(self.errors, "error"), (self.warnings, "warning")] {
            let more = count.saturating_sub(MAX_ERRORS);
            if more > 0 {
                let plural = if more == 1 { "" } else { "s" };
                console::print_line(&format!("and {} more {noun}{plural}", group_thousands(more)));
            }
        }
        Status::worst(self.statuses)
    }

    /// The lines for rows without errors.
    fn text(&self) -> String {
        let mut text = format!("  {:<13}{}\n", "rows", group_thousands(self.rows));
        if let Some(excluded) = self.excluded {
            text += &format!("  {:<13}{}\n", "excluded", group_thousands(excluded));
        }
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
