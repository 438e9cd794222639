//! Parts that are the same in many messages, encoded once.

use super::encoded_message::Segment;
use super::scan::Scan;
use super::source::Source;
use super::transfer::TransferEncoding;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes that are kept in all, texts and encoded parts together.
const MAX_BYTES: usize = 8 << 20;

/// Scans and encoded bytes of the parts of a session's messages. One is shared by all connections of a run.
///
/// A text is encoded anew unless it is the same, byte for byte, as in the message before; a file unless its path, length
/// and revision are the same. Nothing is kept of a part that changed once, or before its second use: a single message costs no
/// memory.
#[derive(Debug, Default)]
pub struct PartCache(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    parts: HashMap<PartKey, KnownPart>,
    bytes: usize,
}

/// A part's place in the session: the file, and the position of the template or path there.
pub type PartKey = (usize, usize);

/// What is known of the part with a key.
#[derive(Debug)]
enum KnownPart {
    Unchanged {
        content: PartContent,
        scan: Option<Scan>,
        /// Whether a message has used it.
        used: bool,
        encoded: Option<(TransferEncoding, Arc<[u8]>)>,
    },
    /// It was not the same in two messages.
    Varying,
}

/// What tells whether a part has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartContent {
    Text(Arc<[u8]>),
    File { name: String, length: u64, revision: u64 },
}

/// A source, and where its encoded form may be kept.
pub struct PartSource<'a> {
    source: Source<'a>,
    cache: Option<(Arc<PartCache>, PartKey)>,
}

impl<'a> Source<'a> {
    /// Keeps the part in `cache` once it is encoded.
    pub fn with_cache(self, cache: &Arc<PartCache>, key: PartKey) -> PartSource<'a> {
        PartSource { source: self, cache: Some((Arc::clone(cache), key)) }
    }
}

impl<'a> From<Source<'a>> for PartSource<'a> {
    fn from(source: Source<'a>) -> Self {
        Self { source, cache: None }
    }
}

impl<'a> PartSource<'a> {
    /// The source's name, for messages.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// In bytes, not encoded.
    pub(super) fn length(&self) -> u64 {
        self.source.length
    }

    /// As [`Scan::of`].
    pub(super) fn scan(&self, boundary: &[u8]) -> io::Result<Scan> {
        let Some((cache, key)) = &self.cache else { return Scan::of(&self.source, boundary) };
        let kept = cache.known(*key, &self.source, |part| match part {
            KnownPart::Unchanged { scan, .. } => *scan,
            KnownPart::Varying => None,
        });
        // Each message has a boundary of its own, and this was scanned for any.
        if let Some(scan) = kept.filter(|scan| !scan.has_boundary) {
            return Ok(scan);
        }
        let any = Scan::of(&self.source, b"")?;
        cache.known(*key, &self.source, |part| {
            if let KnownPart::Unchanged { scan, .. } = part {
                *scan = Some(any);
            }
        });
        if any.has_boundary && !boundary.is_empty() { Scan::of(&self.source, boundary) } else { Ok(any) }
    }

    /// The part as a segment of a message. `canonical` is its length with CRLF line ends.
    pub(super) fn into_segment(self, encoding: TransferEncoding, canonical: u64) -> io::Result<Segment<'a>> {
        if let Some(bytes) = self.kept(encoding) {
            return Ok(Segment::Shared(bytes));
        }
        let size = encoding.size(&self.source, canonical)?;
        Ok(Segment::Part { source: self.source, encoding, size })
    }

    /// The encoded part: as it was kept, or kept now if this is its second use and there is room.
    fn kept(&self, encoding: TransferEncoding) -> Option<Arc<[u8]>> {
        let (cache, key) = self.cache.as_ref()?;
        let first = cache.known(*key, &self.source, |part| match part {
            KnownPart::Unchanged { encoded: Some((of, bytes)), .. } if *of == encoding => Some(Ok(bytes.clone())),
            KnownPart::Unchanged { encoded: None, used, .. } => std::mem::replace(used, true).then_some(Err(())),
            _ => None,
        });
        match first? {
            Ok(bytes) => Some(bytes),
            Err(()) if !cache.has_room(self.source.length) => None,
            Err(()) => {
                // What cannot be read fails where the message is sent, as if nothing were kept.
                let bytes: Arc<[u8]> = encoding.encode(&self.source).ok()?.into();
                cache.keep(*key, &self.source, encoding, bytes.clone());
                Some(bytes)
            }
        }
    }
}

impl PartCache {
    /// Calls `with` with what is known of the part, which is forgotten first if the part has changed.
    fn known<R: Default>(&self, key: PartKey, source: &Source<'_>, with: impl FnOnce(&mut KnownPart) -> R) -> R {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.parts.get_mut(&key) {
            let freed = part.forget_if_changed(source);
            let result = with(part);
            parts.bytes -= freed;
            return result;
        }
        let content = PartContent::of(source);
        if parts.bytes + content.size() > MAX_BYTES {
            return R::default();
        }
        parts.bytes += content.size();
        let mut part = KnownPart::Unchanged { content, scan: None, used: false, encoded: None };
        let result = with(&mut part);
        parts.parts.insert(key, part);
        result
    }

    /// Whether an encoded part of `length` unencoded bytes can be kept; the most that base64 makes of them counts.
    fn has_room(&self, length: u64) -> bool {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(length).is_ok_and(|length| parts.bytes.saturating_add(length / 2 * 3) <= MAX_BYTES)
    }

    fn keep(&self, key: PartKey, source: &Source<'_>, encoding: TransferEncoding, bytes: Arc<[u8]>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.bytes + bytes.len() > MAX_BYTES {
            return;
        }
        if let Some(KnownPart::Unchanged { content, encoded, .. }) = parts.parts.get_mut(&key)
            && encoded.is_none()
            && content.is(source)
        {
            let size = bytes.len();
            *encoded = Some((encoding, bytes));
            parts.bytes += size;
        }
    }
}

impl KnownPart {
    /// Gives the bytes that this freed.
    fn forget_if_changed(&mut self, source: &Source<'_>) -> usize {
        let Self::Unchanged { content, encoded, .. } = self else { return 0 };
        if content.is(source) {
            return 0;
        }
        let freed = content.size() + encoded.as_ref().map_or(0, |(_, bytes)| bytes.len());
        *self = Self::Varying;
        freed
    }
}

impl PartContent {
    fn of(source: &Source<'_>) -> Self {
        match source.bytes() {
            Some(bytes) => Self::Text(bytes.clone()),
            None => Self::File { name: source.name.clone(), length: source.length, revision: source.revision },
        }
    }

    fn is(&self, source: &Source<'_>) -> bool {
        match (self, source.bytes()) {
            (Self::Text(kept), Some(bytes)) => kept == bytes,
            (Self::File { name, length, revision }, None) => {
                *name == source.name && *length == source.length && *revision == source.revision
            }
            _ => false,
        }
    }

    /// The bytes that are kept.
    fn size(&self) -> usize {
        match self {
            Self::Text(bytes) => bytes.len(),
            Self::File { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Encodes the text as a message would, and gives whether it came out of the cache.
    fn encode(cache: &Arc<PartCache>, key: usize, text: &str) -> (String, bool) {
        let source = Source::in_memory("the text", text.as_bytes()).with_cache(cache, (0, key));
        segment(source)
    }

    fn segment(source: PartSource<'_>) -> (String, bool) {
        let scan = source.scan(b"--=_a").expect("it is in memory");
        match source.into_segment(TransferEncoding::of(&scan), scan.canonical).expect("it is in memory") {
            Segment::Shared(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), true),
            Segment::Part { source, encoding, .. } => {
                let bytes = encoding.encode(&source).expect("it is in memory");
                (String::from_utf8_lossy(&bytes).into_owned(), false)
            }
            Segment::Bytes(_) | Segment::After { .. } => panic!("a part is a part"),
        }
    }

    #[test]
    fn a_text_is_kept_from_its_second_use_until_it_changes() {
        let cache = Arc::new(PartCache::default());
        let table = [
            ("ü\n", false, "the first message"),
            ("ü\n", true, "the second keeps it"),
            ("ü\n", true, "the third has it"),
            ("ö\n", false, "it changed"),
            ("ö\n", false, "what varies is not kept again"),
        ];
        for (text, cached, why) in table {
            let expected = TransferEncoding::Base64Text.encode(&Source::in_memory("x", text.as_bytes()));
            let expected = String::from_utf8(expected.expect("in memory")).expect("ASCII");
            assert_eq!(encode(&cache, 0, text), (expected, cached), "{why}");
        }
        assert_eq!(cache.0.lock().expect("no thread panicked").bytes, 0, "nothing is left of it");
    }

    #[test]
    fn a_file_is_read_until_it_is_kept_and_again_when_it_changes() {
        let reads = Cell::new(0);
        let file = |length: u8, revision: u64| {
            let reads = &reads;
            let open = move || {
                reads.set(reads.get() + 1);
                Ok(Box::new(std::io::Cursor::new(vec![b'a'; length.into()])) as Box<dyn std::io::Read>)
            };
            Source::new("data", length.into(), Box::new(open)).with_revision(revision)
        };
        // A message scans a file once and reads it once: of the tests' own making is the second read.
        for (changed, why) in [((8, 1), "another length"), ((9, 2), "another revision")] {
            let (cache, before) = (Arc::new(PartCache::default()), reads.get());
            for ((length, revision), read, cached, step) in [
                ((9, 1), 2, false, "scanned and sent"),
                ((9, 1), 3, true, "encoded"),
                ((9, 1), 3, true, "kept"),
                (changed, 5, false, "scanned and sent"),
            ] {
                let source = file(length, revision).with_cache(&cache, (0, 0));
                assert_eq!(segment(source), ("a".repeat(length.into()), cached), "{why}: {step}");
                assert_eq!(reads.get() - before, read, "{why}: {step}");
            }
        }
    }

    #[test]
    fn what_looks_like_a_boundary_is_scanned_for_each_message() {
        let cache = Arc::new(PartCache::default());
        let scan = |boundary: &[u8]| {
            let source = Source::in_memory("the text", &b"--=_a\n"[..]).with_cache(&cache, (0, 0));
            source.scan(boundary).expect("it is in memory").has_boundary
        };
        assert_eq!([scan(b"--=_b"), scan(b"--=_a"), scan(b"--=_b")], [false, true, false]);
    }

    #[test]
    fn the_cache_keeps_what_there_is_room_for() {
        let cache = Arc::new(PartCache::default());
        let big = "a\n".repeat(MAX_BYTES / 16);
        for (key, cached) in [(1, true), (2, true), (3, true), (4, false)] {
            encode(&cache, key, &big);
            assert_eq!(encode(&cache, key, &big).1, cached, "{key}");
        }
        assert!(cache.0.lock().expect("no thread panicked").bytes <= MAX_BYTES);
        let cache = Arc::new(PartCache::default());
        for _ in 0..2 {
            let length = MAX_BYTES as u64 / 4 * 3;
            let open = move || Ok(Box::new(io::Read::take(io::repeat(b'a'), length)) as Box<dyn io::Read>);
            let file = Source::new("data", length, Box::new(open)).with_cache(&cache, (0, 0));
            assert!(!segment(file).1, "a large file is streamed: encoded it would take all of the room");
        }
    }
}
