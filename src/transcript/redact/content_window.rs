//! Content on its way: a secret may stand in several of its lines, which leave block by block.

use super::{Matches, Redactor, merge};
use crate::smtp::lines::{WireLine, split_lines};
use memchr::memchr;
use std::ops::Range;

/// What is looked through at once, so that views of it stay small.
const WINDOW: usize = 64 * 1024;
/// How many bytes a byte of a secret may take: `=C3`, and the soft breaks between them.
const WIDTH: usize = 4;
/// What may stand before or behind it beside that: the beginning of an encoded word, a fold.
const MARGIN: usize = 1024;

/// Where looking through one content stands: between its blocks. What is kept of it is bounded.
#[derive(Default)]
pub struct ContentWindow {
    /// The end of what was told.
    before: Vec<u8>,
    /// A secret too long to be looked for whole has begun: all that follows is hidden.
    open_ended: bool,
}

#[cfg(test)]
impl ContentWindow {
    pub fn kept_len(&self) -> usize {
        self.before.len()
    }
}

impl Redactor {
    /// Gives each line of `bytes` with what is to be hidden of it. `ahead` follows them on the wire, and comes later; `used`
    /// are short secrets that count too.
    pub fn find_in_content(
        &self,
        window_state: &mut ContentWindow,
        bytes: &[u8],
        ahead: &[u8],
        used: &[&str],
        mut report: impl FnMut(WireLine<'_>, &[Range<usize>]),
    ) {
        if self.is_idle(used) {
            split_lines(bytes).for_each(|line| report(line, &[]));
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let least = rest.len().min(WINDOW);
            let end = memchr(b'\n', &rest[least..]).map_or(rest.len(), |lf| least + lf + 1);
            let (window, behind) = rest.split_at(if least == rest.len() { least } else { end });
            let hidden = self.find_in_window(window_state, window, [behind, ahead], used);
            report_lines(window, &hidden, &mut report);
            rest = behind;
        }
    }

    fn find_in_window(
        &self,
        window_state: &mut ContentWindow,
        window: &[u8],
        behind: [&[u8]; 2],
        used: &[&str],
    ) -> Vec<Range<usize>> {
        if window_state.open_ended {
            return std::iter::once(0..window.len()).collect();
        }
        let reach = self.reach();
        let (mut found, from) = (Matches::default(), window_state.before.len());
        if from == 0 && behind.iter().all(|bytes| bytes.is_empty()) {
            self.search(window, used, &mut found);
            window_state.before.extend_from_slice(&window[window.len().saturating_sub(reach)..]);
        } else {
            let mut text = std::mem::take(&mut window_state.before);
            text.extend_from_slice(window);
            let end = text.len();
            for bytes in behind {
                let room = (end + reach).saturating_sub(text.len());
                text.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            self.search(&text, used, &mut found);
            text.truncate(end);
            text.drain(..end.saturating_sub(reach));
            window_state.before = text;
        }
        window_state.open_ended = found.open_ended;
        let within =
            |range: Range<usize>| range.start.max(from) - from..range.end.clamp(from, from + window.len()) - from;
        let clipped = found.ranges.into_iter().map(within).filter(|range| range.start < range.end);
        merge(clipped.collect())
    }

    /// How far from a line's end a secret may begin or end that stands on both sides of it.
    pub(super) fn reach(&self) -> usize {
        self.forms.iter().map(|form| form.bytes.len()).max().unwrap_or(Self::SHORT) * WIDTH + MARGIN
    }
}

/// Gives each line with what is hidden of it.
fn report_lines(bytes: &[u8], hidden: &[Range<usize>], report: &mut impl FnMut(WireLine<'_>, &[Range<usize>])) {
    let (mut start, mut hidden, mut of_line) = (0, hidden, Vec::new());
    let mut rest = bytes;
    for line in split_lines(bytes) {
        let end = start + line.bytes.len();
        of_line.clear();
        while let Some(range) = hidden.first().filter(|range| range.start < end) {
            if range.end > start {
                of_line.push(range.start.max(start) - start..range.end.min(end) - start);
            }
            if range.end > end {
                break;
            }
            hidden = &hidden[1..];
        }
        report(line, &of_line);
        rest = &rest[memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1)..];
        start = bytes.len() - rest.len();
    }
}
