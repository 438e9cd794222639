//! The columns that a session needs in its rows and tables. `run` checks those of the rows before it connects; `check`
//! checks all.

use super::load::LoadedSession;
use super::template_files::{SessionNames, small_file, template_texts};
use crate::session::{
    ColumnUse, DataShape, DataShapes, Diagnostic, RowsSettings, Span, Templates, Value, closest_name, csv_columns,
};
use crate::source::RowReader;
use crate::transcript::escape_unprintable;
use std::collections::HashMap;

/// Errors for columns that `key` or a template names and the rows do not have. JSON Lines have no header: there, a missing
/// column is an error of the row.
pub fn missing_row_columns(loaded: &LoadedSession, rows: &RowsSettings, reader: &RowReader) -> Vec<Diagnostic> {
    let Some(columns) = reader.columns() else { return Vec::new() };
    let names = SessionNames::of(&loaded.session);
    let mut data = DataShapes::new();
    // A variable or a capture hides the name.
    if !names.variables.contains_key("row") && !names.captures.contains("row") {
        data.insert("row".to_owned(), DataShape::Row);
    }
    let key = rows.key.iter().map(|(key, span)| NamedColumn { name: key.clone(), span: span.clone(), line: None });
    let used = named_columns(loaded, &data).into_iter().map(|(_, column)| column);
    let missing = key.chain(used).filter(|column| !columns.contains(&column.name));
    missing.map(|column| column.missing(("the rows have", "their"), columns)).collect()
}

/// Errors of the `{ csv = … }` files that exist, and for columns that templates name and these files do not have.
/// `overridden` are the names that `--var` and `--vars` set.
pub fn missing_table_columns(loaded: &LoadedSession, overridden: &[(String, Value)]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut tables = HashMap::new();
    for (name, path, format) in SessionNames::of(&loaded.session).tables() {
        // A file that is missing is reported as such, unless there is a default.
        let Some(bytes) = small_file(loaded, path).filter(|_| !overridden.iter().any(|(other, _)| other == name))
        else {
            continue;
        };
        let file = shown(&path.template.source);
        match csv_columns(&bytes, &file, format) {
            Ok(columns) => drop(tables.insert(name, (file, columns))),
            Err(why) => found.push(Diagnostic::error(path.span.clone(), why)),
        }
    }
    let data = tables.keys().map(|name| ((*name).to_owned(), DataShape::Table)).collect();
    for (name, column) in named_columns(loaded, &data) {
        let Some((file, columns)) = tables.get(name.as_str()) else { continue };
        if !columns.contains(&column.name) {
            found.push(column.missing((&format!("\"{name}\" ({file}) has"), "its"), columns));
        }
    }
    found
}

/// A column that the session names.
struct NamedColumn {
    name: String,
    span: Span,
    /// The file and line, if it is in the content of a file.
    line: Option<String>,
}

impl NamedColumn {
    /// The error if `owner` does not have it: `the rows have`, and `their`.
    fn missing(self, (owner, whose): (&str, &str), columns: &[String]) -> Diagnostic {
        let Self { name, span, line } = self;
        let line = line.map_or(String::new(), |line| format!(" ({line})"));
        let all = columns.iter().map(|column| shown(column)).collect::<Vec<_>>().join(", ");
        let what = format!("{owner} no column \"{}\"; {whose} columns are {all}{line}", shown(&name));
        let error = Diagnostic::error(span, what);
        match closest_name(&name, columns.iter().map(String::as_str)) {
            Some(meant) => error.with_help(format!("did you mean \"{}\"?", shown(meant))),
            None => error,
        }
    }
}

fn shown(name: &str) -> String {
    escape_unprintable(name.as_bytes())
}

/// The columns of `data` that the session's strings and template files ask for, each with the name of its data.
fn named_columns(loaded: &LoadedSession, data: &DataShapes) -> Vec<(String, NamedColumn)> {
    let strings = loaded.session.templates.column_uses(data).into_iter();
    let mut all: Vec<_> = strings
        .map(|ColumnUse { data, column, place }| (data, NamedColumn { name: column, span: place, line: None }))
        .collect();
    let files = if data.is_empty() { Vec::new() } else { template_texts(loaded) };
    for (path, text) in files {
        for ColumnUse { data, column, place } in Templates::column_uses_of_text(&text, data) {
            let line = format!("{}:{place}", shown(&path.template.source));
            all.push((data, NamedColumn { name: column, span: path.span.clone(), line: Some(line) }));
        }
    }
    all
}
