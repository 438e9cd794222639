//! What a session's events come to: its steps with their verdicts and times, its transcript, its end. Every report is
//! made from this.
//!
//! Facts arrive redacted and escaped, and nothing here undoes that. What is kept is bounded: of an endless dialogue the
//! beginning and the end, of very many steps the first ones and those that failed.

mod lines;
mod recorder;

pub use lines::{RecordedLine, RecordedLines};
pub use recorder::Recorder;

use crate::event::{Failure, RowId, SessionAttempt, Status, StepId, Verdict};
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

/// One step that ran, or did not.
#[derive(Clone, Debug)]
pub struct StepRecord {
    pub id: StepId,
    pub row: Option<RowId>,
    /// Which playing of the session, where there may be several.
    pub turn: Option<SessionAttempt>,
    pub connection: String,
    pub verdict: Verdict,
    /// Since the session began, connecting included.
    pub started: Duration,
    pub elapsed: Duration,
    /// It failed and was tried again: what came of that is another record.
    pub retried: bool,
    /// It failed and its own `retry` sent it again.
    pub resent: bool,
    /// Its session or row was tried more than once.
    pub multiple_attempts: bool,
    pub phases: Vec<Phase>,
}

impl StepRecord {
    pub fn failure(&self) -> Option<&Failure> {
        match &self.verdict {
            Verdict::Failed(failure) | Verdict::Error(failure) => Some(failure),
            Verdict::Passed | Verdict::Skipped(_) => None,
        }
    }

    /// Whether it makes its session fail.
    pub fn is_bad(&self) -> bool {
        self.failure().is_some() && !self.retried
    }

    /// `RCPT TO:<b@example.com>`, and which repetition and attempt where there are several.
    pub fn title(&self) -> String {
        let mut title = self.id.title.to_string();
        if let Some(row) = &self.row {
            title.push_str(&format!(", row {}", row.key));
        }
        let runs = (self.turn.and_then(|turn| turn.repetition), self.row.as_ref().and_then(|row| row.repetition));
        if let (Some(run), _) | (None, Some(run)) = runs {
            title.push_str(&format!(", run {run}"));
        }
        let attempts = (self.turn.map(|turn| turn.attempt), self.row.as_ref().map(|row| row.attempt));
        if let (Some(attempt), _) | (None, Some(attempt)) = attempts
            && self.multiple_attempts
        {
            title.push_str(&format!(", try {attempt}"));
        }
        if let Some(repetition) = self.id.repetition {
            title.push_str(&format!(", repetition {repetition}"));
        }
        if self.id.attempt > 1 || self.resent {
            title.push_str(&format!(", attempt {}", self.id.attempt));
        }
        title
    }

    /// Its own, or where it has none the whole session's.
    pub fn repetition(&self) -> Option<u64> {
        self.id.repetition.map(u64::from).or(self.turn.and_then(|turn| turn.repetition))
    }

    /// Its own, or where it was not tried again itself the whole session's.
    pub fn attempt(&self) -> u32 {
        match self.turn {
            Some(turn) if self.id.attempt == 1 => turn.attempt,
            _ => self.id.attempt,
        }
    }

    /// A word for machines.
    pub fn as_str(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::Error(_) => "error",
            Verdict::Skipped(_) => "skipped",
        }
    }

    /// Why it did not run.
    pub fn skip_reason(&self) -> Option<&'static str> {
        use crate::event::SkipReason::{
            AlreadySent, Condition, Deselected, EarlierFailure, MissingCapability, NotOffered,
        };
        match &self.verdict {
            Verdict::Skipped(Condition) => Some("its condition is false"),
            Verdict::Skipped(EarlierFailure) => Some("something failed before it"),
            Verdict::Skipped(NotOffered) => Some("the server does not offer it"),
            Verdict::Skipped(AlreadySent) => Some("its recipients have had it before"),
            Verdict::Skipped(Deselected) => Some("left out by --from-step or --to-step"),
            Verdict::Skipped(MissingCapability) => Some("the server lacks what the session requires"),
            Verdict::Passed | Verdict::Failed(_) | Verdict::Error(_) => None,
        }
    }
}

/// What a step spent its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub kind: PhaseKind,
    /// Since the session began.
    pub started: Duration,
    pub elapsed: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// Resolving and connecting.
    Connect,
    /// A TLS handshake.
    Tls,
    /// From the last line sent, or from connecting, to the reply's last line.
    Reply,
    /// A pause that the session asked for.
    Pause,
}

impl PhaseKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Reply => "reply",
            Self::Pause => "pause",
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

/// What a run came to.
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

/// A whole run, as it ended.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// What the program ends with.
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

/// `1.25 s`, `12 ms`: for people.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 1.0 {
        "under 1 ms".to_owned()
    } else if millis < 999.5 {
        format!("{millis:.0} ms")
    } else if millis < 99_950.0 {
        format!("{:.1} s", millis / 1000.0)
    } else {
        crate::event::HumanDuration(Duration::from_secs(duration.as_secs())).to_string()
    }
}
