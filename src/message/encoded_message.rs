//! A mail as a stream: what stands between the parts, and the parts, read and encoded as they go.

use super::source::{Source, SourceReader, block_size};
use super::transfer::{TransferEncoder, TransferEncoding};
use std::io::{self, Read};

/// A stretch of a mail.
pub(super) enum Segment<'a> {
    Bytes(Vec<u8>),
    /// A part, and the octets that it becomes.
    Part {
        source: Source<'a>,
        encoding: TransferEncoding,
        size: u64,
    },
}

/// A mail that is ready, in constant memory however big its parts are.
pub struct EncodedMessage<'a> {
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) eight_bit: bool,
    pub(super) internationalized: bool,
}

impl<'a> EncodedMessage<'a> {
    /// Its octets with CRLF line ends.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    /// Whether bytes beyond ASCII stand in it.
    pub fn eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether its headers need SMTPUTF8 (RFC 6531).
    pub fn internationalized(&self) -> bool {
        self.internationalized
    }

    /// Reads all of it, from the beginning: exactly [`EncodedMessage::size`] octets, or an error.
    pub fn open(&self) -> MessageReader<'_> {
        MessageReader { segments: self.segments.iter(), part: None, block: Vec::new(), out: Vec::new(), at: 0 }
    }

    pub(super) fn push(&mut self, piece: Segment<'a>) {
        self.segments.push(piece);
    }

    pub(super) fn bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.eight_bit |= !bytes.is_ascii();
        self.segments.push(Segment::Bytes(bytes));
    }
}

impl Segment<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part { size, .. } => *size,
        }
    }
}

/// An [`EncodedMessage`] that is being read.
pub struct MessageReader<'c> {
    segments: std::slice::Iter<'c, Segment<'c>>,
    part: Option<OpenPart<'c>>,
    block: Vec<u8>,
    /// Ready to be read, from `at` on.
    out: Vec<u8>,
    at: usize,
}

struct OpenPart<'c> {
    reading: SourceReader<'c>,
    encoder: TransferEncoder,
    name: &'c str,
    /// What it was said to become, less what it became.
    left: u64,
}

impl MessageReader<'_> {
    /// Makes more ready; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.at = 0;
        let Some(mut part) = self.part.take() else {
            match self.segments.next() {
                None => return Ok(false),
                Some(Segment::Bytes(bytes)) => self.out.extend_from_slice(bytes),
                Some(Segment::Part { source, encoding, size }) => {
                    let (reading, encoder) = (source.read()?, TransferEncoder::new(*encoding));
                    self.block.resize(block_size(source.length), 0);
                    self.part = Some(OpenPart { reading, encoder, name: &source.name, left: *size });
                }
            }
            return Ok(true);
        };
        let count = part.reading.fill(&mut self.block)?;
        part.encoder.push(self.block.get(..count).unwrap_or_default(), &mut self.out);
        if count < self.block.len() {
            part.encoder.finish(&mut self.out);
            deduct(part.left, self.out.len(), part.name, true)?;
        } else {
            part.left = deduct(part.left, self.out.len(), part.name, false)?;
            self.part = Some(part);
        }
        Ok(true)
    }
}

/// As many bytes as were announced may still be other bytes, that take more room: then the size was a lie.
fn deduct(left: u64, count: usize, name: &str, ended: bool) -> io::Result<u64> {
    match left.checked_sub(count as u64) {
        Some(left) if left == 0 || !ended => Ok(left),
        _ => Err(io::Error::other(format!("{name}: it changed while it was sent"))),
    }
}

impl Read for MessageReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.out.len() {
            if !self.more()? {
                return Ok(0);
            }
        }
        let ready = self.out.get(self.at..).unwrap_or_default();
        let count = ready.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}
