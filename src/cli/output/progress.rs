//! The progress line of `mailrun test`. It is shown on terminals only, if a run takes longer than a second.

use super::console;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a run takes before the line is shown.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// The width of the bar in characters.
const BAR_WIDTH: usize = 20;

/// The numbers of the sessions that are running.
#[derive(Debug, Default)]
pub struct RunningSessions(Mutex<BTreeSet<usize>>);

impl RunningSessions {
    /// Adds a session, until the guard that is returned is dropped.
    pub fn start(&self, number: usize) -> impl Drop + '_ {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        RunningGuard { running: self, number }
    }

    /// In file order.
    pub fn numbers(&self) -> Vec<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

struct RunningGuard<'r> {
    running: &'r RunningSessions,
    number: usize,
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// The progress line, and whether it is on the terminal now.
#[derive(Debug, Default)]
pub struct ProgressLine {
    drawn: bool,
}

impl ProgressLine {
    /// Draws the line in place of the last one, on a terminal only.
    pub fn draw(&mut self, done: usize, all: usize, elapsed: Duration, running: &[String]) {
        self.draw_text(elapsed, |width| progress_text(done, all, elapsed, running, width));
    }

    /// Draws a text in place of the last one, on a terminal only. `text` gets the width in characters.
    pub fn draw_text(&mut self, elapsed: Duration, text: impl FnOnce(usize) -> String) {
        let stderr = io::stderr();
        let columns = || stderr.is_terminal().then(|| console::terminal_width(&stderr).unwrap_or(80));
        self.draw_on(&mut stderr.lock(), columns, elapsed, text);
    }

    /// Draws on a terminal with that many columns; there are none if it is no terminal.
    fn draw_on(
        &mut self,
        terminal: &mut dyn Write,
        columns: impl FnOnce() -> Option<usize>,
        elapsed: Duration,
        text: impl FnOnce(usize) -> String,
    ) {
        if elapsed > SHOWN_AFTER
            && let Some(columns) = columns()
        {
            // Some terminals start a new line after the last column.
            let _ = write!(terminal, "\r\x1b[K{}", text(columns.max(20) - 1));
            let _ = terminal.flush();
            self.drawn = true;
        }
    }

    /// Removes the line, so that something else can be printed.
    pub fn erase(&mut self) {
        self.erase_on(&mut io::stderr());
    }

    fn erase_on(&mut self, terminal: &mut dyn Write) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(terminal, "\r\x1b[K");
        }
    }
}

/// The text of the line, cut to `width` characters:
/// `[#####---------------] 3 of 12 sessions, 4 s: smoke/greylisting.toml and 2 more`.
fn progress_text(done: usize, all: usize, elapsed: Duration, running: &[String], width: usize) -> String {
    let full = BAR_WIDTH * done / all.max(1);
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR_WIDTH - full));
    let mut text = format!("[{bar}] {done} of {all} sessions, {} s", elapsed.as_secs());
    if let Some(first) = running.first() {
        let more = match running.len() {
            1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        let left = width.saturating_sub(text.chars().count() + more.chars().count() + 2);
        let count = first.chars().count();
        // The end of a path says more than its beginning.
        let name: String = match count <= left {
            true => first.clone(),
            false => "…".chars().chain(first.chars().skip(count + 1 - left.min(count))).collect(),
        };
        if left > 8 {
            text.push_str(&format!(": {name}{more}"));
        }
    }
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_running_and_is_cut_to_the_width() {
        let name = |name: &str| name.to_owned();
        let long = name("sessions/of/some/department/with/a/long/name/greylisting.toml");
        let four = Duration::from_millis(4_200);
        let table = [
            (3, vec![name("a.toml")], 79, "[#####---------------] 3 of 12 sessions, 4 s: a.toml"),
            (
                6,
                vec![name("a.toml"), name("b.toml")],
                79,
                "[##########----------] 6 of 12 sessions, 4 s: a.toml and 1 more",
            ),
            (12, vec![], 79, "[####################] 12 of 12 sessions, 4 s"),
            (
                3,
                vec![long.clone()],
                79,
                "[#####---------------] 3 of 12 sessions, 4 s: …ith/a/long/name/greylisting.toml",
            ),
            (3, vec![long.clone(), name("b")], 60, "[#####---------------] 3 of 12 sessions, 4 s"),
            (3, vec![long], 19, "[#####-------------"),
        ];
        for (done, running, width, expected) in table {
            let line = progress_text(done, 12, four, &running, width);
            assert!(line.chars().count() <= width, "{line}");
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn the_line_is_drawn_on_a_terminal_only_and_after_a_second_only() {
        let table = [
            (Some(80), 1001, "\r\x1b[K79 columns\r\x1b[K"),
            (Some(7), 5000, "\r\x1b[K19 columns\r\x1b[K"),
            (Some(80), 1000, ""),
            (None, 5000, ""),
        ];
        for (columns, elapsed, expected) in table {
            let (mut line, mut screen) = (ProgressLine::default(), Vec::new());
            let elapsed = Duration::from_millis(elapsed);
            line.draw_on(&mut screen, || columns, elapsed, |width| format!("{width} columns"));
            line.erase_on(&mut screen);
            line.erase_on(&mut screen);
            assert_eq!(String::from_utf8_lossy(&screen), expected, "{columns:?} after {elapsed:?}");
        }
    }

    #[test]
    fn a_session_that_panics_is_no_longer_running() {
        let running = RunningSessions::default();
        let first = running.start(1);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _second = running.start(2);
            assert_eq!(running.numbers(), [1, 2]);
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        assert!(ended.is_err());
        assert_eq!(running.numbers(), [1]);
        drop(first);
        assert!(running.numbers().is_empty());
    }
}
