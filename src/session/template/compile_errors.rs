//! The errors of templates and expressions that show when the file is read.

use super::errors::{LabelledError, invalid_patterns, translate_error, unknown_attributes, unknown_filters_and_tests};
use super::identifiers::Identifier;
use super::lexer::TemplateKind;
use super::nesting::check_nesting;
use super::toml_offsets::locate_span;
use crate::session::{Diagnostic, Span};
use minijinja::{Environment, Error};

/// The errors of a template or an expression.
#[derive(Debug)]
pub struct CompileErrors<T> {
    /// At least one.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be compiled, so that its names can be checked, too.
    pub recovered: Option<T>,
}

impl<T> CompileErrors<T> {
    /// Applies `make` to what could be compiled.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> CompileErrors<U> {
        CompileErrors { diagnostics: self.diagnostics, recovered: self.recovered.map(make) }
    }
}

/// A string of the file with its place.
#[derive(Clone, Copy)]
pub(super) struct TemplateString<'a> {
    pub source: &'a str,
    pub span: &'a Span,
    /// The string with its quotes and escapes.
    pub raw: &'a str,
}

impl TemplateString<'_> {
    /// Reports operators that nest too deep for the engine.
    pub fn check_nesting(&self, kind: TemplateKind) -> Option<Diagnostic> {
        let deep = check_nesting(self.source, kind).err()?;
        let span = locate_span(self.span, self.raw, self.source, Some(deep.bytes.clone()));
        Some(Diagnostic::error(span, deep.message()))
    }

    pub fn syntax(&self, error: &Error) -> Diagnostic {
        self.diagnostic(LabelledError { error: translate_error(error, None, self.source, 0), label: None })
    }

    /// Reports errors that the engine would report later, and one by one.
    pub fn check_identifiers(
        &self,
        environment: &Environment<'_>,
        template: &str,
        words: &[Identifier],
    ) -> Vec<Diagnostic> {
        let mut found = unknown_filters_and_tests(environment, self.source, words);
        found.extend(unknown_attributes(environment, template, self.source, words));
        found.extend(invalid_patterns(environment, self.source, words));
        found.into_iter().map(|one| self.diagnostic(one)).collect()
    }

    fn diagnostic(&self, found: LabelledError) -> Diagnostic {
        let span = locate_span(self.span, self.raw, self.source, found.error.range);
        Diagnostic { label: found.label, ..Diagnostic::error(span, found.error.message) }
    }
}
