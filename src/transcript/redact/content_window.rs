//! Secrets in mail content. Content leaves block by block, and a secret may stand in several lines and blocks: a block is
//! searched together with the end of the one before it and the beginning of what follows.

use super::Redactor;
use super::matches::{Matches, merge};
use memchr::memchr;
use std::cell::OnceCell;
use std::ops::Range;

/// How much is searched at once, in bytes, so that views of it stay small.
const WINDOW: usize = 64 * 1024;
/// How many bytes a byte of a secret may take: `=C3`, and the soft breaks between them.
const WIDTH: usize = 4;
/// What may stand before or after it besides that: the beginning of an encoded word, a fold.
const MARGIN: usize = 1024;

/// The state of the search through one message's content, between its blocks. Its size is bounded.
#[derive(Default)]
pub struct ContentWindow {
    /// The end of the blocks so far.
    before: Vec<u8>,
    /// A secret that is too long to be searched for as a whole has begun: everything after it is hidden.
    open_ended: bool,
}

impl ContentWindow {
    #[cfg(test)]
    pub fn kept_len(&self) -> usize {
        self.before.len()
    }

    /// Goes on after a block.
    fn advance(&mut self, block: &[u8], reach: usize, open_ended: bool) {
        self.open_ended = open_ended;
        if block.len() >= reach {
            self.before.clear();
            self.before.extend_from_slice(&block[block.len() - reach..]);
        } else {
            self.before.extend_from_slice(block);
            self.before.drain(..self.before.len().saturating_sub(reach));
        }
    }
}

/// Which parts of a block of content are secret. The search runs when somebody asks, and once: a run that shows no content
/// does not pay for it.
pub struct ContentRedaction<'a> {
    redactor: &'a Redactor,
    window: &'a ContentWindow,
    block: &'a [u8],
    /// What follows the block on the wire, in two pieces.
    after: [&'a [u8]; 2],
    /// Short secrets that the content was made with.
    used: &'a [&'a str],
    found: OnceCell<BlockMatches>,
}

struct BlockMatches {
    /// Ascending and apart.
    hidden: Vec<Range<usize>>,
    open_ended: bool,
}

impl ContentRedaction<'_> {
    /// The ranges of the block that are secret, ascending and apart.
    pub fn hidden(&self) -> &[Range<usize>] {
        &self.found().hidden
    }

    fn found(&self) -> &BlockMatches {
        self.found.get_or_init(|| self.search())
    }

    fn search(&self) -> BlockMatches {
        if self.window.open_ended {
            return BlockMatches { hidden: std::iter::once(0..self.block.len()).collect(), open_ended: true };
        }
        let (mut matches, from) = (Matches::default(), self.window.before.len());
        if from == 0 && self.after.iter().all(|bytes| bytes.is_empty()) {
            self.redactor.search(self.block, self.used, &mut matches);
        } else {
            let reach = self.redactor.reach();
            let mut text = [&self.window.before, self.block].concat();
            let end = text.len() + reach;
            for bytes in self.after {
                text.extend_from_slice(&bytes[..bytes.len().min(end - text.len())]);
            }
            self.redactor.search(&text, self.used, &mut matches);
        }
        let until = from + self.block.len();
        let within = |range: Range<usize>| range.start.max(from) - from..range.end.clamp(from, until) - from;
        let clipped = matches.ranges.into_iter().map(within).filter(|range| range.start < range.end);
        BlockMatches { hidden: merge(clipped.collect()), open_ended: matches.open_ended }
    }
}

impl Redactor {
    /// Calls `report` with the blocks of `bytes`, each with its redaction, or with `None` if nothing can be secret. `ahead`
    /// is what is known of the content after them; `used` are the short secrets that it was made with.
    pub fn for_each_block(
        &self,
        window: &mut ContentWindow,
        bytes: &[u8],
        ahead: &[u8],
        used: &[&str],
        mut report: impl FnMut(&[u8], Option<&ContentRedaction<'_>>),
    ) {
        if self.is_idle(used) {
            report(bytes, None);
            return;
        }
        let reach = self.reach();
        // Such a secret hides what follows it, which only a search of every block finds out.
        let is_eager = self.forms.iter().any(|form| form.is_truncated);
        let mut rest = bytes;
        while !rest.is_empty() {
            let least = rest.len().min(WINDOW);
            let end = memchr(b'\n', &rest[least..]).map_or(rest.len(), |lf| least + lf + 1);
            let (block, after) = rest.split_at(if least == rest.len() { least } else { end });
            let redaction =
                ContentRedaction { redactor: self, window, block, after: [after, ahead], used, found: OnceCell::new() };
            report(block, Some(&redaction));
            let open_ended = is_eager && redaction.found().open_ended;
            window.advance(block, reach, open_ended);
            rest = after;
        }
    }

    /// How far from a block's end a secret may begin or end that stands on both sides of it, in bytes.
    pub(super) fn reach(&self) -> usize {
        self.forms.iter().map(|form| form.bytes.len()).max().unwrap_or(Self::SHORT) * WIDTH + MARGIN
    }
}
