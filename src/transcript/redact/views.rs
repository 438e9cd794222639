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

/// Looks at bytes that begin with the rule's mark; `None` where they are not encoded after all.
type Rule = fn(&[u8]) -> Option<Decoded>;

/// What an encoded character was, and how many bytes it took.
enum Decoded {
    Byte(u8, usize),
    Char(char, usize),
}

/// The rules, with the byte that begins an encoded character.
const RULES: &[(u8, Rule)] =
    &[(b'%', hex_byte), (b'+', hex_byte), (b'=', hex_byte), (b'\\', backslash), (b'&', entity)];

/// Gives every view that differs from the text itself. `spaces`: a plus may have been a space, as in forms.
pub(super) fn each(bytes: &[u8], spaces: bool, mut look: impl FnMut(View)) {
    RULES.iter().filter_map(|(mark, rule)| decode(bytes, *mark, *rule)).for_each(&mut look);
    if spaces && bytes.contains(&b'+') {
        let form: Vec<u8> = bytes.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        match decode(&form, b'%', hex_byte) {
            Some(view) => look(view),
            None => look(View { from: (0..form.len()).map(|at| at..at + 1).collect(), bytes: form }),
        }
    }
}

/// `None` where nothing is encoded: most text is not, and costs no memory then.
fn decode(bytes: &[u8], mark: u8, rule: Rule) -> Option<View> {
    let encoded = |at: usize| (bytes[at] == mark).then(|| rule(&bytes[at..])).flatten();
    let mut at = (0..bytes.len()).find(|at| encoded(*at).is_some())?;
    let mut view = View { bytes: bytes[..at].to_vec(), from: (0..at).map(|at| at..at + 1).collect() };
    while at < bytes.len() {
        let mut buffer = [bytes[at], 0, 0, 0];
        let (length, width) = match encoded(at) {
            None => (1, 1),
            Some(Decoded::Byte(byte, width)) => {
                buffer[0] = byte;
                (1, width)
            }
            Some(Decoded::Char(c, width)) => (c.encode_utf8(&mut buffer).len(), width),
        };
        view.bytes.extend_from_slice(&buffer[..length]);
        view.from.extend(std::iter::repeat_n(at..at + width, length));
        at += width;
    }
    Some(view)
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
