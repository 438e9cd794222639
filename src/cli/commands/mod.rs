//! The commands, a file for each.

pub mod auth_string;
pub mod check;
pub mod completions;
pub mod diff;
pub mod export;
pub mod import;
pub mod ledger;
pub mod man;
pub mod new;
pub mod probe;
pub mod reduce;
pub mod run;
pub mod schema;
pub mod send;
pub mod serve;
pub mod shell;
pub mod show;
pub mod test;
