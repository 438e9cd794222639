//! Templates: strings with `{{ … }}`, compiled when the file is read, rendered when a step runs.

use super::{Diagnostic, Scope, Span};

/// A string of the session file.
#[derive(Clone, Debug)]
pub struct Template {
    /// As it stands in the file, after TOML's escapes.
    pub source: String,
    pub span: Span,
    /// The compiled template's name in [`Templates`]; `None` where the string has no markup and stands for itself.
    pub(super) compiled: Option<String>,
}

/// The session's compiled templates and the environment that they run in.
pub struct Templates {
    // minijinja::Environment<'static>, …
}

/// A template or an expression that could not be rendered; the session ends with 65.
#[derive(Clone, Debug)]
pub struct RenderError {
    /// Points into the string.
    pub span: Span,
    pub message: String,
}

impl Templates {
    pub fn new() -> Self {
        todo!()
    }

    /// Compiles. `raw` is the string as the file wrote it, quotes and escapes included, so that errors can point into it.
    pub fn compile(&mut self, source: &str, span: Span, raw: &str) -> Result<Template, Diagnostic> {
        let _ = (source, span, raw);
        todo!()
    }

    /// Renders, within the fuel and size of the contract.
    pub fn render(&self, template: &Template, scope: &Scope) -> Result<String, RenderError> {
        let _ = (template, scope);
        todo!()
    }

    /// Renders text that did not stand in the session file: a file's with `template = true`.
    pub fn render_text(&self, text: &str, name: &str, scope: &Scope) -> Result<String, RenderError> {
        let _ = (text, name, scope);
        todo!()
    }

    /// The names that a template uses and does not set itself.
    pub fn names(&self, template: &Template) -> Vec<String> {
        let _ = template;
        todo!()
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}
