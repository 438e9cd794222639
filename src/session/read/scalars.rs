//! Reads strings, numbers, durations, words and lists, and reports values of a wrong type.

use super::key_spec::KeyType;
use super::reader::SessionReader;
use super::table_fields::{Field, SpannedValue, TableFields};
use crate::session::suggestions::closest_name;
use crate::session::template::toml_offsets;
use crate::session::{CompileErrors, Diagnostic, Expression, Span, Template, parse_duration};
use regex::Regex;
use std::time::Duration;
use toml::de::{DeInteger, DeTable, DeValue};

/// The keys that make a table a source.
pub(super) const SOURCES: [&str; 7] = ["env", "file", "command", "netrc", "prompt", "csv", "json"];

/// Where a source belongs that was written in place of a template.
fn source_help(name: &str, source: &str) -> String {
    let table = if matches!(name, "password" | "token") { "[secrets]" } else { "[vars] or [secrets]" };
    format!("write `{name} = {{ {source} = … }}` under {table}, and \"{{{{ {name} }}}}\" here")
}

impl SessionReader<'_> {
    /// Reports a value of a wrong type.
    pub(super) fn wrong_type<T>(&mut self, field: Field<'_>) -> Option<T> {
        self.must_be(field, &field.key.kind.to_string())
    }

    /// Reports that the value is not `what`, and returns `None`.
    pub(super) fn must_be<T>(&mut self, field: Field<'_>, what: &str) -> Option<T> {
        let wrong = self.wrong_value(field, what);
        self.report(wrong);
        None
    }

    /// `"key" must be WHAT, not` what it is.
    fn wrong_value(&self, field: Field<'_>, what: &str) -> Diagnostic {
        let got = match self.map.is_hidden(&self.value_span(field.value)) {
            true => "this value".to_owned(),
            false => describe_value(field.value.get_ref()),
        };
        Diagnostic::error(self.value_span(field.value), format!("\"{}\" must be {what}, not {got}", field.name))
    }

    pub(super) fn value_span(&self, value: &SpannedValue<'_>) -> Span {
        self.span(value.span())
    }

    /// A string that is not a template.
    pub(super) fn plain(&mut self, field: Field<'_>) -> Option<String> {
        match field.value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => self.wrong_type(field),
        }
    }

    /// As [`SessionReader::plain`], and not empty.
    pub(super) fn word(&mut self, field: Field<'_>) -> Option<String> {
        let text = self.plain(field)?;
        if text.trim().is_empty() {
            self.error(field.value.span(), format!("\"{}\" is empty", field.name));
            return None;
        }
        Some(text)
    }

    pub(super) fn template(&mut self, field: Field<'_>) -> Option<Template> {
        match field.value.get_ref() {
            DeValue::String(text) => self.compile(text, field.value),
            DeValue::Table(table) => {
                let wrong = self.wrong_value(field, &field.key.kind.to_string());
                self.report(match SOURCES.iter().find(|source| table.contains_key(**source)) {
                    Some(source) => wrong.with_help(source_help(field.name, source)),
                    None => wrong,
                });
                None
            }
            _ => self.wrong_type(field),
        }
    }

    /// The template of a key that a table may have.
    pub(super) fn optional_template(&mut self, fields: &TableFields<'_>, name: &'static str) -> Option<Template> {
        fields.get(name).and_then(|field| self.template(field))
    }

    /// As [`SessionReader::optional_template`], for a template whose result is one line.
    pub(super) fn optional_line(&mut self, fields: &TableFields<'_>, name: &'static str) -> Option<Template> {
        let line = self.optional_template(fields, name)?;
        self.check_one_line(&line, name);
        Some(line)
    }

    pub(super) fn compile(&mut self, text: &str, value: &SpannedValue<'_>) -> Option<Template> {
        let span = self.value_span(value);
        let compiled = self.templates.compile(text, span.clone(), self.map.snippet(&span));
        self.report_compile_errors(compiled)
    }

    /// As [`SessionReader::compile`] for HTML: values in it are escaped.
    pub(super) fn compile_html(&mut self, text: &str, value: &SpannedValue<'_>) -> Option<Template> {
        let span = self.value_span(value);
        let compiled = self.templates.compile_html(text, span.clone(), self.map.snippet(&span));
        self.report_compile_errors(compiled)
    }

    /// Reports the errors, and returns what could be compiled, so that its names are checked, too.
    pub(super) fn report_compile_errors<T>(&mut self, compiled: Result<T, CompileErrors<T>>) -> Option<T> {
        compiled
            .map_err(|wrong| {
                wrong.diagnostics.into_iter().for_each(|one| self.report(one));
                wrong.recovered
            })
            .map_or_else(|recovered| recovered, Some)
    }

    pub(super) fn expression(&mut self, field: Field<'_>) -> Option<Expression> {
        let DeValue::String(text) = field.value.get_ref() else {
            return self.must_be(field, &KeyType::Expression.to_string());
        };
        let span = self.value_span(field.value);
        let compiled = Expression::compile(text, span.clone(), self.map.snippet(&span), &mut self.templates);
        self.report_compile_errors(compiled)
    }

    pub(super) fn boolean(&mut self, field: Field<'_>) -> Option<bool> {
        field.value.get_ref().as_bool().or_else(|| self.wrong_type(field))
    }

    /// A boolean that a table may have.
    pub(super) fn flag(&mut self, fields: &TableFields<'_>, name: &'static str, default: bool) -> bool {
        fields.get(name).and_then(|field| self.boolean(field)).unwrap_or(default)
    }

    /// Reads a key whose only value is `true`.
    pub(super) fn only_true(&mut self, field: Field<'_>) -> Option<()> {
        match field.value.get_ref() {
            DeValue::Boolean(true) => Some(()),
            _ => self.wrong_type(field),
        }
    }

    /// An integer within the key's limits.
    pub(super) fn integer(&mut self, field: Field<'_>) -> Option<i64> {
        let number = field.value.get_ref().as_integer().and_then(integer);
        let within = |number: &i64| match field.key.kind {
            KeyType::Integer { min, max } => (min..=max).contains(number),
            _ => true,
        };
        number.filter(within).or_else(|| self.wrong_type(field))
    }

    pub(super) fn count(&mut self, field: Field<'_>) -> Option<u32> {
        self.integer(field).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn duration(&mut self, field: Field<'_>) -> Option<Duration> {
        let DeValue::String(text) = field.value.get_ref() else {
            return self.wrong_type(field);
        };
        parse_duration(text).map_err(|why| self.error(field.value.span(), why)).ok()
    }

    /// A deadline, which must be longer than zero.
    pub(super) fn deadline(&mut self, field: Field<'_>) -> Option<Duration> {
        let duration = self.duration(field)?;
        if duration.is_zero() {
            self.error(field.value.span(), format!("\"{}\" must be longer than zero", field.name));
            return None;
        }
        Some(duration)
    }

    /// Returns the index of one of the key's words.
    pub(super) fn one_of(&mut self, field: Field<'_>, words: &[&'static str]) -> Option<usize> {
        let text = field.value.get_ref().as_str();
        text.and_then(|text| words.iter().position(|word| *word == text)).or_else(|| self.wrong_choice(field, words))
    }

    /// As [`SessionReader::wrong_type`], and suggests the word that may be meant.
    fn wrong_choice<T>(&mut self, field: Field<'_>, words: &[&'static str]) -> Option<T> {
        let told = self.diagnostics.len();
        let none = self.wrong_type(field);
        // Never suggest a version: the closest one to "1.4" is the oldest and weakest.
        let typed = field.value.get_ref().as_str().filter(|text| !text.starts_with(|c: char| c.is_ascii_digit()));
        let meant = typed.and_then(|text| closest_name(text, words.iter().copied()));
        if let (Some(meant), Some(wrong)) = (meant, self.diagnostics.get_mut(told)) {
            wrong.label = Some(format!("did you mean \"{meant}\"?"));
        }
        none
    }

    pub(super) fn table<'a>(&mut self, field: Field<'a>) -> Option<&'a DeTable<'a>> {
        field.value.get_ref().as_table().or_else(|| self.wrong_type(field))
    }

    /// Reads each value of a list with `read`, and skips invalid ones.
    pub(super) fn list<T>(
        &mut self,
        field: Field<'_>,
        mut read: impl FnMut(&mut Self, Field<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let DeValue::Array(values) = field.value.get_ref() else {
            return self.wrong_type(field);
        };
        Some(values.iter().filter_map(|value| read(self, field.with_value(value))).collect())
    }

    /// A regular expression. An error points at its place in the string.
    pub(super) fn regex(&mut self, field: Field<'_>) -> Option<Regex> {
        let DeValue::String(text) = field.value.get_ref() else {
            return self.must_be(field, &KeyType::Regex.to_string());
        };
        match Regex::new(text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let (why, at) = explain_regex_error(&error);
                let whole = self.value_span(field.value);
                let at = at.map(|at| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at));
                let place = at.and_then(|at| toml_offsets::locate(self.map.snippet(&whole), text, at..at + 1));
                let bytes = match place {
                    Some(place) => whole.bytes.start + place.start..whole.bytes.start + place.end,
                    None => whole.bytes,
                };
                let span = self.span(bytes);
                self.report(Diagnostic::error(span, format!("\"{}\" is not a regular expression: {why}", field.name)));
                None
            }
        }
    }
}

/// What a value is, for the message of an error: a short string or a number as it is written, otherwise its type.
pub fn describe_value(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Array(array) if array.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::String(text) if text.chars().count() <= 40 => format!("\"{text}\""),
        DeValue::String(_) => "this string".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `None` if it does not fit into 64 bits.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The reason in one line, and the index of the wrong character. The crate writes several lines for a terminal:
/// the pattern, carets below it, and `error: …`.
fn explain_regex_error(error: &regex::Error) -> (String, Option<usize>) {
    let text = error.to_string();
    let why = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let carets: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with('^')).collect();
    // A pattern of one line is shown with an indent of four columns.
    let at = match carets[..] {
        [carets] if text.lines().count() == 4 => carets.find('^').and_then(|at| at.checked_sub(4)),
        _ => None,
    };
    match (why, error) {
        (Some(why), _) => (why.to_owned(), at),
        (None, regex::Error::CompiledTooBig(limit)) => (format!("it takes more than {limit} bytes"), None),
        (None, _) => (text.lines().last().unwrap_or_default().to_owned(), None),
    }
}
