//! A bar on the terminal once a run takes over a second; nothing anywhere else.

use super::Tally;
use crate::event::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// `total` is how many rows there are, where that is known.
    pub fn new(total: Option<u64>) -> Self {
        // indicatif hides itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
        let form = match total {
            Some(_) => "{bar:30} {pos}/{len} {msg}, {eta} left",
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), shown: false }
    }

    pub fn update(&mut self, tally: &Tally) {
        let elapsed = self.started.elapsed();
        if !self.shown && elapsed < Duration::from_secs(1) {
            return;
        }
        self.shown = true;
        let rate = tally.done() as f64 / elapsed.as_secs_f64();
        let failed = tally.done() - tally.sent;
        self.bar.set_position(tally.done() as u64);
        self.bar.set_message(format!("{} done, {} failed, {rate:.1}/s", thousands(tally.done()), thousands(failed)));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
