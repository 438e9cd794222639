//! Message content past 40 lines is counted and not shown.

use crate::event::{bytes, thousands};

/// The lines of content that are shown where not all of it is.
const SHOWN: usize = 40;

/// What was cut of one connection's content.
#[derive(Default)]
pub(super) struct Cut {
    shown: usize,
    lines: usize,
    bytes: usize,
}

impl Cut {
    /// Counts a line; says whether it is not to be shown.
    pub fn takes(&mut self, length: usize) -> bool {
        if self.shown < SHOWN {
            self.shown += 1;
            return false;
        }
        self.lines += 1;
        self.bytes = self.bytes.saturating_add(length);
        true
    }

    /// `… 1,234 more lines (96 kB)`, where any were cut.
    pub fn words(&self) -> Option<String> {
        let lines = if self.lines == 1 { "line" } else { "lines" };
        (self.lines > 0).then(|| format!("… {} more {lines} ({})", thousands(self.lines), bytes(self.bytes as u64)))
    }
}
