//! Filters of minijinja that can make much of little, with a check of their arguments. Without it, one of them could ask
//! for more memory than there is, which would end the program instead of the rendering.

use super::html::{escape, escape_html};
use super::limits::{
    MAX_ITEMS, MAX_RESULT_BYTES, check_item_count, check_length, check_limit, count_bytes, text_length,
};
use super::rendered_text::{MARKED, VALUE_BEGINS, VALUE_ENDS, can_be_marked};
use minijinja::value::{Kwargs, Rest, StringInput, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter, filters};

/// Adds a filter of the engine with a check of its arguments. The original filter gets a name that no template can
/// write.
macro_rules! guarded {
    ($environment:ident, $look:ident: $($name:literal => $filter:ident),+ $(,)?) => {$(
        $environment.add_filter(concat!("\0", $name), $filter);
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
    use filters::{
        capitalize, chain, dictsort, groupby, items, lines, list, lower, map, pprint, reject, rejectattr, reverse,
        safe, select, selectattr, sort, split, string, sum, title, tojson, trim, unique, upper, urlencode, zip,
    };
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
    environment.add_filter("indent", indent);
    environment.add_filter("replace", replace);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_filter("format", format);
    environment.add_filter("\0join", filters::join);
    environment.add_filter("join", join);
    environment.set_formatter(format_value);
}

/// Counts the items and the separators between them.
fn join(state: &mut State, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut arguments = arguments.into_values();
    arguments.iter().try_for_each(check_length)?;
    // A lazy list can be iterated only once, so it is collected first.
    if let Some(list) = arguments.first_mut().filter(|list| list.kind() == ValueKind::Iterable && list.len().is_none())
    {
        *list = list.try_iter()?.take(MAX_ITEMS).collect();
    }
    let count = arguments.first().and_then(Value::len).unwrap_or(0);
    let between = arguments.get(1).and_then(Value::as_str).map_or(0, str::len);
    // A separator given by name is in the last argument, which is at least as long.
    let named = arguments.last().filter(|last| last.is_kwargs()).and_then(|last| text_length(last, MAX_RESULT_BYTES));
    check_limit(count.checked_mul(between.max(named.unwrap_or(0))), MAX_RESULT_BYTES)?;
    let result = state.apply_filter("\0join", &arguments)?;
    count_bytes(state, result.as_str().map_or(0, str::len))?;
    Ok(result)
}

/// Writes the value of `{{ … }}`, into the result or into a captured value.
fn format_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let length = text_length(value, MAX_RESULT_BYTES).ok_or_else(|| Error::from(ErrorKind::WriteFailure))?;
    count_bytes(state, length)?;
    if !state.name().starts_with(MARKED) {
        return match state.auto_escape() {
            AutoEscape::Html | AutoEscape::Custom(_) if !value.is_safe() => {
                let text = value.as_str().map_or_else(|| escape_html(&value.to_string()), escape_html);
                out.write_str(&text).map_err(|_| Error::from(ErrorKind::WriteFailure))
            }
            _ => escape_formatter(out, state, value),
        };
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if !can_be_marked(&text) {
        return Err(Error::new(ErrorKind::InvalidOperation, CANNOT_BE_MARKED));
    }
    write!(out, "{VALUE_BEGINS}{text}{VALUE_ENDS}").map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// A block is rendered with its marks, so its text cannot be a value again.
const CANNOT_BE_MARKED: &str = "this value contains U+FDD0 or U+FDD1, which are not characters, or the text of a block \
    ({% set %}, {% filter %} or a macro), which an address cannot have";

fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let asked = if width.is_some() { width } else { kwargs.get("width")? };
    let lines = value.as_str().split('\n').count();
    check_limit(asked.unwrap_or_default().checked_mul(lines), MAX_RESULT_BYTES)?;
    filters::indent(value, width, first, blank, kwargs)
}

fn replace(
    state: &mut State,
    value: StringInput<'_>,
    from: StringInput<'_>,
    to: StringInput<'_>,
) -> Result<Value, Error> {
    let count = value.as_str().matches(from.as_str()).count();
    let length = count.checked_mul(to.as_str().len()).map(|length| length.saturating_add(value.as_str().len()));
    check_limit(length, MAX_RESULT_BYTES)?;
    count_bytes(state, length.unwrap_or(0))?;
    filters::replace(state, value, from, to)
}

fn batch(state: &State, value: Value, count: usize, fill_with: Option<Value>) -> Result<Value, Error> {
    check_limit(Some(count), MAX_ITEMS)?;
    check_item_count(&value)?;
    filters::batch(state, value, count, fill_with)
}

fn slice(state: &State, value: Value, count: usize, fill_with: Option<Value>) -> Result<Value, Error> {
    check_limit(Some(count), MAX_ITEMS)?;
    check_item_count(&value)?;
    filters::slice(state, value, count, fill_with)
}

/// Widths and precisions are in the format, or numbers among the arguments if it has a `*`.
fn format(state: &mut State, text: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let written = text.as_str().unwrap_or_default();
    let widths = written.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    for digits in widths {
        check_limit(digits.parse().ok(), MAX_ITEMS)?;
    }
    if written.contains('*') {
        for number in arguments.iter().filter_map(|argument| argument.as_i64()) {
            check_limit(usize::try_from(number.unsigned_abs()).ok(), MAX_ITEMS)?;
        }
    }
    let lengths = arguments.iter().map(|argument| text_length(argument, MAX_RESULT_BYTES));
    let length = lengths.chain([text_length(text, MAX_RESULT_BYTES)]).sum::<Option<usize>>();
    check_limit(length, MAX_RESULT_BYTES)?;
    count_bytes(state, length.unwrap_or(0))?;
    filters::format(state, text, arguments)
}
