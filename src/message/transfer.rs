//! Content-Transfer-Encoding (RFC 2045 §6): parts that every server takes, encoded block by block.

use super::source::{BLOCK, Scan, Source};
use crate::smtp::content::ContentEncoder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// RFC 2045 §6.7 and §6.8.
const COLUMNS: usize = 76;
/// The bytes in a line of base64.
const LINE: usize = COLUMNS / 4 * 3;

/// How a part is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// As it is, with CRLF line ends.
    SevenBit,
    /// Text, with CRLF line ends.
    QuotedPrintable,
    /// Text, with CRLF line ends (RFC 2045 §6.8).
    Base64Text,
    Base64,
}

impl TransferEncoding {
    /// The plainest that carries a text through any server: as it is where it is ASCII in lines that are not too long,
    /// else the shorter of the two encodings. So no text ever needs 8BITMIME.
    pub fn of(scan: &Scan) -> Self {
        match scan {
            scan if scan.is_seven_bit() => Self::SevenBit,
            // Quoted-printable costs two bytes for each byte that it escapes, base64 one for every three.
            scan if scan.escaped * 6 <= scan.canonical => Self::QuotedPrintable,
            _ => Self::Base64Text,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64Text | Self::Base64 => "base64",
        }
    }

    /// The octets that `source` becomes.
    pub fn size(self, source: &Source<'_>, scan: &Scan) -> io::Result<u64> {
        Ok(match self {
            Self::SevenBit => scan.canonical,
            Self::Base64Text => base64_size(scan.canonical),
            Self::Base64 => base64_size(source.length),
            Self::QuotedPrintable => {
                let (mut reading, mut encoder) = (source.read()?, TransferEncoder::new(self));
                let (mut block, mut out, mut size) = (vec![0; BLOCK], Vec::new(), 0);
                loop {
                    let count = reading.fill(&mut block)?;
                    encoder.push(block.get(..count).unwrap_or_default(), &mut out);
                    size += out.len() as u64;
                    out.clear();
                    if count < block.len() {
                        break;
                    }
                }
                encoder.finish(&mut out);
                size + out.len() as u64
            }
        })
    }
}

/// Without a line end behind the last line.
pub fn base64_size(length: u64) -> u64 {
    let lines = length.div_ceil(LINE as u64);
    length.div_ceil(3) * 4 + lines.saturating_sub(1) * 2
}

/// Encodes a part block by block, without a line end behind its last line.
pub struct TransferEncoder {
    encoding: TransferEncoding,
    canonical: ContentEncoder,
    lines: Vec<u8>,
    /// What waits: for quoted-printable the last byte, for base64 less than a line.
    rest: Vec<u8>,
    column: usize,
    begun: bool,
}

impl TransferEncoder {
    pub fn new(encoding: TransferEncoding) -> Self {
        let canonical = ContentEncoder::new(false);
        Self { encoding, canonical, lines: Vec::new(), rest: Vec::new(), column: 0, begun: false }
    }

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

    /// What waits.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        match self.encoding {
            TransferEncoding::SevenBit => {}
            TransferEncoding::QuotedPrintable => {
                if let Some(last) = self.rest.pop() {
                    self.quoted(last, true, out);
                }
            }
            TransferEncoding::Base64Text | TransferEncoding::Base64 => {
                let rest = std::mem::take(&mut self.rest);
                if !rest.is_empty() {
                    self.line(&rest, out);
                }
            }
        }
    }

    /// Lines of 76 columns (RFC 2045 §6.8).
    fn base64(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            let (more, behind) = bytes.split_at(bytes.len().min(LINE - self.rest.len()));
            self.rest.extend_from_slice(more);
            bytes = behind;
            if self.rest.len() < LINE {
                return;
            }
            let whole = std::mem::take(&mut self.rest);
            self.line(&whole, out);
        }
        let mut lines = bytes.chunks_exact(LINE);
        for line in &mut lines {
            self.line(line, out);
        }
        self.rest.extend_from_slice(lines.remainder());
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b"\r\n");
        }
        let start = out.len();
        out.resize(start + COLUMNS, 0);
        let written = out.get_mut(start..).and_then(|room| STANDARD.encode_slice(line, room).ok());
        out.truncate(start + written.unwrap_or_default());
    }

    /// RFC 2045 §6.7, over lines that end in CRLF. The last byte waits: whether its line ends is not known yet.
    fn quoted_printable(&mut self, lines: &[u8], out: &mut Vec<u8>) {
        for &byte in lines {
            match (byte, self.rest.pop()) {
                (b'\r', last) => {
                    if let Some(last) = last {
                        self.quoted(last, true, out);
                    }
                }
                (b'\n', _) => {
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                }
                (byte, last) => {
                    if let Some(last) = last {
                        self.quoted(last, false, out);
                    }
                    self.rest.push(byte);
                }
            }
        }
    }

    fn quoted(&mut self, byte: u8, is_last: bool, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        // Rule 3: a space that ends a line would be lost.
        let plain = is_literal(byte) && !(is_last && matches!(byte, b' ' | b'\t'));
        let length = if plain { 1 } else { 3 };
        // Rule 5: the = of a soft line break needs its column, but where the line ends.
        if self.column + length > if is_last { COLUMNS } else { COLUMNS - 1 } {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.column += length;
        if plain {
            out.push(byte);
        } else {
            out.extend([b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Whether quoted-printable carries it as it is, but for spaces at a line's end.
pub(super) fn is_literal(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && byte != b'='
}
