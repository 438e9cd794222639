//! Bounds for minijinja's filters that make much of little: one of them could otherwise ask for more memory than
//! there is, which would end the program instead of the rendering.

use super::RESULT_LIMIT;
use super::budget::{is_short, spend, text_length};
use minijinja::value::{Kwargs, Rest, StringInput, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use std::io;

/// The most lists that `batch` and `slice` are asked for, and the longest of them.
pub const MOST: usize = 1_000_000;

pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("indent", indent);
    environment.add_filter("replace", replace);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_filter("format", format);
}

pub fn within(size: Option<usize>, limit: usize) -> Result<(), Error> {
    if size.is_some_and(|size| size <= limit) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidOperation, format!("its result would be longer than {limit}")))
}

fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let asked = if width.is_some() { width } else { kwargs.get("width")? };
    let lines = value.as_str().split('\n').count();
    within(asked.unwrap_or_default().checked_mul(lines), RESULT_LIMIT)?;
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
    within(length, RESULT_LIMIT)?;
    spend(state, length.unwrap_or(0))?;
    filters::replace(state, value, from, to)
}

fn batch(state: &State, value: Value, count: usize, fill_with: Option<Value>) -> Result<Value, Error> {
    within(Some(count), MOST)?;
    is_short(&value)?;
    filters::batch(state, value, count, fill_with)
}

fn slice(state: &State, value: Value, count: usize, fill_with: Option<Value>) -> Result<Value, Error> {
    within(Some(count), MOST)?;
    is_short(&value)?;
    filters::slice(state, value, count, fill_with)
}

/// Widths and precisions stand in the format, or are numbers among the arguments where it has a `*`.
fn format(state: &mut State, text: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let written = text.as_str().unwrap_or_default();
    let widths = written.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    for digits in widths {
        within(digits.parse().ok(), MOST)?;
    }
    if written.contains('*') {
        for number in arguments.iter().filter_map(|argument| argument.as_i64()) {
            within(usize::try_from(number.unsigned_abs()).ok(), MOST)?;
        }
    }
    let lengths = arguments.iter().map(|argument| text_length(argument, RESULT_LIMIT));
    let length = lengths.chain([text_length(text, RESULT_LIMIT)]).sum::<Option<usize>>();
    within(length, RESULT_LIMIT)?;
    spend(state, length.unwrap_or(0))?;
    filters::format(state, text, arguments)
}

/// A rendering's result, which ends in an error when it grows too big.
#[derive(Default)]
pub struct Limited(Vec<u8>);

impl Limited {
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.0).map_err(|_| Error::new(ErrorKind::BadSerialization, "the result is not text"))
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > RESULT_LIMIT - self.0.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
