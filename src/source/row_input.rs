//! The bytes of a file of rows as UTF-8, whatever its encoding, block by block.

use crate::session::{Encoding, RowTranscoder};
use std::io::{self, Read};

/// Bytes read at a time.
const BLOCK: usize = 64 * 1024;

/// What to do about bytes that are not UTF-8.
pub const NAME_THE_ENCODING: &str = "encoding = \"windows-1252\", for example, names another encoding";

/// A file of rows in UTF-8. Bytes that are invalid in its encoding stay invalid, so that they are the error of their row.
pub struct RowInput {
    reader: Box<dyn Read + Send>,
    transcoder: RowTranscoder,
    block: Vec<u8>,
    text: Vec<u8>,
    /// How much of `text` was taken.
    at: usize,
    has_ended: bool,
    /// How many bytes were read, and how many they are in UTF-8.
    bytes_read: u64,
    bytes_decoded: u64,
}

impl RowInput {
    pub fn new(reader: Box<dyn Read + Send>, encoding: Option<&'static Encoding>) -> Self {
        Self {
            reader,
            transcoder: RowTranscoder::new(encoding),
            block: vec![0; BLOCK],
            text: Vec::new(),
            at: 0,
            has_ended: false,
            bytes_read: 0,
            bytes_decoded: 0,
        }
    }

    /// What was read and not yet taken.
    pub fn buffer(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether there is nothing after the buffer.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes the first `count` bytes of the buffer.
    pub fn consume(&mut self, count: usize) {
        self.at = self.text.len().min(self.at + count);
    }

    /// Reads more to the end of the buffer; false if there is nothing more.
    ///
    /// # Errors
    /// If the file cannot be read; [`io::ErrorKind::InvalidData`] if its encoding is not supported.
    pub fn fill(&mut self) -> io::Result<bool> {
        if self.has_ended {
            return Ok(false);
        }
        let count = loop {
            match self.reader.read(&mut self.block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.text.drain(..self.at);
        self.at = 0;
        self.has_ended = count == 0;
        let before = self.text.len();
        let bytes = self.block.get(..count).unwrap_or_default();
        self.transcoder
            .push(bytes, self.has_ended, &mut self.text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        self.bytes_read += count as u64;
        self.bytes_decoded += (self.text.len() - before) as u64;
        Ok(true)
    }

    /// How many bytes of the file were taken; an estimate unless it is UTF-8.
    pub fn position(&self) -> u64 {
        let left = self.buffer().len() as u64;
        if left == 0 {
            return self.bytes_read;
        }
        let taken = self.bytes_decoded.saturating_sub(left);
        (taken as f64 / self.bytes_decoded as f64 * self.bytes_read as f64) as u64
    }
}
