//! The record of a session: its steps with verdicts and times, its transcript, its outcome. JUnit, TAP, JSON and HTML reports
//! are made from it.
//!
//! Facts arrive redacted and escaped, and are kept like that. The size of a record is bounded: of a very long dialogue the
//! beginning and the end are kept, of very many steps the first ones and those that failed.

mod lines;
mod recorder;
mod run;
mod session;
mod step;

pub use lines::{RecordedLine, RecordedLines, without_content};
pub use recorder::Recorder;
pub use run::{RunRecord, Totals};
pub use session::{Judgement, NO_SESSION, Record, SessionFailure, UNVERIFIED_REMARK};
pub use step::{PhaseKind, StepPhase, StepRecord};
