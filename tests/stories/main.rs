//! The stories that `docs/` tells, run with the commands that the pages show: a bug report, a mailing, and a report every night.

#[path = "../support/mod.rs"]
mod support;

mod bug_report;
mod mailing;
mod nightly_report;
