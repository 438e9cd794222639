//! An observer that passes events on to several others.

use crate::event::{Event, Observer};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Passes events to several observers. If one panics, the others still receive events. It can be used from several threads, one
/// at a time: a batch has a thread for each connection.
#[derive(Default)]
pub struct FanOut<'a> {
    observers: Vec<Option<Box<dyn Observer + Send + 'a>>>,
}

impl<'a> FanOut<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Events reach observers in the order in which they were added.
    pub fn add(&mut self, observer: impl Observer + Send + 'a) {
        self.observers.push(Some(Box::new(observer)));
    }

    /// How many observers panicked: a bug of the program, which must end it with `EX_SOFTWARE`.
    pub fn panicked(&self) -> usize {
        self.observers.iter().filter(|observer| observer.is_none()).count()
    }
}

impl Observer for FanOut<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        for slot in &mut self.observers {
            let Some(observer) = slot else { continue };
            // The state of an observer that panicked is never used again.
            if catch_unwind(AssertUnwindSafe(|| observer.observe(event))).is_err() {
                *slot = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fact;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    struct Counting<'a>(&'a AtomicU32);
    impl Observer for Counting<'_> {
        fn observe(&mut self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Broken;
    impl Observer for Broken {
        fn observe(&mut self, _: &Event<'_>) {
            std::panic::resume_unwind(Box::new("a bug"));
        }
    }

    #[test]
    fn all_are_fed_even_when_one_fails() {
        let heard = AtomicU32::new(0);
        let mut all = FanOut::new();
        all.add(Broken);
        all.add(Counting(&heard));
        for _ in 0..2 {
            all.observe(&Event { at: Duration::ZERO, connection: "main", fact: Fact::ClosedByServer });
        }
        assert_eq!((heard.load(Ordering::Relaxed), all.panicked()), (2, 1));
    }
}
