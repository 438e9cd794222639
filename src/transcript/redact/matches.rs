//! What a search for secrets found.

use super::views::View;
use std::ops::Range;

/// What was found in a text.
#[derive(Default)]
pub(super) struct Matches {
    pub ranges: Vec<Range<usize>>,
    /// A secret that is known by its beginning alone goes on behind the text.
    pub open_ended: bool,
}

impl Matches {
    /// Takes what was found in a view, of a view perhaps.
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

/// Ranges that overlap or touch become one.
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
