//! TCP streams from captured segments: in order, without what was sent twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A captured TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment<'a> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub sequence: u32,
    /// What the other side has received, if the segment tells.
    pub acknowledged: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: &'a [u8],
    /// How many bytes of the payload were sent and not captured (`tcpdump -s`).
    pub missing: u64,
}

/// What a stream gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPiece {
    Bytes(Vec<u8>),
    /// So many bytes were sent and are not in the capture.
    Gap(u64),
    /// So many bytes were sent again.
    Repeated(u64),
    Fin,
    Reset,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct TcpStream {
    /// The sequence number of the stream's first byte.
    base: Option<u32>,
    /// How many bytes were given, gaps included.
    next: u64,
    /// Bytes that came before others that precede them, by their position.
    early: BTreeMap<u64, Vec<u8>>,
    fin: Option<u64>,
    ended: bool,
}

impl TcpStream {
    /// Takes a segment of this direction.
    pub fn push(&mut self, segment: &TcpSegment<'_>, out: &mut Vec<StreamPiece>) {
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        let base = *self.base.get_or_insert(first);
        // The distance to what is expected next tells repeated bytes from early ones, also after 4 GiB.
        let expected = base.wrapping_add(self.next as u32);
        let distance = i64::from(first.wrapping_sub(expected) as i32);
        let position = self.next.saturating_add_signed(distance);
        let before = if distance < 0 && position == 0 { (-distance) as u64 - self.next } else { 0 };
        let payload = segment.payload.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
        if !payload.is_empty() {
            let end = position + payload.len() as u64;
            if end <= self.next {
                out.push(StreamPiece::Repeated(payload.len() as u64));
            } else if position <= self.next {
                let known = usize::try_from(self.next - position).unwrap_or(usize::MAX);
                self.give(payload.get(known..).unwrap_or_default(), out);
                self.give_early(out);
            } else {
                let kept = self.early.entry(position).or_default();
                if kept.len() < payload.len() {
                    *kept = payload.to_vec();
                }
            }
        }
        let end = position + payload.len() as u64;
        if segment.missing > 0 && end == self.next {
            self.next += segment.missing;
            out.push(StreamPiece::Gap(segment.missing));
            self.give_early(out);
        }
        if segment.fin {
            self.fin = Some(end + segment.missing);
        }
        self.give_end(out);
        if segment.rst && !self.ended {
            self.ended = true;
            out.push(StreamPiece::Reset);
        }
    }

    /// The other side has everything before this sequence number: what is missing up to there is not in the capture.
    pub fn acknowledge(&mut self, sequence: u32, out: &mut Vec<StreamPiece>) {
        let Some(base) = self.base else { return };
        let distance = i64::from(sequence.wrapping_sub(base.wrapping_add(self.next as u32)) as i32);
        if distance > 0 && !self.early.is_empty() {
            self.skip_gap(out);
        }
    }

    /// Gives what is left at the end of the capture.
    pub fn finish(&mut self, out: &mut Vec<StreamPiece>) {
        while !self.early.is_empty() {
            self.skip_gap(out);
        }
        self.give_end(out);
    }

    fn skip_gap(&mut self, out: &mut Vec<StreamPiece>) {
        if let Some((position, _)) = self.early.first_key_value()
            && *position > self.next
        {
            out.push(StreamPiece::Gap(*position - self.next));
            self.next = *position;
        }
        self.give_early(out);
        self.give_end(out);
    }

    fn give(&mut self, bytes: &[u8], out: &mut Vec<StreamPiece>) {
        self.next += bytes.len() as u64;
        out.push(StreamPiece::Bytes(bytes.to_vec()));
    }

    fn give_early(&mut self, out: &mut Vec<StreamPiece>) {
        while let Some((position, bytes)) = self.early.pop_first() {
            if position > self.next {
                self.early.insert(position, bytes);
                return;
            }
            let known = usize::try_from(self.next - position).unwrap_or(usize::MAX);
            if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
                self.give(new, out);
            }
        }
    }

    fn give_end(&mut self, out: &mut Vec<StreamPiece>) {
        if !self.ended && self.fin.is_some_and(|end| end <= self.next) {
            self.ended = true;
            out.push(StreamPiece::Fin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(sequence: u32, payload: &[u8]) -> TcpSegment<'_> {
        let address = SocketAddr::from(([127, 0, 0, 1], 25));
        let flags = (false, false, false);
        TcpSegment {
            from: address,
            to: address,
            sequence,
            acknowledged: None,
            syn: flags.0,
            fin: flags.1,
            rst: flags.2,
            payload,
            missing: 0,
        }
    }

    fn bytes(pieces: &[StreamPiece]) -> Vec<u8> {
        let parts = pieces.iter().filter_map(|piece| match piece {
            StreamPiece::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        });
        parts.collect::<Vec<_>>().concat()
    }

    #[test]
    fn bytes_that_are_missing_are_a_gap() {
        let mut stream = TcpStream::default();
        let mut out = Vec::new();
        stream.push(&segment(100, b"EHLO"), &mut out);
        stream.push(&segment(110, b"later"), &mut out);
        assert_eq!(bytes(&out), b"EHLO");
        stream.acknowledge(115, &mut out);
        assert_eq!(out[1..], [StreamPiece::Gap(6), StreamPiece::Bytes(b"later".to_vec())]);
    }

    proptest! {
        #[test]
        fn segments_in_any_order_and_repeated_give_the_stream(
            text in proptest::collection::vec(any::<u8>(), 1..200),
            base in any::<u32>(),
            mut cuts in proptest::collection::vec((0usize..200, 1usize..60), 0..40),
        ) {
            let mut stream = TcpStream::default();
            let mut out = Vec::new();
            let mut syn = segment(base, b"");
            syn.syn = true;
            stream.push(&syn, &mut out);
            // Every byte is sent at last.
            cuts.extend((0..text.len()).step_by(7).map(|at| (at, 7)));
            for (at, length) in cuts {
                let part = text.get(at.min(text.len())..(at + length).min(text.len())).unwrap_or_default();
                stream.push(&segment(base.wrapping_add(1).wrapping_add(at as u32), part), &mut out);
            }
            stream.finish(&mut out);
            prop_assert_eq!(bytes(&out), text);
            let gap = out.iter().any(|piece| matches!(piece, StreamPiece::Gap(_)));
            prop_assert!(!gap);
        }
    }
}
