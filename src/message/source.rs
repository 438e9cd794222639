//! Where the bytes of a part come from.

use std::io::{self, Read};
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
    /// Differs once the bytes have changed, as far as that is known without reading them.
    pub revision: u64,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    InMemory(Arc<[u8]>),
    Opened(Opener<'a>),
}

impl<'a> Source<'a> {
    /// Bytes that `open` returns, `length` of them each time.
    pub fn new(name: impl Into<String>, length: u64, open: Opener<'a>) -> Self {
        Self { name: name.into(), length, revision: 0, bytes: Bytes::Opened(open) }
    }

    /// Bytes in memory.
    pub fn in_memory(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { name: name.into(), length: bytes.len() as u64, revision: 0, bytes: Bytes::InMemory(bytes) }
    }

    /// The source with its revision.
    pub fn with_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// The bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&Arc<[u8]>> {
        match &self.bytes {
            Bytes::InMemory(bytes) => Some(bytes),
            Bytes::Opened(_) => None,
        }
    }

    /// Reads the bytes; fewer or more than [`Self::length`] are an error.
    pub(super) fn read(&self) -> io::Result<SourceReader<'_>> {
        let rest = match &self.bytes {
            Bytes::InMemory(bytes) => Rest::InMemory(bytes),
            Bytes::Opened(open) => {
                // One byte more than a short source has, so that the first read shows its end.
                let size = usize::try_from(self.length).map_or(BLOCK, |length| BLOCK.min(length.saturating_add(1)));
                Rest::File { reader: open()?, block: vec![0; size], has_ended: false }
            }
        };
        Ok(SourceReader { rest, name: &self.name, length: self.length, so_far: 0 })
    }

    /// Calls `each` with all bytes, block by block.
    pub(super) fn for_each_block(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut reader = self.read()?;
        while let Some(block) = reader.next_block()? {
            each(block);
        }
        Ok(())
    }
}

/// Reads a [`Source`].
pub(super) struct SourceReader<'s> {
    rest: Rest<'s>,
    pub(super) name: &'s str,
    length: u64,
    so_far: u64,
}

/// What has not been read yet.
enum Rest<'s> {
    InMemory(&'s [u8]),
    File { reader: Box<dyn Read>, block: Vec<u8>, has_ended: bool },
}

impl SourceReader<'_> {
    /// The next bytes, `None` at the end.
    pub(super) fn next_block(&mut self) -> io::Result<Option<&[u8]>> {
        let (name, length) = (self.name, self.length);
        let (reader, block, has_ended) = match &mut self.rest {
            Rest::InMemory(bytes) => {
                let (block, rest) = bytes.split_at(bytes.len().min(BLOCK));
                *bytes = rest;
                return Ok(Some(block).filter(|block| !block.is_empty()));
            }
            Rest::File { has_ended: true, .. } => return Ok(None),
            Rest::File { reader, block, has_ended } => (reader, block, has_ended),
        };
        let count = fill(reader, block).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        self.so_far += count as u64;
        let so_far = self.so_far;
        if so_far > length {
            return Err(io::Error::other(format!("{name}: it grew beyond its {length} bytes while it was read")));
        }
        *has_ended = count < block.len();
        if *has_ended && so_far < length {
            let what = format!("{name}: {so_far} bytes came of {length}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        Ok(block.get(..count).filter(|block| !block.is_empty()))
    }
}

/// Fills `block`, or as much of it as is left.
fn fill(reader: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
