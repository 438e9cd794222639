//! Splits a finished message into its header, which is kept, and its body, which is hashed: one pass over blocks.

use super::body_hash::{BodyHash, BodyHasher};
use std::fmt;

/// The most that a header may hold. A template's result has the same limit.
const MAX_HEADER: usize = 16 << 20;

/// What a signature is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignableContent {
    /// The header fields with their CRLFs, without the empty line.
    pub header: Vec<u8>,
    pub body_hash: BodyHash,
}

/// The header is longer than 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderTooLong;

impl fmt::Display for HeaderTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header of the message is longer than {} MiB", MAX_HEADER >> 20)
    }
}

impl std::error::Error for HeaderTooLong {}

/// Takes the content of DATA or BDAT, before dot stuffing.
#[derive(Default)]
pub struct ContentHasher {
    header: Vec<u8>,
    /// `None` before the empty line.
    body: Option<BodyHasher>,
}

impl ContentHasher {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// If the header is too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), HeaderTooLong> {
        if let Some(body) = &mut self.body {
            body.push(bytes);
            return Ok(());
        }
        // The CRLFCRLF may have begun in an earlier block.
        let searched = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(bytes);
        let end = if self.header.starts_with(b"\r\n") {
            Some((0, 2))
        } else {
            let unsearched = self.header.get(searched..).unwrap_or_default();
            memchr::memmem::find(unsearched, b"\r\n\r\n").map(|at| (searched + at + 2, searched + at + 4))
        };
        if let Some((header, body)) = end {
            let mut hasher = BodyHasher::new();
            hasher.push(self.header.get(body..).unwrap_or_default());
            self.header.truncate(header);
            self.body = Some(hasher);
        }
        if self.header.len() > MAX_HEADER { Err(HeaderTooLong) } else { Ok(()) }
    }

    /// The message is complete. Without an empty line all of it is the header.
    pub fn finish(self) -> SignableContent {
        SignableContent { header: self.header, body_hash: self.body.unwrap_or_default().finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_body_are_told_apart_in_any_blocks() {
        /// Content, header, body, why.
        type Row = (&'static [u8], &'static [u8], &'static [u8], &'static str);
        let table: &[Row] = &[
            (b"A: 1\r\n\r\nbody\r\n", b"A: 1\r\n", b"body\r\n", "the usual"),
            (b"\r\nbody\r\n", b"", b"body\r\n", "no header"),
            (b"A: 1\r\n", b"A: 1\r\n", b"", "no body and no empty line"),
            (b"A: 1\r\n\r\n", b"A: 1\r\n", b"", "no body"),
            (b"A: 1\r\n\r\n\r\n\r\nx\r\n", b"A: 1\r\n", b"\r\n\r\nx\r\n", "the body begins with empty lines"),
            (b"A: 1\r\n 2\r\n\r\nx", b"A: 1\r\n 2\r\n", b"x", "a fold"),
            (b"", b"", b"", "nothing"),
        ];
        for (content, header, body, why) in table {
            let mut hasher = BodyHasher::new();
            hasher.push(body);
            let expected = SignableContent { header: header.to_vec(), body_hash: hasher.finish() };
            for block in 1..=content.len().max(1) {
                let mut hasher = ContentHasher::new();
                for chunk in content.chunks(block) {
                    assert_eq!(hasher.push(chunk), Ok(()));
                }
                assert_eq!(hasher.finish(), expected, "{why}, in blocks of {block}");
            }
        }
    }

    #[test]
    fn a_header_without_end_is_refused() {
        let mut hasher = ContentHasher::new();
        let block = vec![b'a'; 1 << 20];
        let results: Vec<_> = (0..17).map(|_| hasher.push(&block)).collect();
        assert_eq!(results.iter().position(Result::is_err), Some(16));
    }
}
