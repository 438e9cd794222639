//! What is read, on its way to whole replies.

use crate::smtp::lines::LineBuffer;
use crate::smtp::reply::ReplyParser;
use std::time::Instant;

/// What is read, on its way to whole replies.
#[derive(Default)]
pub struct ReplyReader {
    /// What is read is put here first.
    pub(super) buffer: Vec<u8>,
    pub(super) lines: LineBuffer,
    pub(super) parser: ReplyParser,
    /// A line that was too long has not come to its end.
    pub(super) in_long_line: bool,
    /// When the client wrote last, or connected: from then on a reply's time counts.
    pub(super) waits_since: Option<Instant>,
}
