//! The record of a step, with the phases that it spent its time in.

use crate::event::{Failure, RowId, SessionAttempt, StepId, Verdict};
use crate::report::transcript::skip_words;
use std::time::Duration;

/// A step that ran or was skipped.
#[derive(Clone, Debug)]
pub struct StepRecord {
    pub id: StepId,
    pub row: Option<RowId>,
    /// The attempt at the session, if there may be several.
    pub turn: Option<SessionAttempt>,
    pub connection: String,
    pub verdict: Verdict,
    /// Since the session began, which is before its first connection.
    pub started: Duration,
    pub elapsed: Duration,
    /// The code of its last reply.
    pub reply_code: Option<u16>,
    /// It failed and was retried; the retry has its own record.
    pub retried: bool,
    /// It failed and was retried because of its own `retry`.
    pub resent: bool,
    /// Its session or row had more than one attempt.
    pub multiple_attempts: bool,
    pub phases: Vec<StepPhase>,
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

    /// `RCPT TO:<b@example.com>`, with the repetition and the attempt if there are several.
    pub fn title(&self) -> String {
        let mut title = self.title_of_all_repetitions();
        if let Some(repetition) = self.id.repetition {
            title.push_str(&format!(", repetition {repetition}"));
        }
        if self.id.attempt > 1 || self.resent {
            title.push_str(&format!(", attempt {}", self.id.attempt));
        }
        title
    }

    /// The title without the numbers of the step's own `repeat` and `retry`.
    pub fn title_of_all_repetitions(&self) -> String {
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
        title
    }

    /// Its own repetition, or that of the session.
    pub fn repetition(&self) -> Option<u64> {
        self.id.repetition.map(u64::from).or(self.turn.and_then(|turn| turn.repetition))
    }

    /// Its own attempt, or that of the session if the step itself was not retried.
    pub fn attempt(&self) -> u32 {
        match self.turn {
            Some(turn) if self.id.attempt == 1 => turn.attempt,
            _ => self.id.attempt,
        }
    }

    /// The verdict as reports write it.
    pub fn as_str(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::Error(_) => "error",
            Verdict::Skipped(_) => "skipped",
        }
    }

    /// Why it was skipped, if it was.
    pub fn skip_reason(&self) -> Option<&'static str> {
        match &self.verdict {
            Verdict::Skipped(reason) => Some(skip_words(reason)),
            Verdict::Passed | Verdict::Failed(_) | Verdict::Error(_) => None,
        }
    }
}

/// A part of a step's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPhase {
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
    /// A pause that the session file asks for.
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
