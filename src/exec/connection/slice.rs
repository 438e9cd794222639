//! Waiting in slices, so that an interruption is noticed.

use crate::exec::events::EventSink;
use crate::exec::read_outcome::TransferError;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// The longest wait before the next look at the clock and at interruptions.
const SLICE: Duration = Duration::from_millis(100);
/// How long a message in flight may take to end after an interruption.
const GRACE: Duration = Duration::from_secs(5);

/// Until when to wait at once; or why to wait no longer. The clock must have been read after the wait before.
pub fn next_slice(events: &EventSink<'_>, in_content: bool, until: Instant) -> Result<Instant, TransferError> {
    let now = events.last_now();
    if let Some(interrupt) = events.clock.interrupted() {
        let grace = if in_content { GRACE } else { Duration::ZERO };
        if now >= interrupt.at + grace {
            return Err(TransferError::Interrupted(interrupt));
        }
    }
    if now >= until { Err(TransferError::TimedOut) } else { Ok(until.min(now + SLICE)) }
}

pub fn may_try_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
