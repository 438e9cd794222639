//! The machine's time, and the signals that ask the program to end.

use crate::exec::{Clock, Interrupt};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

/// The longest sleep between two looks at the signals.
const SLICE: Duration = Duration::from_millis(50);

/// A SIGHUP that comes so soon after another one is the same event: both the shell and the kernel send one when a terminal is
/// closed.
const SAME_HANGUP: Duration = Duration::from_secs(1);

/// As [`SAME_HANGUP`], for SIGINT and SIGTERM: `timeout` of GNU's coreutils sends its signal to the program and then to the
/// program's group. No person presses a key twice so fast.
const SAME_SIGNAL: Duration = Duration::from_millis(50);

/// How long the cleanup after a second signal may take.
const CLEANUP_LIMIT: Duration = Duration::from_secs(2);

/// The system's clock. Clones share the signals that they noticed, so that each thread may have one.
///
/// SIGPIPE needs no handling: Rust's runtime ignores it before `main`, and the sockets here send with MSG_NOSIGNAL, so
/// a peer that is gone is an error of the write.
#[derive(Clone, Debug, Default)]
pub struct SystemClock {
    /// The number of the signal that came; 0 before.
    signal: Arc<AtomicUsize>,
    first_interrupt: Arc<OnceLock<Interrupt>>,
    /// Called while the program waits.
    idle: Option<fn()>,
}

/// The signals that ask the program to end: SIGINT, SIGTERM and, unless it was ignored at start (`nohup`), SIGHUP.
pub fn ending_signals() -> Vec<i32> {
    let hangup = (!is_hangup_ignored()).then_some(SIGHUP);
    [SIGINT, SIGTERM].into_iter().chain(hangup).collect()
}

impl SystemClock {
    /// A clock that no signal interrupts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that notices SIGINT, SIGTERM and, unless it was ignored at start (`nohup`), SIGHUP. [`Clock::interrupted`] reports
    /// the first signal. A second one, of any kind, ends the program with 130, 143 or 129 once `on_second_signal` has returned,
    /// or after [`CLEANUP_LIMIT`]; it is called with the signal's name. For `main`, once.
    pub fn with_signals(on_second_signal: impl Fn(&'static str) + Send + 'static) -> io::Result<Self> {
        let clock = Self::default();
        let kinds = ending_signals();
        for signal in &kinds {
            flag::register_usize(*signal, Arc::clone(&clock.signal), usize::try_from(*signal).unwrap_or_default())?;
        }
        let mut signals = Signals::new(&kinds)?;
        let wait_for_second = move || {
            let timed = signals.forever().map(|signal| (signal, Instant::now()));
            let Some(second) = second_signal(timed) else { return };
            let name = usize::try_from(second).ok().and_then(signal_name).unwrap_or("SIGINT");
            let (done, finished) = mpsc::channel();
            let cleanup = move || {
                on_second_signal(name);
                // Fails if it took too long and nobody waits any more.
                let _ = done.send(());
            };
            // A reader of our output that has stopped reading must not keep the program from ending.
            if std::thread::Builder::new().name("cleanup".to_owned()).spawn(cleanup).is_ok() {
                let _ = finished.recv_timeout(CLEANUP_LIMIT);
            }
            exit(match name {
                "SIGHUP" => 129,
                "SIGTERM" => 143,
                _ => 130,
            });
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait_for_second)?;
        Ok(clock)
    }

    /// `idle` is called repeatedly while the program waits, for the first time after a tenth of a second: never if what
    /// is waited for comes at once.
    pub fn with_idle_callback(self, idle: fn()) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// To be called while a wait goes on.
    pub fn call_idle(&self) {
        if let Some(idle) = self.idle {
            idle();
        }
    }

    /// How long to wait at most before looking at the signals again, up to `deadline`.
    pub fn wait_slice(&self, deadline: Instant) -> Duration {
        deadline.saturating_duration_since(Instant::now()).min(SLICE)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timestamp(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn sleep_until(&self, until: Instant) {
        while self.interrupted().is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
            if left > SLICE {
                self.call_idle();
            }
        }
    }

    fn interrupted(&self) -> Option<Interrupt> {
        let name = signal_name(self.signal.load(Ordering::Relaxed))?;
        // A handler cannot read the clock: the time is that of the first look.
        Some(*self.first_interrupt.get_or_init(|| Interrupt { name, at: Instant::now() }))
    }
}

/// Waits for the second event, among signals with the times at which they came. A signal that comes soon after another one of its
/// kind is the same event.
fn second_signal(signals: impl Iterator<Item = (i32, Instant)>) -> Option<i32> {
    let mut last: HashMap<i32, Instant> = HashMap::new();
    let is_new = move |(signal, at): &(i32, Instant)| {
        let window = if *signal == SIGHUP { SAME_HANGUP } else { SAME_SIGNAL };
        last.insert(*signal, *at).is_none_or(|before| at.saturating_duration_since(before) > window)
    };
    signals.filter(is_new).nth(1).map(|(signal, _)| signal)
}

/// Whether SIGHUP was ignored when the program was started. A handler would change that.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (SIGHUP - 1) != 0)
}

/// The name of the signal; `None` for 0.
fn signal_name(signal: usize) -> Option<&'static str> {
    match signal {
        0 => None,
        signal if i32::try_from(signal) == Ok(SIGTERM) => Some("SIGTERM"),
        signal if i32::try_from(signal) == Ok(SIGHUP) => Some("SIGHUP"),
        _ => Some("SIGINT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_long_has_time_for_something_else() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        fn count() {
            CALLS.fetch_add(1, Ordering::Relaxed);
        }
        let clock = SystemClock::new().with_idle_callback(count);
        clock.sleep_until(clock.now() + Duration::from_millis(20));
        assert_eq!(CALLS.load(Ordering::Relaxed), 0, "not during a short sleep");
        clock.sleep_until(clock.now() + Duration::from_millis(120));
        assert!(CALLS.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn a_clock_without_signals_sleeps_to_the_end() {
        let clock = SystemClock::new();
        let until = clock.now() + Duration::from_millis(20);
        clock.sleep_until(until);
        assert!(clock.now() >= until);
        assert_eq!(clock.interrupted(), None);
    }

    #[test]
    fn a_signal_ends_a_sleep_and_keeps_its_first_name_and_time() {
        let clock = SystemClock::new();
        clock.signal.store(usize::try_from(SIGTERM).expect("a small number"), Ordering::Relaxed);
        let until = clock.now() + Duration::from_secs(600);
        clock.sleep_until(until);
        assert!(clock.now() < until);
        let first = clock.interrupted().expect("it came");
        assert_eq!(first.name, "SIGTERM");
        clock.signal.store(usize::try_from(SIGINT).expect("a small number"), Ordering::Relaxed);
        assert_eq!(clock.clone().interrupted(), Some(first));
    }

    #[test]
    fn signals_of_a_kind_that_come_soon_after_one_another_are_one_event() {
        /// Signals with their milliseconds, and the one that is the second event.
        type Case = (&'static [(i32, u64)], Option<i32>);
        let table: [Case; 9] = [
            (&[(SIGTERM, 0)], None),
            (&[(SIGTERM, 0), (SIGTERM, 50)], None),
            (&[(SIGTERM, 0), (SIGTERM, 51)], Some(SIGTERM)),
            (&[(SIGINT, 0), (SIGINT, 40), (SIGINT, 80)], None),
            (&[(SIGINT, 0), (SIGINT, 40), (SIGINT, 100)], Some(SIGINT)),
            (&[(SIGINT, 0), (SIGTERM, 0)], Some(SIGTERM)),
            (&[(SIGHUP, 0), (SIGHUP, 1000)], None),
            (&[(SIGHUP, 0), (SIGHUP, 1001)], Some(SIGHUP)),
            (&[(SIGHUP, 0), (SIGHUP, 1), (SIGINT, 2)], Some(SIGINT)),
        ];
        let start = Instant::now();
        for (signals, expected) in table {
            let timed = signals.iter().map(|(signal, ms)| (*signal, start + Duration::from_millis(*ms)));
            assert_eq!(second_signal(timed), expected, "{signals:?}");
        }
    }

    #[test]
    fn a_real_signal_is_noticed() {
        let clock = SystemClock::with_signals(|_| {}).expect("signals can be handled");
        signal_hook::low_level::raise(SIGINT).expect("a signal can be raised");
        clock.sleep_until(clock.now() + Duration::from_secs(600));
        assert_eq!(clock.interrupted().map(|interrupt| interrupt.name), Some("SIGINT"));
    }
}
