//! How a batch is run, as `[rows]`, the command line and the ledger say.

use super::ledger::Ledger;
use super::rate::RateLimiter;
use super::row_end::RowListener;
use super::shard::Shard;
use super::statistics::Statistics;
use crate::exec::Network;
use crate::session::{ExclusionList, KeyCase, RetrySettings};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What holds for all rows.
#[derive(Default)]
pub struct BatchOptions {
    /// The session's name in the ledger.
    pub session: String,
    /// Run only the rows of this shard.
    pub shard: Option<Shard>,
    /// How keys are compared.
    pub key_case: KeyCase,
    /// Rows and recipients to skip.
    pub exclusions: Option<Arc<ExclusionList>>,
    /// Record what becomes of each row.
    pub ledger: Option<Arc<Ledger>>,
    /// Send rows again that may have been delivered.
    pub resend_unknown: bool,
    /// Stop after the first row that failed.
    pub fail_fast: bool,
    /// Whether each run of the rows is a numbered repetition.
    pub counts_repetitions: bool,
    /// Begin at most this many rows.
    pub limit: Option<u64>,
    /// Run only the rows with these keys; none: all.
    pub keys: Vec<String>,
    /// Is told how each row ended.
    pub on_row: Option<RowListener>,
}

/// How the workers, a connection each, run the rows.
pub struct WorkerOptions<'a> {
    /// How many workers there are.
    pub connections: u32,
    /// Rows that go over one connection at most.
    pub per_connection: u32,
    /// Try deferred rows and failed connections again.
    pub retry: Option<RetrySettings>,
    /// How long to go on without a connection, once there was one.
    pub patience: Duration,
    /// Limit the rate at which rows begin.
    pub rate: Option<&'a RateLimiter>,
    /// Makes a network for each worker.
    pub network: &'a (dyn Fn() -> Box<dyn Network + 'a> + Sync),
    /// Whether the session has rows. If not, each task is a whole session.
    pub has_rows: bool,
    /// Collect statistics, for a load test.
    pub statistics: Option<&'a Mutex<Statistics>>,
    /// All steps of a row are deselected: nothing is sent, and the ledger records nothing of it.
    pub all_deselected: bool,
}
