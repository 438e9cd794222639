//! What a session's events come to: its steps with their verdicts and times, its transcript, its end. Every report is
//! made from this.
//!
//! Facts arrive redacted and escaped, and nothing here undoes that. What is kept is bounded: of an endless dialogue the
//! beginning and the end, of very many steps the first ones and those that failed.

mod lines;
mod recorder;
mod run;
mod session;
mod step;

pub use lines::{RecordedLine, RecordedLines};
pub use recorder::Recorder;
pub use run::{RunRecord, Totals};
pub use session::{Judgement, Record, SessionFailure, UNVERIFIED_REMARK};
pub use step::{PhaseKind, StepPhase, StepRecord};
