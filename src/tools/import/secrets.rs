//! The secrets of a log: each becomes a name whose value comes from the environment.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A secret that the session needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedSecret {
    pub name: String,
    /// Where the log has it.
    pub line: usize,
    /// Whether the log has the value; otherwise it is hidden there, too.
    pub shown: bool,
}

/// The secrets that were found so far.
#[derive(Debug, Default)]
pub struct ImportedSecrets {
    list: Vec<ImportedSecret>,
    /// Values that no comment may show: as the log has them, and decoded.
    values: Vec<(String, String)>,
}

/// The shortest value that is hidden in comments.
const SHORTEST: usize = 4;

impl ImportedSecrets {
    /// The expression for a secret that the log shows. The same value has the same name.
    pub fn shown(&mut self, hint: &str, value: &str, line: usize) -> String {
        if let Some((_, name)) = self.values.iter().find(|(known, _)| known == value) {
            return expression(name);
        }
        let name = self.add(hint, line, true);
        self.values.push((value.to_owned(), name.clone()));
        let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        for part in decoded.iter().flat_map(|text| text.split('\0')) {
            self.values.push((part.to_owned(), name.clone()));
        }
        expression(&name)
    }

    /// The expression for a secret that the log hides.
    pub fn hidden(&mut self, hint: &str, line: usize) -> String {
        let name = self.add(hint, line, false);
        expression(&name)
    }

    fn add(&mut self, hint: &str, line: usize, shown: bool) -> String {
        let taken = |name: &str| self.list.iter().any(|secret| secret.name == name);
        let mut name = hint.to_owned();
        let mut number = 2;
        while taken(&name) {
            name = format!("{hint}_{number}");
            number += 1;
        }
        self.list.push(ImportedSecret { name: name.clone(), line, shown });
        name
    }

    pub fn list(&self) -> &[ImportedSecret] {
        &self.list
    }

    /// Text in which no value stands.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut values: Vec<&str> = self.values.iter().map(|(value, _)| value.as_str()).collect();
        values.retain(|value| value.len() >= SHORTEST);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            text = text.replace(value, "[secret]");
        }
        text
    }
}

fn expression(name: &str) -> String {
    format!("{{{{ {name} }}}}")
}

/// The name for a line of a SASL exchange: the mechanism, and which of its lines it is (from 0).
pub fn secret_name(mechanism: &str, line: usize) -> String {
    let mechanism: String =
        mechanism.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    match (mechanism.as_str(), line) {
        ("", _) => "auth_response".to_owned(),
        ("login", 0) => "auth_login_user".to_owned(),
        ("login", 1) => "auth_login_password".to_owned(),
        (mechanism, _) => format!("auth_{mechanism}"),
    }
}
