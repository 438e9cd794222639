//! Batches: rows over connections in parallel, at a rate, with retries, and with a ledger that loses nothing and sends
//! nothing twice.
//!
//! A worker is a thread with one connection at a time, to which `exec` plays `open` once and `step` for each row that
//! the worker's feed takes from the queue. Everything that happens goes, one event at a time, to one observer.

pub mod ledger;
mod progress;
mod queue;
mod rate;
mod row_source;
mod row_state;
mod shard;
mod statistics;
mod tally;
mod worker;

pub use progress::Progress;
pub use queue::{BatchOptions, ReopenRows, RowQueue, RowStream};
pub use rate::RateLimiter;
pub use shard::Shard;
pub use statistics::Statistics;
pub use tally::{RowState, Tally};

use crate::event::{Event, Fact, Observer, Outcome, Status};
use crate::exec::{Clock, ConnectionLabel, Network, PreparedSession};
use crate::net::SystemClock;
use crate::session::RetrySettings;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How a batch is run.
pub struct WorkerOptions<'a> {
    pub connections: u32,
    pub per_connection: u32,
    pub retry: Option<RetrySettings>,
    pub rate: Option<&'a RateLimiter>,
    /// A network for each connection.
    pub network: &'a (dyn Fn() -> Box<dyn Network + 'a> + Sync),
    /// Whether the session has rows; without, each turn is a whole session.
    pub has_rows: bool,
    pub statistics: Option<&'a Mutex<Statistics>>,
    /// All steps of a turn are left out: nothing is sent, and the ledger keeps none of it.
    pub all_deselected: bool,
}

/// Runs all turns of `queue`. Gives how the session ended; `queue` has the counts.
pub fn run<'p>(
    ready: &PreparedSession<'p>,
    plan: &WorkerOptions<'p>,
    queue: &RowQueue,
    clock: &SystemClock,
    progress: &Progress,
    observer: &mut (dyn Observer + Send),
) -> Outcome {
    let started = Instant::now();
    let shared = Mutex::new(observer);
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 1..=plan.connections.max(1) {
            let lane = ConnectionLabel { name: (number > 1).then(|| number.to_string()), started: Some(started) };
            let shared = &shared;
            let worker = move || worker::Worker::new(ready, plan, queue, clock, shared, lane).run();
            let spawned = std::thread::Builder::new().name(format!("connection {number}")).spawn_scoped(scope, worker);
            match spawned {
                Ok(worker) => workers.push(worker),
                // The machine has no more threads: those that there are do the work.
                Err(_) => break,
            }
        }
        while progress.is_visible() && !workers.iter().all(|worker| worker.is_finished()) {
            progress.update(&queue.tally(), queue.expected_rows());
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    progress.finish();
    let interrupted = clock.interrupted().map(|interrupt| interrupt.name);
    queue.finish(interrupted)
}

/// The one observer, as each connection hears it.
struct SharedObserver<'h, 'o> {
    shared: &'h Mutex<&'o mut (dyn Observer + Send)>,
    feed: &'h std::cell::RefCell<row_state::RowObservation>,
    statistics: Option<&'h Mutex<Statistics>>,
}

impl Observer for SharedObserver<'_, '_> {
    fn observe(&mut self, event: &Event<'_>) {
        self.feed.borrow_mut().observe(&event.fact);
        if let (Some(statistics), Fact::StepFinished { .. } | Fact::LineSent(_) | Fact::Content(_)) =
            (self.statistics, &event.fact)
            && let Ok(mut statistics) = statistics.lock()
        {
            statistics.observe(&event.fact);
        }
        // What a panic of another connection's thread left is no reason to be silent here.
        let mut observer = self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        observer.observe(event);
    }
}

/// Whether trying again may help.
fn is_temporary(status: Status) -> bool {
    matches!(status, Status::TempFail | Status::Unavailable)
}
