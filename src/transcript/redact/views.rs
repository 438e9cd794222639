//! Decodes text to search it for secrets: URL and form encoding, xtext (RFC 3461 §4), quoted-printable (RFC 2045 §6.7), encoded
//! words (RFC 2047), escapes of JSON and of mailrun, entities of HTML.
//!
//! Decoding finds every spelling that an encoder may choose: upper or lower case hex digits, and any set of escaped characters.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr, memmem};
use std::ops::Range;

/// Accepts base64 with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decoded text, and where each part of it comes from.
#[derive(Default)]
pub(super) struct View {
    pub bytes: Vec<u8>,
    pieces: Vec<ViewPiece>,
    /// Whether pieces are hidden as a whole, as for lines of base64.
    pub whole: bool,
}

/// The part of a view from `at` to the next piece.
struct ViewPiece {
    at: usize,
    from: usize,
    /// The length of the source of the whole piece; `None` if each byte comes from one byte.
    width: Option<usize>,
}

impl View {
    /// Appends bytes that are the same in the text, at `from`.
    pub fn push_verbatim(&mut self, bytes: &[u8], from: usize) {
        let at = self.bytes.len();
        let goes_on = |last: &ViewPiece| last.width.is_none() && last.from + (at - last.at) == from;
        if !bytes.is_empty() && !self.pieces.last().is_some_and(goes_on) {
            self.pieces.push(ViewPiece { at, from, width: None });
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends bytes that were decoded from `source`, which is hidden as a whole.
    pub fn push_decoded(&mut self, bytes: &[u8], source: Range<usize>) {
        if !bytes.is_empty() {
            let (at, from, width) = (self.bytes.len(), source.start, Some(source.len()));
            self.pieces.push(ViewPiece { at, from, width });
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Adds the ranges of the text that a range of the view comes from. Text between pieces that is not in the view, such as a fold,
    /// is not hidden.
    pub fn source_ranges(&self, range: &Range<usize>, found: &mut Vec<Range<usize>>) {
        let first = self.pieces.partition_point(|piece| piece.at <= range.start).saturating_sub(1);
        for (index, piece) in self.pieces.iter().enumerate().skip(first) {
            if piece.at >= range.end {
                break;
            }
            let end = self.pieces.get(index + 1).map_or(self.bytes.len(), |next| next.at);
            found.push(match piece.width {
                Some(width) => piece.from..piece.from + width,
                None => {
                    let (start, end) = (range.start.max(piece.at), range.end.min(end));
                    piece.from + (start - piece.at)..piece.from + (end - piece.at)
                }
            });
        }
    }
}

/// Decodes the beginning of bytes that begin with the rule's mark; `None` if nothing is encoded there.
type DecodeRule = fn(&[u8]) -> Option<Decoded>;

/// A decoded byte or character, and the length of its encoded form in bytes.
enum Decoded {
    Byte(u8, usize),
    Char(char, usize),
}

/// The rules, each with the byte that begins an encoded character.
const DECODE_RULES: &[(u8, DecodeRule)] =
    &[(b'%', hex_byte), (b'+', hex_byte), (b'=', hex_byte), (b'\\', backslash), (b'&', entity)];

/// Calls `look` with every view that differs from the text. `spaces`: a plus may stand for a space, as in form encoding, and so may
/// an underscore, as in encoded words that were cut.
pub(super) fn for_each_decoded(bytes: &[u8], spaces: bool, mut look: impl FnMut(View)) {
    DECODE_RULES.iter().filter_map(|(mark, rule)| decode(bytes, *mark, *rule)).for_each(&mut look);
    encoded_words(bytes).into_iter().for_each(&mut look);
    for (space, mark) in [(b'+', b'%'), (b'_', b'=')] {
        if spaces && memchr(space, bytes).is_some() {
            let form: Vec<u8> = bytes.iter().map(|b| if *b == space { b' ' } else { *b }).collect();
            look(decode(&form, mark, hex_byte).unwrap_or_else(|| {
                let mut view = View::default();
                view.push_verbatim(&form, 0);
                view
            }));
        }
    }
}

/// Returns `None` if nothing is encoded, which is the usual case and takes no memory.
fn decode(bytes: &[u8], mark: u8, rule: DecodeRule) -> Option<View> {
    let (mut view, mut kept, mut next) = (View::default(), 0, 0);
    while let Some(at) = memchr(mark, &bytes[next..]).map(|at| next + at) {
        let mut buffer = [0; 4];
        let (decoded, width) = match rule(&bytes[at..]) {
            None => {
                next = at + 1;
                continue;
            }
            Some(Decoded::Byte(byte, width)) => {
                buffer[0] = byte;
                (&buffer[..1], width)
            }
            Some(Decoded::Char(c, width)) => (c.encode_utf8(&mut buffer).as_bytes(), width),
        };
        view.push_verbatim(&bytes[kept..at], kept);
        view.push_decoded(decoded, at..at + width);
        next = at + width;
        kept = next;
    }
    if kept == 0 {
        return None;
    }
    view.push_verbatim(&bytes[kept..], kept);
    Some(view)
}

/// ```abnf
/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" ; RFC 2047 §2
/// ```
/// White space between two of them is not part of the text (RFC 2047 §6.2). Returns `None` if there are none.
fn encoded_words(bytes: &[u8]) -> Option<View> {
    let (mut view, mut kept, mut next) = (View::default(), 0, 0);
    while let Some(at) = memmem::find(&bytes[next..], b"=?").map(|at| next + at) {
        let Some((is_base64, text)) = encoded_word(bytes, at) else {
            next = at + 2;
            continue;
        };
        let between = &bytes[kept..at];
        if kept == 0 || !between.iter().all(u8::is_ascii_whitespace) {
            view.push_verbatim(between, kept);
        }
        next = text.end + 2;
        kept = next;
        if is_base64 {
            view.push_decoded(&LENIENT.decode(&bytes[text.clone()]).unwrap_or_default(), text);
        } else {
            q_encoded(bytes, text, &mut view);
        }
    }
    if kept == 0 {
        return None;
    }
    view.push_verbatim(&bytes[kept..], kept);
    Some(view)
}

/// Whether the encoded word at `at` is base64, and the range of its text.
fn encoded_word(bytes: &[u8], at: usize) -> Option<(bool, Range<usize>)> {
    let charset = at + 2;
    let encoding = charset + memchr(b'?', &bytes[charset..])? + 1;
    let is_base64 = match bytes.get(encoding..encoding + 2)? {
        b"B?" | b"b?" => true,
        b"Q?" | b"q?" => false,
        _ => return None,
    };
    let text = encoding + 2;
    let end = text + memchr(b'?', &bytes[text..])?;
    let is_valid = bytes.get(end + 1) == Some(&b'=') && !bytes[charset..end].iter().any(u8::is_ascii_whitespace);
    is_valid.then_some((is_base64, text..end))
}

/// Decodes the Q encoding (RFC 2047 §4.2).
fn q_encoded(bytes: &[u8], text: Range<usize>, view: &mut View) {
    let mut at = text.start;
    while at < text.end {
        match (bytes[at], hex_byte(&bytes[at..text.end])) {
            (b'=', Some(Decoded::Byte(byte, width))) => {
                view.push_decoded(&[byte], at..at + width);
                at += width;
                continue;
            }
            (b'_', _) => view.push_decoded(b" ", at..at + 1),
            (byte, _) => view.push_verbatim(&[byte], at),
        }
        at += 1;
    }
}

/// `%3D`, `+3D`, `=3D`.
fn hex_byte(bytes: &[u8]) -> Option<Decoded> {
    Some(Decoded::Byte(hex(bytes.get(1..3)?)? as u8, 3))
}

/// `\"`, `\n`, `\u00e9` with surrogate pairs, `\x1b`.
fn backslash(bytes: &[u8]) -> Option<Decoded> {
    Some(match bytes.get(1)? {
        b @ (b'"' | b'\\' | b'/' | b'\'') => Decoded::Byte(*b, 2),
        b'b' => Decoded::Byte(8, 2),
        b'f' => Decoded::Byte(12, 2),
        b'n' => Decoded::Byte(b'\n', 2),
        b'r' => Decoded::Byte(b'\r', 2),
        b't' => Decoded::Byte(b'\t', 2),
        b'x' => Decoded::Byte(hex(bytes.get(2..4)?)? as u8, 4),
        b'u' => {
            let first = hex(bytes.get(2..6)?)?;
            match char::from_u32(first) {
                Some(c) => Decoded::Char(c, 6),
                None => {
                    let second = bytes.get(6..12)?.strip_prefix(b"\\u").and_then(hex)?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
                    Decoded::Char(char::from_u32(0x10000 + (high << 10) + low)?, 12)
                }
            }
        }
        _ => return None,
    })
}

/// `&amp;`, `&#39;`, `&#x27;`.
fn entity(bytes: &[u8]) -> Option<Decoded> {
    let end = bytes.iter().take(10).position(|b| *b == b';')?;
    let name = &bytes[1..end];
    let c = match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hex(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some(Decoded::Char(c, end + 1))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 6 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
