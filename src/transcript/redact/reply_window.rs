//! A reply's lines are told as they come, and a server may say a secret over several of them.

use super::matches::{Matches, merge};
use super::{Redactor, joins, views};
use memchr::memrchr_iter;
use std::ops::Range;

/// Fewer bytes of a secret's beginning tell next to nothing, and many a line would have them by chance.
const LEAST: usize = 4;
/// What is kept of a reply: each of its lines is looked at with that, and there may be many.
const MOST: usize = 16 * 1024;

/// The lines of a reply that is not complete, without their codes. What is kept of them is bounded.
#[derive(Default)]
pub struct ReplyWindow {
    lines: Vec<u8>,
}

impl Redactor {
    /// What is to be hidden of a reply's next line. Its beginning may be the end of a secret. Its own end may be the beginning
    /// of one, which is not known yet: it is hidden where it looks like that.
    pub fn find_in_reply_line(&self, reply: &mut ReplyWindow, line: &[u8]) -> Vec<Range<usize>> {
        if self.is_idle(&[]) {
            return Vec::new();
        }
        let (code, goes_on) = match line {
            [a, b, c, rest @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                (3 + rest.len().min(1), rest.first() == Some(&b'-'))
            }
            _ => (0, false),
        };
        let mut found = Matches::default();
        self.search(line, &[], &mut found);
        let from = reply.lines.len();
        if from == 0 && !goes_on {
            return merge(found.ranges);
        }
        reply.lines.extend_from_slice(&line[code..]);
        let mut in_reply = self.search_reply(&reply.lines);
        if goes_on {
            self.search_tails(&reply.lines, &mut in_reply);
        }
        let here = in_reply.ranges.into_iter().filter(|range| range.end > from);
        found.ranges.extend(here.map(|range| range.start.max(from) - from + code..range.end - from + code));
        if goes_on {
            reply.lines.push(b'\n');
            reply.lines.drain(..reply.lines.len().saturating_sub(self.reach().min(MOST)));
        } else {
            reply.lines.clear();
        }
        merge(found.ranges)
    }

    /// As [`Redactor::find`] for a reply's lines, without their codes.
    pub(super) fn find_in_reply(&self, lines: &[u8]) -> Vec<Range<usize>> {
        if self.is_idle(&[]) { Vec::new() } else { merge(self.search_reply(lines).ranges) }
    }

    fn search_reply(&self, lines: &[u8]) -> Matches {
        let mut found = Matches::default();
        self.search(lines, &[], &mut found);
        if lines.contains(&b'\n') {
            joins::for_each_joined_reply(lines, self.spaces, |views| self.search_views(views, &[], &mut found));
        }
        found
    }

    /// Finds the beginning of a secret at the end of what is there. Where the line is of a kind that goes on, a little of it
    /// counts; else a third of it.
    fn search_tails(&self, lines: &[u8], found: &mut Matches) {
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let continues = last.ends_with(b"=") || joins::is_base64(last);
        let look = |bytes: &[u8], within: &mut Matches| {
            let end = bytes.trim_ascii_end().len();
            let Some(&last_byte) = bytes[..end].last() else { return };
            for form in &self.forms {
                let least = if continues { LEAST } else { LEAST.max(form.bytes.len() / 3) };
                // What ends as the text does is soon found, however long the secret is.
                let most = &form.bytes[..form.bytes.len().saturating_sub(1).min(end)];
                let lengths = memrchr_iter(last_byte, most).map(|at| at + 1).take_while(|length| *length >= least);
                let mut fitting = lengths.filter(|length| bytes[..end].ends_with(&most[..*length]));
                if let Some(length) = fitting.next() {
                    within.ranges.push(form.extent.hidden_range(bytes, end - length..end));
                }
            }
        };
        // An empty line behind it, as if it went on; the last line end is none between lines.
        let text = [lines, b"\n\n\n"].concat();
        joins::for_each_joined_reply(&text, self.spaces, |path| {
            let Some(view) = path.first() else { return };
            let mut within = Matches::default();
            look(&view.bytes, &mut within);
            views::for_each_decoded(&view.bytes, self.spaces, |decoded| {
                let mut inner = Matches::default();
                look(&decoded.bytes, &mut inner);
                within.merge_from(inner, &[&decoded]);
            });
            found.merge_from(within, path);
        });
    }
}
