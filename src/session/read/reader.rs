//! The state of reading a session file, and how errors are reported.

use crate::session::{AuthSettings, Diagnostic, Message, Severity, SourceMap, Sources, Span, Template, Templates};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The state of reading a session file.
pub(super) struct SessionReader<'s> {
    pub sources: &'s dyn Sources,
    pub map: SourceMap,
    pub templates: Templates,
    pub diagnostics: Vec<Diagnostic>,
    /// The file that is being read.
    pub file: usize,
    /// The folder of that file, relative to the session file's.
    pub base: PathBuf,
    /// Files with syntax errors. A key that is missing there may not have been understood.
    pub broken_files: HashSet<usize>,
    /// The lines with syntax errors, by file and line.
    pub broken_lines: HashSet<(usize, usize)>,
    /// The session file and the includes that are being read, to find cycles.
    pub open_files: Vec<PathBuf>,
    pub included: HashMap<PathBuf, (usize, Rc<str>)>,
    pub included_bytes: usize,
    pub steps: usize,
    /// The servers of connections that have their own, and where each first stands.
    pub named_servers: Vec<(String, Template, Span)>,
    /// Every name that the files define.
    pub defined_names: HashSet<String>,
    /// Whether the file has `[message]` and `[auth]`, and their content if it could be read.
    pub has_message: bool,
    pub message: Option<Message>,
    pub has_auth: bool,
    pub auth: Option<AuthSettings>,
}

impl<'s> SessionReader<'s> {
    pub fn new(name: &str, text: &str, sources: &'s dyn Sources) -> Self {
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
            named_servers: Vec::new(),
            defined_names: HashSet::new(),
            has_message: false,
            message: None,
            has_auth: false,
            auth: None,
        }
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }

    pub fn span(&self, bytes: Range<usize>) -> Span {
        Span { file: self.file, bytes }
    }

    /// Adds a diagnostic, unless a syntax error in its line explains it.
    pub fn report(&mut self, one: Diagnostic) {
        if self.broken_files.contains(&one.span.file) {
            let line = self.map.place(&one.span).line;
            if self.broken_lines.contains(&(one.span.file, line)) {
                return;
            }
        }
        self.diagnostics.push(one);
    }

    pub fn error(&mut self, bytes: Range<usize>, message: impl Into<String>) {
        let span = self.span(bytes);
        self.report(Diagnostic::error(span, message));
    }

    /// Adds a diagnostic about a missing key, except in a file with syntax errors.
    pub fn report_missing(&mut self, one: Diagnostic) {
        if !self.broken_files.contains(&one.span.file) {
            self.diagnostics.push(one);
        }
    }

    /// Marks the lines below a table header that could not be read: their table is unknown.
    pub fn mark_headless_table(&mut self, line: usize) {
        let is_header = |line: &str| line.trim_start().starts_with('[');
        let below = self.map.text(self.file).lines().zip(1..).skip(line - 1);
        let mut below = below.peekable();
        if below.next_if(|(text, _)| is_header(text)).is_some() {
            let lines = below.take_while(|(text, _)| !is_header(text)).map(|(_, line)| (self.file, line));
            self.broken_lines.extend(lines);
        }
    }

    pub fn report_syntax_errors(&mut self, errors: Vec<toml::de::Error>) {
        for error in errors {
            let span = self.span(error.span().unwrap_or_default());
            // One place is reported once, even if several values are unfinished there.
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
