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
