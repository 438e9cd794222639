//! Runs one session: options of the run, clock, and batches, shared by all workers.

use super::batch_runner::{BatchRunner, BatchSummary, RunOutcome, RunResources};
use super::network_mode::NetworkMode;
use super::network_pool::NetworkPool;
use crate::batch::RowListener;
use crate::cli::sessions::load::LoadedSession;
use crate::event::{Observer, Outcome};
use crate::exec::{Network, RunOptions};
use crate::net::SystemClock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// What running any session of the suite needs.
pub struct SessionRunner<'a> {
    pub options: RunOptions,
    pub clock: SystemClock,
    pub batches: BatchRunner<'a>,
}

impl SessionRunner<'_> {
    /// Runs a session. A panic ends this session only: then there is no outcome. The second value is the summary of
    /// a batch. `on_row` is called with the outcome of each of its rows.
    pub fn run(
        &self,
        loaded: &LoadedSession,
        network: &mut NetworkMode,
        on_row: Option<RowListener>,
        observer: &mut (dyn Observer + Send),
    ) -> (Option<Outcome>, Option<BatchSummary>) {
        let count = self.batches.connections(loaded);
        let shared;
        let networks = match network {
            NetworkMode::Live(live) => {
                NetworkPool::new((0..count).map(|_| Box::new(live.clone()) as Box<dyn Network + Send>).collect())
            }
            NetworkMode::DryRun(..) => {
                shared = Mutex::new(network.network_for(loaded, &self.options));
                NetworkPool::shared(count, &shared)
            }
        };
        let resources = RunResources { networks, clock: &self.clock, on_row };
        let run = || self.batches.run_session(loaded, &self.options, resources, observer);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(RunOutcome { outcome, summary }) => (Some(outcome), summary),
            Err(_) => (None, None),
        }
    }
}
