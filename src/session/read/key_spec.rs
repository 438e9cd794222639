//! The keys of a session file, their types, and how messages describe these.

use std::fmt;

/// A key of a table.
#[derive(Debug)]
pub struct KeySpec {
    pub name: &'static str,
    pub kind: KeyType,
    /// One line for the documentation.
    pub doc: &'static str,
}

/// A table and its keys.
#[derive(Debug)]
pub struct TableSpec {
    /// The table in messages: `a step`.
    pub title: &'static str,
    pub keys: &'static [KeySpec],
}

impl TableSpec {
    pub fn find(&'static self, name: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The type of a key's value. `Display` describes it.
#[derive(Debug)]
pub enum KeyType {
    /// A string that is a template.
    Template,
    /// A string that is not a template, with its description.
    Plain(&'static str),
    Boolean,
    /// `true` and nothing else.
    True,
    Integer {
        min: i64,
        max: i64,
    },
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    Expression,
    Regex,
    /// A string, number, boolean or source.
    Value,
    Expect,
    List(&'static KeyType),
    /// Any of these.
    Either(&'static [KeyType]),
    Table(&'static TableSpec),
    /// A table with arbitrary names.
    Map(&'static KeyType),
    /// `[[step]]`, or a list of inline tables.
    Steps,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template => f.write_str("a string"),
            Self::Plain(words) => f.write_str(words),
            Self::Boolean => f.write_str("true or false"),
            Self::True => f.write_str("true"),
            Self::Integer { min, max: i64::MAX } => write!(f, "an integer of at least {min}"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Duration => f.write_str("a duration such as \"500ms\", \"30s\" or \"5m\""),
            Self::Word(words) => f.write_str(&or(words.iter().map(|word| format!("\"{word}\"")))),
            Self::Expression => f.write_str("an expression in a string"),
            Self::Regex => f.write_str("a regular expression in a string"),
            Self::Value => f.write_str("a string, a number, a boolean or a source such as { env = \"NAME\" }"),
            Self::Expect => f.write_str(
                "a code such as 250 or \"2xx\", a list of them, \"any\", \"close\", \"silence\", \"malformed\", \"handshake-failure\", or a table \
                 with code, enhanced, text, lines",
            ),
            Self::List(kind) => write!(f, "a list, each {kind}"),
            Self::Either(kinds) => f.write_str(&or(kinds.iter().map(KeyType::to_string))),
            Self::Table(keys) => {
                let names: Vec<_> = keys.keys.iter().map(|key| key.name).collect();
                write!(f, "a table with {}", names.join(", "))
            }
            Self::Map(kind) => write!(f, "a table of names, each {kind}"),
            Self::Steps => f.write_str("a list of steps"),
        }
    }
}

fn or(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

pub(super) const PATH: KeyType = KeyType::Template;
pub(super) const COUNT: KeyType = KeyType::Integer { min: 1, max: u32::MAX as i64 };
pub(super) const LABEL: KeyType = KeyType::Plain("an encoding's label such as \"windows-1252\"");
pub(super) const DELIMITER: KeyType = KeyType::Plain("one ASCII character in a string, such as \";\"");

/// A key of a table.
pub(super) const fn key(name: &'static str, kind: KeyType, doc: &'static str) -> KeySpec {
    KeySpec { name, kind, doc }
}
