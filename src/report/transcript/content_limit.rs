//! Cuts message content after 40 lines, counted over all chunks of a message.

use crate::event::{RedactedLine, group_thousands, human_size};

/// How many lines of a message's content are shown.
const SHOWN_LINES: usize = 40;

/// The content of the current message on one connection: what is shown and what is cut.
#[derive(Default)]
pub(super) struct ContentLimit {
    shown: usize,
    lines: usize,
    bytes: usize,
    /// BDAT commands that are cut.
    chunks: usize,
    /// More chunks follow: other lines in between do not end the content.
    open: bool,
    /// The end was reported: what follows belongs to another message, or is a reply to a chunk that is not shown.
    reported: bool,
}

impl ContentLimit {
    /// How many of the next lines of content are shown, up to `count`; they are counted as such.
    pub fn show(&mut self, count: usize) -> usize {
        self.begin();
        let shown = count.min(SHOWN_LINES - self.shown);
        self.shown += shown;
        shown
    }

    /// Counts lines of content that are not shown.
    pub fn omit(&mut self, lines: usize, bytes: usize) {
        self.lines += lines;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether a line between chunks is not shown: a BDAT command, or its reply.
    pub fn omits_between(&mut self, line: &RedactedLine<'_>, sent: bool) -> bool {
        if sent {
            self.begin();
            self.open = true;
        }
        let is_cut = self.shown == SHOWN_LINES && (sent || line.is_positive());
        self.chunks += usize::from(is_cut && sent);
        is_cut
    }

    /// Starts anew if the content of the next message begins.
    fn begin(&mut self) {
        if self.reported {
            *self = Self::default();
        }
    }

    /// Whether the content continues after a line that is shown: the last chunk's command, or a reply to a command before the
    /// chunks.
    pub fn continues_after(&mut self, sent: bool) -> bool {
        let is_open = self.open;
        self.open &= !sent;
        is_open
    }

    /// Ends the content. Returns `… 1,234 more lines (96 kB)` if lines were cut.
    pub fn end(&mut self) -> Option<String> {
        let (lines, chunks) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.chunks));
        let size = std::mem::take(&mut self.bytes);
        (self.reported, self.open) = (true, false);
        let noun = if lines == 1 { "line" } else { "lines" };
        let chunks = match chunks {
            0 => String::new(),
            1 => " and 1 BDAT command with its reply".to_owned(),
            _ => format!(" and {} BDAT commands with their replies", group_thousands(chunks)),
        };
        (lines > 0).then(|| format!("… {} more {noun} ({}){chunks}", group_thousands(lines), human_size(size as u64)))
    }
}
