//! Reads all forms of `expect`.

use super::reader::SessionReader;
use super::scalars::integer;
use super::table_fields::{Field, SpannedValue};
use super::tables;
use crate::session::suggestions::closest_name;
use crate::session::{CodePattern, Diagnostic, EnhancedPattern, Expectation, ReplyPattern, Span};
use toml::de::DeValue;

const WORDS: [&str; 5] = ["any", "close", "silence", "malformed", "handshake-failure"];

impl SessionReader<'_> {
    pub(super) fn expect(&mut self, field: Field<'_>) -> Option<Expectation> {
        let any_of = match field.value.get_ref() {
            DeValue::Array(values) if values.is_empty() => {
                self.error(field.value.span(), format!("\"{}\" is an empty list: nothing could pass", field.name));
                return None;
            }
            DeValue::Array(values) => {
                let patterns: Vec<_> = values.iter().map(|value| self.alternative(field.with_value(value))).collect();
                patterns.into_iter().collect::<Option<Vec<_>>>()?
            }
            _ => vec![self.alternative(field)?],
        };
        Some(expectation(self.value_span(field.value), any_of))
    }

    fn alternative(&mut self, field: Field<'_>) -> Option<ReplyPattern> {
        match field.value.get_ref() {
            DeValue::Table(_) => self.reply_table(field),
            _ => self.reply_pattern(field),
        }
    }

    /// A code or one of the words.
    fn reply_pattern(&mut self, field: Field<'_>) -> Option<ReplyPattern> {
        match field.value.get_ref() {
            DeValue::String(text) => match text.as_ref() {
                "any" => Some(ReplyPattern::Any),
                "close" => Some(ReplyPattern::Close),
                "silence" => Some(ReplyPattern::Silence),
                "malformed" => Some(ReplyPattern::Malformed),
                "handshake-failure" => Some(ReplyPattern::HandshakeFailure),
                other => {
                    if let Some(meant) = closest_name(other, WORDS.into_iter()).filter(|_| !other.starts_with(digit)) {
                        let span = self.value_span(field.value);
                        let wrong = Diagnostic::error(span, format!("\"{}\" cannot be \"{other}\"", field.name));
                        self.report(wrong.with_label(format!("did you mean \"{meant}\"?")));
                        return None;
                    }
                    self.code(field).map(|code| ReplyPattern::codes(vec![code]))
                }
            },
            _ => self.code(field).map(|code| ReplyPattern::codes(vec![code])),
        }
    }

    /// `250`, `"250"`, `"25x"`.
    fn code(&mut self, field: Field<'_>) -> Option<CodePattern> {
        match code(field.value) {
            Some(code) => Some(code),
            None => {
                let what = match field.value.get_ref() {
                    DeValue::Integer(_) => "a code from 0 to 999",
                    DeValue::String(_) => "three digits, or digits and then x as in \"25x\" and \"2xx\"",
                    _ => return self.wrong_type(field),
                };
                self.must_be(field, what)
            }
        }
    }

    fn reply_table(&mut self, field: Field<'_>) -> Option<ReplyPattern> {
        let table = field.value.get_ref().as_table()?;
        let fields = self.fields(table, field.value.span(), &tables::EXPECT);
        if table.is_empty() {
            self.error(
                field.value.span(),
                format!("\"{}\" is empty: it needs code, enhanced, text or lines", field.name),
            );
            return None;
        }
        let mut sound = true;
        let mut code = Vec::new();
        if let Some(codes) = fields.get("code") {
            match codes.value.get_ref() {
                DeValue::Array(values) if !values.is_empty() => {
                    for value in values.iter() {
                        let one = self.code(codes.with_value(value));
                        sound &= one.is_some();
                        code.extend(one);
                    }
                }
                _ => {
                    let one = self.code(codes);
                    sound &= one.is_some();
                    code.extend(one);
                }
            }
        }
        let enhanced = fields.get("enhanced").and_then(|field| {
            let text = self.plain(field);
            let pattern = match text.as_deref().map(EnhancedPattern::parse) {
                Some(None) => self.wrong_type(field),
                other => other.flatten(),
            };
            sound &= pattern.is_some();
            pattern
        });
        let text = fields.get("text").and_then(|field| {
            let text = match field.value.get_ref() {
                DeValue::String(text) => self.compile(text, field.value),
                _ => self.wrong_type(field),
            };
            // A template is checked when it is rendered.
            let literal = text.as_ref().is_some_and(|text| text.compiled.is_none());
            sound &= text.is_some() && (!literal || self.regex(field).is_some());
            text
        });
        let lines = fields.get("lines").and_then(|field| {
            let lines = self.count(field);
            sound &= lines.is_some();
            lines.map(|lines| lines as usize)
        });
        sound.then_some(ReplyPattern::Reply { code, enhanced, text, lines })
    }
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn code(value: &SpannedValue<'_>) -> Option<CodePattern> {
    match value.get_ref() {
        DeValue::Integer(number) => {
            let number = integer(number).filter(|number| (0..=999).contains(number))?;
            CodePattern::parse(&format!("{number:03}"))
        }
        DeValue::String(text) => CodePattern::parse(text),
        _ => None,
    }
}

/// Adds the text for messages.
pub(super) fn expectation(span: Span, any_of: Vec<ReplyPattern>) -> Expectation {
    let words: Vec<_> = any_of.iter().map(describe).collect();
    Expectation { span, words: words.join(" or "), any_of }
}

/// The default expectation of a step.
pub(in crate::session) fn expect_codes(span: Span, codes: &[&str]) -> Expectation {
    let codes = codes.iter().filter_map(|code| CodePattern::parse(code));
    expectation(span, codes.map(|code| ReplyPattern::codes(vec![code])).collect())
}

fn describe(pattern: &ReplyPattern) -> String {
    match pattern {
        ReplyPattern::Any => "any reply".to_owned(),
        ReplyPattern::Close => "close".to_owned(),
        ReplyPattern::Silence => "silence".to_owned(),
        ReplyPattern::Malformed => "a malformed reply".to_owned(),
        ReplyPattern::HandshakeFailure => "handshake-failure".to_owned(),
        ReplyPattern::Reply { code, enhanced, text, lines } => {
            let mut words: Vec<_> = code.iter().map(CodePattern::to_string).collect();
            words = if words.is_empty() { words } else { vec![words.join(" or ")] };
            words.extend(enhanced.as_ref().map(EnhancedPattern::to_string));
            words.extend(text.as_ref().map(|text| format!("text matching \"{}\"", text.source)));
            words.extend(lines.map(|lines| if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }));
            words.join(", ")
        }
    }
}
