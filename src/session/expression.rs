//! Expressions of `assert` and `if`.

use super::{Diagnostic, RenderError, Scope, Span, Templates};

/// A minijinja expression, checked when the file is read.
#[derive(Clone, Debug)]
pub struct Expression {
    pub source: String,
    pub span: Span,
}

/// What became of an `assert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub holds: bool,
    /// The names and attributes in it with their values, for a failed assert: `ehlo.size = 1000`.
    pub values: Vec<(String, String)>,
}

impl Expression {
    /// `raw` as in [`Templates::compile`].
    pub fn compile(source: &str, span: Span, raw: &str, templates: &Templates) -> Result<Self, Diagnostic> {
        let _ = (source, span, raw, templates);
        todo!()
    }

    pub fn evaluate(&self, templates: &Templates, scope: &Scope) -> Result<Evaluation, RenderError> {
        let _ = (templates, scope);
        todo!()
    }

    pub fn names(&self, templates: &Templates) -> Vec<String> {
        let _ = templates;
        todo!()
    }
}
