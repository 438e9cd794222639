//! Escapes values for HTML. The engine's own way also escapes `/`, which belongs in addresses of links.

use super::filters::defined;
use minijinja::{Error, State, Value};

/// Escapes what could end a text or an attribute: `<`, `>`, `&`, and both quotation marks.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            c => escaped.push(c),
        }
    }
    escaped
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
