//! Converts the rows of a file to UTF-8, in blocks.

use super::encoding::{Beginning, DecodeError, Encoding, decode_run};
use encoding_rs::{Decoder, UTF_8};

/// Converts the rows of a file to UTF-8 in which invalid sequences stay invalid, so that they are the error of their
/// row and not of the file. UTF-8 is passed through; in other encodings an invalid sequence becomes the byte 0xFF.
pub struct RowTranscoder {
    label: Option<&'static Encoding>,
    beginning: Beginning,
    state: TranscoderState,
    text: String,
}

enum TranscoderState {
    Beginning,
    PassThrough,
    Decoding(Box<Decoder>),
}

impl RowTranscoder {
    /// `label` is `[rows] encoding`.
    pub fn new(label: Option<&'static Encoding>) -> Self {
        Self { label, beginning: Beginning::default(), state: TranscoderState::Beginning, text: String::new() }
    }

    /// Converts the next bytes; `is_end` if there are no more.
    ///
    /// # Errors
    /// If the file begins with the byte order mark of UTF-32.
    pub fn push(&mut self, bytes: &[u8], is_end: bool, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let begun;
        let mut rest = bytes;
        if matches!(self.state, TranscoderState::Beginning) {
            let Some(start) = self.beginning.push(bytes, is_end, self.label)? else { return Ok(()) };
            self.state = if start.encoding == UTF_8 {
                TranscoderState::PassThrough
            } else {
                TranscoderState::Decoding(Box::new(start.encoding.new_decoder_without_bom_handling()))
            };
            begun = start.rest;
            rest = &begun;
        }
        let TranscoderState::Decoding(decoder) = &mut self.state else {
            out.extend_from_slice(rest);
            return Ok(());
        };
        loop {
            self.text.clear();
            let (read, malformed) = decode_run(decoder, rest, is_end, &mut self.text);
            out.extend_from_slice(self.text.as_bytes());
            rest = rest.get(read..).unwrap_or_default();
            if malformed.is_none() {
                return Ok(());
            }
            out.push(0xff);
        }
    }
}
