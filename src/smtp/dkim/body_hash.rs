//! The hash of a body in relaxed canonicalization (RFC 6376 §3.4.4), computed from blocks of any size.
//!
//! - White space at the end of a line is ignored, and any other run of it counts as one space.
//! - Empty lines at the end of the body are ignored.
//! - A body that is not empty then ends with CRLF.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr3;
use sha2::{Digest, Sha256};

/// What is collected before the digest is updated.
const BLOCK: usize = 16 * 1024;

/// The SHA-256 hash of a canonical body: the tag `bh=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash([u8; 32]);

impl BodyHash {
    /// The value of the tag `bh=` (RFC 6376 §3.5).
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Takes a body as it is sent, with CRLF line ends, before dot stuffing.
#[derive(Clone, Default)]
pub struct BodyHasher {
    digest: Sha256,
    block: Vec<u8>,
    /// CRLFs since the last octet that counts. They count if another such octet follows.
    line_ends: u64,
    /// White space since the last octet that counts, in the same line.
    has_space: bool,
    /// A CR was seen; LF makes it a line end, and anything else an ordinary octet.
    has_cr: bool,
    has_content: bool,
}

impl BodyHasher {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, following)) = rest.split_first() {
            if std::mem::take(&mut self.has_cr) {
                if first == b'\n' {
                    self.line_ends += 1;
                    self.has_space = false;
                    rest = following;
                    continue;
                }
                self.write(b"\r");
            }
            match first {
                b' ' | b'\t' => {
                    self.has_space = true;
                    rest = following;
                }
                b'\r' => {
                    self.has_cr = true;
                    rest = following;
                }
                _ => {
                    let (run, behind) = rest.split_at(memchr3(b' ', b'\t', b'\r', rest).unwrap_or(rest.len()));
                    self.write(run);
                    rest = behind;
                }
            }
        }
    }

    /// The hash of all that was pushed.
    pub fn finish(mut self) -> BodyHash {
        if std::mem::take(&mut self.has_cr) {
            self.write(b"\r");
        }
        if self.has_content {
            self.block.extend_from_slice(b"\r\n");
        }
        self.flush();
        BodyHash(self.digest.finalize().into())
    }

    /// Takes octets that count, after the line ends and the space that now count too.
    fn write(&mut self, bytes: &[u8]) {
        self.has_content = true;
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.block.extend_from_slice(b"\r\n");
            self.flush_full();
        }
        if std::mem::take(&mut self.has_space) {
            self.block.push(b' ');
        }
        self.block.extend_from_slice(bytes);
        self.flush_full();
    }

    fn flush_full(&mut self) {
        if self.block.len() >= BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.digest.update(&self.block);
        self.block.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(bytes: &[u8], block: usize) -> String {
        let mut hasher = BodyHasher::new();
        bytes.chunks(block.max(1)).for_each(|chunk| hasher.push(chunk));
        hasher.finish().to_base64()
    }

    fn plain(bytes: &[u8]) -> String {
        STANDARD.encode(Sha256::digest(bytes))
    }

    /// The rules of RFC 6376 §3.4.4, one after the other over the whole body.
    fn canonical(body: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
        let mut rest = body;
        while let Some((&first, behind)) = rest.split_first() {
            let line = lines.last_mut().expect("there is always a line");
            if rest.starts_with(b"\r\n") {
                while matches!(line.last(), Some(b' ')) {
                    line.pop();
                }
                lines.push(Vec::new());
                rest = &rest[2..];
                continue;
            }
            match first {
                b' ' | b'\t' if line.last() == Some(&b' ') => {}
                b' ' | b'\t' => line.push(b' '),
                other => line.push(other),
            }
            rest = behind;
        }
        while let Some(line) = lines.last_mut() {
            if line.last() == Some(&b' ') {
                line.pop();
            }
            if !line.is_empty() {
                break;
            }
            lines.pop();
        }
        lines.into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
    }

    #[test]
    fn bodies_are_canonical_before_they_are_hashed() {
        let table: &[(&[u8], &[u8], &str)] = &[
            (b"", b"", "RFC 6376 §3.4.4: an empty body stays empty"),
            (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", "RFC 6376 §3.4.5, example 1"),
            (b"\r\n\r\n", b"", "empty lines only"),
            (b" \t\r\n \r\n", b"", "lines of white space are empty lines"),
            (b" ", b"", "white space without a line end"),
            (b"a", b"a\r\n", "no line end at the end"),
            (b"a\r\n", b"a\r\n", "one line end at the end"),
            (b"\r\n\r\na\r\n", b"\r\n\r\na\r\n", "empty lines at the beginning count"),
            (b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n", "empty lines in the middle count"),
            (b"\t\ta\r\n", b" a\r\n", "indentation is one space"),
            (b"a\rb\r\n", b"a\rb\r\n", "a lone CR is an ordinary octet"),
            (b"a \rb\r\n", b"a \rb\r\n", "white space before a lone CR counts"),
            (b"a \r\r\n", b"a \r\r\n", "CR CR LF"),
            (b"a\r", b"a\r\r\n", "a CR at the end"),
            (b"a\nb\r\n", b"a\nb\r\n", "a lone LF is an ordinary octet"),
            (b"a \r\n b\r\n", b"a\r\n b\r\n", "white space around a line end"),
            (b".\r\n..\r\n", b".\r\n..\r\n", "dots are not stuffed here"),
            (b"\xff\0\r\n", b"\xff\0\r\n", "any octet"),
        ];
        for (body, expected, why) in table {
            assert_eq!(canonical(body), *expected, "the model, {why}");
            for block in 1..=body.len().max(1) {
                assert_eq!(hash(body, block), plain(expected), "{why}, in blocks of {block}");
            }
        }
        let rfc = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(hash(b"", 1), rfc, "the hash that RFC 6376 §3.4.4 names for an empty body");
    }

    #[test]
    fn many_empty_lines_take_no_memory() {
        let mut body = b"\r\n".repeat(200_000);
        assert_eq!(hash(&body, 1000), plain(b""), "at the end");
        body.extend_from_slice(b"a");
        assert_eq!(hash(&body, 1000), plain(&[&body[..], b"\r\n"].concat()), "before another line");
    }

    proptest! {
        #[test]
        fn any_blocks_give_the_same_hash(
            body in prop::collection::vec(prop::sample::select(&b"ab \t\r\n\r\n"[..]), 0..60),
            cuts in prop::collection::vec(0usize..61, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let mut hasher = BodyHasher::new();
            for pair in cuts.windows(2) {
                hasher.push(&body[pair[0]..pair[1]]);
            }
            prop_assert_eq!(hasher.finish().to_base64(), plain(&canonical(&body)));
        }

        #[test]
        fn canonicalization_is_idempotent(body in prop::collection::vec(prop::sample::select(&b"ab \t\r\n"[..]), 0..60)) {
            let once = canonical(&body);
            prop_assert_eq!(hash(&once, 7), hash(&body, 7));
        }
    }
}
