//! The columns that a session needs in its rows. `run` checks them before it connects, and so does `check`.

use crate::session::{RowsSettings, Session, Span};
use crate::source::RowReader;
use crate::transcript::escape_unprintable;

/// Errors for columns that `key` or a template names and the rows do not have. JSON Lines have no header: there, a missing
/// column is an error of the row.
pub fn missing_columns(session: &Session, rows: &RowsSettings, reader: &RowReader) -> Vec<(String, Span)> {
    let Some(columns) = reader.columns() else { return Vec::new() };
    let list = columns.iter().map(|column| escape_unprintable(column.as_bytes())).collect::<Vec<_>>().join(", ");
    let used = session.templates.row_columns();
    let named = rows.key.iter().map(|(key, span)| (key, span)).chain(used.iter().map(|(column, span)| (column, span)));
    let missing = named.filter(|(column, _)| !columns.iter().any(|known| known == *column));
    missing
        .map(|(column, span)| {
            let column = escape_unprintable(column.as_bytes());
            (format!("the rows have no column \"{column}\"; their columns are {list}"), span.clone())
        })
        .collect()
}
