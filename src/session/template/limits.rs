//! The limits of one rendering, and how they are counted.
//!
//! The engine counts instructions. Text and lists are counted when a filter takes or returns them and when `{{ … }}`
//! writes them. The engine's own operators cannot be counted: what `~`, `+` and `*` make is counted when it is used.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use std::fmt::{self, Write};
use std::io;

/// The most instructions of one rendering.
pub const MAX_INSTRUCTIONS: u64 = 10_000_000;

/// The longest result of one rendering, in bytes.
pub const MAX_RESULT_BYTES: usize = 16 << 20;

/// The most text that one rendering handles, in bytes: what it writes, and what its filters make.
pub const MAX_HANDLED_BYTES: usize = 256 << 20;

/// The longest list that a filter takes, and the most lists that `batch` and `slice` make.
pub const MAX_ITEMS: usize = 1_000_000;

/// `size` is `None` if it is beyond any limit.
pub fn check_limit(size: Option<usize>, limit: usize) -> Result<(), Error> {
    if size.is_some_and(|size| size <= limit) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidOperation, format!("its result would be longer than {limit}")))
}

/// Refuses a value whose text is longer than a result may be.
pub fn check_length(value: &Value) -> Result<(), Error> {
    check_limit(text_length(value, MAX_RESULT_BYTES), MAX_RESULT_BYTES)
}

/// Refuses a list of too many items, or a text that is too long.
pub fn check_item_count(value: &Value) -> Result<(), Error> {
    if value.as_str().is_some() { check_length(value) } else { check_limit(Some(value.len().unwrap_or(0)), MAX_ITEMS) }
}

/// The text that the rendering has handled so far.
#[derive(Default)]
struct HandledBytes(usize);

/// Counts text that a rendering handles.
pub fn count_bytes(state: &mut State, bytes: usize) -> Result<(), Error> {
    let handled = state.get_or_insert_extension(HandledBytes::default());
    handled.0 = handled.0.saturating_add(bytes);
    if handled.0 <= MAX_HANDLED_BYTES {
        return Ok(());
    }
    let what = format!("a template may handle {} MiB of text, this one takes more", MAX_HANDLED_BYTES >> 20);
    Err(Error::new(ErrorKind::InvalidOperation, what))
}

/// The length of the value as text, without making that text. `None` if it is longer than `limit`.
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

/// The result of a rendering. Writing to it fails if it grows beyond [`MAX_RESULT_BYTES`].
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
