//! `rate = "10/s"`: rows begin at even intervals, over all connections together. A row that begins late is not caught
//! up with, so there are no bursts.

use crate::exec::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits the rate at which rows begin.
pub struct RateLimiter {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// A limit in rows per second.
    pub fn new(per_second: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / per_second.max(1e-6)), next: Mutex::new(None) }
    }

    /// Waits until the next row may begin, or for an interruption.
    pub fn wait_for_slot(&self, clock: &dyn Clock) {
        let at = self.reserve_slot(clock.now());
        clock.sleep_until(at);
    }

    /// Lets a row begin now; false if it is too early.
    pub fn try_take_slot(&self, now: Instant) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.is_none_or(|next| next <= now);
        if due {
            *next = Some(now + self.interval);
        }
        due
    }

    fn reserve_slot(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.interval);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_keeps_its_interval_and_does_not_catch_up() {
        let rate = RateLimiter::new(10.0);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(rate.reserve_slot(start), start);
        assert_eq!(rate.reserve_slot(start), start + second / 10);
        assert_eq!(rate.reserve_slot(start + second), start + second, "late");
        assert_eq!(rate.reserve_slot(start + second), start + second + second / 10, "and no burst after it");
        assert!(!rate.try_take_slot(start + second + second / 10), "nor ahead of it");
        assert!(rate.try_take_slot(start + second + second / 5));
        assert_eq!(rate.reserve_slot(start + second), start + second + second * 3 / 10, "what was taken ahead counts");
    }
}
