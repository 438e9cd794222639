//! Templates: strings with `{{ … }}`, compiled when the file is read, rendered when a step runs.
//!
//! A string without markup is not a template: it never reaches the engine, which is built when it is first needed.

mod column_parser;
mod columns;
mod compile_errors;
mod data;
mod errors;
mod filter_limits;
mod filters;
pub(super) mod html;
pub(super) mod identifiers;
pub(super) mod lexer;
mod limits;
mod nesting;
mod rendered_text;
mod text_errors;
pub(super) mod toml_offsets;

use super::scope::FUNCTIONS;
use super::{Scope, Span};
use compile_errors::TemplateString;
use errors::{translate_error, undefined_message};
use identifiers::{identifiers, is_tested_for_existence, position_of};
use lexer::{TemplateKind, has_markup};
use limits::{LimitedBuffer, MAX_INSTRUCTIONS};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use nesting::check_nesting;
use rendered_text::MARKED;
use std::collections::HashSet;
use std::io;
use std::sync::OnceLock;
use toml_offsets::locate_span;

pub use column_parser::{ColumnUse, DataShape, DataShapes};
pub use compile_errors::CompileErrors;
pub use rendered_text::RenderedText;

/// Turns an expression into a template, so that it is compiled once and its value can be read.
const BEFORE_EXPRESSION: &str = "{%set it=";
const AFTER_EXPRESSION: &str = "%}";

/// The engine's own functions.
const ENGINE_FUNCTIONS: [&str; 4] = ["debug", "dict", "namespace", "range"];

/// The prefix of the names of HTML templates. Values in them are escaped.
const HTML: &str = "html ";

/// A string of the session file that may be a template.
#[derive(Clone, Debug)]
pub struct Template {
    /// The string, after TOML's escapes.
    pub source: String,
    pub span: Span,
    /// The index of the compiled template in [`Templates`]; `None` if the string has no markup.
    pub(super) compiled: Option<usize>,
}

impl Template {
    /// Whether it has no markup, so that it is not rendered.
    pub fn is_literal(&self) -> bool {
        self.compiled.is_none()
    }
}

/// Whether the source is `{{ name }}` and nothing else.
pub(super) fn is_single_name(source: &str) -> bool {
    let inside = source.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inside.is_some_and(|name| name.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// The compiled templates of a session and their environment.
pub struct Templates {
    environment: OnceLock<Environment<'static>>,
    compiled: Vec<Compiled>,
    /// The names whose values are data, which is not trusted in paths.
    data_names: HashSet<String>,
    /// The names of functions that the session gives to variables: they hide the functions.
    hidden_functions: HashSet<String>,
}

/// A compiled template or expression.
struct Compiled {
    name: String,
    /// Of the string in the file.
    span: Span,
    raw: String,
    kind: TemplateKind,
    /// Found when they are first needed.
    names: OnceLock<Vec<(String, Span)>>,
    /// Whether it uses data; found when it is first needed.
    uses_data: OnceLock<bool>,
}

/// Why a template or an expression cannot be rendered. The session ends with 65.
#[derive(Clone, Debug)]
pub struct RenderError {
    /// Points into the string.
    pub span: Span,
    pub message: String,
    /// The undefined name or path (`tls.peer`), if that is the reason.
    pub undefined: Option<String>,
}

impl Templates {
    pub fn new() -> Self {
        Self {
            environment: OnceLock::new(),
            compiled: Vec::new(),
            data_names: HashSet::new(),
            hidden_functions: HashSet::new(),
        }
    }

    /// Compiles a string. `raw` is the string in the file with quotes and escapes, so that errors can point into it.
    pub fn compile(&mut self, source: &str, span: Span, raw: &str) -> Result<Template, CompileErrors<Template>> {
        self.compile_template(source, span, raw, TemplateKind::Text)
    }

    /// As [`Templates::compile`] for a part in HTML: values in it are HTML-escaped.
    pub fn compile_html(&mut self, source: &str, span: Span, raw: &str) -> Result<Template, CompileErrors<Template>> {
        self.compile_template(source, span, raw, TemplateKind::Html)
    }

    /// As [`Templates::compile`], for [`Templates::render_marked`].
    pub fn compile_marked(&mut self, source: &str, span: Span, raw: &str) -> Result<Template, CompileErrors<Template>> {
        self.compile_template(source, span, raw, TemplateKind::Marked)
    }

    fn compile_template(
        &mut self,
        source: &str,
        span: Span,
        raw: &str,
        kind: TemplateKind,
    ) -> Result<Template, CompileErrors<Template>> {
        let template = |compiled| Template { source: source.to_owned(), span: span.clone(), compiled };
        if !has_markup(source) {
            return Ok(template(None));
        }
        let added = self.add(source, &span, raw, kind);
        added.map(|index| template(Some(index))).map_err(|wrong| wrong.map(|index| template(Some(index))))
    }

    /// Compiles an expression and returns its index.
    pub(super) fn add_expression(
        &mut self,
        source: &str,
        span: &Span,
        raw: &str,
    ) -> Result<usize, CompileErrors<usize>> {
        self.add(source, span, raw, TemplateKind::Expression)
    }

    fn add(&mut self, source: &str, span: &Span, raw: &str, kind: TemplateKind) -> Result<usize, CompileErrors<usize>> {
        self.environment();
        let environment = self.environment.get_mut().expect("the environment was made on the line above");
        let written = TemplateString { source, span, raw };
        let index = self.compiled.len();
        let prefix = match kind {
            TemplateKind::Html => HTML,
            TemplateKind::Marked => MARKED,
            TemplateKind::Text | TemplateKind::Expression => "",
        };
        let name = format!("{prefix}{index}");
        if let Some(deep) = written.check_nesting(kind) {
            return Err(CompileErrors { diagnostics: vec![deep], recovered: None });
        }
        let result = match kind {
            // Compiled alone first, so that it cannot end the statement around it.
            TemplateKind::Expression => environment.compile_expression(source).map(drop).and_then(|()| {
                let statement = [BEFORE_EXPRESSION, source, AFTER_EXPRESSION].concat();
                environment.add_template_owned(name.clone(), statement)
            }),
            TemplateKind::Text | TemplateKind::Html | TemplateKind::Marked => {
                environment.add_template_owned(name.clone(), source.to_owned())
            }
        };
        if let Err(error) = result {
            return Err(CompileErrors { diagnostics: vec![written.syntax(&error)], recovered: None });
        }
        let found = written.check_identifiers(environment, &name, &identifiers(source, kind));
        let (names, uses_data) = (OnceLock::new(), OnceLock::new());
        self.compiled.push(Compiled { name, span: span.clone(), raw: raw.to_owned(), kind, names, uses_data });
        if found.is_empty() { Ok(index) } else { Err(CompileErrors { diagnostics: found, recovered: Some(index) }) }
    }

    /// Renders a template within the limits of [`limits`].
    pub fn render(&self, template: &Template, scope: &Scope) -> Result<String, RenderError> {
        match template.compiled.map(|index| self.compiled(index).kind) {
            Some(TemplateKind::Marked) => self.render_marked(template, scope).map(RenderedText::into_text),
            _ => self.render_raw(template, scope),
        }
    }

    /// Renders a template of [`Templates::compile_marked`]. The result knows which of its parts are values.
    pub fn render_marked(&self, template: &Template, scope: &Scope) -> Result<RenderedText, RenderError> {
        let text = self.render_raw(template, scope)?;
        RenderedText::from_marked(&text).map_err(|error| RenderError {
            span: template.span.clone(),
            message: error.to_string(),
            undefined: None,
        })
    }

    /// Renders a template, with the marks that it has.
    fn render_raw(&self, template: &Template, scope: &Scope) -> Result<String, RenderError> {
        let Some(index) = template.compiled else { return Ok(template.source.clone()) };
        let compiled = self.compiled(index);
        let mut output = LimitedBuffer::default();
        self.environment()
            .get_template(&compiled.name)
            .and_then(|ready| ready.render_captured_to(scope.root(), &mut output).map(drop))
            .and_then(|()| output.text())
            .map_err(|error| compiled.error(&error, &template.source))
    }

    /// Evaluates an expression.
    pub(super) fn evaluate(&self, index: usize, source: &str, scope: &Scope) -> Result<minijinja::Value, RenderError> {
        let compiled = self.compiled(index);
        let value = self
            .environment()
            .get_template(&compiled.name)
            .and_then(|ready| ready.render_captured_to(scope.root(), io::sink()))
            .map(|captured| captured.state().lookup("it").unwrap_or_default());
        match value {
            Ok(value) if value.is_undefined() => Err(RenderError {
                span: compiled.span.clone(),
                message: undefined_message(source.trim()),
                undefined: Some(source.trim().to_owned()),
            }),
            Ok(value) => Ok(value),
            Err(error) => Err(compiled.error(&error, source)),
        }
    }

    /// The value of a path, if it has one.
    pub(super) fn peek(&self, path: &str, scope: &Scope) -> Option<minijinja::Value> {
        let value = self.environment().compile_expression(path).ok()?.eval(scope.root()).ok()?;
        (!value.is_undefined()).then_some(value)
    }

    /// Renders the content of a file with `template = true`. `name` is the file's name for messages, `at` is its place in
    /// the session file.
    pub fn render_text(&self, text: &str, name: &str, at: &Span, scope: &Scope) -> Result<String, RenderError> {
        self.render_other(text, name, at, scope, "text")
    }

    /// As [`Templates::render_text`] for HTML: values in it are HTML-escaped.
    pub fn render_html(&self, text: &str, name: &str, at: &Span, scope: &Scope) -> Result<String, RenderError> {
        self.render_other(text, name, at, scope, HTML)
    }

    fn render_other(
        &self,
        text: &str,
        name: &str,
        at: &Span,
        scope: &Scope,
        kind: &str,
    ) -> Result<String, RenderError> {
        if !has_markup(text) {
            return Ok(text.to_owned());
        }
        let other_kind = if kind == HTML { TemplateKind::Html } else { TemplateKind::Text };
        if let Err(deep) = check_nesting(text, other_kind) {
            let message = format!("{} ({name}:{})", deep.message(), line_of(text, deep.bytes.start));
            return Err(RenderError { span: at.clone(), message, undefined: None });
        }
        let mut output = LimitedBuffer::default();
        let environment = self.environment();
        let rendered = environment
            .template_from_named_str(kind, text)
            .and_then(|ready| ready.render_captured_to(scope.root(), &mut output).map(drop))
            .and_then(|()| output.text());
        rendered.map_err(|engine| {
            let error = translate_error(&engine, Some(kind), text, 0);
            let line = match error.range {
                Some(range) => line_of(text, range.start),
                None => engine.line().unwrap_or(1),
            };
            let message = format!("{} ({name}:{line})", error.message);
            RenderError { span: at.clone(), message, undefined: error.undefined }
        })
    }

    /// Lets a variable have the name of a function. To be called before the names of templates are asked for.
    pub(super) fn hide_function(&mut self, name: &str) {
        self.hidden_functions.insert(name.to_owned());
    }

    /// The names that a template uses and does not set itself, without functions (unless a variable hides one) and names that
    /// it tests with `is defined` or `default`.
    pub fn names(&self, template: &Template) -> Vec<String> {
        self.names_at(template).into_iter().map(|(name, _)| name).collect()
    }

    /// As [`Templates::names`], each with its first place.
    pub fn names_at(&self, template: &Template) -> Vec<(String, Span)> {
        template.compiled.map_or(Vec::new(), |index| self.names_of(index, &template.source).to_vec())
    }

    /// Whether one of [`Templates::names`] satisfies `kind`.
    pub fn uses(&self, template: &Template, mut kind: impl FnMut(&str) -> bool) -> bool {
        let names = template.compiled.map(|index| self.names_of(index, &template.source));
        names.unwrap_or_default().iter().any(|(name, _)| kind(name))
    }

    pub(super) fn names_of(&self, index: usize, source: &str) -> &[(String, Span)] {
        let compiled = self.compiled(index);
        compiled.names.get_or_init(|| self.find_names(compiled, source))
    }

    fn find_names(&self, compiled: &Compiled, source: &str) -> Vec<(String, Span)> {
        let environment = self.environment();
        let undeclared = match compiled.kind {
            TemplateKind::Expression => {
                environment.compile_expression(source).map(|ready| ready.undeclared_variables(false))
            }
            TemplateKind::Text | TemplateKind::Html | TemplateKind::Marked => {
                environment.get_template(&compiled.name).map(|ready| ready.undeclared_variables(false))
            }
        };
        let found = identifiers(source, compiled.kind);
        let mut names: Vec<(Option<usize>, String)> = undeclared
            .unwrap_or_default()
            .into_iter()
            .filter(|name| self.hidden_functions.contains(name) || !is_function(name))
            .filter(|name| !is_tested_for_existence(source, &found, name))
            .map(|name| (position_of(source, &found, &name), name))
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|(at, name)| {
                let range = at.map(|at| at..at + name.len());
                let span = locate_span(&compiled.span, &compiled.raw, source, range);
                (name, span)
            })
            .collect()
    }

    fn compiled(&self, index: usize) -> &Compiled {
        self.compiled.get(index).expect("templates are rendered by the Templates that compiled them")
    }

    fn environment(&self) -> &Environment<'static> {
        self.environment.get_or_init(environment)
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiled {
    fn error(&self, error: &Error, source: &str) -> RenderError {
        let before = if self.kind == TemplateKind::Expression { BEFORE_EXPRESSION.len() } else { 0 };
        let error = translate_error(error, Some(&self.name), source, before);
        RenderError {
            span: locate_span(&self.span, &self.raw, source, error.range),
            message: error.message,
            undefined: error.undefined,
        }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    environment.set_syntax(syntax.build().expect("minijinja's own delimiters are valid"));
    environment.set_fuel(Some(MAX_INSTRUCTIONS));
    // Makes errors name what is undefined.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| {
        // A format of our own, which the formatter writes: the engine also escapes `/`.
        if name.starts_with(HTML) { AutoEscape::Custom("html".into()) } else { AutoEscape::None }
    });
    filters::add(&mut environment);
    filter_limits::add(&mut environment);
    environment
}

/// The line of a byte in a text, from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count()
}

/// Whether templates know a function of this name.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || ENGINE_FUNCTIONS.contains(&name)
}

#[cfg(test)]
mod tests;
