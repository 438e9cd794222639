//! The ledger: an SQLite database of what became of each row, and of each of its recipients if it has several.
//!
//! One thread writes for all connections, so that one commit serves them all. `sending` is durable before the last byte
//! of content leaves; results are stored with the next commit, within 100 ms.

mod admin;
mod migration;
mod reply_text;
mod requests;
mod schema;
mod state;
mod writer;

pub use admin::{LedgerAdmin, LedgerEntry, ResolveCounts, ResolveTarget};
pub use requests::{Claim, ClaimRequest, LedgerUpdate, RecipientUpdate, RecordedSession, RecordedState, SendingRow};
pub use schema::LedgerError;
pub use state::STATES;

use crate::session::KeyCase;
use requests::WriterCommand;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// A ledger that a run has open. The rows that the run claims are locked until it is closed.
pub struct Ledger {
    commands: Mutex<Option<Sender<WriterCommand>>>,
    thread: Mutex<Option<JoinHandle<Result<(), String>>>>,
}

impl Ledger {
    /// Opens or creates the ledger for these sessions.
    pub fn open(path: &Path, sessions: &[RecordedSession]) -> Result<Self, LedgerError> {
        let store = schema::Store::open(path)?;
        let run = store.begin_run(sessions)?;
        let (commands, received): (_, Receiver<WriterCommand>) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run_writer(store, run, &received))
            .map_err(|why| LedgerError::unusable(path, &format!("its writer thread cannot be started: {why}")))?;
        Ok(Self { commands: Mutex::new(Some(commands)), thread: Mutex::new(Some(thread)) })
    }

    fn send(&self, command: WriterCommand) -> Result<(), String> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = commands.as_ref().map(|commands| commands.send(command).is_ok());
        if sent == Some(true) { Ok(()) } else { Err("the ledger is closed".to_owned()) }
    }

    /// Claims the rows that are to be sent for this run.
    pub fn claim(
        &self,
        session: &str,
        rows: Vec<ClaimRequest>,
        key_case: KeyCase,
        resend_unknown: bool,
    ) -> Result<Vec<Claim>, String> {
        let (answer, answered) = channel();
        self.send(WriterCommand::Claim { session: session.to_owned(), rows, key_case, resend_unknown, answer })?;
        answered.recv().unwrap_or_else(|_| Err("the ledger is closed".to_owned()))
    }

    /// What becomes of rows that this run did not begin, in their order.
    pub fn states(&self, session: &str, keys: Vec<String>, key_case: KeyCase) -> Result<Vec<RecordedState>, String> {
        let (answer, answered) = channel();
        self.send(WriterCommand::States { session: session.to_owned(), keys, key_case, answer })?;
        answered.recv().unwrap_or_else(|_| Err("the ledger is closed".to_owned()))
    }

    /// Records that rows are being sent. The record is durable when this returns.
    pub fn record_intents(&self, session: &str, rows: Vec<SendingRow>) -> Result<(), String> {
        let (answer, answered) = channel();
        self.send(WriterCommand::RecordIntents { session: session.to_owned(), rows, answer })?;
        answered.recv().unwrap_or_else(|_| Err("the ledger is closed".to_owned()))
    }

    /// Records what became of a row, with the next commit.
    pub fn update(&self, update: LedgerUpdate) {
        // If the writer has ended `close` reports why.
        let _ = self.send(WriterCommand::Update(update));
    }

    /// Writes all that is pending, and releases the rows of this run.
    pub fn close(&self) -> Result<(), String> {
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        match self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(thread) => thread.join().unwrap_or_else(|_| Err("the ledger's writer failed".to_owned())),
        }
    }
}
