//! Reads a text file as UTF-8 in constant memory.

use super::encoding::{DecodeError, InvalidBytes, TextDecoder, TextDecoding};
use super::model::TextSource;
use std::io::{self, Read};

/// Bytes read at a time.
const BLOCK: usize = 64 * 1024;

/// The text of another reader's bytes, in UTF-8.
pub struct DecodedReader<R> {
    reader: R,
    /// `None` after the end.
    decoder: Option<TextDecoder>,
    block: Vec<u8>,
    text: String,
    /// How much of `text` was read.
    at: usize,
}

impl<R: Read> DecodedReader<R> {
    pub fn new(reader: R, decoding: TextDecoding) -> Self {
        let decoder = Some(TextDecoder::new(decoding));
        Self { reader, decoder, block: vec![0; BLOCK], text: String::new(), at: 0 }
    }

    /// Decodes the next block; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.at = 0;
        let Some(mut decoder) = self.decoder.take() else { return Ok(false) };
        let count = read_block(&mut self.reader, &mut self.block)?;
        let decoded = match self.block.get(..count).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => {
                let pushed = decoder.push(bytes, &mut self.text);
                self.decoder = Some(decoder);
                pushed
            }
            None => decoder.finish(&mut self.text).map(drop),
        };
        decoded.map_err(io::Error::other)?;
        Ok(true)
    }
}

impl<R: Read> Read for DecodedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.text.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

impl TextSource {
    /// How the file of `text` or `html` is decoded.
    pub fn decoding(&self) -> TextDecoding {
        match self {
            Self::Text(_) => TextDecoding::strict(None),
            Self::File { charset, .. } => TextDecoding::of_content(*charset),
        }
    }
}

fn read_block(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The length of a text in UTF-8, and what is invalid in it. The length is `None` if the bytes are the text: UTF-8 without
/// a byte order mark and without an invalid byte.
pub type MeasuredText = (Option<u64>, InvalidBytes);

/// Reads a whole text to know its length.
///
/// # Errors
/// The outer one if it cannot be read, the inner one if it cannot be decoded.
pub fn measure_text(mut reader: impl Read, decoding: TextDecoding) -> io::Result<Result<MeasuredText, DecodeError>> {
    let (mut decoder, mut block, mut text) = (TextDecoder::new(decoding), vec![0; BLOCK], String::new());
    let (mut length, mut raw_length) = (0, 0);
    loop {
        let count = read_block(&mut reader, &mut block)?;
        text.clear();
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        if let Err(error) = decoder.push(bytes, &mut text) {
            return Ok(Err(error));
        }
        length += text.len() as u64;
        raw_length += bytes.len() as u64;
    }
    let changes_bytes = decoder.changes_bytes();
    Ok(decoder.finish(&mut text).map(|invalid| {
        length += text.len() as u64;
        let is_unchanged = !changes_bytes && invalid.count == 0 && length == raw_length;
        ((!is_unchanged).then_some(length), invalid)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_length_is_that_of_the_text(
            bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..80), "\u{feff}?[a\u{fc}\r\n]{0,30}".prop_map(String::into_bytes)],
            label in prop::sample::select(vec!["utf-8", "windows-1252", "utf-16le"]),
            is_lossy: bool,
        ) {
            let label = Some(super::super::encoding_for_label(label).expect("the label is known"));
            let decoding = if is_lossy { TextDecoding { mode: super::super::DecodeMode::Lossy, ..TextDecoding::strict(label) } } else { TextDecoding::strict(label) };
            let mut text = Vec::new();
            let read = DecodedReader::new(&bytes[..], decoding).read_to_end(&mut text);
            match measure_text(&bytes[..], decoding).expect("memory can be read") {
                Err(_) => prop_assert!(read.is_err()),
                Ok((None, _)) => prop_assert_eq!(text, bytes),
                Ok((Some(length), _)) => {
                    prop_assert_eq!(length, text.len() as u64);
                    prop_assert!(String::from_utf8(text).is_ok());
                }
            }
        }
    }
}
