//! What a session came to: its record for the reports, its status, and what a command keeps to print.

use crate::cli::sessions::load::{LoadFailure, LoadResult, LoadedSession};
use crate::event::{SECURITY_LEVEL_REMARK, Status};
use crate::report::diagnosis::literal_secrets;
use crate::report::record::{Judgement, NO_SESSION, Record, SessionFailure, Totals, UNVERIFIED_REMARK};
use crate::transcript::{SafeText, escape_unprintable};
use std::io;

/// The result of one session. `output` is what the command prints of it; `None` if the session did not run.
pub struct SessionResult<O> {
    pub record: Record,
    pub status: Status,
    pub output: Option<O>,
}

impl<O> SessionResult<O> {
    /// The session file has errors.
    pub fn load_failure(failure: &LoadFailure) -> Self {
        let file = if failure.file.is_empty() { NO_SESSION } else { &failure.file };
        let mut record = Record::not_started(SafeText::new(file), Judgement::Error, failure.status);
        let text = failure.text.lines().map(|line| escape_unprintable(line.as_bytes()) + "\n").collect();
        record.failures.push(SessionFailure::InvalidFile { status: failure.status, text });
        Self { record, status: failure.status, output: None }
    }

    /// The session could run, and was not started.
    pub fn not_run(session: &LoadResult, why: &str) -> Self {
        let judgement = Judgement::NotRun(why.to_owned());
        let record = Record::not_started(display_name(session), judgement, Status::Passed);
        Self { record, status: Status::Passed, output: None }
    }

    /// A worker panicked while it ran the session.
    pub fn panicked(session: &LoadResult) -> Self {
        let mut record = Record::not_started(display_name(session), Judgement::Error, Status::Software);
        record.failures.push(SessionFailure::Message("ended by an internal error".to_owned()));
        Self { record, status: Status::Software, output: None }
    }
}

/// The results of all sessions so far, in file order.
#[derive(Default)]
pub struct SuiteResults {
    pub records: Vec<Record>,
    pub totals: Totals,
    pub statuses: Vec<Status>,
    /// The first error of writing a transcript.
    pub transcript_error: Option<io::Error>,
}

impl SuiteResults {
    /// Adds a result. The record is kept if reports need it, or if the session has no steps: then the event stream says
    /// at the end what happened to it.
    pub fn add(&mut self, record: Record, status: Status, keep_records: bool) {
        self.statuses.push(status);
        self.totals.add(&record);
        if keep_records || record.steps.is_empty() {
            self.records.push(record);
        }
    }
}

/// The name of a session's file, escaped for output.
pub fn display_name(session: &LoadResult) -> SafeText {
    match session {
        Ok(loaded) => file_name(loaded),
        Err(failure) if failure.file.is_empty() => SafeText::new(NO_SESSION),
        Err(failure) => SafeText::new(&failure.file),
    }
}

/// The name of a session's file, escaped for output.
pub fn file_name(loaded: &LoadedSession) -> SafeText {
    SafeText::new(loaded.path.name())
}

/// The session's description, if it uses no value that is known only at run time.
pub fn description(loaded: &LoadedSession) -> Option<SafeText> {
    let text = loaded.session.description.as_ref()?;
    text.is_literal().then(|| literal_secrets(&loaded.session).redact(&text.source))
}

/// Remarks about the session as a whole: `remark`, which explains its verdict, and what was weaker than usual: certificates
/// that were not verified, a lowered security level.
pub fn remarks(loaded: &LoadedSession, insecure: bool, remark: Option<String>) -> Vec<String> {
    let why = if insecure { "--insecure" } else { "verify = false in [tls]" };
    let unverified = (!loaded.session.tls.verify).then(|| format!("{UNVERIFIED_REMARK}: {why}"));
    let lowered = loaded.session.tls.lowers_security_level().then(|| SECURITY_LEVEL_REMARK.to_owned());
    remark.into_iter().chain(unverified).chain(lowered).collect()
}
