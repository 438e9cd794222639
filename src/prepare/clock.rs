//! Time and interruption.

use std::time::Instant;

/// A signal that asked the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    pub name: &'static str,
    pub at: Instant,
}

/// Time and interruption.
pub trait Clock {
    fn now(&self) -> Instant;
    fn timestamp(&self) -> jiff::Timestamp;
    /// Sleeps until then, or until an interruption.
    fn sleep_until(&self, until: Instant);
    fn interrupted(&self) -> Option<Interrupt>;
}
