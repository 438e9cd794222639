//! `rate = "10/s"`: turns begin at even distances, over all connections together. A connection that was late does not
//! catch up, so there are no bursts.

use crate::exec::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub struct Rate {
    distance: Duration,
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// So many a second.
    pub fn new(a_second: f64) -> Self {
        Self { distance: Duration::from_secs_f64(1.0 / a_second.max(1e-6)), next: Mutex::new(None) }
    }

    /// Waits for this turn's time, or for an interruption.
    pub fn wait(&self, clock: &dyn Clock) {
        let at = self.slot(clock.now());
        clock.sleep_until(at);
    }

    /// Takes the turn that may begin now; false where its time has not come.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.is_none_or(|next| next <= now);
        if due {
            *next = Some(now + self.distance);
        }
        due
    }

    fn slot(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.distance);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_their_distance_and_do_not_catch_up() {
        let rate = Rate::new(10.0);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(rate.slot(start), start);
        assert_eq!(rate.slot(start), start + second / 10);
        assert_eq!(rate.slot(start + second), start + second, "late");
        assert_eq!(rate.slot(start + second), start + second + second / 10, "and no burst behind it");
        assert!(!rate.is_due(start + second + second / 10), "nor ahead of it");
        assert!(rate.is_due(start + second + second / 5));
        assert_eq!(rate.slot(start + second), start + second + second * 3 / 10, "what was taken ahead counts");
    }
}
