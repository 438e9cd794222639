//! What a part consists of, which decides how it is encoded.

use super::source::Source;
use crate::smtp::content::ContentEncoder;
use memchr::memmem::Finder;
use memchr::{memchr, memrchr};
use std::io;

/// RFC 5321 §4.5.3.1.6: 1,000 with CRLF.
const LONGEST_LINE: usize = 998;
/// What every boundary line begins with (see [`super::boundary_prefix`]).
const BOUNDARY: &[u8] = b"--=_";

/// The properties of a part's bytes. Lines are those after line ends were made CRLF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Octets with CRLF line ends.
    pub canonical: u64,
    /// Octets beyond ASCII.
    pub eight_bit: u64,
    /// Octets that quoted-printable escapes, wherever they stand.
    pub escaped: u64,
    /// Whether a line is longer than RFC 5321 allows.
    pub has_long_line: bool,
    pub has_nul: bool,
    pub is_utf8: bool,
    /// Whether the last line has a line end, or there is no line.
    pub ends_line: bool,
    /// Whether a line begins like a boundary.
    pub has_boundary: bool,
}

impl Scan {
    /// Scans all of `source`. A line that begins with `boundary` sets [`Scan::has_boundary`]; an empty `boundary` sets
    /// it for any line that looks like a boundary of mailrun.
    pub fn of(source: &Source<'_>, boundary: &[u8]) -> io::Result<Self> {
        Self::with(source, boundary, |_| {})
    }

    /// As [`Scan::of`]; `each` is called with the bytes with CRLF line ends, block by block.
    pub fn with(source: &Source<'_>, boundary: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut scanner = Scanner::new(if boundary.is_empty() { BOUNDARY } else { boundary });
        let (mut encoder, mut lines, mut utf8) = (ContentEncoder::new(false), Vec::new(), Utf8Check::default());
        let mut is_utf8 = true;
        source.for_each_block(|block| {
            is_utf8 = is_utf8 && utf8.push(block);
            lines.clear();
            encoder.push(block, &mut lines);
            scanner.push(&lines);
            each(&lines);
        })?;
        let mut scan = scanner.finish();
        scan.is_utf8 = is_utf8 && utf8.is_complete();
        Ok(scan)
    }

    /// Whether every server accepts it unencoded (RFC 2045 §2.7), and no line of it looks like a boundary.
    pub fn is_seven_bit(&self) -> bool {
        self.eight_bit == 0 && !self.has_nul && !self.has_long_line && !self.has_boundary
    }
}

/// Whether quoted-printable carries the byte unchanged, except for spaces at a line's end (RFC 2045 §6.7).
pub(super) fn is_literal(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && byte != b'='
}

/// Scans lines that end in CRLF, in blocks cut anywhere but inside a CRLF. No loop here branches per byte.
struct Scanner {
    scan: Scan,
    /// A line feed and what a boundary line begins with.
    needle: Finder<'static>,
    /// The end of the previous blocks, shorter than the needle.
    tail: Vec<u8>,
    /// The octets of the line that has no end yet.
    unfinished: usize,
}

impl Scanner {
    fn new(boundary: &[u8]) -> Self {
        let needle = Finder::new(&[b"\n", boundary].concat()).into_owned();
        Self { scan: Scan { ends_line: true, ..Scan::default() }, needle, tail: vec![b'\n'], unfinished: 0 }
    }

    fn push(&mut self, lines: &[u8]) {
        let Some(last) = lines.last() else { return };
        self.scan.canonical += lines.len() as u64;
        self.scan.ends_line = *last == b'\n';
        self.scan.has_nul |= memchr(0, lines).is_some();
        if !lines.is_ascii() {
            self.scan.eight_bit += count(lines, |byte| !byte.is_ascii());
        }
        self.scan.escaped += count(lines, |byte| !is_literal(byte) && byte != b'\r' && byte != b'\n');
        self.find_long_line(lines);
        self.find_boundary(lines);
    }

    /// Steps from line end to line end, as far as one long line reaches at a time.
    fn find_long_line(&mut self, mut lines: &[u8]) {
        while !self.scan.has_long_line {
            let room = LONGEST_LINE + b"\r\n".len() - self.unfinished;
            let within = lines.get(..room).unwrap_or(lines);
            match memrchr(b'\n', within) {
                Some(end) => {
                    self.unfinished = 0;
                    lines = lines.get(end + 1..).unwrap_or_default();
                }
                None if within.len() < room => {
                    self.unfinished += within.len();
                    return;
                }
                None => self.scan.has_long_line = true,
            }
        }
    }

    fn find_boundary(&mut self, lines: &[u8]) {
        if self.scan.has_boundary {
            return;
        }
        let overlap = self.needle.needle().len() - 1;
        let mut joint = std::mem::take(&mut self.tail);
        joint.extend_from_slice(lines.get(..overlap).unwrap_or(lines));
        self.scan.has_boundary = self.needle.find(&joint).is_some() || self.needle.find(lines).is_some();
        let end = if lines.len() < overlap { joint.as_slice() } else { lines };
        self.tail = end.get(end.len().saturating_sub(overlap)..).unwrap_or_default().to_vec();
    }

    fn finish(mut self) -> Scan {
        self.scan.has_long_line |= self.unfinished > LONGEST_LINE;
        self.scan
    }
}

/// How many bytes `is` holds for. Sums of 255 bytes fit a byte, which lets the compiler count many at a time.
fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> u64 {
    bytes.chunks(255).map(|chunk| u64::from(chunk.iter().fold(0, |sum: u8, byte| sum + u8::from(is(*byte))))).sum()
}

/// Checks that blocks cut anywhere are UTF-8 together.
#[derive(Default)]
struct Utf8Check {
    /// The beginning of a character that continues in the next block.
    pending: Vec<u8>,
}

impl Utf8Check {
    fn push(&mut self, block: &[u8]) -> bool {
        let mut rest = block;
        while !self.pending.is_empty() {
            let Some((&first, after)) = rest.split_first() else { return true };
            self.pending.push(first);
            rest = after;
            match std::str::from_utf8(&self.pending) {
                Ok(_) => self.pending.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(rest) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.pending.extend_from_slice(rest.get(error.valid_up_to()..).unwrap_or_default());
                true
            }
            Err(_) => false,
        }
    }

    fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the plainest words, byte by byte.
    fn slowly(lines: &[u8], boundary: &[u8]) -> Scan {
        let each = |is: &dyn Fn(u8) -> bool| lines.iter().filter(|byte| is(**byte)).count() as u64;
        let split = || lines.split_inclusive(|byte| *byte == b'\n');
        let length = |line: &[u8]| line.strip_suffix(b"\r\n").unwrap_or(line).len();
        Scan {
            canonical: lines.len() as u64,
            eight_bit: each(&|byte| byte > 127),
            escaped: each(&|byte| !is_literal(byte) && !b"\r\n".contains(&byte)),
            has_long_line: split().any(|line| length(line) > 998),
            has_nul: lines.contains(&0),
            is_utf8: false,
            ends_line: lines.is_empty() || lines.ends_with(b"\n"),
            has_boundary: split().any(|line| line.starts_with(boundary)),
        }
    }

    fn scanned(lines: &[u8], boundary: &[u8], size: usize) -> Scan {
        let mut scanner = Scanner::new(boundary);
        let mut rest = lines;
        while !rest.is_empty() {
            let mut end = size.min(rest.len());
            // A CRLF is never cut.
            end += usize::from(rest[..end].ends_with(b"\r"));
            scanner.push(&rest[..end]);
            rest = &rest[end..];
        }
        scanner.finish()
    }

    #[test]
    fn lines_are_long_from_999_octets_on() {
        for (line, end, long, why) in [
            (998, "\r\n", false, "as long as may be"),
            (999, "\r\n", true, "one more"),
            (998, "", false, "without an end"),
            (999, "", true, "one more without an end"),
            (1_000, "", true, "as long as a line with its end"),
        ] {
            let lines = format!("a\r\n{}{end}", "x".repeat(line)).into_bytes();
            for size in [1, 2, 500, 998, 999, 1_000, 1_001, 5_000] {
                assert_eq!(scanned(&lines, b"--", size).has_long_line, long, "{why}, in blocks of {size}");
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_tell_what_bytes_tell(
            lines in proptest::collection::vec(prop_oneof!["--=_[ab]{0,3}", "[a=\u{0}ü\t ]{0,9}", "x{990,1005}"], 0..6),
            ends_line: bool,
            size in 1usize..40,
        ) {
            let lines = lines.join("\r\n") + if ends_line { "\r\n" } else { "" };
            for boundary in [&b"--=_a"[..], b"--=_"] {
                prop_assert_eq!(scanned(lines.as_bytes(), boundary, size), slowly(lines.as_bytes(), boundary));
            }
        }
    }
}
