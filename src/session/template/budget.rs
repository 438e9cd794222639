//! What one rendering may handle of text and lists: filters that make much of what they are given look at it first,
//! and all that they and `{{ … }}` give is counted, captured or not.
//!
//! The engine's own operators have no place to ask: what `~`, `+` and `*` make is only counted where it is used.

use super::MAX_RESULT_BYTES;
use super::filter_limits::{MAX_ITEMS, check_limit};
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter, filters};
use std::fmt::{self, Write};

/// The bytes of text that one rendering may handle: its result, and all that it is made of.
pub const MAX_HANDLED_BYTES: usize = 256 << 20;

/// What is handled already.
#[derive(Default)]
struct HandledBytes(usize);

/// Puts a filter of the engine behind a look at what it is given. The filter itself stays under a name that no
/// template can spell.
macro_rules! guarded {
    ($environment:ident, $look:ident: $($name:literal => $filter:ident),+ $(,)?) => {$(
        $environment.add_filter(concat!("\0", $name), filters::$filter);
        $environment.add_filter($name, |state: &mut State, arguments: Rest<ValueOrKwargs>| -> Result<Value, Error> {
            let arguments = arguments.into_values();
            arguments.iter().try_for_each($look)?;
            let result = state.apply_filter(concat!("\0", $name), &arguments)?;
            count_bytes(state, result.as_str().map_or(0, str::len))?;
            Ok(result)
        });
    )+};
}

pub fn add(environment: &mut Environment<'static>) {
    guarded!(environment, check_length:
        "capitalize" => capitalize, "e" => escape, "escape" => escape, "lines" => lines, "lower" => lower,
        "pprint" => pprint, "safe" => safe, "split" => split, "string" => string, "sum" => sum, "title" => title,
        "tojson" => tojson, "trim" => trim, "upper" => upper, "urlencode" => urlencode,
    );
    guarded!(environment, check_item_count:
        "chain" => chain, "dictsort" => dictsort, "groupby" => groupby, "items" => items, "list" => list, "map" => map,
        "reject" => reject, "rejectattr" => rejectattr, "reverse" => reverse, "select" => select,
        "selectattr" => selectattr, "sort" => sort, "unique" => unique, "zip" => zip,
    );
    environment.add_filter("\0join", filters::join);
    environment.add_filter("join", join);
    environment.set_formatter(format_value);
}

/// Whether its text is no longer than a result may be.
pub fn check_length(value: &Value) -> Result<(), Error> {
    check_limit(text_length(value, MAX_RESULT_BYTES), MAX_RESULT_BYTES)
}

pub fn check_item_count(value: &Value) -> Result<(), Error> {
    if value.as_str().is_some() { check_length(value) } else { check_limit(Some(value.len().unwrap_or(0)), MAX_ITEMS) }
}

/// The items are counted with what stands between them.
fn join(state: &mut State, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut arguments = arguments.into_values();
    arguments.iter().try_for_each(check_length)?;
    // A list that is made while it is walked through is walked through once.
    if let Some(list) = arguments.first_mut().filter(|list| list.kind() == ValueKind::Iterable && list.len().is_none())
    {
        *list = list.try_iter()?.take(MAX_ITEMS).collect();
    }
    let count = arguments.first().and_then(Value::len).unwrap_or(0);
    let between = arguments.get(1).and_then(Value::as_str).map_or(0, str::len);
    // By name it stands in the last one, as its longest text.
    let named = arguments.last().filter(|last| last.is_kwargs()).and_then(|last| text_length(last, MAX_RESULT_BYTES));
    check_limit(count.checked_mul(between.max(named.unwrap_or(0))), MAX_RESULT_BYTES)?;
    let result = state.apply_filter("\0join", &arguments)?;
    count_bytes(state, result.as_str().map_or(0, str::len))?;
    Ok(result)
}

/// What `{{ … }}` writes, into the result or into a value.
fn format_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let length = text_length(value, MAX_RESULT_BYTES).ok_or_else(|| Error::from(ErrorKind::WriteFailure))?;
    count_bytes(state, length)?;
    escape_formatter(out, state, value)
}

pub fn count_bytes(state: &mut State, bytes: usize) -> Result<(), Error> {
    let handled = state.get_or_insert_extension(HandledBytes::default());
    handled.0 = handled.0.saturating_add(bytes);
    if handled.0 <= MAX_HANDLED_BYTES {
        return Ok(());
    }
    let what = format!("a template may handle {} MiB of text, this one takes more", MAX_HANDLED_BYTES >> 20);
    Err(Error::new(ErrorKind::InvalidOperation, what))
}

/// How long it is where it is written; `None` where that is more than `limit`. Nothing is made for it.
pub fn text_length(value: &Value, limit: usize) -> Option<usize> {
    if let Some(text) = value.as_str() {
        return (text.len() <= limit).then_some(text.len());
    }
    if matches!(value.kind(), ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number) {
        return Some(0);
    }
    let mut counter = Counter { length: 0, limit };
    write!(counter, "{value}").is_ok().then_some(counter.length)
}

struct Counter {
    length: usize,
    limit: usize,
}

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.length += text.len();
        if self.length <= self.limit { Ok(()) } else { Err(fmt::Error) }
    }
}
