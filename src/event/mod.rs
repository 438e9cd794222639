//! What can happen in a session: facts in the past tense, with time and step, and verdicts.
//!
//! Facts carry no colour, no layout, no report's settings. Text from outside is [`SafeText`]: redacted and escaped
//! when the fact is made, so that no report can leak or be forged.

mod cause;
mod content;
mod fact;
mod json_line;
mod observer;
mod outcome;
mod row_result;
mod row_traffic;
mod status;
mod step_error;
#[cfg(test)]
mod tests;
mod transaction_log;

pub use cause::{
    Cause, CertificateProblem, FailedAssert, Failure, FailureDetails, HumanDuration, RefusedRecipient, ServerResponse,
    group_thousands, human_size,
};
pub use content::{ContentBlock, ContentLines, RedactedLine};
pub use fact::{Fact, Note, RecipientOutcome, SECURITY_LEVEL_REMARK};
pub use json_line::json_line;
pub use observer::{Event, Observer};
pub use outcome::{Outcome, RowId, SessionAttempt, SkipReason, StepId, Verdict};
pub use row_result::{
    ContentAnswer, RawContent, RawDialogue, RecipientResult, Rejection, RowRecord, RowResult, TransactionRefusal,
};
pub use row_traffic::is_command_error;
pub use status::Status;
pub use step_error::{ErrorDetails, StepError};
pub use transaction_log::TransactionLog;
