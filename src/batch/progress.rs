//! A bar on the terminal once a run takes over a second; nothing anywhere else.

use super::Tally;
use crate::event::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: AtomicBool,
}

impl Default for Progress {
    fn default() -> Self {
        // indicatif hides itself where standard error is no terminal. How many rows there are is not known before the
        // last was read: what is left cannot be told.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), shown: AtomicBool::new(false) }
    }
}

impl Progress {
    /// Whether anybody would see it.
    pub fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    pub fn update(&self, tally: &Tally) {
        let elapsed = self.started.elapsed();
        if !self.shown.load(Ordering::Relaxed) && elapsed < Duration::from_secs(1) {
            return;
        }
        self.shown.store(true, Ordering::Relaxed);
        let rate = tally.done() as f64 / elapsed.as_secs_f64();
        let failed = tally.done() - tally.sent;
        self.bar.tick();
        self.bar.set_message(format!("{} done, {} failed, {rate:.1}/s", thousands(tally.done()), thousands(failed)));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
