//! The columns that a session's rows have to have: `run` looks before it sends, and `check` does.

use crate::session::{RowsSettings, Session, Span};
use crate::source::RowReader;
use crate::transcript::escape_unprintable;

/// The columns that `key` and templates name and the rows do not have, each with where it is named. JSON Lines have no header:
/// what a row of theirs lacks is that row's error.
pub fn missing_columns(session: &Session, rows: &RowsSettings, reader: &RowReader) -> Vec<(String, Span)> {
    let Some(columns) = reader.columns() else { return Vec::new() };
    let list = columns.iter().map(|column| escape_unprintable(column.as_bytes())).collect::<Vec<_>>().join(", ");
    let used = session.templates.row_columns();
    let named = rows.key.iter().map(|(key, span)| (key, span)).chain(used.iter().map(|(column, span)| (column, span)));
    let missing = named.filter(|(column, _)| !columns.iter().any(|known| known == *column));
    missing
        .map(|(column, span)| {
            let column = escape_unprintable(column.as_bytes());
            (format!("the rows have no column \"{column}\": they have {list}"), span.clone())
        })
        .collect()
}
