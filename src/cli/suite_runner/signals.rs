//! What Ctrl-C, SIGTERM and SIGHUP do to a run.

use crate::cli::output::console;
use crate::cli::sessions::load::LoadedSession;
use crate::event::Status;
use crate::exec::Clock;
use crate::net::SystemClock;
use crate::output::{flush_all, flush_for_signal};
use crate::report::messages_in_flight;
use crate::transcript::escape_unprintable;
use std::sync::Arc;

/// Makes a clock that notices signals, and writes transcripts out while the program waits.
pub fn signal_clock() -> SystemClock {
    let clock = SystemClock::with_signals(end_at_second_signal).unwrap_or_else(|why| {
        console::error(&format!("signals will end the program at once, since they cannot be handled: {why}"));
        SystemClock::new()
    });
    clock.with_idle_callback(flush_all)
}

/// Lets a signal end the commands and prompts of the sessions.
pub fn stop_sources_at_signals<'a>(sessions: impl Iterator<Item = &'a mut LoadedSession>, clock: &SystemClock) {
    for loaded in sessions {
        let clock = clock.clone();
        loaded.files.set_interrupt_check(Arc::new(move || clock.interrupted().is_some()));
    }
}

/// The exit status of a run: that of the signal that ended it, otherwise the worst of `statuses`.
pub fn final_status(clock: &SystemClock, statuses: Vec<Status>) -> Status {
    let signal = clock.interrupted().map(|interrupt| Status::of_signal(interrupt.name));
    signal.unwrap_or_else(|| Status::worst(statuses))
}

/// Writes what must not be lost before a second signal ends the program at once.
fn end_at_second_signal(signal: &'static str) {
    flush_for_signal(signal, |left| {
        for file in left {
            let [name, target] =
                [&file.name, &file.target].map(|path| escape_unprintable(path.as_os_str().as_encoded_bytes()));
            console::error(&format!("the transcript is {name}: {target} is that of an earlier run"));
        }
        console::error(&match messages_in_flight() {
            0 => format!("ended at once by a second signal, {signal}"),
            1 => format!(
                "ended at once by a second signal, {signal}: the outcome of the message in flight is unknown: it may have \
                 been delivered"
            ),
            more => format!(
                "ended at once by a second signal, {signal}: the outcome of {more} messages in flight is unknown: they may \
                 have been delivered"
            ),
        });
    });
}
