//! The secrets of a log: each becomes a name whose value comes from the environment.

use super::replies::LoggedReply;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How a log shows a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretDisplay {
    /// As it was sent, in base64.
    Encoded,
    /// Decoded, as `swaks --auth-plaintext` shows it.
    Decoded,
    Hidden,
}

/// A secret that the session needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedSecret {
    pub name: String,
    /// Where the log has it.
    pub line: usize,
    pub display: SecretDisplay,
}

/// The secrets that were found so far.
#[derive(Debug, Default)]
pub struct ImportedSecrets {
    list: Vec<ImportedSecret>,
    /// Values that no comment may show: as the log has them, and decoded.
    values: Vec<(String, String)>,
    /// Whether the log shows what the server asks in SASL decoded, and so what the client answers.
    decoded: bool,
}

/// What nodemailer and swaks show instead of a password, in base64.
const REPLACED: [&str; 2] = ["/* secret */", "PROVIDED_BUT_REMOVED"];

/// The shortest value that is hidden in comments.
const SHORTEST: usize = 4;

impl ImportedSecrets {
    /// The expression for a secret that the log shows. The same value has the same name.
    pub fn shown(&mut self, hint: &str, value: &str, line: usize) -> String {
        if let Some((_, name)) = self.values.iter().find(|(known, _)| known == value) {
            return expression(name);
        }
        let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let replaced = |text: &String| REPLACED.iter().any(|replacement| text.ends_with(replacement));
        let display = if decoded.as_ref().is_some_and(replaced) {
            SecretDisplay::Hidden
        } else if self.decoded || !is_base64(value) {
            SecretDisplay::Decoded
        } else {
            SecretDisplay::Encoded
        };
        let name = self.add(hint, line, display);
        self.values.push((value.to_owned(), name.clone()));
        for part in decoded.iter().flat_map(|text| text.split('\0')) {
            self.values.push((part.to_owned(), name.clone()));
        }
        expression(&name)
    }

    /// Learns from a 334 how the log shows a SASL exchange.
    pub fn note_challenge(&mut self, reply: &LoggedReply) {
        self.decoded |= reply.code == Some(334) && reply.more == 0 && !is_base64(&reply.text);
    }

    /// The expression for a secret that the log hides.
    pub fn hidden(&mut self, hint: &str, line: usize) -> String {
        let name = self.add(hint, line, SecretDisplay::Hidden);
        expression(&name)
    }

    fn add(&mut self, hint: &str, line: usize, display: SecretDisplay) -> String {
        let taken = |name: &str| self.list.iter().any(|secret| secret.name == name);
        let mut name = hint.to_owned();
        let mut number = 2;
        while taken(&name) {
            name = format!("{hint}_{number}");
            number += 1;
        }
        self.list.push(ImportedSecret { name: name.clone(), line, display });
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

fn is_base64(text: &str) -> bool {
    BASE64_STANDARD.decode(text.trim()).is_ok()
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
