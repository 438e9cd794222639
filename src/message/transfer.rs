//! Content-Transfer-Encoding (RFC 2045 §6): text that every server takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 5321 §4.5.3.1.6: 1,000 with CRLF.
const LONGEST_LINE: usize = 998;
/// RFC 2045 §6.7 and §6.8.
const COLUMNS: usize = 76;

/// How text is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// As it is.
    SevenBit,
    QuotedPrintable,
    Base64,
}

impl TransferEncoding {
    /// The plainest that carries `text` through any server: as it is where it is ASCII in lines that are not too long,
    /// else the shorter of the two encodings.
    pub fn of(text: &str) -> Self {
        let lines_fit = text.split(['\r', '\n']).all(|line| line.len() <= LONGEST_LINE);
        if text.is_ascii() && lines_fit && !text.contains('\0') {
            return Self::SevenBit;
        }
        // Quoted-printable costs two bytes for each byte that it escapes, base64 one for every three.
        let escaped = text.bytes().filter(|b| !is_plain(*b) && !matches!(b, b'\r' | b'\n')).count();
        if escaped * 6 <= text.len() { Self::QuotedPrintable } else { Self::Base64 }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    /// Appends `text`, encoded.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::SevenBit => out.extend_from_slice(text.as_bytes()),
            Self::QuotedPrintable => quoted_printable(text, out),
            Self::Base64 => base64(canonical(text).as_bytes(), out),
        }
    }
}

/// With CRLF at the ends of lines, as encoded text has them (RFC 2045 §6.8).
fn canonical(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// Whether quoted-printable carries it as it is, but for spaces at a line's end.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && byte != b'='
}

/// RFC 2045 §6.7.
fn quoted_printable(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for (i, line) in canonical(text).split("\r\n").enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let mut column = 0;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let is_last = bytes.peek().is_none();
            // Rule 3: a space that ends a line would be lost.
            let plain = is_plain(byte) && !(is_last && matches!(byte, b' ' | b'\t'));
            let length = if plain { 1 } else { 3 };
            // Rule 5: the = of a soft line break needs its column, but where the line ends.
            if column + length > if is_last { COLUMNS } else { COLUMNS - 1 } {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += length;
            if plain {
                out.push(byte);
            } else {
                out.extend([b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
}

/// Lines of 76 columns (RFC 2045 §6.8).
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.chunks(COLUMNS / 4 * 3) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
