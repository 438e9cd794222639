//! Cuts what a socket brings into TLS records (RFC 8446 §5.1).
//!
//! A TLS library is given whole records and nothing beyond the one that it asked for. So whatever it reads ahead, plain text
//! after the server's close_notify is never lost in it.

use std::io::Read;

/// The longest record: 2^14 bytes and what encryption may add (RFC 5246 §6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;

/// The length of a record's header.
const HEADER: usize = 5;

/// What has been received and not yet given to the TLS library.
#[derive(Debug, Default)]
pub struct RecordFramer {
    bytes: Vec<u8>,
    /// Up to here it was given.
    given: usize,
    /// Up to here there are whole records.
    whole: usize,
    ended: bool,
}

/// What the bytes at a record's beginning are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordStart {
    /// A whole record of this length.
    Whole(usize),
    /// More must be received.
    Partial,
    /// Not a record.
    Other,
}

fn record_start(bytes: &[u8]) -> RecordStart {
    match *bytes {
        [] | [20..=23] | [20..=23, 3] | [20..=23, 3, _] | [20..=23, 3, _, _] => RecordStart::Partial,
        [20..=23, 3, _, high, low, ..] => {
            let length = usize::from(u16::from_be_bytes([high, low]));
            match HEADER + length {
                _ if length > MAX_RECORD => RecordStart::Other,
                length if length <= bytes.len() => RecordStart::Whole(length),
                _ => RecordStart::Partial,
            }
        }
        _ => RecordStart::Other,
    }
}

impl RecordFramer {
    /// A framer for a socket that has received `bytes` already.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut framer = Self { bytes, ..Self::default() };
        framer.find_records();
        framer
    }

    /// Adds what was received; nothing is the end of the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.ended |= bytes.is_empty();
        if self.given > 0 && self.given == self.whole {
            self.bytes.drain(..self.given);
            (self.given, self.whole) = (0, 0);
        }
        self.bytes.extend_from_slice(bytes);
        self.find_records();
    }

    fn find_records(&mut self) {
        while let RecordStart::Whole(length) = record_start(self.after_records()) {
            self.whole += length;
        }
    }

    /// What follows the whole records: nothing, a part of a record, or something else.
    fn after_records(&self) -> &[u8] {
        self.bytes.get(self.whole..).unwrap_or_default()
    }

    /// Whether the records end in something else.
    fn is_broken(&self) -> bool {
        record_start(self.after_records()) == RecordStart::Other
    }

    /// Gives whole records, and whatever there is if it is no record or the connection has ended: the library says what is
    /// wrong with it. `None` if more must be received.
    pub fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let end = if self.ended || self.is_broken() { self.bytes.len() } else { self.whole };
        let mut ready = self.bytes.get(self.given..end).unwrap_or_default();
        if ready.is_empty() {
            return self.ended.then_some(0);
        }
        // Reading from memory does not fail.
        let count = ready.read(buffer).unwrap_or(0);
        self.given += count;
        Some(count)
    }

    /// What was received after the whole records, given or not, and the records that were not given.
    pub fn into_rest(self) -> Vec<u8> {
        let Self { mut bytes, given, whole, ended: _ } = self;
        bytes.drain(..given.min(whole));
        bytes
    }

    /// What was received after the whole records.
    pub fn into_rest_after_records(self) -> Vec<u8> {
        let Self { mut bytes, whole, .. } = self;
        bytes.drain(..whole);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("a short record");
        [&[kind, 3, 3][..], &length.to_be_bytes(), content].concat()
    }

    /// Everything that the framer gives now, in reads of up to `size` bytes.
    fn read_all(framer: &mut RecordFramer, size: usize) -> Vec<u8> {
        let mut buffer = vec![0; size];
        let mut all = Vec::new();
        while let Some(count @ 1..) = framer.read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
        }
        all
    }

    #[test]
    fn beginnings_are_told_apart() {
        for (bytes, wanted, why) in [
            (&b""[..], RecordStart::Partial, "nothing yet"),
            (&[23], RecordStart::Partial, "a type"),
            (&[23, 3, 3, 0], RecordStart::Partial, "half a length"),
            (&[23, 3, 3, 0, 1], RecordStart::Partial, "a header alone"),
            (&[23, 3, 3, 0, 1, 9], RecordStart::Whole(6), "a record"),
            (&[21, 3, 1, 0, 0, 9], RecordStart::Whole(5), "an empty one, and another byte"),
            (b"250 ok\r\n", RecordStart::Other, "SMTP"),
            (&[19, 3, 3, 0, 1, 9], RecordStart::Other, "not a type of records"),
            (&[23, 4], RecordStart::Other, "not a version of TLS"),
            (&[23, 3, 3, 0x48, 0, 9], RecordStart::Partial, "the longest record"),
            (&[23, 3, 3, 0x48, 1, 9], RecordStart::Other, "longer than any record"),
        ] {
            assert_eq!(record_start(bytes), wanted, "{why}");
        }
    }

    #[test]
    fn half_a_record_is_given_only_if_no_more_comes() {
        let mut framer = RecordFramer::default();
        framer.push(&[23, 3, 3, 0, 2, 1]);
        assert_eq!(framer.read(&mut [0; 9]), None);
        framer.push(&[]);
        assert_eq!(read_all(&mut framer, 4), [23, 3, 3, 0, 2, 1]);
        assert_eq!(framer.read(&mut [0; 9]), Some(0), "the end");
    }

    proptest! {
        /// Records, then plain text: however they arrive and are read, the library gets the records one by one, and the text
        /// is what is left.
        #[test]
        fn text_after_records_is_left(
            contents in prop::collection::vec((20_u8..=23, prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            text in "[0-9]{3}[ -~]{0,30}",
            cut in 1_usize..9,
            size in 1_usize..9,
        ) {
            let records: Vec<u8> = contents.iter().flat_map(|(kind, content)| record(*kind, content)).collect();
            let mut framer = RecordFramer::default();
            let mut given = Vec::new();
            for piece in records.chunks(cut) {
                framer.push(piece);
                given.extend(read_all(&mut framer, size));
            }
            prop_assert_eq!(&given, &records);
            for piece in text.as_bytes().chunks(cut) {
                framer.push(piece);
            }
            prop_assert!(framer.is_broken());
            // The library may look at what follows before it is asked for the rest.
            if size % 2 == 0 {
                prop_assert_eq!(read_all(&mut framer, size), text.as_bytes());
            }
            prop_assert_eq!(framer.into_rest(), text.as_bytes());
        }
    }
}
