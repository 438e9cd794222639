//! What stays the same while a session runs, and what changes from row to row.

use super::aging::AgingSecrets;
use super::options::RunOptions;
use super::shared::SharedByMessages;
use crate::event::{Failure, RowId};
use crate::session::{
    ExclusionList, MessageNumbering, RowValue, Scope, Session, Sources, ledger_recipient, mailbox_key,
};
use crate::smtp::address::Mailbox;
use crate::transcript::Secrets;
use std::sync::{Arc, Mutex};

/// What stays the same while a session runs.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    pub session: &'a Session,
    pub options: &'a RunOptions,
    pub sources: &'a dyn Sources,
    /// Recipients who get no message.
    pub exclusions: Option<&'a ExclusionList>,
    /// What the messages of all connections share.
    pub shared: &'a SharedByMessages,
    /// The secrets with `refresh`, as they are now.
    pub aging: &'a AgingSecrets,
}

/// One run of the `step` section.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// `None` if the session has no rows: no event is emitted for it then.
    pub id: Option<RowId>,
    /// Its place, for errors: `people.csv:3`.
    pub place: String,
    /// What templates see as `row`.
    pub value: Option<RowValue>,
    /// The Message-ID of an earlier attempt, which this one carries too.
    pub message_id: Option<String>,
    /// The recipients, as facts show them, that have had the message, or are not to have it.
    pub excluded: Vec<String>,
    /// The recipients that an earlier attempt found refused for good: the row fails, whatever becomes of the others.
    pub earlier_refusal: Option<Box<Failure>>,
    /// What is wrong with the row itself, such as a line that is too short: none of its steps run.
    pub error: Option<String>,
    /// What becomes of each of its messages is recorded, so that others act upon it: content leaves only when nothing but
    /// its own reply is outstanding.
    pub is_recorded: bool,
}

/// The row, and what its templates see. A message that is prepared before its row's turn gets a clone.
#[derive(Clone)]
pub struct RowContext {
    /// The row whose turn it is.
    pub row: Row,
    pub scope: Scope,
    /// What templates take for the present.
    pub moment: Arc<Mutex<jiff::Timestamp>>,
    /// The Message-ID of the row's first message, once it is made.
    pub message_id: Option<String>,
    pub numbering: MessageNumbering,
    /// The last message of this row, by its index in the file, and in which repetition.
    pub last_message: Option<(usize, Option<u32>)>,
}

impl RowContext {
    /// Before the first row.
    pub fn new(scope: Scope, moment: Arc<Mutex<jiff::Timestamp>>, numbering: MessageNumbering) -> Self {
        Self { row: Row::default(), scope, moment, message_id: None, numbering, last_message: None }
    }

    /// A row begins: its messages carry the Message-IDs of an earlier attempt at it.
    pub fn begin(&mut self, row: Row) {
        self.scope.set_row(row.value.as_ref());
        self.message_id.clone_from(&row.message_id);
        self.last_message = None;
        self.numbering.begin_row();
        self.row = row;
    }

    /// How a ledger knows a recipient of the message that is being sent.
    pub fn ledger_name(&self, secrets: &Secrets, recipient: &Mailbox) -> String {
        let address = secrets.shown(mailbox_key(recipient));
        ledger_recipient(self.numbering.name().as_deref(), address.as_str())
    }

    /// Recipients as a ledger knows them.
    pub fn ledger_names(&self, secrets: &Secrets, recipients: &[Mailbox]) -> Vec<String> {
        recipients.iter().map(|recipient| self.ledger_name(secrets, recipient)).collect()
    }
}
