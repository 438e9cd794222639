//! Reads the files of `[rows] exclude`.

use super::rows::RowReader;
use super::system::SystemSources;
use crate::session::{Exclusion, ExclusionList, SourceError, Span};
use crate::transcript::escape_unprintable;
use std::path::Path;

/// Adds the keys of a file to the list. The file is read like `[rows] file`, to its end, before anything is sent.
///
/// # Errors
/// If the file cannot be read, has no such column, or a line of it is not valid; with the place in the session file.
pub fn read_exclusions(
    files: &SystemSources,
    path: &Path,
    settings: &Exclusion,
    list: &mut ExclusionList,
) -> Result<(), (SourceError, Span)> {
    let of_file = |error| (error, settings.file.span.clone());
    let mut reader = RowReader::open(files, path, &settings.format).map_err(of_file)?;
    let (column, span) = &settings.key;
    if let Some(columns) = reader.columns()
        && !columns.contains(column)
    {
        let columns: Vec<_> = columns.iter().map(|column| escape_unprintable(column.as_bytes())).collect();
        let what = format!(
            "{} has no column \"{}\"; its columns are {}",
            escape_unprintable(path.as_os_str().as_encoded_bytes()),
            escape_unprintable(column.as_bytes()),
            columns.join(", ")
        );
        return Err((SourceError::Refused(what), span.clone()));
    }
    while let Some(row) = reader.next_row().map_err(of_file)? {
        let invalid = |why: &str| of_file(SourceError::Refused(format!("{}: {why}", row.place)));
        let value = row.value.as_ref().map_err(|why| invalid(why))?;
        let column = escape_unprintable(column.as_bytes());
        let cell = value.text(&settings.key.0).ok_or_else(|| invalid(&format!("the row has no \"{column}\"")))?;
        list.insert(&cell);
    }
    Ok(())
}
