//! What runs ask of the ledger's writer, and what it answers.

use crate::batch::tally::RowState;
use crate::event::RecipientOutcome;
use std::sync::mpsc::Sender;

/// What the ledger says of a row that a run wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The row is this run's. `excluded` are the recipients that must not get the message again.
    Claimed {
        message_id: Option<String>,
        excluded: Vec<String>,
        /// An earlier attempt may have been delivered.
        maybe_sent_before: bool,
    },
    SentBefore,
    RefusedBefore,
    UnknownBefore,
    /// Another run has claimed it.
    LockedElsewhere,
    /// An earlier row of this run has the same key.
    DuplicateKey,
}

/// What the ledger is to record of a row.
#[derive(Clone, Debug)]
pub struct LedgerUpdate {
    /// The session's name.
    pub session: String,
    /// The row's key.
    pub key: String,
    /// `None`: the row stays in the state that it had before this run.
    pub state: Option<RowState>,
    /// The Message-ID, if the message was prepared.
    pub message_id: Option<String>,
    /// The reply that decided the state, redacted.
    pub reply: Option<String>,
    /// Recipients with what became of them and the reply that says so.
    pub recipients: Vec<(String, RecipientOutcome, String)>,
    /// An earlier attempt may have been delivered: what this one did not send or refuse stays `unknown`.
    pub maybe_sent_before: bool,
    /// All its steps were skipped: it is as it was before this run, and not recorded if it was new.
    pub skipped: bool,
}

/// A row whose content is about to leave, with all recipients that get it.
#[derive(Clone, Debug)]
pub struct SendingRow {
    /// The row's key.
    pub key: String,
    /// The Message-ID, if the message was prepared.
    pub message_id: Option<String>,
    /// The names of the recipients; none if the session wrote the content itself.
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
