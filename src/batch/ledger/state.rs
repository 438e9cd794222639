//! The names that states have in the ledger.

use crate::batch::tally::RowState;
use crate::event::RecipientOutcome;

/// The names of all states.
pub const STATES: [&str; 6] = ["pending", "sending", "sent", "refused", "deferred", "unknown"];

/// The name of a row's state; `None` if it is not recorded.
pub fn row_word(state: RowState) -> Option<&'static str> {
    match state {
        RowState::Sent => Some("sent"),
        RowState::Refused => Some("refused"),
        RowState::Deferred => Some("deferred"),
        RowState::Unknown => Some("unknown"),
        RowState::Failed => None,
    }
}

/// The name of a recipient's state.
pub fn recipient_word(outcome: RecipientOutcome) -> &'static str {
    match outcome {
        RecipientOutcome::Accepted => "sent",
        RecipientOutcome::Refused => "refused",
        RecipientOutcome::Deferred => "deferred",
        RecipientOutcome::Unknown => "unknown",
    }
}

/// The order of states in SQL, for a row that two records disagree about: the first one forbids most. `state` is the name of a
/// column.
pub fn rank(state: &str) -> String {
    format!(
        "CASE {state} WHEN 'sent' THEN 0 WHEN 'refused' THEN 1 WHEN 'sending' THEN 2 WHEN 'unknown' THEN 2
         WHEN 'deferred' THEN 3 ELSE 4 END"
    )
}
