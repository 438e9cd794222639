//! The record of a whole run.

use super::session::{Judgement, Record};
use crate::event::Status;
use std::time::Duration;

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub sessions: usize,
    pub passed: usize,
    pub failed: usize,
    pub errors: usize,
    pub skipped: usize,
    pub expected_failures: usize,
    pub not_run: usize,
    pub steps: usize,
    pub failures: usize,
}

impl Totals {
    pub fn add(&mut self, record: &Record) {
        self.sessions += 1;
        self.steps += record.steps_run();
        match &record.judgement {
            Judgement::Passed => self.passed += 1,
            Judgement::Failed | Judgement::UnexpectedPass(_) => self.failed += 1,
            Judgement::Error => self.errors += 1,
            Judgement::Skipped(_) => self.skipped += 1,
            Judgement::ExpectedFailure(_) => self.expected_failures += 1,
            Judgement::NotRun(_) => self.not_run += 1,
        }
        if record.judgement.is_bad() {
            self.failures += record.failure_count().max(1);
        }
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The status that the program exits with.
    pub status: Status,
    pub started: jiff::Timestamp,
    pub elapsed: Duration,
    pub records: Vec<Record>,
}

impl RunRecord {
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.records.iter().for_each(|record| totals.add(record));
        totals
    }
}
