//! A line on the terminal that says how far a batch is, once it has run for a second.

use super::Tally;
use crate::event::group_thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The progress line of a batch. Clones share it.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: Arc<AtomicBool>,
}

impl Default for Progress {
    fn default() -> Self {
        // indicatif hides itself if standard error is not a terminal, and cuts the line to its width.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), shown: Arc::default() }
    }
}

impl Progress {
    /// A progress line that is never shown.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), ..Self::default() }
    }

    /// Whether the line can be seen.
    pub fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Shows the line. `expected` is the number of rows in all, if it is known.
    pub fn update(&self, tally: &Tally, expected: Option<usize>) {
        let elapsed = self.started.elapsed();
        if !self.shown.load(Ordering::Relaxed) && elapsed < Duration::from_secs(1) {
            return;
        }
        self.shown.store(true, Ordering::Relaxed);
        self.bar.tick();
        self.bar.set_message(line(tally, expected, elapsed));
    }

    /// Takes the line away while `print` prints other lines.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `2,000 of 10,640 rows, 3 failed, 240.0/s, 36s left`: the least important comes last, because a narrow terminal cuts it off.
fn line(tally: &Tally, expected: Option<usize>, elapsed: Duration) -> String {
    let done = tally.finished();
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let before = tally.sent_before + tally.refused_before + tally.unknown_before + tally.held;
    let mut line = group_thousands(done + before);
    if let Some(expected) = expected {
        line += &format!(" of {}", group_thousands(expected.max(done + before)));
    }
    line += &format!(" rows, {} failed, {rate:.1}/s", group_thousands(done - tally.sent));
    if let Some(expected) = expected.filter(|_| done > 0) {
        let seconds = expected.saturating_sub(done + before) as f64 / rate;
        let seconds = if seconds < 1e9 { seconds.ceil() as u64 } else { 0 };
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        line += &match (hours, minutes) {
            (0, 0) => format!(", {rest}s left"),
            (0, _) => format!(", {minutes}m {rest}s left"),
            _ => format!(", {hours}h {minutes}m left"),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_the_remaining_rows_if_they_are_known() {
        let tally = Tally { sent: 1197, refused: 2, unknown: 1, sent_before: 800, ..Tally::default() };
        let five = Duration::from_secs(5);
        let table = [
            (tally, Some(10_640), five, "2,000 of 10,640 rows, 3 failed, 240.0/s, 36s left"),
            (tally, Some(100_000), five, "2,000 of 100,000 rows, 3 failed, 240.0/s, 6m 49s left"),
            (tally, Some(2_000_000), five, "2,000 of 2,000,000 rows, 3 failed, 240.0/s, 2h 18m left"),
            (tally, None, five, "2,000 rows, 3 failed, 240.0/s"),
            (tally, Some(7), five, "2,000 of 2,000 rows, 3 failed, 240.0/s, 0s left"),
            (Tally::default(), Some(7), five, "0 of 7 rows, 0 failed, 0.0/s"),
        ];
        for (tally, expected, elapsed, words) in table {
            assert_eq!(line(&tally, expected, elapsed), words);
        }
    }
}
