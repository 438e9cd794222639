//! Runs the sessions of `run` and `test`: [`suite`] is the set-up, the loop and the teardown that they share.

pub mod batch_runner;
pub mod deliveries;
pub mod dry_run;
pub mod ledgers;
pub mod machine;
pub mod network_mode;
pub mod network_pool;
pub mod next_steps;
pub mod outcome;
pub mod raw_deliveries;
pub mod retrying_network;
pub mod row_selection;
pub mod session_result;
pub mod session_runner;
pub mod setup;
pub mod signals;
pub mod suite;
pub mod workers;
