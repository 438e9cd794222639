//! Writes TOML values that are read back unchanged and are safe to print to a terminal.

use crate::session::snippet::is_deceptive;
use std::fmt::Write;

/// A basic string. Characters that could move a cursor or deceive a reader are escaped.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            c => character(c, &mut out),
        }
    }
    out.push('"');
    out
}

/// A text of several lines as a multi-line string, any other text like [`string`].
pub fn text(text: &str) -> String {
    if !text.trim_end_matches('\n').contains('\n') {
        return string(text);
    }
    // A newline directly after the opening quotes is not part of the text.
    let mut out = "\"\"\"\n".to_owned();
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '"' => out.push_str("\\\""),
            c => character(c, &mut out),
        }
    }
    // Editors would strip spaces at the end of a line.
    out = out.replace(" \n", "\\u0020\n");
    out.push_str("\"\"\"");
    escape_workflow_commands(&out)
}

/// Escapes `::` at the beginning of lines, which GitHub Actions takes for a command if a job prints them. Its runner skips white
/// space before that.
fn escape_workflow_commands(text: &str) -> String {
    let escape = |line: &str| {
        let command = line.trim_start();
        let space = &line[..line.len() - command.len()];
        command.strip_prefix("::").map_or(line.to_owned(), |rest| format!("{space}\\u003a:{rest}"))
    };
    text.split_inclusive('\n').map(escape).collect()
}

/// A literal string if the text has backslashes, as regular expressions do. Otherwise a basic string.
pub fn regex(text: &str) -> String {
    let plain = !text.contains('\'') && !text.chars().any(is_deceptive);
    if text.contains('\\') && plain { format!("'{text}'") } else { string(text) }
}

fn character(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_deceptive(c) => {
            // Writing to a String cannot fail.
            let _ = if u32::from(c) > 0xffff {
                write!(out, "\\U{:08x}", u32::from(c))
            } else {
                write!(out, "\\u{:04x}", u32::from(c))
            };
        }
        c => out.push(c),
    }
}

/// A key, quoted if necessary.
pub fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if bare { name.to_owned() } else { string(name) }
}

/// `{ a = 1, b = 2 }`.
pub fn table(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// `[a, b]`.
pub fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}
