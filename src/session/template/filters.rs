//! Filters and tests in addition to those of minijinja.

use super::super::scope::{FUNCTION_CONTEXT, TimeValue};
use super::limits::check_length;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Zoned;
use jiff::tz::TimeZone;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("addresses", addresses);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("date", date);
    environment.add_filter("rfc5322", rfc5322);
    let patterns = Patterns::default();
    environment.add_test("matching", move |value: Value, pattern: &str| patterns.matches(&value, pattern));
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

pub(super) fn defined(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(value) }
}

/// Addresses in one text: a text as it is, the items of a list with commas between them. Only for an `AddressSource` that
/// ends in this filter is such a text several addresses.
fn addresses(value: Value) -> Result<String, Error> {
    check_length(defined(&value)?)?;
    if value.is_none() {
        return Ok(String::new());
    }
    if value.kind() != ValueKind::Seq {
        return Ok(value.to_string());
    }
    let items: Vec<String> = value.try_iter()?.map(|item| item.to_string()).collect();
    Ok(items.join(", "))
}

fn b64encode(value: Value) -> Result<String, Error> {
    check_length(defined(&value)?)?;
    Ok(match value.as_bytes() {
        Some(bytes) => STANDARD.encode(bytes),
        None => STANDARD.encode(value.to_string()),
    })
}

fn b64decode(text: &str) -> Result<String, Error> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text));
    let bytes = bytes.map_err(|_| wrong("b64decode: not base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("b64decode: what it holds is not UTF-8 text"))
}

fn moment(state: &State, value: &Value) -> Result<Zoned, Error> {
    let context = state.lookup(FUNCTION_CONTEXT);
    let context =
        context.as_ref().and_then(|context| context.downcast_object_ref::<super::super::scope::FunctionContext>());
    let zone = context.map_or(TimeZone::UTC, |context| context.host.zone.clone());
    TimeValue::read(defined(value)?, &zone)
        .ok_or_else(|| wrong("not a time: now(), text as in 2026-11-03T08:00:00Z, or seconds since 1970 were expected"))
}

fn date(state: &State, value: Value, format: Option<&str>) -> Result<String, Error> {
    let moment = moment(state, &value)?;
    let format = format.unwrap_or("%Y-%m-%d");
    jiff::fmt::strtime::format(format, &moment).map_err(|error| wrong(format!("date: {error}")))
}

/// RFC 5322 §3.3.
fn rfc5322(state: &State, value: Value) -> Result<String, Error> {
    jiff::fmt::rfc2822::to_string(&moment(state, &value)?).map_err(|error| wrong(format!("rfc5322: {error}")))
}

/// Compiles the pattern of `matching`.
pub fn pattern(pattern: &str) -> Result<Regex, String> {
    // A template reads \b in a string as a backspace. In a pattern it means a word boundary.
    let written = pattern.replace('\u{8}', r"\b");
    Regex::new(&written).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("matching: \"{written}\" is not a regular expression: {reason}")
    })
}

/// The patterns of `matching('…')`, each compiled once.
#[derive(Default)]
struct Patterns(Mutex<HashMap<String, Regex>>);

impl Patterns {
    /// Bounds the memory of a session that computes its patterns.
    const KEPT: usize = 256;

    fn matches(&self, value: &Value, pattern: &str) -> Result<bool, Error> {
        check_length(defined(value)?)?;
        let text = value.to_string();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.is_match(&text));
        }
        let regex = self::pattern(pattern).map_err(wrong)?;
        let matched = regex.is_match(&text);
        if known.len() >= Self::KEPT {
            known.clear();
        }
        known.insert(pattern.to_owned(), regex);
        Ok(matched)
    }
}
