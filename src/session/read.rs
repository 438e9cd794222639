//! Reads a session file and reports all of its errors, each with its place.
//!
//! `toml` gives tables with spans and every syntax error. The readers here continue after each error, where serde would
//! stop. The resulting [`Session`] is complete: includes are steps, and the sections that `[message]` implies are filled
//! in.

mod action;
mod address;
mod auth;
mod dkim;
mod dkim_keys;
mod expect;
mod implied_steps;
mod include;
mod key_spec;
mod late_proxies;
mod literal_secrets;
mod message;
mod octet_tables;
mod reader;
mod row_tables;
mod rows;
mod scalars;
mod step;
mod table_fields;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod top_level;
mod undefined_names;
mod values;

pub use key_spec::{KeySpec, KeyType, TableSpec};
pub use rows::parse_rate;
pub use scalars::describe_value;
pub use tables::TABLES;
pub(super) use tables::{INCLUDE, SESSION, STEP};

use super::data_names::data_names;
use super::foreign_text::ForeignText;
use super::{Diagnostic, Diagnostics, Session, SourceMap, Sources, Span};
use late_proxies::late_proxies;
use reader::SessionReader;
use std::collections::HashSet;
use toml::de::DeTable;

pub(super) use expect::expect_codes;
pub(super) use undefined_names::undefined_names;

/// Reads, validates and expands a session. `name` is the file's name as given; includes are read through `sources`.
/// `overridden` are the names that `--var` and `--vars` set.
pub fn load(name: &str, text: &str, sources: &dyn Sources, overridden: &[String]) -> Result<Session, Diagnostics> {
    if let Some(foreign) = ForeignText::recognise(text) {
        let mut sources = SourceMap::default();
        let span = Span { file: sources.add(name, text), bytes: 0..0 };
        let list = vec![Diagnostic::error(span, foreign.message()).without_source()];
        return Err(Diagnostics { list, sources });
    }
    let mut reader = SessionReader::new(name, text, sources);
    let (table, errors) = DeTable::parse_recoverable(text);
    reader.hide_secrets(table.get_ref());
    reader.report_syntax_errors(errors);
    let mut session = reader.session(table.get_ref());
    session.source_map = std::mem::take(&mut reader.map);
    session.templates = std::mem::take(&mut reader.templates);
    let data = data_names(&session);
    if reader.broken_files.is_empty()
        && let Some(dkim) = &session.dkim
    {
        reader.diagnostics.extend(dkim.key_errors(&session, &data));
    }
    session.templates.set_data_names(data);
    // After a syntax error, the definition of a name may not have been understood. After any other error, count all
    // names that the file meant to define.
    if reader.broken_files.is_empty() {
        let mut known = overridden.to_vec();
        if reader.has_errors() {
            known.extend(reader.defined_names.drain());
        }
        reader.diagnostics.extend(undefined_names(&session, &known));
        reader.diagnostics.extend(late_proxies(&session));
    }
    if reader.has_errors() {
        return Err(Diagnostics { list: sort_and_deduplicate(reader.diagnostics), sources: session.source_map });
    }
    session.warnings = sort_and_deduplicate(reader.diagnostics);
    Ok(session)
}

/// Sorts diagnostics by their place and drops repeated ones.
fn sort_and_deduplicate(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert((one.span.clone(), one.message.clone())));
    found.sort_by_key(|one| (one.span.file, one.span.bytes.start));
    found
}
