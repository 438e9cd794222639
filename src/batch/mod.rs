//! Batches: rows over connections in parallel, at a rate, with retries, and with a ledger that loses nothing and sends
//! nothing twice.
//!
//! A worker is a thread with one connection at a time. The executor runs `open` once on it, and `step` for each row that
//! the worker takes from the queue. Every event goes to one observer, one at a time.

mod end;
pub mod ledger;
mod observer;
mod options;
mod progress;
mod queue;
mod rate;
mod reconnect;
mod retry;
mod row_end;
mod row_source;
mod row_state;
mod shard;
mod statistics;
mod tally;
#[cfg(test)]
mod tests;
mod worker;

pub use end::LeftReasons;
pub use options::{BatchOptions, WorkerOptions};
pub use progress::Progress;
pub use queue::{ReopenRows, RowQueue, RowStream};
pub use rate::RateLimiter;
pub use row_end::{RowEnd, RowListener, RowReport};
pub use shard::Shard;
pub use statistics::Statistics;
pub use tally::{RowState, Tally};

use crate::event::{Observer, Outcome, Status};
use crate::exec::{Clock, ConnectionLabel, PreparedSession};
use crate::net::SystemClock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Runs all rows of `queue`. Returns how the session ended; `queue` has the counts.
pub fn run<'p>(
    session: &PreparedSession<'p>,
    options: &WorkerOptions<'p>,
    queue: &RowQueue,
    clock: &SystemClock,
    progress: &Progress,
    observer: &mut (dyn Observer + Send),
) -> Outcome {
    let started = Instant::now();
    let shared = Mutex::new(observer);
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 1..=options.connections.max(1) {
            let label = ConnectionLabel { name: (number > 1).then(|| number.to_string()), started: Some(started) };
            let shared = &shared;
            let worker = move || worker::Worker::new(session, options, queue, clock, shared, label).run();
            let spawned = std::thread::Builder::new().name(format!("connection {number}")).spawn_scoped(scope, worker);
            match spawned {
                Ok(worker) => workers.push(worker),
                // The machine has no more threads: the workers that were started do the work.
                Err(_) => break,
            }
        }
        while progress.is_visible() && !workers.iter().all(|worker| worker.is_finished()) {
            progress.update(&queue.tally(), queue.expected_rows());
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    progress.finish();
    queue.finish(clock.interrupted().map(|interrupt| Status::of_signal(interrupt.name)))
}
