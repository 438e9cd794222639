//! Finds literal secrets, so that no message shows them. This works in files with errors, and for mistyped keys.

use super::reader::SessionReader;
use super::table_fields::SpannedValue;
use crate::session::template::is_single_name;
use crate::session::{SourceMap, Span};
use toml::de::{DeTable, DeValue};

/// The keys of `[auth]` that are not secret. The value of an unknown key may be a secret.
const PUBLIC_KEYS: [&str; 5] = ["mechanism", "user", "authzid", "initial_response", "allow_plaintext"];

impl SessionReader<'_> {
    pub(super) fn hide_secrets(&mut self, table: &DeTable<'_>) {
        let mut finder = SecretFinder { map: &mut self.map, file: self.file };
        for (name, value) in table.iter() {
            if let (true, DeValue::Table(secrets)) = (name.get_ref().starts_with("secret"), value.get_ref()) {
                secrets.iter().for_each(|(_, value)| finder.source(value));
            } else {
                finder.entry(name.get_ref(), value);
            }
        }
    }

    /// In a line with a syntax error, hides everything after a key that may be a secret.
    pub(super) fn hide_broken(&mut self, span: &Span) {
        let text = self.map.text(span.file);
        let at = text.floor_char_boundary(span.bytes.start);
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[start..].lines().next().unwrap_or("");
        let table = text[..start].lines().rev().map(str::trim).find(|line| line.starts_with('['));
        let table = table.map_or("", |line| line.trim_matches(['[', ']', ' ']));
        let from = match ["password", "token"].iter().find_map(|word| line.find(word)) {
            Some(word) => line[word..].find('=').map(|at| word + at + 1),
            // A line without a key is one of a secret that was pasted over several lines.
            None if table.starts_with("secret") || table == "dkim" => Some(value_start(line)),
            None => None,
        };
        let bytes = from.map(|from| start + from..start + line.len());
        if let Some(bytes) = bytes.filter(|bytes| !text[bytes.clone()].trim_start().starts_with('{')) {
            self.map.hide(Span { file: span.file, bytes });
        }
    }
}

/// Where the value begins in a line `key = value`; 0 if the line does not begin with a key.
fn value_start(line: &str) -> usize {
    match line.split_once('=') {
        Some((key, rest)) if rest.starts_with([' ', '"', '\'']) && !key.trim().contains(['+', '/', ' ']) => {
            key.len() + 1
        }
        _ => 0,
    }
}

struct SecretFinder<'a> {
    map: &'a mut SourceMap,
    file: usize,
}

impl SecretFinder<'_> {
    fn entry(&mut self, name: &str, value: &SpannedValue<'_>) {
        match value.get_ref() {
            DeValue::Table(auth) if name == "auth" => {
                for (_, value) in auth.iter().filter(|(name, _)| !PUBLIC_KEYS.contains(&name.get_ref().as_ref())) {
                    self.source(value);
                }
            }
            DeValue::Table(dkim) if name == "dkim" => {
                let is_public = |name: &str| ["domain", "selector", "headers"].contains(&name);
                dkim.iter().filter(|(name, _)| !is_public(name.get_ref())).for_each(|(_, value)| self.source(value));
            }
            DeValue::Table(table) => table.iter().for_each(|(name, value)| self.entry(name.get_ref(), value)),
            DeValue::Array(list) => list.iter().for_each(|value| self.entry("", value)),
            _ => {}
        }
    }

    /// Hides a literal value, or the `default` of a source.
    fn source(&mut self, value: &SpannedValue<'_>) {
        match value.get_ref() {
            DeValue::Table(source) => {
                for (_, value) in source.iter().filter(|(name, _)| name.get_ref() == "default") {
                    self.source(value);
                }
            }
            // `{{ password }}` reveals nothing.
            DeValue::String(text) if is_single_name(text) => {}
            _ => self.map.hide(Span { file: self.file, bytes: value.span() }),
        }
    }
}
