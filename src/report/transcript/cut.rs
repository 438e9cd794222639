//! Message content past 40 lines is counted and not shown, over all chunks of a message.

use crate::event::{Line, bytes, thousands};

/// The lines of content that are shown where not all of it is.
const SHOWN: usize = 40;

/// What was cut of one connection's content.
#[derive(Default)]
pub(super) struct Cut {
    shown: usize,
    lines: usize,
    bytes: usize,
    /// BDAT commands.
    chunks: usize,
    /// More chunks are to come: what else crosses the wire meanwhile ends nothing.
    open: bool,
    /// It was told: what comes is another message's, or replies to chunks that are not shown.
    told: bool,
}

impl Cut {
    /// Counts a line of content; says whether it is not to be shown.
    pub fn takes(&mut self, length: usize) -> bool {
        self.begin();
        if self.shown < SHOWN {
            self.shown += 1;
            return false;
        }
        self.lines += 1;
        self.bytes = self.bytes.saturating_add(length);
        true
    }

    /// As [`Cut::takes`] for what stands between chunks: a BDAT command, or its reply.
    pub fn takes_between(&mut self, line: &Line<'_>, sent: bool) -> bool {
        if sent {
            self.begin();
            self.open = true;
        }
        let is_cut = self.shown == SHOWN && (sent || line.is_positive());
        self.chunks += usize::from(is_cut && sent);
        is_cut
    }

    /// The next message's content may have begun.
    fn begin(&mut self) {
        if self.told {
            *self = Self::default();
        }
    }

    /// Whether the content goes on behind a line of the dialogue, which is shown: the last chunk's command, or a reply to what
    /// was sent before the chunks.
    pub fn goes_on(&mut self, sent: bool) -> bool {
        let is_open = self.open;
        self.open &= !sent;
        is_open
    }

    /// Ends it. `… 1,234 more lines (96 kB)`, where any were cut.
    pub fn end(&mut self) -> Option<String> {
        let (lines, chunks) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.chunks));
        let size = std::mem::take(&mut self.bytes);
        (self.told, self.open) = (true, false);
        let noun = if lines == 1 { "line" } else { "lines" };
        let chunks = match chunks {
            0 => String::new(),
            1 => " and 1 BDAT command with its reply".to_owned(),
            _ => format!(" and {} BDAT commands with their replies", thousands(chunks)),
        };
        (lines > 0).then(|| format!("… {} more {noun} ({}){chunks}", thousands(lines), bytes(size as u64)))
    }
}
