//! Rendering, with errors that point at their places.

use crate::event::StepError;
use crate::session::{ContentPath, Expression, RenderedText, Scope, Session, SourcePath, Template};
use crate::transcript::Secrets;

/// What templates and expressions are rendered with.
#[derive(Clone, Copy)]
pub struct Renderer<'r> {
    pub session: &'r Session,
    pub scope: &'r Scope,
    pub secrets: &'r Secrets,
}

impl Renderer<'_> {
    /// Renders; an error points at its place in the string.
    pub fn render(&self, template: &Template) -> Result<String, StepError> {
        let rendered = self.session.templates.render(template, self.scope);
        rendered.map_err(|error| StepError::bad_value(self.secrets, error.message).at(&error.span))
    }

    /// As [`Renderer::render`], for what goes into a command line; CR, LF and NUL are errors.
    pub fn render_line(&self, template: &Template) -> Result<String, StepError> {
        one_line(self.secrets, self.render(template)?, template)
    }

    /// As [`Renderer::render_line`], for a template that is compiled with marks.
    pub fn render_marked_line(&self, template: &Template) -> Result<RenderedText, StepError> {
        let rendered = self.session.templates.render_marked(template, self.scope);
        let rendered = rendered.map_err(|error| StepError::bad_value(self.secrets, error.message).at(&error.span))?;
        one_line(self.secrets, rendered.text().to_owned(), template)?;
        Ok(rendered)
    }

    /// As [`Renderer::render_line`], if there is a template.
    pub fn render_optional_line(&self, template: &Option<Template>) -> Result<Option<String>, StepError> {
        template.as_ref().map(|template| self.render_line(template)).transpose()
    }

    /// Where a path of the file leads. If it is made of data, it stays below its literal folder.
    pub fn resolve(&self, path: &SourcePath) -> Result<ContentPath, StepError> {
        let (rendered, template) = (self.render_line(&path.template)?, &path.template);
        if !self.session.templates.uses_data(template) {
            return Ok(ContentPath::literal_in(&path.base, &rendered));
        }
        ContentPath::confined(&path.base, &template.source, &rendered)
            .map_err(|why| StepError::bad_value(self.secrets, why).at(&template.span))
    }

    /// Whether a condition holds.
    pub fn evaluate(&self, condition: &Expression) -> Result<bool, StepError> {
        condition
            .evaluate(&self.session.templates, self.scope)
            .map(|evaluation| evaluation.holds)
            .map_err(|error| StepError::bad_value(self.secrets, error.message).at(&error.span))
    }

    /// The short secrets that a template's result may hold.
    pub fn short_secrets(&self, template: &Template) -> Vec<String> {
        match self.secrets.has_short() {
            true => self.secrets.short_in(&self.session.templates.names(template)),
            false => Vec::new(),
        }
    }
}

/// The rendered text, if it holds nothing that ends a line.
pub fn one_line(secrets: &Secrets, text: String, template: &Template) -> Result<String, StepError> {
    match text.bytes().find_map(forbidden) {
        Some(name) => {
            let what = format!("a rendered value holds {name}, which would end or break the line: {text}");
            Err(StepError::bad_value(secrets, what).at(&template.span))
        }
        None => Ok(text),
    }
}

fn forbidden(byte: u8) -> Option<&'static str> {
    match byte {
        b'\r' => Some("a CR"),
        b'\n' => Some("an LF"),
        0 => Some("a NUL"),
        _ => None,
    }
}
