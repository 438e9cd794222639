//! The secrets of a run, and what hides them in everything that is shown.

use super::escape::SafeText;
use super::redact::Redactor;
use std::collections::HashMap;

/// What a run knows of its secrets. Whatever is shown goes through it.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Finds those that are long enough to be hidden everywhere.
    pub redactor: Redactor,
    /// The short ones, by the names of the variables that hold or contain them: they are hidden only where they are sent.
    short: HashMap<String, Vec<String>>,
}

impl Secrets {
    /// `show`: nothing is hidden (`--show-secrets`).
    pub fn new(show: bool) -> Self {
        let redactor = if show { Redactor::off() } else { Redactor::default() };
        Self { redactor, short: HashMap::new() }
    }

    /// Learns the value of a variable. Gives whether it is hidden everywhere: a short one is not.
    pub fn add(&mut self, name: &str, value: &str) -> bool {
        let hidden = value.is_empty() || self.redactor.add(value);
        if !hidden {
            self.short.insert(name.to_owned(), vec![value.to_owned()]);
        }
        hidden
    }

    /// A variable is made of others, and holds their short secrets too.
    pub fn inherit(&mut self, name: &str, from: &[String]) {
        let short = self.short_in(from);
        if !short.is_empty() {
            self.short.insert(name.to_owned(), short);
        }
    }

    /// The short secrets that the variables of these names hold.
    pub fn short_in(&self, names: &[String]) -> Vec<String> {
        names.iter().filter_map(|name| self.short.get(name)).flatten().cloned().collect()
    }

    /// Whether any secret is short.
    pub fn has_short(&self) -> bool {
        !self.short.is_empty()
    }

    /// Text from outside for facts: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> SafeText {
        self.redactor.redact(text)
    }

    /// As [`Secrets::shown`] for a reply's lines, which are shown in one.
    pub fn shown_reply(&self, lines: impl AsRef<[u8]>) -> SafeText {
        self.redactor.redact_lines(lines)
    }
}
