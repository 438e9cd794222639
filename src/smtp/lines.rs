//! Cuts a byte stream into lines, under a limit, before anything is parsed (RFC 5321 §2.3.8).
//!
//! A line ends in LF. Whether a CR stood before it is recorded, because a bare LF is an error of the peer that testers
//! want to see. A bare CR ends nothing.

use memchr::memchr;

/// The longest line that is accepted, in bytes without its end. RFC 5321 §4.5.3.1.5 requires 512.
pub const MAX_LINE: usize = 64 * 1024;

/// How a line ended on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// CRLF, as RFC 5321 requires.
    CrLf,
    /// A bare LF.
    Lf,
    /// No end: the write or the connection stopped there.
    Missing,
}

/// A line as it crossed the wire, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLine<'a> {
    pub bytes: &'a [u8],
    pub end: LineEnd,
}

impl<'a> WireLine<'a> {
    /// `bytes` end before an LF.
    fn before_lf(bytes: &'a [u8]) -> Self {
        match bytes.strip_suffix(b"\r") {
            Some(bytes) => Self { bytes, end: LineEnd::CrLf },
            None => Self { bytes, end: LineEnd::Lf },
        }
    }
}

/// A line longer than [`MAX_LINE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl std::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a line is longer than 64 KiB")
    }
}

impl std::error::Error for LineTooLong {}

/// Collects what was read and returns whole lines. No byte is scanned twice, however the stream is cut.
#[derive(Debug, Default)]
pub struct LineBuffer {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to this position there is no LF after `start`.
    scanned: usize,
}

impl LineBuffer {
    /// Appends bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        // Returned lines are removed once they outweigh the rest, so that each byte is moved at most once on average.
        if self.start > 0 && self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, or `None` if more must be read first. A line that is too long stays
    /// [`pending`](Self::pending), and so does the error.
    pub fn next_line(&mut self) -> Result<Option<WireLine<'_>>, LineTooLong> {
        let Some(found) = memchr(b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            // A CR at the end may be the first half of a line end.
            let line = self.pending();
            let length = line.strip_suffix(b"\r").unwrap_or(line).len();
            return if length > MAX_LINE { Err(LineTooLong) } else { Ok(None) };
        };
        let lf = self.scanned + found;
        if WireLine::before_lf(&self.buffer[self.start..lf]).bytes.len() > MAX_LINE {
            return Err(LineTooLong);
        }
        let from = std::mem::replace(&mut self.start, lf + 1);
        self.scanned = self.start;
        Ok(Some(WireLine::before_lf(&self.buffer[from..lf])))
    }

    /// What was pushed and is not part of a returned line yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes what [`LineBuffer::pending`] returns and leaves the buffer empty.
    pub fn take_pending(&mut self) -> Vec<u8> {
        let mut taken = std::mem::take(&mut self.buffer);
        taken.drain(..self.start);
        (self.start, self.scanned) = (0, 0);
        taken
    }
}

/// Splits written bytes into lines; the last one may have no end.
pub fn split_lines(bytes: &[u8]) -> impl Iterator<Item = WireLine<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        Some(match memchr(b'\n', rest) {
            Some(lf) => {
                let line = WireLine::before_lf(&rest[..lf]);
                rest = &rest[lf + 1..];
                line
            }
            None => WireLine { bytes: std::mem::take(&mut rest), end: LineEnd::Missing },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = (Vec<u8>, LineEnd);

    /// Everything that comes out of `bytes` pushed in pieces: lines, whether one was too long, and what is left.
    fn cut(bytes: &[u8], size: usize) -> (Vec<Owned>, bool, Vec<u8>) {
        let mut cutter = LineBuffer::default();
        let mut lines = Vec::new();
        let mut too_long = false;
        for piece in bytes.chunks(size.max(1)) {
            cutter.push(piece);
            loop {
                match cutter.next_line() {
                    Ok(Some(line)) => lines.push((line.bytes.to_vec(), line.end)),
                    Ok(None) => break,
                    Err(LineTooLong) => {
                        too_long = true;
                        break;
                    }
                }
            }
        }
        let left = cutter.pending().to_vec();
        assert_eq!(cutter.take_pending(), left);
        assert!(cutter.pending().is_empty());
        (lines, too_long, left)
    }

    #[test]
    fn lines_end_in_lf_and_keep_how() {
        use LineEnd::*;
        type Case<'a> = (&'a [u8], &'a [(&'a [u8], LineEnd)], &'a [u8], &'a str);
        let table: &[Case] = &[
            (b"", &[], b"", "nothing is no line"),
            (b"220 a\r\n", &[(b"220 a", CrLf)], b"", "the usual"),
            (b"a\nb\r\n", &[(b"a", Lf), (b"b", CrLf)], b"", "a bare LF ends a line too"),
            (b"a\rb\r\n", &[(b"a\rb", CrLf)], b"", "a bare CR ends nothing"),
            (b"a\r\r\n", &[(b"a\r", CrLf)], b"", "one CR belongs to the end, the other to the line"),
            (b"\r\n\n", &[(b"", CrLf), (b"", Lf)], b"", "empty lines"),
            (b"a\r\nrest\r", &[(b"a", CrLf)], b"rest\r", "what has no end yet is kept"),
        ];
        for (bytes, lines, left, why) in table {
            let expected: Vec<Owned> = lines.iter().map(|(b, e)| (b.to_vec(), *e)).collect();
            assert_eq!(cut(bytes, 1), (expected.clone(), false, left.to_vec()), "{why}");
            let mut split: Vec<Owned> = split_lines(bytes).map(|l| (l.bytes.to_vec(), l.end)).collect();
            if !left.is_empty() {
                assert_eq!(split.pop(), Some((left.to_vec(), Missing)), "{why}");
            }
            assert_eq!(split, expected, "{why}");
        }
    }

    #[test]
    fn the_limit_counts_the_line_without_its_end() {
        let line = |length: usize, end: &[u8]| [&vec![b'x'; length][..], end].concat();
        let table: &[(Vec<u8>, bool, &str)] = &[
            (line(MAX_LINE, b"\r\n"), false, "just fits"),
            (line(MAX_LINE, b"\n"), false, "just fits with LF"),
            (line(MAX_LINE, b"\r"), false, "its LF may still come"),
            (line(MAX_LINE + 1, b""), true, "too long before any end has come"),
            (line(MAX_LINE, b"\rx"), true, "the CR was part of the line"),
            (line(MAX_LINE + 1, b"\r\n"), true, "one byte too many"),
            (line(MAX_LINE + 1, b"\n"), true, "one byte too many with LF"),
        ];
        for (bytes, too_long, why) in table {
            for size in [1000, 4096, usize::MAX] {
                assert_eq!(cut(bytes, size).1, *too_long, "{why}, in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_endless_line_in_single_bytes_takes_no_time() {
        let mut cutter = LineBuffer::default();
        let mut pushed = 0;
        while cutter.next_line().is_ok() {
            cutter.push(b"x");
            pushed += 1;
        }
        assert_eq!(pushed, MAX_LINE + 1, "the error comes with the first byte past the limit");
        assert_eq!(cutter.next_line(), Err(LineTooLong), "and stays");
    }

    #[test]
    fn handed_out_lines_do_not_pile_up() {
        let mut cutter = LineBuffer::default();
        for _ in 0..100_000 {
            cutter.push(b"250-x\r\n25");
            while let Ok(Some(_)) = cutter.next_line() {}
            cutter.push(b"0 y\r\n");
            while let Ok(Some(_)) = cutter.next_line() {}
        }
        assert!(cutter.buffer.capacity() < 1024, "{}", cutter.buffer.capacity());
    }

    proptest! {
        #[test]
        fn cutting_does_not_depend_on_the_pieces(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            size in 1usize..20,
        ) {
            prop_assert_eq!(cut(&bytes, size), cut(&bytes, usize::MAX));
        }

        #[test]
        fn split_lines_loses_nothing(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
        ) {
            let mut joined = Vec::new();
            for line in split_lines(&bytes) {
                joined.extend_from_slice(line.bytes);
                joined.extend_from_slice(match line.end {
                    LineEnd::CrLf => b"\r\n",
                    LineEnd::Lf => b"\n",
                    LineEnd::Missing => b"",
                });
            }
            prop_assert_eq!(joined, bytes);
        }
    }
}
