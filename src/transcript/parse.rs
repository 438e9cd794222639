//! Reads transcripts in mailrun's own notation.

use super::Record;

/// Where a transcript is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    pub why: String,
}

/// Reads a whole transcript. With or without timestamps; the space behind `C:` may be missing on an empty line.
pub fn parse(text: &str) -> Result<Vec<Record>, Vec<ParseError>> {
    let _ = text;
    todo!()
}
