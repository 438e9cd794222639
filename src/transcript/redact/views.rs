//! The same text with an encoding undone, to look for secrets in: URL- and form-encoding, xtext (RFC 3461 §4),
//! quoted-printable (RFC 2045 §6.7), escapes of JSON and of this program, HTML's entities.
//!
//! Undoing finds every spelling that an encoder may choose: upper or lower hex, and whatever it takes for special.

use std::ops::Range;

/// Text after decoding, and where each of its bytes comes from.
pub(super) struct View {
    pub bytes: Vec<u8>,
    from: Vec<Range<usize>>,
}

impl View {
    /// What a range of the decoded text is in the encoded one.
    pub fn outside(&self, range: Range<usize>) -> Range<usize> {
        match self.from.get(range.clone()) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            Some([]) | None => 0..0,
        }
    }
}

/// What an encoded character was, and how many bytes it took.
type Unit = (char, usize);

/// Looks at bytes that begin with one of the rule's marks; `None` where they are not encoded after all.
type Rule = fn(&[u8]) -> Option<Decoded>;

enum Decoded {
    Byte(u8, usize),
    Char(Unit),
}

/// The rules, with the bytes that begin an encoded character.
const RULES: &[(&[u8], Rule)] = &[
    (b"%", |b| hex_byte(b)),
    (b"%+", |b| if b.first() == Some(&b'+') { Some(Decoded::Byte(b' ', 1)) } else { hex_byte(b) }),
    (b"+", |b| hex_byte(b)),
    (b"=", |b| hex_byte(b)),
    (b"\\", backslash),
    (b"&", entity),
];

/// Gives every view that differs from the text itself.
pub(super) fn each(bytes: &[u8], mut look: impl FnMut(View)) {
    for (marks, rule) in RULES {
        if bytes.iter().any(|b| marks.contains(b))
            && let Some(view) = decode(bytes, marks, *rule)
        {
            look(view);
        }
    }
}

fn decode(bytes: &[u8], marks: &[u8], rule: Rule) -> Option<View> {
    let mut view = View { bytes: Vec::with_capacity(bytes.len()), from: Vec::with_capacity(bytes.len()) };
    let mut changed = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let decoded = if marks.contains(byte) { rule(&bytes[at..]) } else { None };
        let mut buffer = [0; 4];
        let (unit, width): (&[u8], usize) = match decoded {
            None => (std::slice::from_ref(byte), 1),
            Some(Decoded::Byte(byte, width)) => {
                changed = true;
                buffer[0] = byte;
                (&buffer[..1], width)
            }
            Some(Decoded::Char((c, width))) => {
                changed = true;
                (c.encode_utf8(&mut buffer).as_bytes(), width)
            }
        };
        view.bytes.extend_from_slice(unit);
        view.from.extend(std::iter::repeat_n(at..at + width, unit.len()));
        at += width;
    }
    changed.then_some(view)
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
                Some(c) => Decoded::Char((c, 6)),
                None => {
                    let second = bytes.get(6..12)?.strip_prefix(b"\\u").and_then(hex)?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
                    Decoded::Char((char::from_u32(0x10000 + (high << 10) + low)?, 12))
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
    Some(Decoded::Char((c, end + 1)))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 6 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
