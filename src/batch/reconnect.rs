//! When a worker that could not open a connection tries again.

use super::retry::retry_delay;
use crate::session::RetrySettings;
use std::time::{Duration, Instant};

/// The first and the longest pause of an outage.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Decides when a worker that could not open a connection tries again.
pub struct Reconnector {
    /// How long an outage may last.
    patience: Duration,
    retry: Option<RetrySettings>,
    /// Connections in a row that could not be opened.
    failures: u32,
    /// When the first of them was tried.
    since: Option<Instant>,
}

impl Reconnector {
    /// `patience` holds once a connection was opened. `retry` holds for the first connection too.
    pub fn new(patience: Duration, retry: Option<RetrySettings>) -> Self {
        Self { patience, retry, failures: 0, since: None }
    }

    /// A connection was opened.
    pub fn opened(&mut self) {
        (self.failures, self.since) = (0, None);
    }

    /// A connection that was tried at `began` could not be opened. Returns when the next one is tried; `None`: the worker gives
    /// up. `last_opened` is when any worker last began a row.
    pub fn failed(&mut self, began: Instant, now: Instant, last_opened: Option<Instant>) -> Option<Instant> {
        self.failures = self.failures.saturating_add(1);
        let since = *self.since.get_or_insert(began);
        let outage_ends =
            last_opened.map(|opened| opened.max(since)).and_then(|start| start.checked_add(self.patience));
        if let Some(end) = outage_ends.filter(|end| now < *end) {
            let (first, longest) = PAUSES;
            let pause = first.saturating_mul(1 << (self.failures - 1).min(16)).min(longest);
            return Some((now + pause).min(end));
        }
        let retry = self.retry.filter(|retry| self.failures <= retry.times)?;
        Some(now + retry_delay(&retry, self.failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// How long each pause is until the worker gives up. Each attempt takes no time.
    fn pauses(mut worker: Reconnector, was_open: bool) -> Vec<u64> {
        let start = Instant::now();
        let (mut now, mut pauses) = (start, Vec::new());
        while let Some(next) = worker.failed(now, now, was_open.then_some(start)) {
            pauses.push((next - now).as_secs_f64().round() as u64);
            now = next;
        }
        pauses
    }

    #[test]
    fn pauses_grow_until_patience_ends() {
        let minutes = pauses(Reconnector::new(seconds(600), None), true);
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60, 57]);
        assert_eq!(pauses(Reconnector::new(seconds(3), None), true), [1, 2]);
        assert_eq!(pauses(Reconnector::new(Duration::ZERO, None), true), [0; 0], "0 gives up at once");
        assert_eq!(pauses(Reconnector::new(Duration::MAX, None), false), [0; 0], "the first connection is not covered");
        let twice = RetrySettings::with_times(2);
        assert_eq!(pauses(Reconnector::new(seconds(600), Some(twice)), false), [1, 2], "[retry] holds for it");
    }

    #[test]
    fn an_outage_begins_when_the_last_connection_of_all_workers_was_open() {
        let start = Instant::now();
        let mut worker = Reconnector::new(seconds(10), None);
        assert!(worker.failed(start, start, Some(start)).is_some());
        let later = start + seconds(60);
        assert!(worker.failed(later, later, Some(later - seconds(1))).is_some(), "another worker had a connection");
        assert_eq!(worker.failed(later, later + seconds(10), Some(later - seconds(1))), None);
        worker.opened();
        assert!(worker.failed(later, later, Some(start)).is_some(), "an outage begins with its first failure");
    }
}
