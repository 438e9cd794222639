//! The ledger: an SQLite database of what became of each row, and of each of its recipients where it has several.
//!
//! One thread writes for all connections, so that one commit serves them all. `sending` is durable before the last byte
//! of content leaves; outcomes ride in the next commit, within 100 ms.

mod admin;
mod schema;
mod writer;

pub use admin::{LedgerAdmin, LedgerEntry, ResolveCounts, ResolveTarget};
pub use schema::LedgerError;

use super::tally::RowState;
use crate::event::RecipientOutcome;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// The words that a row's state has in the ledger.
pub const STATES: [&str; 6] = ["pending", "sending", "sent", "refused", "deferred", "unknown"];

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

enum WriterCommand {
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

/// An open ledger; its run lives until it is closed.
pub struct Ledger {
    commands: Mutex<Option<Sender<WriterCommand>>>,
    thread: Mutex<Option<JoinHandle<Result<(), String>>>>,
}

impl Ledger {
    /// Opens or makes the ledger for these sessions, by their names and key columns.
    pub fn open(path: &Path, sessions: &[(String, Option<String>)]) -> Result<Self, LedgerError> {
        let store = schema::Store::open(path)?;
        let run = store.begin_run(sessions)?;
        let (commands, received): (_, Receiver<WriterCommand>) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run_writer(store, run, &received))
            .map_err(|why| LedgerError::unusable(path, &format!("no thread to write it: {why}")))?;
        Ok(Self { commands: Mutex::new(Some(commands)), thread: Mutex::new(Some(thread)) })
    }

    fn send(&self, command: WriterCommand) -> Result<(), String> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = commands.as_ref().map(|commands| commands.send(command).is_ok());
        if sent == Some(true) { Ok(()) } else { Err("the ledger is closed".to_owned()) }
    }

    /// Takes rows for this run, as far as they are to be sent.
    pub fn claim(&self, session: &str, rows: Vec<(String, u64)>, resend_unknown: bool) -> Result<Vec<Claim>, String> {
        let (answer, answered) = channel();
        self.send(WriterCommand::Claim { session: session.to_owned(), rows, resend_unknown, answer })?;
        answered.recv().unwrap_or_else(|_| Err("the ledger is closed".to_owned()))
    }

    /// Records that rows are being sent; durable when it comes back.
    pub fn record_intents(&self, session: &str, rows: Vec<SendingRow>) -> Result<(), String> {
        let (answer, answered) = channel();
        self.send(WriterCommand::RecordIntents { session: session.to_owned(), rows, answer })?;
        answered.recv().unwrap_or_else(|_| Err("the ledger is closed".to_owned()))
    }

    pub fn update(&self, update: LedgerUpdate) {
        // A writer that is gone says so when it is closed.
        let _ = self.send(WriterCommand::Update(update));
    }

    /// Writes what is still to be written, and lets go of this run's rows.
    pub fn close(&self) -> Result<(), String> {
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        match self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(thread) => thread.join().unwrap_or_else(|_| Err("the ledger's writer failed".to_owned())),
        }
    }
}

impl RowState {
    /// The ledger's word; `None` where it is not recorded.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Sent => Some("sent"),
            Self::Refused => Some("refused"),
            Self::Deferred => Some("deferred"),
            Self::Unknown => Some("unknown"),
            Self::Failed => None,
        }
    }
}

fn recipient_word(outcome: RecipientOutcome) -> &'static str {
    match outcome {
        RecipientOutcome::Accepted => "sent",
        RecipientOutcome::Refused => "refused",
        RecipientOutcome::Deferred => "deferred",
        RecipientOutcome::Unknown => "unknown",
    }
}
