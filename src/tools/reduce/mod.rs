//! `mailrun reduce`: finds the smallest session that still shows a fault.
//!
//! A session file is a [`SessionDocument`], from which a [`Reducer`] removes parts as long as its check holds. The check is
//! [`FaultRuns`]: it runs the session and evaluates a [`FaultCondition`] after each step.

mod addresses;
mod atoms;
mod command_log;
mod condition;
mod fault_runs;
mod fault_watcher;
mod literal_secrets;
mod minimize;
mod parts;
mod reducer;
mod remembered_sources;
mod secret_exposure;
mod session_document;
#[cfg(test)]
mod tests;

pub use condition::{FaultCondition, StepState};
pub use fault_runs::{FaultRuns, LastRun, LoadCandidate, RunTally, WholeSession};
pub use fault_watcher::FaultSighting;
pub use literal_secrets::replace_literal_secrets;
pub use parts::step_count;
pub use reducer::Reducer;
pub use remembered_sources::RememberedSources;
pub use session_document::SessionDocument;
