//! Which of the bytes that are sent next are content: those who report them must know it before they leave.

use super::command::{CommandVerb, verb_of};
use super::content::ContentEnd;
use super::{Mode, Outstanding, TransactionTracker};
use std::ops::Range;

impl TransactionTracker {
    /// The ranges of `bytes` that are content if they are sent next, ascending and apart. The line with the dot is not content.
    /// As long as DATA has no reply, what follows it up to a dot counts as content: if DATA is refused, no more is hidden than
    /// commands.
    pub fn content_in(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = ContentRanges::default();
        let (mut mode, mut line) = (self.mode.clone(), self.line.clone());
        let mut last = self.outstanding.iter().rev().filter_map(|one| match one {
            Outstanding::Command(verb @ (CommandVerb::Data | CommandVerb::Dot), _) => Some(*verb),
            _ => None,
        });
        let mut is_undecided = last.next() == Some(CommandVerb::Data);
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match &mut mode {
                Mode::Commands | Mode::Sasl => {
                    let lf = memchr::memchr(b'\n', rest);
                    let length = lf.map_or(rest.len(), |lf| lf + 1);
                    line.extend_from_slice(&rest[..length]);
                    let command = line.trim_ascii_end();
                    if is_undecided && command != b"." {
                        found.add(at..at + length);
                    } else if lf.is_some() && matches!(mode, Mode::Sasl) {
                        mode = Mode::Commands;
                    } else if lf.is_some() {
                        match verb_of(command) {
                            (CommandVerb::Data, _) => is_undecided = true,
                            (CommandVerb::Dot, _) => is_undecided = false,
                            (CommandVerb::Chunk | CommandVerb::LastChunk, octets) if octets > 0 => {
                                mode = Mode::Chunk { octets, last: false };
                            }
                            _ => {}
                        }
                    }
                    if lf.is_some() {
                        line.clear();
                    }
                    at += length;
                }
                Mode::Content(scanner) => match scanner.scan(rest) {
                    ContentEnd::Found { length } => {
                        let content = rest[..length].trim_ascii_end().strip_suffix(b".").unwrap_or_default();
                        found.add(at..at + content.len());
                        mode = Mode::Commands;
                        at += length;
                    }
                    ContentEnd::NotYet => {
                        found.add(at..bytes.len());
                        at = bytes.len();
                    }
                },
                Mode::Chunk { octets, .. } => {
                    let here = usize::try_from(*octets).unwrap_or(usize::MAX).min(rest.len());
                    *octets -= here as u64;
                    if *octets == 0 {
                        mode = Mode::Commands;
                    }
                    found.add(at..at + here);
                    at += here;
                }
            }
        }
        found.0
    }

    /// Whether what is sent next is content, or may be.
    pub fn expects_content(&self) -> bool {
        !self.content_in(b"x").is_empty()
    }
}

/// Ranges, with those next to each other as one.
#[derive(Default)]
struct ContentRanges(Vec<Range<usize>>);

impl ContentRanges {
    fn add(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.0.push(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines that were sent (`C `), codes of replies (`S `), and bytes that are sent next (`N `), with CRLF for `|`. Gives what
    /// of these is content.
    fn content(dialogue: &[&str]) -> String {
        let mut tracker = TransactionTracker::default();
        let mut found = String::new();
        for turn in dialogue {
            let (kind, text) = turn.split_at(2);
            let bytes = text.replace('|', "\r\n");
            match kind {
                "S " => {
                    tracker.reply(text.parse().expect("a code"));
                }
                "C " => {
                    tracker.sent(bytes.as_bytes());
                }
                _ => {
                    for range in tracker.content_in(bytes.as_bytes()) {
                        found += &format!("[{}]", bytes[range].replace("\r\n", "|"));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn content_is_told_from_commands_before_it_is_sent() {
        let table: &[(&[&str], &str, &str)] = &[
            (&["N NOOP|RSET|"], "", "commands"),
            (&["C DATA|", "S 354", "N Subject: x|..|y|.|QUIT|"], "[Subject: x|..|y|]", "after 354, up to the dot"),
            (&["C DATA|", "S 354", "C Sub", "N ject: x|"], "[ject: x|]", "in pieces"),
            (&["C DATA|", "S 354", "N .|"], "", "the dot alone"),
            (&["C DATA|", "S 354", "C x|.|", "N NOOP|"], "", "after the dot"),
            (&["C DATA|", "S 554", "N NOOP|"], "", "after a refusal"),
            (&["C DATA|", "N x|y|.|NOOP|"], "[x|y|]", "before the reply to DATA"),
            (&["N DATA|x|y|.|NOOP|DATA|z"], "[x|y|][z]", "in one write with DATA"),
            (&["N BDAT 5|ab|cBDAT 3 LAST|a|NOOP|"], "[ab|c][a|]", "octets of chunks"),
            (&["C BDAT 5 LAST|a", "N b|cNOOP|"], "[b|c]", "the rest of a chunk"),
            (&["N BDAT 0 LAST|NOOP|"], "", "no octets"),
            (&["N BDAT x|NOOP|"], "", "no number of octets"),
            (&["C AUTH LOGIN|", "S 334", "N DATA|x|"], "", "a response of SASL is no DATA"),
            (&["C DA", "N TA|x|"], "[x|]", "a command in pieces"),
        ];
        for (dialogue, expected, why) in table {
            assert_eq!(content(dialogue), *expected, "{why}: {dialogue:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_content_does_not_depend_on_the_pieces(
            pieces in prop::collection::vec(prop::sample::select(vec!["DATA\r\n", "x\r\n", ".", "\r\n", "a", "NOOP\r\n"]), 0..12),
            replies in prop::collection::vec(prop::sample::select(vec![250_u16, 354, 500]), 0..3),
            cut in 0_usize..40,
        ) {
            let mut tracker = TransactionTracker::default();
            tracker.sent(b"DATA\r\n");
            for code in replies {
                tracker.reply(code);
            }
            let bytes = pieces.concat().into_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let whole = tracker.content_in(&bytes);
            let is_content = |ranges: &[Range<usize>], at: usize| ranges.iter().any(|range| range.contains(&at));
            let before = tracker.content_in(first);
            tracker.sent(first);
            let after = tracker.content_in(second);
            for (at, byte) in bytes.iter().enumerate() {
                let piecewise = match at.checked_sub(first.len()) {
                    None => is_content(&before, at),
                    Some(at) => is_content(&after, at),
                };
                // Whether a dot ends content shows after it.
                let is_end = matches!(byte, b'.' | b'\r' | b'\n');
                prop_assert!(is_end || piecewise == is_content(&whole, at), "byte {at} of {:?}", pieces.concat());
            }
        }
    }
}
