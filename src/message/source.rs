//! Where the bytes of a part come from, and what a look through them tells.

use crate::smtp::content::ContentEncoder;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

/// What is read at a time: whole lines of base64 (57 bytes each), so that no rest is carried over.
pub(super) const BLOCK: usize = 57 * 1024;

/// RFC 5321 §4.5.3.1.6: 1,000 with CRLF.
const LONGEST_LINE: u64 = 998;

/// Opens the bytes, from their beginning. Its errors say what could not be opened.
pub type Opener<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read>> + 'a>;

/// Bytes that can be read again and again, in constant memory, and how many they are.
pub struct Source<'a> {
    /// For messages.
    pub name: String,
    pub length: u64,
    open: Opener<'a>,
}

impl<'a> Source<'a> {
    pub fn new(name: impl Into<String>, length: u64, open: Opener<'a>) -> Self {
        Self { name: name.into(), length, open }
    }

    /// Bytes that are held.
    pub fn in_memory(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::new(name, length, Box::new(move || Ok(Box::new(Cursor::new(Arc::clone(&bytes))))))
    }

    /// Reads the bytes; fewer or more than were announced are an error.
    pub fn read(&self) -> io::Result<SourceReader<'_>> {
        Ok(SourceReader { reader: (self.open)()?, name: &self.name, length: self.length, so_far: 0 })
    }
}

/// A source that is being read.
pub struct SourceReader<'s> {
    reader: Box<dyn Read>,
    name: &'s str,
    length: u64,
    so_far: u64,
}

impl SourceReader<'_> {
    /// Fills `block` as far as the source goes: less than the whole is its end.
    pub fn fill(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", self.name))),
            }
        }
        self.so_far += filled as u64;
        let (name, so_far, length) = (self.name, self.so_far, self.length);
        if so_far > length {
            return Err(io::Error::other(format!("{name}: it grew beyond its {length} bytes while it was read")));
        }
        if filled < block.len() && so_far < length {
            let what = format!("{name}: {so_far} bytes came of {length}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        Ok(filled)
    }
}

/// What a look through a source told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Its octets with CRLF at the ends of its lines.
    pub canonical: u64,
    /// Bytes beyond ASCII.
    pub eight_bit: u64,
    /// Bytes that quoted-printable would escape, wherever they stand.
    pub escaped: u64,
    pub longest_line: u64,
    pub has_nul: bool,
    pub is_utf8: bool,
    /// Whether its last line has an end, or there is none.
    pub ends_line: bool,
    /// Whether a line begins with the boundary's stem.
    pub has_boundary: bool,
}

impl Scan {
    /// Looks through all of it. `stem` is what boundaries begin with.
    pub fn of(source: &Source<'_>, stem: &[u8]) -> io::Result<Self> {
        Self::with(source, stem, |_| {})
    }

    /// As [`Scan::of`]; `see` is shown the bytes with CRLF line ends, block by block.
    pub fn with(source: &Source<'_>, stem: &[u8], mut see: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut scan = Self { is_utf8: true, ends_line: true, ..Self::default() };
        let mut reading = source.read()?;
        let mut encoder = ContentEncoder::new(false);
        let (mut block, mut lines) = (vec![0; block_size(source.length)], Vec::new());
        let (mut column, mut matched, mut utf8) = (0_u64, Some(0), Utf8::default());
        loop {
            let count = reading.fill(&mut block)?;
            let read = block.get(..count).unwrap_or_default();
            scan.is_utf8 &= utf8.push(read);
            lines.clear();
            encoder.push(read, &mut lines);
            see(&lines);
            scan.canonical += lines.len() as u64;
            for &byte in &lines {
                match byte {
                    b'\r' => {}
                    b'\n' => {
                        (column, matched) = (0, Some(0));
                        continue;
                    }
                    byte => {
                        column += 1;
                        scan.longest_line = scan.longest_line.max(column);
                        scan.eight_bit += u64::from(!byte.is_ascii());
                        scan.escaped += u64::from(!super::transfer::is_literal(byte));
                        scan.has_nul |= byte == 0;
                    }
                }
                matched = matched.filter(|at| stem.get(*at) == Some(&byte)).map(|at| at + 1);
                if !stem.is_empty() && matched == Some(stem.len()) {
                    scan.has_boundary = true;
                    matched = None;
                }
            }
            if count < block.len() {
                break;
            }
        }
        scan.ends_line = column == 0;
        scan.is_utf8 &= utf8.ended();
        Ok(scan)
    }

    /// Whether every server takes it as it is, and no line of it looks like a boundary.
    pub fn is_seven_bit(&self) -> bool {
        self.eight_bit == 0 && !self.has_nul && self.longest_line <= LONGEST_LINE && !self.has_boundary
    }
}

/// How long a block is for a source of that length: one byte longer than a short one, whose end so shows with the first
/// reading.
pub(super) fn block_size(length: u64) -> usize {
    usize::try_from(length).map_or(BLOCK, |length| BLOCK.min(length.saturating_add(1)))
}

/// Looks whether blocks that are cut anywhere are UTF-8 together.
#[derive(Default)]
struct Utf8 {
    /// The beginning of a character whose rest is in the next block.
    pending: Vec<u8>,
}

impl Utf8 {
    fn push(&mut self, block: &[u8]) -> bool {
        let mut rest = block;
        while !self.pending.is_empty() {
            let Some((&first, behind)) = rest.split_first() else { return true };
            self.pending.push(first);
            rest = behind;
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

    fn ended(&self) -> bool {
        self.pending.is_empty()
    }
}
