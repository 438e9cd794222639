//! Rendering, with errors that point at their places.

use crate::exec::narrate::Narrator;
use crate::exec::trouble::Trouble;
use crate::session::{Scope, Session, SourcePath, Template};
use std::path::PathBuf;

/// Renders; an error points at its place in the string.
pub fn render(
    session: &Session,
    scope: &Scope,
    narrator: &Narrator<'_>,
    template: &Template,
) -> Result<String, Trouble> {
    session
        .templates
        .render(template, scope)
        .map_err(|error| Trouble::bad_value(narrator, error.message).at(&error.span))
}

/// Renders what goes into a command line: no line break may come in with it.
pub fn render_line(
    session: &Session,
    scope: &Scope,
    narrator: &Narrator<'_>,
    template: &Template,
) -> Result<String, Trouble> {
    one_line(narrator, render(session, scope, narrator, template)?, template)
}

/// The rendered text, where it holds nothing that ends a line.
pub fn one_line(narrator: &Narrator<'_>, text: String, template: &Template) -> Result<String, Trouble> {
    match text.bytes().find_map(forbidden) {
        Some(name) => {
            let what = format!("a rendered value holds {name}, which would end or break the line: {text}");
            Err(Trouble::bad_value(narrator, what).at(&template.span))
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
    narrator: &Narrator<'_>,
    path: &SourcePath,
) -> Result<PathBuf, Trouble> {
    Ok(path.base.join(render_line(session, scope, narrator, &path.written)?))
}
