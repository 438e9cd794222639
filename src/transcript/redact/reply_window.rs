//! Secrets in replies. Lines are reported as they arrive, and a secret may be split over several of them.

use super::matches::{Matches, merge};
use super::{Redactor, joins, views};
use memchr::memrchr_iter;
use std::ops::Range;

/// The shortest beginning of a secret that is hidden, in bytes. Less reveals next to nothing and occurs by chance.
const LEAST: usize = 4;
/// How much of a reply is kept, in bytes: each line is searched together with it.
const MOST: usize = 16 * 1024;

/// The lines of an incomplete reply, without their codes. Its size is bounded.
#[derive(Default)]
pub struct ReplyWindow {
    lines: Vec<u8>,
}

impl Redactor {
    /// Returns the secret ranges of the next line of a reply. The line may begin with the end of a secret. It may also end with the
    /// beginning of one: what looks like that is hidden.
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

    /// Like [`Redactor::find`] for the lines of a reply without their codes.
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

    /// Finds the beginning of a secret at the end of the lines. If the last line looks like one that continues, a few bytes are
    /// enough; otherwise a third of the secret.
    fn search_tails(&self, lines: &[u8], found: &mut Matches) {
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let continues = last.ends_with(b"=") || joins::is_base64(last);
        let look = |bytes: &[u8], within: &mut Matches| {
            let end = bytes.trim_ascii_end().len();
            let Some(&last_byte) = bytes[..end].last() else { return };
            for form in self.forms.iter() {
                let least = if continues { LEAST } else { LEAST.max(form.bytes.len() / 3) };
                // Only beginnings that end with the text's last byte are compared.
                let most = &form.bytes[..form.bytes.len().saturating_sub(1).min(end)];
                let lengths = memrchr_iter(last_byte, most).map(|at| at + 1).take_while(|length| *length >= least);
                let mut fitting = lengths.filter(|length| bytes[..end].ends_with(&most[..*length]));
                if let Some(length) = fitting.next() {
                    within.ranges.push(form.extent.hidden_range(bytes, end - length..end));
                }
            }
        };
        // With empty lines after it, so that the last line counts as one that continues.
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
