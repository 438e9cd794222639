//! Batches as a user sees them: nothing is lost and nothing is sent twice, whatever is killed, closed or full.

mod addresses;
mod check_rows;
mod columns;
mod connection_losses;
mod exclusions;
mod full_disk;
#[path = "../support/mod.rs"]
mod support;

mod fixture;
mod invalid_rows;
mod kills;
mod ledger_command;
mod ledgers;
mod new_batch;
mod outages;
mod output;
mod progress;
mod reasons;
mod recipients;
mod refused_commands;
mod selection;
mod shared_ledgers;
mod signals;
mod skipped_rows;
