//! Reads `[vars]`, `[secrets]`, `with`, and the files that content comes from.

use super::key_spec::{KeyType, TableSpec};
use super::reader::SessionReader;
use super::scalars::{SOURCES, integer};
use super::table_fields::{Field, TableFields, in_order};
use super::tables;
use crate::session::template::is_function;
use crate::session::{Diagnostic, RawBytes, Scope, SourcePath, Span, TextSource, Value, ValueSource, Variable};
use base64::Engine;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// The table that defines a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VariableTable {
    Vars,
    Secrets,
    With,
}

/// Whether a secret is a template. An opening bracket alone is part of a password.
fn is_template(text: &str) -> bool {
    [("{{", "}}"), ("{%", "%}")]
        .iter()
        .any(|(open, close)| text.split_once(open).is_some_and(|(_, behind)| behind.contains(close)))
}

impl SessionReader<'_> {
    pub(super) fn variables(&mut self, field: Option<Field<'_>>, names: VariableTable) -> Vec<Variable> {
        let Some(field) = field else { return Vec::new() };
        let Some(table) = self.table(field) else { return Vec::new() };
        let mut variables = Vec::with_capacity(table.len());
        for (name, value) in in_order(table) {
            let span = self.span(name.span());
            self.check_name(name.get_ref(), span.clone());
            let field = field.entry(name.get_ref(), value);
            let source = self.value_source(field, names);
            variables.extend(source.map(|source| Variable { name: name.get_ref().to_string(), span, source }));
        }
        variables
    }

    /// Records the name and reports one that templates cannot use.
    pub(super) fn check_name(&mut self, name: &str, span: Span) {
        self.defined_names.insert(name.to_owned());
        let mut letters = name.chars();
        let good = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            let wrong = Diagnostic::error(span, format!("\"{name}\" is not a valid name"));
            self.report(wrong.with_help("names are ASCII letters, digits and _, and do not begin with a digit"));
        } else if is_function(name) {
            self.templates.hide_function(name);
            self.report(Diagnostic::warning(span, format!("\"{name}\" hides the function of this name")));
        } else if Scope::FACTS.contains(&name) || name == "row" {
            self.report(Diagnostic::warning(span, format!("\"{name}\" hides the value that this name has by default")));
        }
    }

    pub(super) fn value_source(&mut self, field: Field<'_>, names: VariableTable) -> Option<ValueSource> {
        match field.value.get_ref() {
            DeValue::Table(table) => self.source(table, field, names),
            DeValue::String(text) if names != VariableTable::Secrets || is_template(text) => {
                self.compile(text, field.value).map(ValueSource::Template)
            }
            _ => {
                let value = self.literal(field)?;
                if names == VariableTable::Secrets {
                    let span = self.value_span(field.value);
                    let warning =
                        Diagnostic::warning(span, format!("the secret \"{}\" is written in the file", field.name));
                    self.report(warning.with_help("{ env = \"NAME\" }, { file = … } or { command = … } keep it out"));
                }
                Some(ValueSource::Literal(value))
            }
        }
    }

    fn literal(&mut self, field: Field<'_>) -> Option<Value> {
        match field.value.get_ref() {
            DeValue::String(text) => Some(Value::Text(text.to_string())),
            DeValue::Boolean(truth) => Some(Value::Boolean(*truth)),
            DeValue::Integer(number) => match integer(number) {
                Some(number) => Some(Value::Integer(number)),
                None => self.must_be(field, "a number of 64 bits"),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Some(Value::Float(number)),
                Err(_) => self.must_be(field, "a number"),
            },
            _ => self.must_be(field, &KeyType::Value.to_string()),
        }
    }

    fn source(&mut self, table: &DeTable<'_>, at: Field<'_>, names: VariableTable) -> Option<ValueSource> {
        let fields = self.fields(table, at.value.span(), &tables::SOURCE);
        let default = fields.get("default").and_then(|field| self.literal(field));
        let chosen = self.only_one(&fields, &SOURCES, at)?;
        for (name, with) in [
            ("template", "file"),
            ("charset", "file"),
            ("delimiter", "csv"),
            ("encoding", "csv"),
            ("refresh", "command"),
        ] {
            if let Some(field) = fields.get(name).filter(|_| chosen.name != with) {
                let wrong = Diagnostic::error(
                    self.span(field.key_bytes()),
                    format!("\"{name}\" is allowed only with \"{with}\""),
                );
                self.report(match (name, chosen.name) {
                    ("encoding", "file") => wrong.with_help("the encoding of a text file is \"charset\""),
                    ("charset", "csv") => wrong.with_help("the encoding of a file of rows is \"encoding\""),
                    _ => wrong,
                });
            }
        }
        match chosen.name {
            "env" => self.word(chosen).map(|name| ValueSource::Env { name, default }),
            "file" => {
                let template = self.flag(&fields, "template", false);
                let charset = self.encoding(&fields, "charset");
                self.path(chosen).map(|path| ValueSource::File { path, template, charset, default })
            }
            "command" => {
                let argv = self.list(chosen, Self::plain)?;
                if argv.first().is_none_or(String::is_empty) {
                    return self.must_be(chosen, "a list that begins with a program");
                }
                let refresh = fields.get("refresh").and_then(|field| self.refresh(field, names));
                Some(ValueSource::Command { argv, refresh, default })
            }
            "netrc" => {
                let fields = ["login", "password", "account"];
                let which = self.one_of(chosen, &fields)?;
                Some(ValueSource::Netrc { field: fields.get(which)?.to_string(), default })
            }
            "prompt" => self.plain(chosen).map(|text| ValueSource::Prompt { text, default }),
            table if names == VariableTable::Secrets => {
                self.error(chosen.key_bytes(), format!("a secret is one text, and \"{table}\" gives a table"));
                None
            }
            "csv" => {
                let format = self.csv_options(&fields);
                self.path(chosen).map(|path| ValueSource::Csv { path, format, default })
            }
            _ => self.path(chosen).map(|path| ValueSource::Json { path, default }),
        }
    }

    /// The age at which a secret is fetched again.
    fn refresh(&mut self, field: Field<'_>, names: VariableTable) -> Option<Duration> {
        if names != VariableTable::Secrets {
            let wrong = Diagnostic::error(self.span(field.key_bytes()), "\"refresh\" is allowed only under [secrets]");
            self.report(wrong.with_help("move the command to [secrets]; templates use its name as before"));
            return None;
        }
        self.deadline(field)
    }

    /// The one of `names` that the table has. Reports none, or several.
    pub(super) fn only_one<'a>(
        &mut self,
        fields: &TableFields<'a>,
        names: &[&'static str],
        at: Field<'_>,
    ) -> Option<Field<'a>> {
        let there = fields.present(names);
        match there[..] {
            [one] => Some(one),
            [] => {
                if !names.iter().any(|name| fields.has(name)) {
                    let text = format!("\"{}\" must have one of: {}", at.name, names.join(", "));
                    self.report_missing(Diagnostic::error(fields.span.clone(), text));
                }
                None
            }
            [first, second, ..] => {
                self.error(
                    second.key_bytes(),
                    format!("\"{}\" and \"{}\": only one is allowed", first.name, second.name),
                );
                None
            }
        }
    }

    pub(super) fn path(&mut self, field: Field<'_>) -> Option<SourcePath> {
        let written = self.template(field)?;
        if written.source.is_empty() {
            self.error(field.value.span(), format!("\"{}\" is an empty path", field.name));
            return None;
        }
        let span = written.span.clone();
        Some(SourcePath { template: written, base: self.base.clone(), span })
    }

    /// A path that can be a pattern: what its values are is kept.
    pub(super) fn pattern(&mut self, field: Field<'_>) -> Option<SourcePath> {
        let text = field.value.get_ref().as_str().filter(|text| !text.is_empty());
        let Some(text) = text else { return self.path(field) };
        let span = self.value_span(field.value);
        let compiled = self.templates.compile_marked(text, span.clone(), self.map.snippet(&span));
        let template = self.report_compile_errors(compiled)?;
        Some(SourcePath { template, base: self.base.clone(), span })
    }

    /// Text, or a file with text.
    pub(super) fn content(&mut self, field: Field<'_>) -> Option<TextSource> {
        match field.value.get_ref() {
            DeValue::String(text) if field.name == "html" => self.compile_html(text, field.value).map(TextSource::Text),
            DeValue::String(text) => self.compile(text, field.value).map(TextSource::Text),
            DeValue::Table(table) => {
                // The bytes of a body are sent as they are.
                let keys = if field.name == "body" { &tables::BODY_FILE } else { &tables::CONTENT_FILE };
                let fields = self.fields(table, field.value.span(), keys);
                let template = self.flag(&fields, "template", false);
                let charset = self.encoding(&fields, "charset");
                let file = self.only_one(&fields, &["file"], field)?;
                self.path(file).map(|path| TextSource::File { path, template, charset })
            }
            _ => self.wrong_type(field),
        }
    }

    /// The bytes of `raw`: one form, or a list of them.
    pub(super) fn raw(&mut self, field: Field<'_>) -> Option<RawBytes> {
        match field.value.get_ref() {
            DeValue::Array(parts) if parts.is_empty() => {
                self.error(field.value.span(), "\"raw\" is an empty list");
                None
            }
            DeValue::Array(parts) => {
                let (count, parts) = (parts.len(), self.list(field, |reader, part| reader.raw_part(part))?);
                (parts.len() == count).then_some(RawBytes::Parts(parts))
            }
            _ => self.raw_part(field),
        }
    }

    /// A form of `raw`. Its text may have characters whose bytes are not obvious.
    fn raw_part(&mut self, field: Field<'_>) -> Option<RawBytes> {
        if let DeValue::String(text) = field.value.get_ref()
            && let Some(letter) = text.chars().find(|letter| !letter.is_ascii())
        {
            let text = format!("\"raw\" has the character U+{:04X}, which is sent as UTF-8", u32::from(letter));
            let warning = Diagnostic::warning(self.value_span(field.value), text);
            self.report(warning.with_help("{ hex = \"…\" } says which bytes are sent"));
        }
        self.octets(field, &tables::RAW)
    }

    /// A template, or bytes from `hex`, `base64` or `file`.
    pub(super) fn octets(&mut self, field: Field<'_>, keys: &'static TableSpec) -> Option<RawBytes> {
        match field.value.get_ref() {
            DeValue::String(text) => self.compile(text, field.value).map(RawBytes::Text),
            DeValue::Table(table) => {
                let fields = self.fields(table, field.value.span(), keys);
                let chosen = self.only_one(&fields, &["hex", "base64", "file"], field)?;
                match chosen.name {
                    "file" => self.path(chosen).map(RawBytes::File),
                    name => {
                        let text: String = self.plain(chosen)?.split_ascii_whitespace().collect();
                        let bytes = match name {
                            "hex" => hex(&text),
                            _ => base64::engine::general_purpose::STANDARD.decode(&text).ok(),
                        };
                        bytes.map(RawBytes::Bytes).or_else(|| self.wrong_type(chosen))
                    }
                }
            }
            _ => self.wrong_type(field),
        }
    }
}

/// Pairs of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
