//! All that is wrong with a template or expression and shows when the file is read, each with its place.

use super::nesting::{self, TooDeep};
use super::trouble::{Found, bad_patterns, trouble, unknown_attributes, unknown_words};
use super::words::Word;
use super::{Kind, point};
use crate::session::{Diagnostic, Span};
use minijinja::{Environment, Error};

/// What could not be compiled, or is wrong although it could.
#[derive(Debug)]
pub struct Mistaken<T> {
    /// At least one.
    pub found: Vec<Diagnostic>,
    /// What was compiled nevertheless: what it names can be looked at, too.
    pub anyway: Option<T>,
}

impl<T> Mistaken<T> {
    /// The same mistakes of what `make` makes of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Mistaken<U> {
        Mistaken { found: self.found, anyway: self.anyway.map(make) }
    }
}

/// A string of the file, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub source: &'a str,
    pub span: &'a Span,
    /// With its quotes and escapes.
    pub raw: &'a str,
}

impl Written<'_> {
    /// What nests too deep for the engine to read it.
    pub fn too_deep(&self, kind: Kind) -> Option<Diagnostic> {
        too_deep(self.source, kind).map(|deep| {
            Diagnostic::error(point(self.span, self.raw, self.source, Some(deep.bytes.clone())), deep.words())
        })
    }

    pub fn syntax(&self, error: &Error) -> Diagnostic {
        self.diagnostic(Found { trouble: trouble(error, None, self.source, 0), label: None })
    }

    /// What the engine would say too late, and one by one.
    pub fn words(&self, environment: &Environment<'_>, template: &str, words: &[Word]) -> Vec<Diagnostic> {
        let mut found = unknown_words(environment, self.source, words);
        found.extend(unknown_attributes(environment, template, self.source, words));
        found.extend(bad_patterns(environment, self.source, words));
        found.into_iter().map(|one| self.diagnostic(one)).collect()
    }

    fn diagnostic(&self, found: Found) -> Diagnostic {
        let span = point(self.span, self.raw, self.source, found.trouble.range);
        Diagnostic { label: found.label, ..Diagnostic::error(span, found.trouble.message) }
    }
}

pub(super) fn too_deep(source: &str, kind: Kind) -> Option<TooDeep> {
    match kind {
        Kind::Expression => nesting::of_expression(source),
        Kind::Text | Kind::Html => nesting::of_template(source),
    }
    .err()
}
