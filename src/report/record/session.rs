//! The record of a session.

use super::lines::RecordedLines;
use super::step::StepRecord;
use crate::event::{Failure, SECURITY_LEVEL_REMARK, Status};
use crate::transcript::SafeText;
use jiff::Timestamp;
use std::time::Duration;

/// The beginning of the remark on a session that did not verify certificates.
pub const UNVERIFIED_REMARK: &str = "certificates were not verified";

/// In place of a file's name, in the record that says why a run has no session.
pub const NO_SESSION: &str = "sessions";

/// The verdict on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Passed,
    /// A reply was not the expected one.
    Failed,
    /// There was no reply to judge, or the session could not run.
    Error,
    /// With the reason.
    Skipped(String),
    /// It failed, as its `xfail` says; with the reason.
    ExpectedFailure(String),
    /// It passed although its `xfail` says that it should fail; with the reason.
    UnexpectedPass(String),
    /// It was not started; with the reason.
    NotRun(String),
}

impl Judgement {
    /// The verdict as reports write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed | Self::UnexpectedPass(_) => "failed",
            Self::Error => "error",
            Self::Skipped(_) => "skipped",
            Self::ExpectedFailure(_) => "xfailed",
            Self::NotRun(_) => "not-run",
        }
    }

    /// The reason, if the steps do not tell it.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Passed | Self::Failed | Self::Error => None,
            Self::Skipped(why) | Self::NotRun(why) => Some(why.clone()),
            Self::ExpectedFailure(why) => Some(format!("failed as expected: {why}")),
            Self::UnexpectedPass(why) => Some(format!("passed, but xfail says that it should fail: {why}")),
        }
    }

    /// Whether it makes a run fail.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::UnexpectedPass(_))
    }
}

/// A session that ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// The path of the session file.
    pub file: SafeText,
    pub description: Option<SafeText>,
    /// Empty if no server was known yet.
    pub server: SafeText,
    pub judgement: Judgement,
    pub status: Status,
    /// From before the first connection to the end of the last one.
    pub elapsed: Duration,
    pub steps: Vec<StepRecord>,
    /// When the first of the certificates ends that its servers showed.
    pub certificates_end: Option<Timestamp>,
    /// How many steps were counted and not kept.
    pub omitted_steps: usize,
    /// Failures that belong to no step: it could not connect, its file is invalid.
    pub failures: Vec<SessionFailure>,
    pub lines: RecordedLines,
    /// Remarks on the session as a whole.
    pub remarks: Vec<String>,
    /// The variables whose values on the command line contain a secret.
    pub given_secrets: Vec<SafeText>,
}

/// A failure that belongs to no step.
#[derive(Clone, Debug)]
pub enum SessionFailure {
    Failure(Failure),
    /// The errors of the session file, as the terminal shows them.
    InvalidFile {
        status: Status,
        text: String,
    },
    /// Anything else.
    Message(String),
}

impl SessionFailure {
    /// Describes it in a sentence.
    pub fn message(&self) -> String {
        match self {
            Self::Failure(failure) => failure.cause.to_string(),
            Self::InvalidFile { text, .. } => text.lines().next().unwrap_or("the session file is invalid").to_owned(),
            Self::Message(text) => text.clone(),
        }
    }
}

impl Record {
    /// The record of a session that was not started.
    pub fn not_started(file: SafeText, judgement: Judgement, status: Status) -> Self {
        Self {
            file,
            description: None,
            server: SafeText::default(),
            judgement,
            status,
            elapsed: Duration::ZERO,
            steps: Vec::new(),
            certificates_end: None,
            omitted_steps: 0,
            failures: Vec::new(),
            lines: RecordedLines::default(),
            remarks: Vec::new(),
            given_secrets: Vec::new(),
        }
    }

    /// Why the session came to its verdict, if no failure says so.
    pub fn reason(&self) -> Option<String> {
        let remark = || self.remarks.first().filter(|_| self.judgement.is_bad()).cloned();
        self.judgement.reason().or_else(remark)
    }

    /// What was weaker than usual, so that passing proves less.
    pub fn weaknesses(&self) -> impl Iterator<Item = &String> {
        let is_weakness = |remark: &&String| remark.starts_with(UNVERIFIED_REMARK) || *remark == SECURITY_LEVEL_REMARK;
        self.remarks.iter().filter(is_weakness)
    }

    /// The remarks except for the one that repeats the reason.
    pub fn further_remarks(&self) -> impl Iterator<Item = &String> {
        let reason = self.judgement.reason().unwrap_or_default();
        self.remarks.iter().filter(move |remark| remark.trim_start_matches("skipped: ") != reason)
    }

    /// How many steps ran.
    pub fn steps_run(&self) -> usize {
        self.steps.iter().filter(|step| step.skip_reason().is_none()).count() + self.omitted_steps
    }

    /// The failures of steps that were retried, successfully or not.
    pub fn retried_failures(&self) -> impl Iterator<Item = (&StepRecord, &Failure)> {
        self.steps.iter().filter(|step| step.retried).filter_map(|step| step.failure().map(|failure| (step, failure)))
    }

    /// How many failures count, of steps and others.
    pub fn failure_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_bad()).count() + self.failures.len()
    }
}
