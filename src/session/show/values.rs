//! Writes values, sources, paths and texts of a session file.

use super::toml;
use crate::session::duration::format_duration;
use crate::session::template::lexer::has_markup;
use crate::session::{AddressSource, CsvOptions, Encoding, SourcePath, Template, TextSource, Value, ValueSource};
use std::path::Path;
use std::time::Duration;

/// Keys and their values in TOML.
pub type Pairs = Vec<(String, String)>;

/// Adds to [`Pairs`].
pub trait PairsExt {
    fn add(&mut self, name: &str, value: String);

    fn add_some(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn add_unless(&mut self, not: bool, name: &str, value: String) {
        self.add_some(name, (!not).then_some(value));
    }

    fn template(&mut self, name: &str, template: &Option<Template>) {
        self.add_some(name, template.as_ref().map(|template| toml::string(&template.source)));
    }

    fn duration(&mut self, name: &str, duration: Option<Duration>) {
        self.add_some(name, duration.map(|duration| toml::string(&format_duration(duration))));
    }
}

impl PairsExt for Pairs {
    fn add(&mut self, name: &str, value: String) {
        self.push((name.to_owned(), value));
    }
}

/// Replaces a value that must not be shown.
pub fn env_source(name: &str) -> String {
    toml::table(&[("env".to_owned(), toml::string(&name.to_uppercase()))])
}

pub fn content(content: &TextSource, long: fn(&str) -> String) -> String {
    match content {
        TextSource::Text(text) => long(&text.source),
        TextSource::File { path: file, template, charset } => {
            let mut pairs = Pairs::new();
            pairs.add("file", path(file));
            pairs.add_unless(!template, "template", "true".to_owned());
            pairs.add_some("charset", charset.map(label));
            toml::table(&pairs)
        }
    }
}

fn label(encoding: &'static Encoding) -> String {
    toml::string(&encoding.name().to_ascii_lowercase())
}

/// `delimiter` and `encoding`.
pub fn add_csv_options(pairs: &mut Pairs, format: &CsvOptions) {
    pairs.add_some("delimiter", format.delimiter.map(|delimiter| toml::string(&char::from(delimiter).to_string())));
    pairs.add_some("encoding", format.encoding.map(label));
}

/// An address: a string, or a table.
pub fn address(source: &AddressSource) -> String {
    match source {
        AddressSource::Literal { source: text, .. } | AddressSource::Mailbox(text) | AddressSource::List(text) => {
            toml::string(&text.source)
        }
        AddressSource::Table { name, address, .. } => {
            let mut pairs = Pairs::new();
            pairs.template("name", name);
            pairs.add("address", toml::string(&address.source));
            toml::table(&pairs)
        }
    }
}

pub fn path(path: &SourcePath) -> String {
    let written = &path.template.source;
    if path.base.as_os_str().is_empty() || Path::new(written).is_absolute() {
        return toml::string(written);
    }
    toml::string(&format!("{}/{written}", path.base.display()))
}

/// `hide`: whether the default is a secret and left out.
pub fn source(source: &ValueSource, hide: bool) -> String {
    let (mut pairs, default) = match source {
        ValueSource::Template(template) => return toml::string(&template.source),
        ValueSource::Literal(value) => return literal(value),
        ValueSource::Env { name, default } => (vec![("env".to_owned(), toml::string(name))], default),
        ValueSource::File { path: file, template, charset, default } => {
            let mut pairs = vec![("file".to_owned(), path(file))];
            pairs.add_unless(!template, "template", "true".to_owned());
            pairs.add_some("charset", charset.map(label));
            (pairs, default)
        }
        ValueSource::Command { argv, refresh, default } => {
            let mut pairs = vec![("command".to_owned(), toml::list(argv.iter().map(|word| toml::string(word))))];
            pairs.duration("refresh", *refresh);
            (pairs, default)
        }
        ValueSource::Netrc { field, default } => (vec![("netrc".to_owned(), toml::string(field))], default),
        ValueSource::Prompt { text, default } => (vec![("prompt".to_owned(), toml::string(text))], default),
        ValueSource::Csv { path: file, format, default } => {
            let mut pairs = vec![("csv".to_owned(), path(file))];
            add_csv_options(&mut pairs, format);
            (pairs, default)
        }
        ValueSource::Json { path: file, default } => (vec![("json".to_owned(), path(file))], default),
    };
    pairs.add_some("default", default.as_ref().filter(|_| !hide).map(literal));
    toml::table(&pairs)
}

pub fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::string(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "nan".to_owned(),
        Value::Float(number) if number.is_infinite() => if *number > 0.0 { "inf" } else { "-inf" }.to_owned(),
        // `1.0` and `1e300`, never `1`, so that it stays a float.
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::List(values) => toml::list(values.iter().map(literal)),
        Value::Table(entries) => {
            toml::table(&entries.iter().map(|(name, value)| (name.to_string(), literal(value))).collect::<Pairs>())
        }
        // TOML has no null, and no literal of a session file is one.
        Value::None => "\"\"".to_owned(),
    }
}

/// A value in `[vars]` that is not a template.
pub fn literal_variable(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::string(&as_template(text)),
        other => literal(other),
    }
}

/// A template that renders to the text.
pub fn as_template(text: &str) -> String {
    if !has_markup(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 20);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('{', Some('{' | '%' | '#')) => out.push_str("{{ '{' }}"),
            _ => out.push(c),
        }
    }
    out
}
