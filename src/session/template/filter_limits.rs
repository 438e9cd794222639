//! Bounds for minijinja's filters that make much of little: one of them could otherwise ask for more memory than
//! there is, which would end the program instead of the rendering.

use super::MAX_RESULT_BYTES;
use super::budget::{check_item_count, count_bytes, text_length};
use minijinja::value::{Kwargs, Rest, StringInput, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use std::io;

/// The most lists that `batch` and `slice` are asked for, and the longest of them.
pub const MAX_ITEMS: usize = 1_000_000;

pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("indent", indent);
    environment.add_filter("replace", replace);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_filter("format", format);
}

pub fn check_limit(size: Option<usize>, limit: usize) -> Result<(), Error> {
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

/// Widths and precisions stand in the format, or are numbers among the arguments where it has a `*`.
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

/// A rendering's result, which ends in an error when it grows too big.
#[derive(Default)]
pub struct LimitedBuffer(Vec<u8>);

impl LimitedBuffer {
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.0).map_err(|_| Error::new(ErrorKind::BadSerialization, "the result is not text"))
    }
}

impl io::Write for LimitedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_RESULT_BYTES - self.0.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
