//! What runs ask of the ledger's writer, and what it answers.

use crate::batch::tally::RowState;
use crate::event::RecipientOutcome;
use std::sync::mpsc::Sender;

/// What the ledger says of a row that a run wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this run's now. `done` are the recipients that are not to be sent to again.
    Claimed {
        message_id: Option<String>,
        done: Vec<String>,
        /// An earlier attempt may have been delivered.
        unknown: bool,
    },
    SentBefore,
    RefusedBefore,
    UnknownBefore,
    /// Another run that lives has it.
    LockedElsewhere,
    /// The key came before in this run.
    DuplicateKey,
}

/// How a row ended, for the ledger.
#[derive(Clone, Debug)]
pub struct LedgerUpdate {
    pub session: String,
    pub key: String,
    /// `None`: nothing of it is known, it is as it was before.
    pub state: Option<RowState>,
    pub message_id: Option<String>,
    pub reply: Option<String>,
    /// Those that something was said of.
    pub recipients: Vec<(String, RecipientOutcome, String)>,
    /// An attempt before this one may have been delivered: what this one did not send or refuse stays `unknown`.
    pub unknown: bool,
}

/// A row that is being sent, with all its recipients.
#[derive(Clone, Debug)]
pub struct SendingRow {
    pub key: String,
    pub message_id: Option<String>,
    pub recipients: Vec<String>,
}

/// A request to the writer.
pub enum WriterCommand {
    Claim {
        session: String,
        rows: Vec<(String, u64)>,
        resend_unknown: bool,
        answer: Sender<Result<Vec<Claim>, String>>,
    },
    RecordIntents {
        session: String,
        rows: Vec<SendingRow>,
        answer: Sender<Result<(), String>>,
    },
    Update(LedgerUpdate),
}
