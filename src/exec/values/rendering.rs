//! Rendering, with errors that point at their places.

use crate::exec::error::StepError;
use crate::exec::events::EventSink;
use crate::session::{Scope, Session, SourcePath, Template};
use std::path::PathBuf;

/// Renders; an error points at its place in the string.
pub fn render(
    session: &Session,
    scope: &Scope,
    events: &EventSink<'_>,
    template: &Template,
) -> Result<String, StepError> {
    session
        .templates
        .render(template, scope)
        .map_err(|error| StepError::bad_value(events, error.message).at(&error.span))
}

/// Renders what goes into a command line: no line break may come in with it.
pub fn render_line(
    session: &Session,
    scope: &Scope,
    events: &EventSink<'_>,
    template: &Template,
) -> Result<String, StepError> {
    one_line(events, render(session, scope, events, template)?, template)
}

/// The rendered text, where it holds nothing that ends a line.
pub fn one_line(events: &EventSink<'_>, text: String, template: &Template) -> Result<String, StepError> {
    match text.bytes().find_map(forbidden) {
        Some(name) => {
            let what = format!("a rendered value holds {name}, which would end or break the line: {text}");
            Err(StepError::bad_value(events, what).at(&template.span))
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

/// Where a path of the file leads.
pub fn resolve(
    session: &Session,
    scope: &Scope,
    events: &EventSink<'_>,
    path: &SourcePath,
) -> Result<PathBuf, StepError> {
    Ok(path.base.join(render_line(session, scope, events, &path.template)?))
}
