//! The stories that `docs/` tells, run with the commands that the pages show: a bug report, a mailing, a report every night, and a
//! server that is watched by monitoring and CI systems.

#[path = "../support/mod.rs"]
mod support;

mod bug_report;
mod mailing;
mod monitoring;
mod nightly_report;
