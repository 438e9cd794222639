//! A message as it is sent: bytes that stand between the parts, and parts that are encoded while they are read.

use super::source::{Source, SourceReader};
use super::transfer::{TransferEncoder, TransferEncoding};
use crate::smtp::dkim::{ContentHasher, SignableContent};
use std::io::{self, Read};
use std::sync::Arc;

/// How much is read at once for a signature.
const BLOCK: usize = 64 * 1024;

/// A stretch of a message.
pub(super) enum Segment<'a> {
    Bytes(Vec<u8>),
    /// A part that is kept for other messages too, encoded.
    Shared(Arc<[u8]>),
    /// A part, and its octets when encoded.
    Part {
        source: Source<'a>,
        encoding: TransferEncoding,
        size: u64,
    },
    /// The rest of a source of `size` octets with CRLF line ends that begins with `head`, which is not sent.
    After {
        source: Source<'a>,
        head: Vec<u8>,
        size: u64,
    },
}

/// A complete message. It takes constant memory however big its parts are.
pub struct EncodedMessage<'a> {
    segments: Vec<Segment<'a>>,
    eight_bit: bool,
    internationalized: bool,
    /// The length of the signature before it, and what was signed.
    signed: Option<(u64, SignableContent)>,
}

impl<'a> EncodedMessage<'a> {
    /// An empty message. `eight_bit`: its parts have bytes beyond ASCII; `internationalized`: so have its headers.
    pub(super) fn new(eight_bit: bool, internationalized: bool) -> Self {
        Self { segments: Vec::new(), eight_bit, internationalized, signed: None }
    }

    /// Its octets with CRLF line ends.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    /// Whether it contains bytes beyond ASCII.
    pub fn eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether its headers need SMTPUTF8 (RFC 6531).
    pub fn internationalized(&self) -> bool {
        self.internationalized
    }

    /// Reads all of it, from the beginning: exactly [`EncodedMessage::size`] octets, or an error.
    pub fn open(&self) -> MessageReader<'_> {
        let check = self.signed.as_ref().map(|(before, signed)| SignedContentCheck {
            hasher: ContentHasher::new(),
            before: *before,
            left: self.size().saturating_sub(*before),
            signed,
        });
        MessageReader { segments: self.segments.iter(), ready: &[], part: None, out: Vec::new(), position: 0, check }
    }

    /// Reads all of it, for a signature.
    pub fn signable(&self) -> io::Result<SignableContent> {
        let (mut reader, mut hasher, mut block) = (self.open(), ContentHasher::new(), vec![0; BLOCK]);
        loop {
            let count = reader.read(&mut block)?;
            let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(hasher.finish()) };
            hasher.push(bytes).map_err(io::Error::other)?;
        }
    }

    /// Puts a header field before it that signs `signed`. Reading it fails once it is something else.
    pub fn prepend_signature(&mut self, field: String, signed: SignableContent) {
        self.signed = Some((field.len() as u64, signed));
        self.segments.insert(0, Segment::Bytes(field.into_bytes()));
    }

    /// Appends a segment.
    pub(super) fn push(&mut self, segment: Segment<'a>) {
        self.segments.push(segment);
    }

    /// Appends bytes that need no encoding, with CRLF line ends.
    pub(super) fn push_bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.eight_bit |= !bytes.is_ascii();
        self.segments.push(Segment::Bytes(bytes));
    }
}

impl Segment<'_> {
    /// Its octets when sent.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Shared(bytes) => bytes.len() as u64,
            Self::Part { size, .. } => *size,
            Self::After { head, size, .. } => size.saturating_sub(head.len() as u64),
        }
    }
}

/// Reads an [`EncodedMessage`].
pub struct MessageReader<'m> {
    segments: std::slice::Iter<'m, Segment<'m>>,
    /// The rest of a segment that needs no encoding.
    ready: &'m [u8],
    part: Option<OpenPart<'m>>,
    /// Encoded bytes, to be read from `position` on.
    out: Vec<u8>,
    position: usize,
    check: Option<SignedContentCheck<'m>>,
}

/// Compares what is read with what was signed.
struct SignedContentCheck<'m> {
    hasher: ContentHasher,
    /// The octets of the signature that are still to come.
    before: u64,
    /// The octets after it that are still to come.
    left: u64,
    signed: &'m SignableContent,
}

impl SignedContentCheck<'_> {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = usize::try_from(self.before).unwrap_or(usize::MAX).min(bytes.len());
        let content = bytes.get(skipped..).unwrap_or_default();
        self.before -= skipped as u64;
        self.left = self.left.saturating_sub(content.len() as u64);
        self.hasher.push(content).map_err(io::Error::other)?;
        // Before the last octets are given away, so that they are never sent with an end.
        if self.left == 0 && !content.is_empty() && std::mem::take(&mut self.hasher).finish() != *self.signed {
            return Err(io::Error::other("the message changed after it was signed"));
        }
        Ok(())
    }
}

struct OpenPart<'m> {
    reader: SourceReader<'m>,
    encoder: TransferEncoder,
    /// The octets that are still to come of its size.
    left: u64,
    /// Encoded bytes that must come first, and are not sent.
    head: &'m [u8],
}

impl<'m> MessageReader<'m> {
    /// Makes more bytes ready; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.position = 0;
        if let Some(part) = self.part.take() {
            self.encode_block(part)?;
            return Ok(true);
        }
        match self.segments.next() {
            None => return Ok(false),
            Some(Segment::Bytes(bytes)) => self.ready = bytes,
            Some(Segment::Shared(bytes)) => self.ready = bytes,
            Some(Segment::Part { source, encoding, size }) => {
                let (reader, encoder) = (source.read()?, TransferEncoder::new(*encoding));
                self.part = Some(OpenPart { reader, encoder, left: *size, head: &[] });
            }
            Some(Segment::After { source, head, size }) => {
                let (reader, encoder) = (source.read()?, TransferEncoder::new(TransferEncoding::SevenBit));
                self.part = Some(OpenPart { reader, encoder, left: *size, head });
            }
        }
        Ok(true)
    }

    fn encode_block(&mut self, mut part: OpenPart<'m>) -> io::Result<()> {
        let block = part.reader.next_block()?;
        let ends = block.is_none();
        match block {
            Some(block) => part.encoder.push(block, &mut self.out),
            None => part.encoder.finish(&mut self.out),
        }
        let size = self.out.len() as u64;
        let skipped = part.head.len().min(self.out.len());
        let (head, rest) = part.head.split_at(skipped);
        let same_head = self.out.starts_with(head);
        (self.position, part.head) = (skipped, rest);
        // A file of the same length may hold other bytes, which take more room or less: then its size was wrong.
        match part.left.checked_sub(size).filter(|_| same_head) {
            Some(0) if ends => Ok(()),
            Some(left) if !ends => {
                self.part = Some(OpenPart { left, ..part });
                Ok(())
            }
            _ => Err(io::Error::other(format!("{}: it changed while it was sent", part.reader.name))),
        }
    }
}

impl Read for MessageReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_unchecked(buffer)?;
        if let Some(check) = &mut self.check {
            check.push(buffer.get(..count).unwrap_or_default())?;
        }
        Ok(count)
    }
}

impl MessageReader<'_> {
    fn read_unchecked(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.ready.is_empty() {
                return self.ready.read(buffer);
            }
            let mut out = self.out.get(self.position..).unwrap_or_default();
            if !out.is_empty() {
                let count = out.read(buffer)?;
                self.position += count;
                return Ok(count);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}
