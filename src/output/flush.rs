//! Writes out what output still holds in memory: when the program is about to wait, and when a signal ends it at once.
//!
//! Writers gather lines while a dialogue goes on, so that a line costs no system call. Who waits for a server calls
//! [`flush_all`] first. A second signal is handled in a thread of its own, so writers are shared ([`SharedWriter`]).

use super::atomic_file::{self, OrphanedTranscript};
use crate::event::{Event, Observer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

/// How long the end of the program waits for a writer that is in use.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// Where output goes. When a signal ends the program files are flushed first, since a terminal or a pipe may block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    File,
    Terminal,
}

/// A writer that holds lines in memory.
pub trait FlushOnExit: Send {
    /// Writes what there is: the program is about to wait.
    fn flush_now(&mut self) {}
    /// Completes the output: this signal ends the program at once.
    fn end_with_signal(&mut self, signal: &'static str) {
        let _ = signal;
    }
    /// Called after [`FlushOnExit::end_with_signal`] of all writers: passes on output that waited for its turn.
    fn release_output(&mut self) {}
}

type RegisteredWriter = (OutputKind, Weak<Mutex<dyn FlushOnExit>>);

static REGISTERED: Mutex<Vec<RegisteredWriter>> = Mutex::new(Vec::new());

fn registered() -> MutexGuard<'static, Vec<RegisteredWriter>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A writer that is registered for [`flush_all`] and [`flush_for_signal`] until its last clone is dropped.
pub struct SharedWriter<T>(Arc<Mutex<T>>);

impl<T: FlushOnExit + 'static> SharedWriter<T> {
    pub fn new(output_kind: OutputKind, writer: T) -> Self {
        let shared = Arc::new(Mutex::new(writer));
        let weak: Weak<Mutex<T>> = Arc::downgrade(&shared);
        let mut registered = registered();
        registered.retain(|(_, other)| other.strong_count() > 0);
        registered.push((output_kind, weak));
        Self(shared)
    }
}

impl<T> SharedWriter<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for SharedWriter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Observer> Observer for SharedWriter<T> {
    fn observe(&mut self, event: &Event<'_>) {
        self.lock().observe(event);
    }
}

/// Writes what all writers hold in memory. A writer that another thread is using is skipped: that thread flushes it.
pub fn flush_all() {
    for (_, writer) in registered().iter() {
        let Some(writer) = writer.upgrade() else { continue };
        match writer.try_lock() {
            Ok(mut writer) => writer.flush_now(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().flush_now(),
            Err(TryLockError::WouldBlock) => {}
        };
    }
}

/// Completes all output before a signal ends the program: partial transcripts are kept, partial reports are removed.
/// `report_orphans` is called with the transcripts that stand next to older ones, before the terminal's output is written.
pub fn flush_for_signal(signal: &'static str, report_orphans: impl FnOnce(Vec<OrphanedTranscript>)) {
    let writers = std::mem::take(&mut *registered());
    let mut report_orphans = Some(report_orphans);
    for output_kind in [OutputKind::File, OutputKind::Terminal] {
        let these =
            || writers.iter().filter(|(kind, _)| *kind == output_kind).filter_map(|(_, writer)| writer.upgrade());
        these().for_each(|writer| with_lock_timeout(&writer, |writer| writer.end_with_signal(signal)));
        these().for_each(|writer| with_lock_timeout(&writer, |writer| writer.release_output()));
        if let Some(report_orphans) = report_orphans.take() {
            report_orphans(atomic_file::finalize_partial());
        }
    }
}

/// Calls `act` unless the writer stays in use: one whose pipe is full must not hold up the others.
fn with_lock_timeout(writer: &Mutex<dyn FlushOnExit>, act: impl FnOnce(&mut dyn FlushOnExit)) {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match writer.try_lock() {
            Ok(mut writer) => return act(&mut *writer),
            Err(TryLockError::Poisoned(poisoned)) => return act(&mut *poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Idle;
    impl FlushOnExit for Idle {}

    #[test]
    fn a_writer_that_is_in_use_holds_up_nobody() {
        let writer = Mutex::new(Idle);
        let _in_use = writer.lock().expect("nobody panics with it");
        with_lock_timeout(&writer, |_| panic!("it is locked"));
    }
}
