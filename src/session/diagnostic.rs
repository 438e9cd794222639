//! Errors and warnings that point into a session file.

use std::ops::Range;

/// A stretch of bytes in one of the files that make up a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index into the [`SourceMap`]; 0 is the session file, the others are includes.
    pub file: usize,
    pub bytes: Range<usize>,
}

/// Where something stands, for people: `sessions/smoke.toml:14:8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file's name as it was given.
    pub file: String,
    /// Counted from 1; the column in characters.
    pub line: usize,
    pub column: usize,
}

/// The texts of the files that make up a session.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<(String, String)>,
}

impl SourceMap {
    /// Gives the file's index for [`Span`].
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        self.files.push((name.into(), text.into()));
        self.files.len() - 1
    }

    pub fn name(&self, file: usize) -> &str {
        &self.files[file].0
    }

    pub fn text(&self, file: usize) -> &str {
        &self.files[file].1
    }

    pub fn place(&self, span: &Span) -> Place {
        let _ = span;
        todo!()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The session cannot run; what kind decides between exit 65 and 66.
    Error,
    Warning,
}

/// One thing that is wrong, or questionable, with a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A file that the session names cannot be read (exit 66, else 65).
    pub no_input: bool,
    pub span: Span,
    /// What is wrong, in a sentence without a full stop: `unknown key "expct"`.
    pub message: String,
    /// Stands behind the caret: `did you mean "expect"?`
    pub label: Option<String>,
    /// What to write instead, or how it may be allowed.
    pub help: Option<String>,
}

/// All that one reading found, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub list: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl Diagnostics {
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// All of them as text for a terminal or a pipe: `file:line:column: error: message`, the line, a caret, help.
    /// Text from the file is escaped.
    pub fn render(&self, colour: bool) -> String {
        let _ = colour;
        todo!()
    }
}
