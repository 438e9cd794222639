//! Reads the files of `[rows] exclude`.

use super::rows::RowReader;
use super::system::SystemSources;
use crate::event::group_thousands;
use crate::session::{Exclusion, ExclusionList, SourceError, Span, is_decorated_address};
use crate::transcript::escape_unprintable;
use std::path::Path;

/// How many cells a warning quotes.
const MAX_QUOTED: usize = 5;
/// How many characters of a cell it quotes.
const MAX_CELL: usize = 60;

/// What to do about cells that are no plain addresses.
pub const PLAIN_ADDRESS_HELP: &str =
    "write one address in a cell, without a name, <>, mailto: or *: ann@example.com; a domain cannot be excluded";

/// Adds the keys of a file to the list. The file is read like `[rows] file`, to its end, before anything is sent. Gives a
/// warning if cells seem to name addresses and are no plain ones, since they exclude no recipient.
///
/// # Errors
/// If the file cannot be read, has no such column, or a line of it is not valid; with the place in the session file.
pub fn read_exclusions(
    files: &SystemSources,
    path: &Path,
    settings: &Exclusion,
    list: &mut ExclusionList,
) -> Result<Option<String>, (SourceError, Span)> {
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
    let (mut decorated, mut quoted) = (0_usize, Vec::new());
    while let Some(row) = reader.next_row().map_err(of_file)? {
        let invalid = |why: &str| of_file(SourceError::Refused(format!("{}: {why}", row.place)));
        let value = row.value.as_ref().map_err(|why| invalid(why))?;
        let column = escape_unprintable(column.as_bytes());
        let cell = value.text(&settings.key.0).ok_or_else(|| invalid(&format!("the row has no \"{column}\"")))?;
        if is_decorated_address(&cell) {
            decorated += 1;
            if quoted.len() < MAX_QUOTED {
                let start: String = cell.trim().chars().take(MAX_CELL).collect();
                quoted.push(format!("{} \"{}\"", row.place, escape_unprintable(start.as_bytes())));
            }
        }
        list.insert(&cell);
    }
    let more = match decorated - quoted.len() {
        0 => String::new(),
        more => format!(" and {} more", group_thousands(more)),
    };
    Ok((decorated > 0)
        .then(|| format!("no plain address, so that no recipient is excluded: {}{more}", quoted.join(", "))))
}
