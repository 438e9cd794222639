//! Where the bytes of a part come from.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

/// Bytes read at a time: whole lines of base64 (57 bytes each), so that an encoder carries nothing over.
pub(super) const BLOCK: usize = 57 * 1024;

/// Opens the bytes, from their beginning. Its errors say what could not be opened.
pub type Opener<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read>> + 'a>;

/// Bytes of a known number that can be read repeatedly, in constant memory.
pub struct Source<'a> {
    /// Names the source in error messages.
    pub name: String,
    /// In bytes.
    pub length: u64,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    InMemory(Arc<[u8]>),
    Opened(Opener<'a>),
}

impl<'a> Source<'a> {
    /// Bytes that `open` returns, `length` of them each time.
    pub fn new(name: impl Into<String>, length: u64, open: Opener<'a>) -> Self {
        Self { name: name.into(), length, bytes: Bytes::Opened(open) }
    }

    /// Bytes in memory.
    pub fn in_memory(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { name: name.into(), length: bytes.len() as u64, bytes: Bytes::InMemory(bytes) }
    }

    /// The bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&Arc<[u8]>> {
        match &self.bytes {
            Bytes::InMemory(bytes) => Some(bytes),
            Bytes::Opened(_) => None,
        }
    }

    /// Reads the bytes; fewer or more than [`Self::length`] are an error.
    pub fn read(&self) -> io::Result<SourceReader<'_>> {
        let reader = match &self.bytes {
            Bytes::InMemory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Bytes::Opened(open) => open()?,
        };
        Ok(SourceReader { reader, name: &self.name, length: self.length, so_far: 0 })
    }

    /// Calls `each` with all bytes, block by block.
    pub(super) fn for_each_block(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let (mut reader, mut block) = (self.read()?, vec![0; block_size(self.length)]);
        loop {
            let count = reader.fill(&mut block)?;
            each(block.get(..count).unwrap_or_default());
            if count < block.len() {
                return Ok(());
            }
        }
    }
}

/// Reads a [`Source`].
pub struct SourceReader<'s> {
    reader: Box<dyn Read>,
    name: &'s str,
    length: u64,
    so_far: u64,
}

impl SourceReader<'_> {
    /// Fills `block`, or as much of it as is left of the source: a count below the block's length is the end.
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

/// The size of the blocks that a source of that length is read in: one byte more than a short source has, so that the
/// first read shows its end.
pub(super) fn block_size(length: u64) -> usize {
    usize::try_from(length).map_or(BLOCK, |length| BLOCK.min(length.saturating_add(1)))
}
