//! Text in other encodings than UTF-8, decoded from blocks of any size (WHATWG Encoding Standard, by `encoding_rs`).
//!
//! A byte order mark selects UTF-8 or UTF-16, is removed, and overrides a label (Encoding Standard §6.1, "decode").
//! Without either the text is UTF-8. Nothing else is guessed.

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};
use std::fmt;

pub use encoding_rs::Encoding;

/// How many invalid sequences are reported with their place.
const MAX_REPORTED: usize = 10;
/// More than an invalid sequence and what is read after it (4 and 3 bytes, `DecoderResult::Malformed`).
const TAIL: usize = 8;

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrderMark {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// No encoding of the WHATWG; it is recognised so that it is not taken for UTF-16.
    Utf32,
}

impl ByteOrderMark {
    /// The mark at the beginning of `bytes`, which are the first four of the file, or all.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        const MARKS: [(&[u8], ByteOrderMark); 5] = [
            (b"\xff\xfe\0\0", ByteOrderMark::Utf32),
            (b"\0\0\xfe\xff", ByteOrderMark::Utf32),
            (b"\xef\xbb\xbf", ByteOrderMark::Utf8),
            (b"\xff\xfe", ByteOrderMark::Utf16Le),
            (b"\xfe\xff", ByteOrderMark::Utf16Be),
        ];
        MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, mark)| *mark)
    }

    /// Its length, and the encoding that it selects.
    fn selects(self) -> Option<(usize, &'static Encoding)> {
        match self {
            Self::Utf8 => Some((3, UTF_8)),
            Self::Utf16Le => Some((2, UTF_16LE)),
            Self::Utf16Be => Some((2, UTF_16BE)),
            Self::Utf32 => None,
        }
    }
}

/// A label that the Encoding Standard §4.2 does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLabel(pub String);

impl fmt::Display for UnknownLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not the label of an encoding; labels are those of the WHATWG Encoding Standard: \
             \"windows-1252\", \"iso-8859-15\", \"macintosh\", \"utf-16le\"",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for UnknownLabel {}

/// The encoding of a label (Encoding Standard §4.2), in any case.
///
/// # Errors
/// If there is none. Labels of the encoding "replacement", which decodes nothing, are unknown too.
pub fn encoding_for_label(label: &str) -> Result<&'static Encoding, UnknownLabel> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| UnknownLabel(label.to_owned()))
}

/// What happens to bytes that are invalid in the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeMode {
    /// They are an error.
    Strict,
    /// They become U+FFFD and are reported.
    Lossy,
}

/// How a text file is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextDecoding {
    /// The encoding that the session names. A byte order mark counts more.
    pub label: Option<&'static Encoding>,
    pub mode: DecodeMode,
}

impl TextDecoding {
    /// Bytes that are invalid in the encoding are an error.
    pub fn strict(label: Option<&'static Encoding>) -> Self {
        Self { label, mode: DecodeMode::Strict }
    }

    /// For `text` and `html`: with `charset` an invalid byte is an error, without it becomes U+FFFD.
    pub fn of_content(charset: Option<&'static Encoding>) -> Self {
        Self { label: charset, mode: if charset.is_some() { DecodeMode::Strict } else { DecodeMode::Lossy } }
    }
}

/// The first byte of an invalid sequence, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidByte {
    /// From 0, in the file, with its byte order mark.
    pub offset: u64,
    /// From 1. Lines end with LF, CRLF or CR.
    pub line: u64,
    pub byte: u8,
    /// The name of the encoding: `UTF-8`.
    pub encoding: &'static str,
}

impl fmt::Display for InvalidByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, line, byte, encoding } = self;
        write!(f, "line {line} is not {encoding}: byte 0x{byte:02X} at offset {offset}")
    }
}

impl InvalidByte {
    /// What is wrong with the file of that name, with its place: `report.log:3: not UTF-8: byte 0xE9 at offset 17`.
    pub fn in_file(&self, name: &str) -> String {
        let Self { offset, line, byte, encoding } = self;
        format!("{name}:{line}: not {encoding}: byte 0x{byte:02X} at offset {offset}")
    }
}

/// Why a text was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    Invalid(InvalidByte),
    /// The byte order mark is that of UTF-32.
    Utf32,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Utf32 => f.write_str("the text begins with the byte order mark of UTF-32, which is not supported"),
        }
    }
}

impl DecodeError {
    /// The error of the file of that name.
    pub fn in_file(&self, name: &str) -> String {
        match self {
            Self::Invalid(invalid) => invalid.in_file(name),
            Self::Utf32 => format!("{name}: {self}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// The invalid sequences of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidBytes {
    pub count: u64,
    /// The first ten.
    pub first: Vec<InvalidByte>,
}

impl InvalidBytes {
    /// Names the first one in the file of that name, and counts the others; `None` if the text is valid.
    pub fn in_file(&self, name: &str) -> Option<String> {
        let first = self.first.first()?;
        let InvalidByte { offset, line, byte, .. } = first;
        let more = match self.count.saturating_sub(1) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!("{name}:{line}: byte 0x{byte:02X} at offset {offset}{more}"))
    }
}

/// What is known after the first bytes.
pub(super) struct Start {
    pub(super) encoding: &'static Encoding,
    /// The length of the byte order mark.
    mark: usize,
    /// The bytes after it.
    pub(super) rest: Vec<u8>,
}

/// The bytes of a file before it is known whether they are a byte order mark.
#[derive(Debug, Default)]
pub(super) struct Beginning(Vec<u8>);

impl Beginning {
    /// Takes bytes until the encoding is known.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        is_end: bool,
        label: Option<&'static Encoding>,
    ) -> Result<Option<Start>, DecodeError> {
        self.0.extend_from_slice(bytes);
        let may_be_mark = matches!(self.0.first(), None | Some(0 | 0xef | 0xfe | 0xff));
        if may_be_mark && self.0.len() < 4 && !is_end {
            return Ok(None);
        }
        let (mark, encoding) = match ByteOrderMark::detect(&self.0) {
            None => (0, label.unwrap_or(UTF_8)),
            Some(mark) => mark.selects().ok_or(DecodeError::Utf32)?,
        };
        Ok(Some(Start { encoding, mark, rest: self.0.split_off(mark) }))
    }
}

/// Decodes up to the end of `bytes` or the first invalid sequence: how many bytes were read, and the lengths of the
/// invalid sequence and of what was read after it.
pub(super) fn decode_run(
    decoder: &mut Decoder,
    bytes: &[u8],
    is_end: bool,
    out: &mut String,
) -> (usize, Option<(u8, u8)>) {
    let mut total = 0;
    loop {
        let rest = bytes.get(total..).unwrap_or_default();
        let needed = decoder.max_utf8_buffer_length_without_replacement(rest.len());
        out.reserve(needed.unwrap_or(rest.len()).max(16));
        let (result, read) = decoder.decode_to_string_without_replacement(rest, out, is_end);
        total += read;
        match result {
            DecoderResult::InputEmpty => return (total, None),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(invalid, after) => return (total, Some((invalid, after))),
        }
    }
}

/// Decodes one text.
pub struct TextDecoder {
    label: Option<&'static Encoding>,
    mode: DecodeMode,
    beginning: Beginning,
    decoder: Option<Decoder>,
    has_mark: bool,
    /// How many bytes were decoded, with the mark.
    offset: u64,
    /// The last bytes that were decoded.
    tail: Vec<u8>,
    line: u64,
    ends_with_cr: bool,
    invalid: InvalidBytes,
}

impl TextDecoder {
    pub fn new(decoding: TextDecoding) -> Self {
        Self {
            label: decoding.label,
            mode: decoding.mode,
            beginning: Beginning::default(),
            decoder: None,
            has_mark: false,
            offset: 0,
            tail: Vec::new(),
            line: 1,
            ends_with_cr: false,
            invalid: InvalidBytes::default(),
        }
    }

    /// Whether the text is not made of the very bytes, even if none of them is invalid: another encoding than UTF-8, or a
    /// byte order mark. Known after the first four bytes.
    pub fn changes_bytes(&self) -> bool {
        self.has_mark || self.decoder.as_ref().is_some_and(|decoder| decoder.encoding() != UTF_8)
    }

    /// Decodes the next bytes and appends the text.
    ///
    /// # Errors
    /// In strict mode at the first invalid sequence; in both if the text is UTF-32. Nothing can be decoded after that.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) -> Result<(), DecodeError> {
        self.decode(bytes, false, out)
    }

    /// What is invalid so far.
    pub fn invalid_bytes(&self) -> &InvalidBytes {
        &self.invalid
    }

    /// The text is complete: a sequence that is not is invalid.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self, out: &mut String) -> Result<InvalidBytes, DecodeError> {
        self.decode(b"", true, out)?;
        Ok(self.invalid)
    }

    fn decode(&mut self, bytes: &[u8], is_end: bool, out: &mut String) -> Result<(), DecodeError> {
        let begun;
        let mut rest = bytes;
        if self.decoder.is_none() {
            let Some(start) = self.beginning.push(bytes, is_end, self.label)? else { return Ok(()) };
            self.offset = start.mark as u64;
            self.has_mark = start.mark > 0;
            self.decoder = Some(start.encoding.new_decoder_without_bom_handling());
            begun = start.rest;
            rest = &begun;
        }
        let Some(mut decoder) = self.decoder.take() else { return Ok(()) };
        loop {
            let text = out.len();
            let (read, malformed) = decode_run(&mut decoder, rest, is_end, out);
            self.count_lines(out.get(text..).unwrap_or_default());
            let (consumed, behind) = rest.split_at(read.min(rest.len()));
            self.tail.extend_from_slice(consumed);
            self.offset += consumed.len() as u64;
            rest = behind;
            let Some((length, after)) = malformed else { break };
            self.report(&decoder, usize::from(length) + usize::from(after))?;
            out.push(char::REPLACEMENT_CHARACTER);
            self.ends_with_cr = false;
            self.forget_tail();
        }
        self.forget_tail();
        self.decoder = Some(decoder);
        Ok(())
    }

    fn forget_tail(&mut self) {
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// `back` is how many bytes ago the sequence began.
    fn report(&mut self, decoder: &Decoder, back: usize) -> Result<(), DecodeError> {
        let invalid = InvalidByte {
            offset: self.offset.saturating_sub(back as u64),
            line: self.line,
            byte: self.tail.iter().rev().nth(back.saturating_sub(1)).copied().unwrap_or_default(),
            encoding: decoder.encoding().name(),
        };
        if self.mode == DecodeMode::Strict {
            return Err(DecodeError::Invalid(invalid));
        }
        self.invalid.count += 1;
        if self.invalid.first.len() < MAX_REPORTED {
            self.invalid.first.push(invalid);
        }
        Ok(())
    }

    fn count_lines(&mut self, text: &str) {
        let bytes = text.as_bytes();
        for at in memchr::memchr2_iter(b'\r', b'\n', bytes) {
            let is_after_cr = match at.checked_sub(1) {
                None => self.ends_with_cr,
                Some(before) => bytes.get(before) == Some(&b'\r'),
            };
            // The LF of a CRLF was counted with its CR.
            if !(is_after_cr && bytes.get(at) == Some(&b'\n')) {
                self.line += 1;
            }
        }
        if let Some(last) = bytes.last() {
            self.ends_with_cr = *last == b'\r';
        }
    }
}

/// Decodes a text that is in memory.
///
/// # Errors
/// As [`TextDecoder::push`].
pub fn decode_text(bytes: &[u8], decoding: TextDecoding) -> Result<(String, InvalidBytes), DecodeError> {
    let mut text = String::new();
    let mut decoder = TextDecoder::new(decoding);
    decoder.push(bytes, &mut text)?;
    let invalid = decoder.finish(&mut text)?;
    Ok((text, invalid))
}

#[cfg(test)]
mod tests;
