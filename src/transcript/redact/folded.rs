//! A secret in encoded content can stand across two lines (RFC 2045 §6.8 folds base64 at 76 columns): each holds a part
//! of it, and neither the whole.

use super::forms::{Extent, Form};

/// Shorter lines of base64 are no folded content.
const SHORTEST: usize = 20;
/// RFC 5322's limit, which folded content keeps far below.
const LONGEST: usize = 998;
/// A part of fewer characters, three bytes, tells next to nothing, and every text would have it by chance.
const LEAST: usize = 4;

/// Whether the line can be one of folded base64.
pub(super) fn is_candidate(line: &[u8]) -> bool {
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    (SHORTEST..=LONGEST).contains(&line.len()) && line.iter().all(base64)
}

/// Whether the line ends with the form's beginning, or begins with its end.
pub(super) fn is_part(line: &[u8], form: &Form) -> bool {
    let longest = form.bytes.len().min(line.len() + 1);
    form.extent == Extent::Run
        && (LEAST..longest).any(|length| {
            let (head, tail) = (&form.bytes[..length], &form.bytes[form.bytes.len() - length..]);
            line.ends_with(head) || line.starts_with(tail)
        })
}
