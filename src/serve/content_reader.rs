//! Reads content that a script does not compare, up to its end.

use crate::smtp::content::ContentDecoder;

/// Which dot ends content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingDot {
    /// A dot between two CRLFs (RFC 5321 §4.1.1.4).
    AfterCrLf,
    /// Also a dot and CRLF after a bare LF, as some servers take it.
    AfterLf,
}

/// What is left of content.
pub(super) enum ContentReader {
    UpToDot(ContentDecoder),
    UpToAnyDot { at_line_start: bool },
}

impl ContentReader {
    pub(super) fn new(end: EndingDot) -> Self {
        match end {
            EndingDot::AfterCrLf => Self::UpToDot(ContentDecoder::default()),
            EndingDot::AfterLf => Self::UpToAnyDot { at_line_start: true },
        }
    }

    /// Consumes content. Returns whether it came to its end.
    pub(super) fn consume(&mut self, input: &mut Vec<u8>) -> bool {
        let (used, done) = match self {
            Self::UpToDot(decoder) => decoder.push(input, &mut Vec::new()),
            Self::UpToAnyDot { at_line_start } => up_to_any_dot(input, at_line_start),
        };
        input.drain(..used);
        done
    }
}

/// How many bytes are content, and whether it ends there.
fn up_to_any_dot(input: &[u8], at_line_start: &mut bool) -> (usize, bool) {
    let mut used = 0;
    while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
        if *at_line_start && rest.starts_with(b".\r\n") {
            return (used + 3, true);
        }
        if *at_line_start && b".\r\n".starts_with(rest) {
            break;
        }
        let line = memchr::memchr(b'\n', rest);
        *at_line_start = line.is_some();
        used += line.map_or(rest.len(), |end| end + 1);
    }
    (used, false)
}

/// Drops whole lines up to QUIT. Returns whether it was there.
pub(super) fn drop_up_to_quit(input: &mut Vec<u8>) -> bool {
    let mut used = 0;
    let mut is_quit = false;
    while let Some(end) = memchr::memchr(b'\n', &input[used..])
        && !is_quit
    {
        is_quit = input[used..used + end].trim_ascii().eq_ignore_ascii_case(b"QUIT");
        used += end + 1;
    }
    input.drain(..used);
    // What is longer is no QUIT.
    if input.len() > 64 {
        input.drain(..input.len() - 1);
    }
    is_quit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ends_at_its_dot_however_it_is_cut() {
        use EndingDot::{AfterCrLf, AfterLf};
        let table: [(EndingDot, &str, Option<&str>); 8] = [
            (AfterCrLf, "a\r\n.\r\nQUIT", Some("QUIT")),
            (AfterCrLf, "a\n.\r\nQUIT", None),
            (AfterLf, "a\n.\r\nQUIT", Some("QUIT")),
            (AfterLf, "a\r\n.\r\nQUIT", Some("QUIT")),
            (AfterLf, ".\r\nQUIT", Some("QUIT")),
            (AfterLf, "..\r\n.b\na.\r\n.\nQUIT", None),
            (AfterLf, "a\n.", None),
            (AfterLf, "", None),
        ];
        for (end, content, rest) in table {
            for size in 1..=content.len().max(1) {
                let (mut reader, mut input, mut done) = (ContentReader::new(end), Vec::new(), false);
                for chunk in content.as_bytes().chunks(size) {
                    input.extend_from_slice(chunk);
                    done = done || reader.consume(&mut input);
                }
                assert_eq!(done.then(|| String::from_utf8_lossy(&input).into_owned()).as_deref(), rest, "{content:?}");
            }
        }
    }

    #[test]
    fn lines_are_dropped_up_to_quit() {
        let long = "x".repeat(500);
        let table = [
            ("a\r\nQUIT\r\nb", true, "b"),
            ("quit \n", true, ""),
            ("a\r\nQUI", false, "QUI"),
            ("a QUIT\r\n", false, ""),
            ("", false, ""),
            (&long, false, "x"),
        ];
        for (sent, expected, left) in table {
            let mut input = sent.as_bytes().to_vec();
            assert_eq!((drop_up_to_quit(&mut input), input.as_slice()), (expected, left.as_bytes()), "{sent}");
        }
    }
}
