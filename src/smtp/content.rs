//! Message content in DATA: line ends made CRLF, dots stuffed, the final dot (RFC 5321 §4.5.2).

use memchr::{memchr, memchr2, memmem};

/// Encodes content block by block, in constant memory. LF, CRLF and a bare CR each become CRLF, so that no server sees an
/// end of the content before its end.
#[derive(Debug)]
pub struct ContentEncoder {
    stuffing: bool,
    at_line_start: bool,
    /// The last byte was a CR, whose CRLF is written already: an LF that follows belongs to it.
    after_cr: bool,
}

impl ContentEncoder {
    /// `stuffing`: whether a line that begins with a dot gets another one.
    pub fn new(stuffing: bool) -> Self {
        Self { stuffing, at_line_start: true, after_cr: false }
    }

    /// Appends to `out` what `input` becomes. Blocks may be cut anywhere.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        if !rest.is_empty() && std::mem::take(&mut self.after_cr) {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        if has_only_crlf(rest) {
            self.push_lines(rest, out);
        } else {
            self.normalize(rest, out);
        }
    }

    /// Takes lines that end in CRLF already: only dots are to be found.
    fn push_lines(&mut self, lines: &[u8], out: &mut Vec<u8>) {
        let Some(last) = lines.last() else { return };
        out.reserve(lines.len() + b"..".len());
        if self.stuffing && self.at_line_start && lines.starts_with(b".") {
            out.push(b'.');
        }
        let mut from = 0;
        if self.stuffing {
            for lf in memmem::find_iter(lines, b"\n.") {
                out.extend_from_slice(&lines[from..=lf]);
                out.push(b'.');
                from = lf + 1;
            }
        }
        out.extend_from_slice(&lines[from..]);
        self.at_line_start = *last == b'\n';
    }

    fn normalize(&mut self, input: &[u8], out: &mut Vec<u8>) {
        // Room for lines of 32 bytes; shorter ones grow it.
        out.reserve(input.len() + input.len() / 32 + b"\r\n.".len());
        let mut rest = input;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            if self.at_line_start && self.stuffing && first == b'.' {
                out.push(b'.');
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                out.extend_from_slice(rest);
                self.at_line_start = false;
                return;
            };
            out.extend_from_slice(&rest[..end]);
            out.extend_from_slice(b"\r\n");
            self.at_line_start = true;
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
    }

    /// Ends the last line if it has no end, and appends the line with the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.end_line(out);
        out.extend_from_slice(b".\r\n");
    }

    /// Ends the last line if it has no end, without the dot: for content that is not ended by one.
    pub fn end_line(self, out: &mut Vec<u8>) {
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Whether each CR is followed by an LF, and each LF comes after a CR, all within `bytes`.
fn has_only_crlf(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\n") || bytes.ends_with(b"\r") {
        return false;
    }
    // No branch per byte, so the compiler compares many at a time. Blocks overlap by a byte.
    (0..bytes.len()).step_by(CHECKED).all(|start| {
        let block = bytes.get(start..bytes.len().min(start + CHECKED + 1)).unwrap_or_default();
        let next = block.get(1..).unwrap_or_default();
        block.iter().zip(next).fold(0, |wrong, (a, b)| wrong | (u8::from(*a == b'\r') ^ u8::from(*b == b'\n'))) == 0
    })
}

/// The bytes that are checked before the first result is looked at.
const CHECKED: usize = 4096;

/// Decodes content as a server: takes stuffed lines that end in CRLF, and finds the end.
#[derive(Debug, Default)]
pub struct ContentDecoder {
    state: DecoderState,
}

/// What the bytes before the next one mean for it.
#[derive(Clone, Copy, Debug, Default)]
enum DecoderState {
    #[default]
    LineStart,
    Text,
    /// A CR, passed on already.
    Cr,
    /// A dot at the beginning of a line, held back.
    Dot,
    /// A dot at the beginning of a line, and a CR, both held back.
    DotCr,
}

impl ContentDecoder {
    /// Appends unstuffed content to `out`. Returns how many bytes of `input` belong to the content and its end, and whether
    /// the end (`CRLF . CRLF`) was found. Only CRLF counts as a line end. After an end the decoder is as new.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        out.reserve(input.len() + 1);
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            self.state = match (self.state, byte) {
                (DecoderState::LineStart, b'.') => DecoderState::Dot,
                (DecoderState::Dot, b'\r') => DecoderState::DotCr,
                (DecoderState::DotCr, b'\n') => {
                    self.state = DecoderState::LineStart;
                    return (at + 1, true);
                }
                (DecoderState::DotCr, _) => {
                    // RFC 5321 §4.5.2: a dot that is followed by anything on its line is removed.
                    out.push(b'\r');
                    self.state = DecoderState::Cr;
                    continue;
                }
                (DecoderState::Cr, b'\n') => {
                    out.push(byte);
                    DecoderState::LineStart
                }
                (_, b'\r') => {
                    out.push(byte);
                    DecoderState::Cr
                }
                _ => {
                    let text = &input[at..];
                    let length = memchr(b'\r', text).unwrap_or(text.len());
                    out.extend_from_slice(&text[..length]);
                    self.state = DecoderState::Text;
                    at += length;
                    continue;
                }
            };
            at += 1;
        }
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(content: &[u8], size: usize, stuffing: bool) -> Vec<u8> {
        let mut encoder = ContentEncoder::new(stuffing);
        let mut out = Vec::new();
        for piece in content.chunks(size) {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    /// Content, how many bytes it took, and whether its end was found.
    fn decode(wire: &[u8], size: usize) -> (Vec<u8>, usize, bool) {
        let mut decoder = ContentDecoder::default();
        let mut out = Vec::new();
        let mut taken = 0;
        for piece in wire.chunks(size) {
            let (used, end) = decoder.push(piece, &mut out);
            taken += used;
            if end {
                return (out, taken, true);
            }
        }
        (out, taken, false)
    }

    /// What the contract says, in the plainest words: every line end made CRLF, the last line ended.
    fn normalized(content: &[u8]) -> Vec<u8> {
        let text: String = content.iter().map(|b| char::from(*b)).collect();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut text = text.replace('\n', "\r\n");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str("\r\n");
        }
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("made of bytes")).collect()
    }

    #[test]
    fn content_becomes_what_data_wants() {
        let table: &[(&str, &str, &str)] = &[
            ("", ".\r\n", "empty content is the dot alone"),
            ("a", "a\r\n.\r\n", "a line without end gets one"),
            ("a\n", "a\r\n.\r\n", "an end is not doubled"),
            ("a\r\n", "a\r\n.\r\n", "CRLF stays"),
            ("a\r", "a\r\n.\r\n", "a lone CR is an end"),
            ("a\rb\nc\r\nd", "a\r\nb\r\nc\r\nd\r\n.\r\n", "all three ends"),
            ("\r\r\n\n", "\r\n\r\n\r\n.\r\n", "CR, CRLF, LF"),
            (".", "..\r\n.\r\n", "a dot that opens the content is stuffed"),
            ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n", "a dot alone is stuffed"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n", "after a lone CR too: no end before the end"),
            ("..\n", "...\r\n.\r\n", "two dots get a third"),
            ("a.b\n", "a.b\r\n.\r\n", "a dot within a line stays"),
            ("R\nQUIT\n", "R\r\nQUIT\r\n.\r\n", "letters that tools act on stay"),
        ];
        for (content, wire, why) in table {
            for size in 1..=content.len() + 1 {
                let found = encode(content.as_bytes(), size, true);
                assert_eq!(String::from_utf8_lossy(&found), *wire, "{why}, in pieces of {size}");
            }
        }
    }

    #[test]
    fn without_stuffing_lines_stay_as_they_are() {
        assert_eq!(encode(b"a\n.\nb", 1, false), b"a\r\n.\r\nb\r\n.\r\n");
    }

    #[test]
    fn only_crlf_dot_crlf_ends_content() {
        type Case<'a> = (&'a [u8], &'a [u8], usize, bool, &'a str);
        let table: &[Case] = &[
            (b".\r\nNEXT", b"", 3, true, "empty content; what follows is not touched"),
            (b"a\r\n.\r\nNEXT", b"a\r\n", 6, true, "the usual"),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", 10, true, "bare LFs end nothing"),
            (b"a\r.\r\n.\r\n", b"a\r.\r\n", 8, true, "a lone CR begins no line"),
            (b"..\r\n.\r\n", b".\r\n", 7, true, "a stuffed dot"),
            (b".x\r\n.\r\n", b"x\r\n", 7, true, "RFC 5321 §4.5.2: the first dot goes whatever follows"),
            (b".\rx\r\n.\r\n", b"\rx\r\n", 8, true, "a CR that is no end"),
            (b".\r\r\n.\r\n", b"\r\r\n", 7, true, "two CRs"),
            (b"a\r\n.\r", b"a\r\n", 5, false, "not yet"),
        ];
        for (wire, content, taken, end, why) in table {
            for size in 1..=wire.len() {
                assert_eq!(decode(wire, size), (content.to_vec(), *taken, *end), "{why}, in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_decoder_takes_one_message_after_the_other() {
        let mut decoder = ContentDecoder::default();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        assert_eq!(decoder.push(b"a\r\n.\r\n.\r\n", &mut one), (6, true));
        assert_eq!(decoder.push(b".\r\n", &mut two), (3, true));
        assert_eq!((one.as_slice(), two.as_slice()), (&b"a\r\n"[..], &b""[..]));
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), any::<u8>()];
        proptest::collection::vec(byte, 0..60)
    }

    proptest! {
        #[test]
        fn stuffing_round_trips_at_every_cut(content in content(), out in 1usize..9, back in 1usize..9) {
            let wire = encode(&content, out, true);
            prop_assert_eq!(&wire, &encode(&content, usize::MAX, true));
            let length = wire.len();
            prop_assert_eq!(decode(&wire, back), (normalized(&content), length, true));
        }

        #[test]
        fn decoding_does_not_depend_on_the_cut(wire in content(), size in 1usize..9) {
            prop_assert_eq!(decode(&wire, size), decode(&wire, usize::MAX));
        }
    }
}
