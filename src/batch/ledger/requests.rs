//! What runs ask of the ledger's writer, and what it answers.

use crate::batch::tally::RowState;
use crate::event::RecipientOutcome;
use crate::session::KeyCase;
use std::sync::mpsc::Sender;

/// A session as its ledger knows it.
#[derive(Clone, Debug)]
pub struct RecordedSession {
    /// The name of the session file, without its folder.
    pub name: String,
    /// The column whose values name the rows; `None` if the session has no rows.
    pub key_column: Option<String>,
    /// How keys are compared.
    pub key_case: KeyCase,
}

/// A row that a run wants to send.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The row's key.
    pub key: String,
    /// The row's number in the file, from 1.
    pub number: u64,
    /// The line of the file where the row begins.
    pub line: u64,
}

/// What the ledger says of a row that a run wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The row is this run's. `excluded` are the recipients that must not get the message again.
    Claimed {
        /// How the ledger spells the key.
        key: String,
        message_id: Option<String>,
        excluded: Vec<String>,
        /// Those of them that were refused, with the replies to them.
        refused: Vec<(String, String)>,
        /// An earlier attempt may have been delivered.
        maybe_sent_before: bool,
    },
    SentBefore,
    RefusedBefore,
    UnknownBefore,
    /// Another run has claimed it.
    Held,
    /// An earlier row of this run, which begins in this line of the file, has the same key.
    DuplicateKey {
        line: u64,
    },
}

/// What the ledger says of a row that is left when a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedState {
    /// Another run sends it.
    Left,
    Sent,
    Refused,
    Unknown,
    /// Another run has claimed it.
    Held,
}

/// What became of a recipient.
#[derive(Clone, Debug)]
pub struct RecipientUpdate {
    /// Its name in the ledger.
    pub name: String,
    /// What became of it.
    pub outcome: RecipientOutcome,
    /// The reply that says so, or why there was none, redacted. Empty: the reason that is recorded stays.
    pub reply: String,
    /// This attempt has not been counted for it.
    pub counts_attempt: bool,
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
    /// The reply that decided the state, or why there was none, redacted. `None`: the reason that is recorded stays.
    pub reply: Option<String>,
    /// The recipients that were tried.
    pub recipients: Vec<RecipientUpdate>,
    /// An earlier attempt may have been delivered: what this one did not send or refuse stays `unknown`.
    pub maybe_sent_before: bool,
    /// All its steps were skipped: it is as it was before this run, and not recorded if it was new.
    pub skipped: bool,
    /// This attempt has not been counted for the row.
    pub counts_attempt: bool,
}

/// A row whose content is about to leave, with all recipients that get it.
#[derive(Clone, Debug)]
pub struct SendingRow {
    /// The row's key.
    pub key: String,
    /// The Message-ID, if the message was prepared.
    pub message_id: Option<String>,
    /// The names of the recipients, and whether this attempt counts for them; none if the session wrote the content itself.
    pub recipients: Vec<(String, bool)>,
    /// What is known of other recipients of the row: stored in the same commit, so that a crash keeps it.
    pub earlier: Vec<RecipientUpdate>,
    /// This attempt has not been counted for the row.
    pub counts_attempt: bool,
}

/// A request to the writer.
pub enum WriterCommand {
    Claim {
        session: String,
        rows: Vec<ClaimRequest>,
        key_case: KeyCase,
        resend_unknown: bool,
        answer: Sender<Result<Vec<Claim>, String>>,
    },
    States {
        session: String,
        keys: Vec<String>,
        key_case: KeyCase,
        answer: Sender<Result<Vec<RecordedState>, String>>,
    },
    RecordIntents {
        session: String,
        rows: Vec<SendingRow>,
        answer: Sender<Result<(), String>>,
    },
    Update(LedgerUpdate),
}
