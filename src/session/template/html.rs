//! Escapes values for HTML. The engine's own way also escapes `/`, which belongs in addresses of links.

use super::filters::defined;
use minijinja::{Error, State, Value};

/// Escapes what could end a text or an attribute: `<`, `>`, `&`, and both quotation marks.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    text.chars().for_each(|c| push_escaped_html(c, &mut escaped));
    escaped
}

/// Appends a character, escaped as [`escape_html`] does.
pub fn push_escaped_html(c: char, out: &mut String) {
    match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#x27;"),
        c => out.push(c),
    }
}

/// The filters `e` and `escape`.
pub fn escape(_: &State, value: &Value) -> Result<Value, Error> {
    let value = defined(value)?;
    Ok(match value.as_str() {
        _ if value.is_safe() => value.clone(),
        Some(text) => Value::from_safe_string(escape_html(text)),
        None => Value::from_safe_string(escape_html(&value.to_string())),
    })
}
