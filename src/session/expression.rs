//! Expressions of `assert` and `if`.

use super::template::CompileErrors;
use super::template::identifiers;
use super::{RenderError, Scope, Span, Templates};
use std::ops::Range;

/// A minijinja expression, checked when the file is read.
#[derive(Clone, Debug)]
pub struct Expression {
    pub source: String,
    pub span: Span,
    /// Its index in [`Templates`].
    compiled: usize,
}

/// The result of an `assert` or `if`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub holds: bool,
    /// If it is false: its names and attributes with their values, such as `ehlo.size`, `1000`.
    pub values: Vec<(String, String)>,
}

impl Expression {
    /// `raw` as in [`Templates::compile`].
    pub fn compile(
        source: &str,
        span: Span,
        raw: &str,
        templates: &mut Templates,
    ) -> Result<Self, CompileErrors<Self>> {
        let added = templates.add_expression(source, &span, raw);
        let expression = |compiled| Self { source: source.to_owned(), span: span.clone(), compiled };
        added.map(expression).map_err(|wrong| wrong.map(expression))
    }

    /// Evaluates an `if`. A value that is not a boolean counts by its truth. An attribute of a fact that is none
    /// (`tls.verified` before the handshake) is false. Any other undefined name is an error.
    pub fn evaluate(&self, templates: &Templates, scope: &Scope) -> Result<Evaluation, RenderError> {
        let holds = match templates.evaluate(self.compiled, &self.source, scope) {
            Ok(value) => value.is_true(),
            Err(error) if is_attribute_of_none(&error, scope) => false,
            Err(error) => return Err(error),
        };
        let values = if holds { Vec::new() } else { self.values(templates, scope) };
        Ok(Evaluation { holds, values })
    }

    /// Evaluates an `assert`. Unlike in [`Expression::evaluate`], what the server did not say (`ehlo.capabilities.SIZE`,
    /// `reply.lines[5]`) is false, too. It is shown as undefined.
    pub fn evaluate_assert(&self, templates: &Templates, scope: &Scope) -> Result<Evaluation, RenderError> {
        self.evaluate(templates, scope).or_else(|error| {
            let missing_fact = match error.undefined.clone() {
                Some(path) => is_server_fact(&path, scope).then_some(path),
                // Some filters do not say what was undefined.
                None => self.missing_fact(templates, scope),
            };
            let Some(missing_fact) = missing_fact else { return Err(error) };
            let mut values = vec![(missing_fact, "undefined".to_owned())];
            values.extend(self.values(templates, scope));
            Ok(Evaluation { holds: false, values })
        })
    }

    /// The first path to a fact that the server did not give.
    fn missing_fact(&self, templates: &Templates, scope: &Scope) -> Option<String> {
        let mut paths = identifiers::paths(&self.source).into_iter().map(|path| &self.source[path]);
        let missing_fact = paths.find(|path| is_server_fact(path, scope) && templates.peek(path, scope).is_none());
        missing_fact.map(str::to_owned)
    }

    fn values(&self, templates: &Templates, scope: &Scope) -> Vec<(String, String)> {
        let mut values: Vec<(String, String)> = Vec::new();
        for path in identifiers::paths(&self.source) {
            let Some((path, value)) = longest_defined_path(&self.source[path], templates, scope) else { continue };
            if !values.iter().any(|(known, _)| known == path) {
                values.push((path.to_owned(), format_operand(&value)));
            }
        }
        values
    }

    /// The names that it uses, without functions.
    pub fn names(&self, templates: &Templates) -> Vec<String> {
        self.names_at(templates).into_iter().map(|(name, _)| name).collect()
    }

    /// The places of names with their attributes (`ehlo.size`) in the source, in bytes.
    pub fn paths(&self) -> Vec<Range<usize>> {
        identifiers::paths(&self.source)
    }

    /// As [`Expression::names`], each with its first place.
    pub fn names_at(&self, templates: &Templates) -> Vec<(String, Span)> {
        templates.names_of(self.compiled, &self.source).to_vec()
    }
}

/// The facts that come from the server.
const SERVER_FACTS: [&str; 3] = ["reply", "ehlo", "tls"];

/// Whether `path` is an attribute or an item of a server fact that is set.
fn is_server_fact(path: &str, scope: &Scope) -> bool {
    let root = path.split(['.', '[']).next().unwrap_or_default().trim();
    root != path && SERVER_FACTS.contains(&root) && scope.get(root).is_some()
}

/// Whether the undefined path is an attribute of a value that is `none`.
fn is_attribute_of_none(error: &RenderError, scope: &Scope) -> bool {
    let Some(path) = &error.undefined else { return false };
    let root = path.split(['.', '[']).next().unwrap_or_default();
    root != path && scope.get(root).is_some_and(|value| value.is_none())
}

/// The longest prefix of `path` that has a value, and that value.
fn longest_defined_path<'a>(
    mut path: &'a str,
    templates: &Templates,
    scope: &Scope,
) -> Option<(&'a str, minijinja::Value)> {
    loop {
        if let Some(value) = templates.peek(path, scope) {
            return Some((path, value));
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

/// The bytes of a value that are kept. It is cut further after secrets are removed.
const MAX_VALUE_BYTES: usize = 64 * 1024;

fn format_operand(value: &minijinja::Value) -> String {
    let text = match value.as_str() {
        Some(text) => format!("\"{text}\""),
        // As templates write them: true, false, none.
        None if value.is_none() || bool::try_from(value.clone()).is_ok() => value.to_string().to_lowercase(),
        None => value.to_string(),
    };
    match text.len() > MAX_VALUE_BYTES {
        true => text[..text.floor_char_boundary(MAX_VALUE_BYTES)].to_owned(),
        false => text,
    }
}
