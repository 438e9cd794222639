//! The result of a search for secrets.

use super::views::View;
use std::ops::Range;

/// The matches in a text.
#[derive(Default)]
pub(super) struct Matches {
    pub ranges: Vec<Range<usize>>,
    /// A secret of which only the beginning is known reaches the end of the text, and may continue after it.
    pub open_ended: bool,
}

impl Matches {
    /// Adds the matches in a view; with several views, each is a view of the next one.
    pub fn merge_from(&mut self, within: Matches, views: &[&View]) {
        let mut ranges = within.ranges;
        for view in views {
            let mut outside = Vec::new();
            ranges.iter().for_each(|range| view.source_ranges(range, &mut outside));
            ranges = outside;
        }
        self.ranges.append(&mut ranges);
        self.open_ended |= within.open_ended;
    }
}

/// Sorts ranges, and merges those that overlap or touch.
pub(super) fn merge(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.retain(|range| !range.is_empty());
    found.sort_unstable_by_key(|range| range.start);
    found.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    found
}
