//! Rows in JSON Lines: an object in each line.

use super::row_input::{NAME_THE_ENCODING, RowInput};
use crate::session::{MAX_RECORD_BYTES, RowValue};
use std::io;

/// The next row: its line, and its value or what is wrong with it.
pub fn next_json_row(input: &mut RowInput, number: &mut u64) -> io::Result<Option<(u64, Result<RowValue, String>)>> {
    loop {
        let (mut searched, mut end) = (0, None);
        while end.is_none() {
            let buffer = input.buffer();
            let unsearched = buffer.get(searched..).unwrap_or_default();
            end = memchr::memchr(b'\n', unsearched).map(|at| searched + at + 1);
            searched = buffer.len();
            if end.is_none() && searched > MAX_RECORD_BYTES {
                let what = format!("line {} is longer than {} MiB", *number + 1, MAX_RECORD_BYTES >> 20);
                return Err(io::Error::other(what));
            }
            if end.is_none() && !input.fill()? {
                end = Some(searched);
            }
        }
        let line = input.buffer().get(..end.unwrap_or_default()).unwrap_or_default();
        let length = line.len();
        if length == 0 {
            return Ok(None);
        }
        *number += 1;
        let value = json_row(line);
        input.consume(length);
        if let Some(value) = value {
            return Ok(Some((*number, value)));
        }
    }
}

/// The row of a line; `None` if the line is empty.
fn json_row(line: &[u8]) -> Option<Result<RowValue, String>> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Some(Err(format!("the row is not UTF-8; {NAME_THE_ENCODING}")));
    };
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    Some(match object {
        Ok(object) => Ok(RowValue::from_json(&object)),
        Err(error) => Err(format!("the row is not a JSON object: {error}")),
    })
}
