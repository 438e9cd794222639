//! The secrets of a log: each becomes a name whose value comes from the environment.

use super::replies::LoggedReply;
use super::steps::template_literal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How a log shows a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretDisplay {
    /// As it was sent.
    AsSent,
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
    /// Each value as the client sent it, and its name.
    values: Vec<(String, String)>,
    /// What the values are decoded. Comments show neither.
    parts: Vec<String>,
    /// Passwords and tokens of which a value is the base64, each with its name if a parameter of a command has it.
    passwords: Vec<(String, Option<String>)>,
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
            SecretDisplay::AsSent
        };
        let name = self.add(hint, line, display);
        self.values.push((value.to_owned(), name.clone()));
        if display != SecretDisplay::Hidden {
            let shown = if display == SecretDisplay::Decoded { Some(value) } else { decoded.as_deref() };
            self.passwords.extend(shown.and_then(|text| password(hint, text)).map(|text| (text.to_owned(), None)));
        }
        self.parts.extend(decoded.iter().flat_map(|text| text.split('\0')).map(str::to_owned));
        expression(&name)
    }

    /// A template that renders to a command, a line `line` of the log: as [`Self::template`], and a password that AUTH sent in base64
    /// is an expression if it is the value of a parameter (`AUTH=`, `LOGIN=`).
    pub fn command(&mut self, text: &str, line: usize) -> String {
        text.split_inclusive(' ')
            .map(|word| self.parameter(word, line).unwrap_or_else(|| self.template(word)))
            .collect()
    }

    /// `NAME=value` with a password as its value, and the space after it.
    fn parameter(&mut self, word: &str, line: usize) -> Option<String> {
        let parameter = word.trim_end_matches(' ');
        let (keyword, value) = parameter.split_once('=')?;
        let known = self.passwords.iter().position(|(password, _)| password == value)?;
        if !keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return None;
        }
        let name = match self.passwords[known].1.clone() {
            Some(name) => name,
            None => self.add("password", line, SecretDisplay::AsSent),
        };
        self.passwords[known].1 = Some(name.clone());
        Some(format!("{keyword}={}{}", expression(&name), &word[parameter.len()..]))
    }

    /// A template that renders to `text`. Values that the client sent before are expressions, the rest is literal.
    pub fn template(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let known: Vec<_> = self
            .values
            .iter()
            .filter(|(value, name)| value.len() >= SHORTEST && self.is_shown_as_sent(name))
            .filter_map(|(value, name)| text.contains(value.as_str()).then_some((value.as_str(), name.as_str())))
            .collect();
        loop {
            let found = known.iter().filter_map(|(value, name)| Some((rest.find(value)?, *value, *name)));
            let first = found.min_by_key(|(at, value, _)| (*at, std::cmp::Reverse(value.len())));
            let Some((at, value, name)) = first else { break };
            out.push_str(&template_literal(&rest[..at]));
            push_expression(&mut out, &expression(name));
            rest = &rest[at + value.len()..];
        }
        out.push_str(&template_literal(rest));
        out
    }

    /// Whether the variable holds what the log shows.
    fn is_shown_as_sent(&self, name: &str) -> bool {
        self.list.iter().any(|secret| secret.name == name && secret.display == SecretDisplay::AsSent)
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
        let sent = self.values.iter().map(|(value, _)| value);
        let passwords = self.passwords.iter().map(|(password, _)| password);
        let mut values: Vec<&str> = sent.chain(&self.parts).chain(passwords).map(String::as_str).collect();
        values.retain(|value| value.len() >= SHORTEST);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            text = text.replace(value, "[secret]");
        }
        text
    }
}

/// The password or token in what a line of a SASL exchange is decoded (RFC 4616 §2, RFC 7628 §3.1).
fn password<'t>(hint: &str, text: &'t str) -> Option<&'t str> {
    let found = if hint.starts_with("auth_plain") {
        text.rsplit(['\0']).next()?.rsplit("\\0").next()?
    } else if hint.starts_with("auth_login_password") {
        text
    } else {
        text.split_once("auth=Bearer ")?.1.split('\u{1}').next()?
    };
    (found.len() >= SHORTEST).then_some(found)
}

fn is_base64(text: &str) -> bool {
    BASE64_STANDARD.decode(text.trim()).is_ok()
}

/// Adds an expression to a template. A brace of the text before it does not become a part of it.
pub fn push_expression(template: &mut String, expression: &str) {
    if template.ends_with('{') {
        template.pop();
        template.push_str("{{ '{' }}");
    }
    template.push_str(expression);
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
