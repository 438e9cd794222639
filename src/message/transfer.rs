//! Content-Transfer-Encoding (RFC 2045 §6), encoded block by block.

use super::scan::{Scan, is_literal};
use super::source::Source;
use crate::smtp::content::ContentEncoder;
use base64::Engine;
use memchr::memchr;
use std::io;
use std::sync::LazyLock;

/// The longest line of quoted-printable and base64 (RFC 2045 §6.7, §6.8).
const COLUMNS: usize = 76;
/// The bytes in a line of base64.
const LINE: usize = COLUMNS / 4 * 3;

/// The crate's engine with vector instructions, where it has one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
type Base64Engine = base64::engine::Simd;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64: LazyLock<Base64Engine> = LazyLock::new(|| Base64Engine::standard(base64::engine::general_purpose::PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64: LazyLock<base64::engine::GeneralPurpose> = LazyLock::new(|| base64::engine::general_purpose::STANDARD);

/// How a part is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Unencoded, with CRLF line ends.
    SevenBit,
    /// Text, with CRLF line ends.
    QuotedPrintable,
    /// Text, with CRLF line ends (RFC 2045 §6.8).
    Base64Text,
    Base64,
}

impl TransferEncoding {
    /// The plainest encoding with which any server accepts a text: none if it is ASCII in lines that are not too long,
    /// else the shorter of quoted-printable and base64. So no text ever needs 8BITMIME.
    pub fn of(scan: &Scan) -> Self {
        match scan {
            scan if scan.is_seven_bit() => Self::SevenBit,
            // Quoted-printable costs two bytes for each byte that it escapes, base64 one for every three.
            scan if scan.escaped * 6 <= scan.canonical => Self::QuotedPrintable,
            _ => Self::Base64Text,
        }
    }

    /// The value of the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64Text | Self::Base64 => "base64",
        }
    }

    /// The octets of `source` when encoded; `canonical` is its length with CRLF line ends.
    pub fn size(self, source: &Source<'_>, canonical: u64) -> io::Result<u64> {
        Ok(match self {
            Self::SevenBit => canonical,
            Self::Base64Text => base64_size(canonical),
            Self::Base64 => base64_size(source.length),
            Self::QuotedPrintable => {
                let (mut encoder, mut out, mut size) = (TransferEncoder::new(self), Vec::new(), 0);
                source.for_each_block(|block| {
                    encoder.push(block, &mut out);
                    size += out.len() as u64;
                    out.clear();
                })?;
                encoder.finish(&mut out);
                size + out.len() as u64
            }
        })
    }

    /// All of `source`, encoded.
    pub fn encode(self, source: &Source<'_>) -> io::Result<Vec<u8>> {
        let (mut encoder, mut out) = (TransferEncoder::new(self), Vec::new());
        source.for_each_block(|block| encoder.push(block, &mut out))?;
        encoder.finish(&mut out);
        Ok(out)
    }
}

/// The octets of `length` bytes in base64, in lines, without a line end after the last one.
pub fn base64_size(length: u64) -> u64 {
    let lines = length.div_ceil(LINE as u64);
    length.div_ceil(3) * 4 + lines.saturating_sub(1) * 2
}

/// Encodes a part block by block, without a line end after its last line.
pub struct TransferEncoder {
    encoding: TransferEncoding,
    canonical: ContentEncoder,
    lines: Vec<u8>,
    /// Base64 of one block, not yet cut into lines.
    digits: Vec<u8>,
    /// Bytes held back: for quoted-printable the last one, for base64 less than a line.
    pending: Vec<u8>,
    column: usize,
    has_line: bool,
}

impl TransferEncoder {
    /// An encoder for one part.
    pub fn new(encoding: TransferEncoding) -> Self {
        Self {
            encoding,
            canonical: ContentEncoder::new(false),
            lines: Vec::new(),
            digits: Vec::new(),
            pending: Vec::new(),
            column: 0,
            has_line: false,
        }
    }

    /// Appends what `block` becomes to `out`. Blocks may be cut anywhere.
    pub fn push(&mut self, block: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            TransferEncoding::SevenBit => self.canonical.push(block, out),
            TransferEncoding::Base64 => self.base64(block, out),
            TransferEncoding::QuotedPrintable | TransferEncoding::Base64Text => {
                let mut lines = std::mem::take(&mut self.lines);
                lines.clear();
                self.canonical.push(block, &mut lines);
                if self.encoding == TransferEncoding::Base64Text {
                    self.base64(&lines, out);
                } else {
                    self.quoted_printable(&lines, out);
                }
                self.lines = lines;
            }
        }
    }

    /// Appends what was held back: the end of the part.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        match self.encoding {
            TransferEncoding::SevenBit => {}
            TransferEncoding::QuotedPrintable => self.quote(&pending, true, out),
            TransferEncoding::Base64Text | TransferEncoding::Base64 => self.base64_lines(&pending, out),
        }
    }

    /// Lines of 76 columns (RFC 2045 §6.8).
    fn base64(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            let (first, rest) = bytes.split_at(bytes.len().min(LINE - self.pending.len()));
            self.pending.extend_from_slice(first);
            bytes = rest;
            if self.pending.len() < LINE {
                return;
            }
            let line = std::mem::take(&mut self.pending);
            self.base64_lines(&line, out);
        }
        let (lines, rest) = bytes.split_at(bytes.len() / LINE * LINE);
        self.base64_lines(lines, out);
        self.pending.extend_from_slice(rest);
    }

    /// Encodes whole lines at once and cuts them afterwards; only the last one of a part may be shorter.
    fn base64_lines(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let length = bytes.len().div_ceil(3) * 4;
        self.digits.resize(length, 0);
        // The room is exact, so this cannot fail.
        let written = BASE64.encode_slice(bytes, &mut self.digits).unwrap_or_default();
        out.reserve(length + length.div_ceil(COLUMNS) * 2);
        for line in self.digits.get(..written).unwrap_or_default().chunks(COLUMNS) {
            if std::mem::replace(&mut self.has_line, true) {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(line);
        }
    }

    /// RFC 2045 §6.7, over lines that end in CRLF, in blocks that do not cut one. The last byte of a block is held back
    /// unless its line ends there.
    fn quoted_printable(&mut self, mut lines: &[u8], out: &mut Vec<u8>) {
        while !lines.is_empty() {
            let end = memchr(b'\r', lines);
            let (text, rest) = lines.split_at(end.unwrap_or(lines.len()));
            let pending = std::mem::take(&mut self.pending);
            self.quote(&pending, text.is_empty() && end.is_some(), out);
            if end.is_some() {
                self.quote(text, true, out);
                out.extend_from_slice(b"\r\n");
                self.column = 0;
                lines = rest.get(b"\r\n".len()..).unwrap_or_default();
            } else {
                let (text, last) = text.split_at(text.len().saturating_sub(1));
                self.quote(text, false, out);
                self.pending.extend_from_slice(last);
                return;
            }
        }
    }

    /// Quotes bytes of one line; `ends_line`: the last of them is the line's last one.
    fn quote(&mut self, mut text: &[u8], ends_line: bool, out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = text.split_first() {
            // As many unchanged bytes as the line holds go at once; a line's last byte has rules of its own.
            let room = (COLUMNS - 1 - self.column).min(text.len() - usize::from(ends_line));
            let run = text.iter().take(room).take_while(|byte| is_literal(**byte)).count();
            if run > 0 {
                let (run, rest) = text.split_at(run);
                out.extend_from_slice(run);
                self.column += run.len();
                text = rest;
                continue;
            }
            self.quote_byte(byte, ends_line && rest.is_empty(), out);
            text = rest;
        }
    }

    fn quote_byte(&mut self, byte: u8, is_last: bool, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        // Rule 3: a space at the end of a line would be lost.
        let literal = is_literal(byte) && !(is_last && matches!(byte, b' ' | b'\t'));
        let length = if literal { 1 } else { 3 };
        // Rule 5: the = of a soft line break needs its column, except at the line's end.
        if self.column + length > if is_last { COLUMNS } else { COLUMNS - 1 } {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.column += length;
        if literal {
            out.push(byte);
        } else {
            out.extend([b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    const ALL: [TransferEncoding; 4] = [
        TransferEncoding::SevenBit,
        TransferEncoding::QuotedPrintable,
        TransferEncoding::Base64Text,
        TransferEncoding::Base64,
    ];

    fn encode(encoding: TransferEncoding, bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut encoder, mut out) = (TransferEncoder::new(encoding), Vec::new());
        bytes.chunks(size).for_each(|block| encoder.push(block, &mut out));
        encoder.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn no_encoding_depends_on_the_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'a'), Just(b'='), any::<u8>()], 0..400),
            size in 1usize..200,
        ) {
            for encoding in ALL {
                let whole = encode(encoding, &bytes, usize::MAX);
                prop_assert_eq!(&whole, &encode(encoding, &bytes, size));
                let source = Source::in_memory("x", bytes.as_slice());
                let canonical = encode(TransferEncoding::SevenBit, &bytes, usize::MAX).len() as u64;
                prop_assert_eq!(encoding.size(&source, canonical).ok(), Some(whole.len() as u64));
            }
            let digits: Vec<u8> = encode(TransferEncoding::Base64, &bytes, size).into_iter().filter(|b| !b"\r\n".contains(b)).collect();
            prop_assert_eq!(digits, STANDARD.encode(&bytes).into_bytes());
        }

        #[test]
        fn no_line_is_longer_than_76_columns(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for encoding in &ALL[1..] {
                let out = encode(*encoding, &bytes, usize::MAX);
                prop_assert!(out.split(|byte| *byte == b'\n').all(|line| line.trim_ascii_end().len() <= COLUMNS));
            }
        }
    }
}
