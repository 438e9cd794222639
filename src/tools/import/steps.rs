//! Steps as the session file shows them: keys and values as text, with comments.

use crate::session::{toml_string, toml_text};
use std::fmt::Write;

/// A step of a session file that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenStep {
    /// Lines above the step.
    pub comments: Vec<String>,
    /// Keys and values in TOML.
    pub keys: Vec<(&'static str, String)>,
    /// A comment after the last key.
    pub remark: Option<String>,
    /// The members of a `pipeline`.
    pub members: Vec<WrittenStep>,
}

impl WrittenStep {
    pub fn new(key: &'static str, value: impl Into<String>) -> Self {
        Self { keys: vec![(key, value.into())], ..Self::default() }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.keys.push((key, value.into()));
        self
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// Writes a `[[step]]`.
    pub fn write(&self, comment: &dyn Fn(&str) -> String, out: &mut String) {
        for line in &self.comments {
            let _ = writeln!(out, "# {}", comment(line));
        }
        out.push_str("[[step]]\n");
        if !self.members.is_empty() {
            out.push_str("pipeline = [\n");
            for member in &self.members {
                for line in &member.comments {
                    let _ = writeln!(out, "    # {}", comment(line));
                }
                let keys: Vec<String> = member.keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                let _ = write!(out, "    {{ {} }},", keys.join(", "));
                write_remark(member.remark.as_deref(), comment, out);
            }
            out.push_str("]\n");
        }
        for (at, (key, value)) in self.keys.iter().enumerate() {
            let _ = write!(out, "{key} = {value}");
            let last = at + 1 == self.keys.len();
            write_remark(self.remark.as_deref().filter(|_| last), comment, out);
        }
    }
}

/// Ends a line, with a comment if there is one.
fn write_remark(remark: Option<&str>, comment: &dyn Fn(&str) -> String, out: &mut String) {
    match remark {
        Some(remark) => {
            let _ = writeln!(out, "  # {}", comment(remark));
        }
        None => out.push('\n'),
    }
}

/// Text of a template that renders to `text`: nothing in it is an expression.
pub fn template_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let begins = ["{{", "{%", "{#"].into_iter().find(|begin| from.starts_with(begin));
        match begins {
            Some(begin) => {
                let _ = write!(out, "{{{{ '{begin}' }}}}");
                rest = &from[begin.len()..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// A string of TOML.
pub fn quoted(text: &str) -> String {
    toml_string(text)
}

/// A string of TOML, over several lines if the text has several.
pub fn quoted_lines(text: &str) -> String {
    toml_text(text)
}

/// Bytes in hexadecimal, as `raw` takes them.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{{ hex = \"{}\" }}", hex.join(" "))
}
