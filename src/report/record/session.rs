//! The record of a session.

use super::lines::RecordedLines;
use super::step::StepRecord;
use crate::event::{Failure, Status};
use crate::transcript::SafeText;
use std::time::Duration;

/// How the remark begins that says of a session that whom it talked to was not made sure of.
pub const UNVERIFIED_REMARK: &str = "certificates were not verified";

/// How a session counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Passed,
    /// Answered otherwise than expected.
    Failed,
    /// No answer to judge, or no session that can run.
    Error,
    /// And why.
    Skipped(String),
    /// It failed, as its `xfail` says.
    ExpectedFailure(String),
    /// It passed, and its `xfail` says that it should not.
    UnexpectedPass(String),
    /// It was never begun, and why.
    NotRun(String),
}

impl Judgement {
    /// A word for machines.
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

    /// Why it is what it is, where there is more to say than what its steps say.
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

/// One session, as it ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// The file as it was found.
    pub file: SafeText,
    pub description: Option<SafeText>,
    /// Empty where no server was known yet.
    pub server: SafeText,
    pub judgement: Judgement,
    pub status: Status,
    /// From before connecting until all was closed.
    pub elapsed: Duration,
    pub steps: Vec<StepRecord>,
    /// Steps that passed or were skipped and are only counted.
    pub omitted_steps: usize,
    /// Failures that belong to no step: it could not connect, its file is broken.
    pub failures: Vec<SessionFailure>,
    pub lines: RecordedLines,
    /// What is remarked on its end, a line each.
    pub remarks: Vec<String>,
    /// The names for which the command line gave what holds a secret.
    pub given_secrets: Vec<SafeText>,
}

/// A failure outside of any step.
#[derive(Clone, Debug)]
pub enum SessionFailure {
    Failure(Failure),
    /// What is wrong with the session file, as the terminal shows it.
    InvalidFile {
        status: Status,
        text: String,
    },
    /// Anything else, in words.
    Message(String),
}

impl SessionFailure {
    /// In a sentence.
    pub fn message(&self) -> String {
        match self {
            Self::Failure(failure) => failure.cause.to_string(),
            Self::InvalidFile { text, .. } => text.lines().next().unwrap_or("the session file is broken").to_owned(),
            Self::Message(text) => text.clone(),
        }
    }
}

impl Record {
    /// A session that never began.
    pub fn not_started(file: SafeText, judgement: Judgement, status: Status) -> Self {
        Self {
            file,
            description: None,
            server: SafeText::default(),
            judgement,
            status,
            elapsed: Duration::ZERO,
            steps: Vec::new(),
            omitted_steps: 0,
            failures: Vec::new(),
            lines: RecordedLines::default(),
            remarks: Vec::new(),
            given_secrets: Vec::new(),
        }
    }

    /// The remarks that say more than why it is judged so.
    pub fn further_remarks(&self) -> impl Iterator<Item = &String> {
        let reason = self.judgement.reason().unwrap_or_default();
        self.remarks.iter().filter(move |remark| remark.trim_start_matches("skipped: ") != reason)
    }

    /// Steps that ran.
    pub fn steps_run(&self) -> usize {
        self.steps.iter().filter(|step| step.skip_reason().is_none()).count() + self.omitted_steps
    }

    /// Steps that failed and were tried again, whatever came of that.
    pub fn retried_failures(&self) -> impl Iterator<Item = (&StepRecord, &Failure)> {
        self.steps.iter().filter(|step| step.retried).filter_map(|step| step.failure().map(|failure| (step, failure)))
    }

    /// Failures that count, of steps and others.
    pub fn failure_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_bad()).count() + self.failures.len()
    }
}
