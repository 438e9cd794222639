//! Reads a session file: all its mistakes in one go, each with its place.
//!
//! `toml` gives spanned tables and every syntax error; the readers here walk them and go on behind each mistake, where
//! serde would stop at the first. What is read is a [`Session`] with nothing left to look up: includes are steps, and
//! what `[message]` implies stands there.

mod action;
mod auth;
mod expect;
mod implied_steps;
mod include;
mod key_spec;
mod literal_secrets;
mod message;
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
pub use tables::TABLES;
pub(super) use tables::{INCLUDE, SESSION, STEP};

use super::{AuthSettings, Diagnostic, Diagnostics, Message, Session, Severity, SourceMap, Sources, Span, Templates};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use toml::de::DeTable;

pub(super) use expect::expect_codes;
pub(crate) use table_fields::closest_name;
pub(super) use undefined_names::undefined_names;

/// The most steps that a session may have once its includes stand in it.
const MAX_STEPS: usize = 100_000;

/// Reads, validates and expands a session. `name` is the file's name as given; includes are read through `sources`.
/// `overridden` are the names that `--var` and `--vars` give beside `[vars]`.
pub fn load(name: &str, text: &str, sources: &dyn Sources, overridden: &[String]) -> Result<Session, Diagnostics> {
    let mut reader = SessionReader::new(name, text, sources);
    let (table, errors) = DeTable::parse_recoverable(text);
    reader.hide_secrets(table.get_ref());
    reader.report_syntax_errors(errors);
    let mut session = reader.session(table.get_ref());
    session.source_map = std::mem::take(&mut reader.map);
    session.templates = std::mem::take(&mut reader.templates);
    // Where syntax is broken, what defines a name may just not have been understood; and where a step is, its captures
    // were meant to be there.
    if reader.broken_files.is_empty() {
        let mut known = overridden.to_vec();
        if reader.has_errors() {
            known.extend(reader.defined_names.drain());
        }
        reader.diagnostics.extend(undefined_names::undefined_names(&session, &known));
    }
    if reader.has_errors() {
        return Err(Diagnostics { list: sort_and_deduplicate(reader.diagnostics), sources: session.source_map });
    }
    session.warnings = sort_and_deduplicate(reader.diagnostics);
    Ok(session)
}

/// In the order of the files, and each once.
fn sort_and_deduplicate(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert((one.span.clone(), one.message.clone())));
    found.sort_by_key(|one| (one.span.file, one.span.bytes.start));
    found
}

/// What is known while a file is read.
struct SessionReader<'s> {
    sources: &'s dyn Sources,
    map: SourceMap,
    templates: Templates,
    diagnostics: Vec<Diagnostic>,
    /// The file that is being read.
    file: usize,
    /// Its folder, relative to the session file's.
    base: PathBuf,
    /// Files with syntax errors: what is missing there may just not have been understood.
    broken_files: HashSet<usize>,
    /// The lines with syntax errors, by file and line.
    broken_lines: HashSet<(usize, usize)>,
    /// The session file and the includes that are open, for cycles.
    open_files: Vec<PathBuf>,
    included: HashMap<PathBuf, (usize, Rc<str>)>,
    included_bytes: usize,
    steps: usize,
    /// Every name that something in the files sets.
    defined_names: HashSet<String>,
    /// Whether `[message]` and `[auth]` stand in the file, and what they say where that could be read.
    has_message: bool,
    message: Option<Message>,
    has_auth: bool,
    auth: Option<AuthSettings>,
}

impl<'s> SessionReader<'s> {
    fn new(name: &str, text: &str, sources: &'s dyn Sources) -> Self {
        let mut map = SourceMap::default();
        let file = map.add(name, text);
        let own = Path::new(name).file_name().map_or_else(|| PathBuf::from(name), PathBuf::from);
        Self {
            sources,
            map,
            templates: Templates::new(),
            diagnostics: Vec::new(),
            file,
            base: PathBuf::new(),
            broken_files: HashSet::new(),
            broken_lines: HashSet::new(),
            open_files: vec![own],
            included: HashMap::new(),
            included_bytes: 0,
            steps: 0,
            defined_names: HashSet::new(),
            has_message: false,
            message: None,
            has_auth: false,
            auth: None,
        }
    }

    fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }

    fn span(&self, bytes: Range<usize>) -> Span {
        Span { file: self.file, bytes }
    }

    /// Adds what is wrong with what stands there.
    fn report(&mut self, one: Diagnostic) {
        // What stands in a line with a syntax error was perhaps read wrongly.
        if self.broken_files.contains(&one.span.file) {
            let line = self.map.place(&one.span).line;
            if self.broken_lines.contains(&(one.span.file, line)) {
                return;
            }
        }
        self.diagnostics.push(one);
    }

    fn error(&mut self, bytes: Range<usize>, message: impl Into<String>) {
        let span = self.span(bytes);
        self.report(Diagnostic::error(span, message));
    }

    /// Adds that something is missing; not in a file with syntax errors, where it may just not have been understood.
    fn report_missing(&mut self, one: Diagnostic) {
        if !self.broken_files.contains(&one.span.file) {
            self.diagnostics.push(one);
        }
    }

    /// Where a table's header could not be read, what stands below it belongs to no table that it is known of.
    fn mark_headless_table(&mut self, line: usize) {
        let is_header = |line: &str| line.trim_start().starts_with('[');
        let below = self.map.text(self.file).lines().zip(1..).skip(line - 1);
        let mut below = below.peekable();
        if below.next_if(|(text, _)| is_header(text)).is_some() {
            let lines = below.take_while(|(text, _)| !is_header(text)).map(|(_, line)| (self.file, line));
            self.broken_lines.extend(lines);
        }
    }

    fn report_syntax_errors(&mut self, errors: Vec<toml::de::Error>) {
        for error in errors {
            let span = self.span(error.span().unwrap_or_default());
            // One place is told once, however many things are open there.
            if self.broken_files.contains(&self.file) && self.diagnostics.last().is_some_and(|last| last.span == span) {
                continue;
            }
            self.broken_files.insert(self.file);
            let line = self.map.place(&span).line;
            self.broken_lines.insert((self.file, line));
            self.mark_headless_table(line);
            self.hide_broken(&span);
            let message = match error.message() {
                deep if deep.contains("recursion depth") => "values nest more than 80 deep".to_owned(),
                other => other.to_owned(),
            };
            self.diagnostics.push(Diagnostic::error(span, message));
        }
    }
}
