//! The door through which rows come in and their ends go out: a plain session is the batch of one row.

use crate::event::{Failure, RowId};
use crate::event::{RecipientResult, RowResult};
use crate::session::RowValue;

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

/// A message that is about to leave, for the record.
#[derive(Clone, Debug)]
pub struct DeliveryIntent<'s> {
    /// How many rows before its turn comes; 0: it is its turn.
    pub ahead: usize,
    pub message_id: Option<&'s str>,
    /// As a ledger knows them; none if the session wrote the content itself.
    pub recipients: Vec<String>,
    /// What became of the row's recipients so far.
    pub earlier: &'s [RecipientResult],
}

/// Rows for one connection, and what became of them.
pub trait RowSource {
    /// The next row; `None` leads to `[[close]]`.
    fn next(&mut self) -> Option<Row>;

    /// The row that [`RowSource::next`] will give after `index` others, if there is one already that may begin at once: its
    /// envelope, or all of its message, leaves before the message in front of it is answered.
    fn peek(&mut self, _index: usize) -> Option<Row> {
        None
    }

    /// Called before the last byte of content leaves, once for each message. On an error the connection is closed instead,
    /// and nothing was sent.
    fn record_intent(&mut self, _intents: &[DeliveryIntent<'_>]) -> Result<(), String> {
        Ok(())
    }

    /// Called once for each row that [`RowSource::next`] gave. If nothing was done for it ([`RowResult::started`]) the row
    /// goes back to where it came from.
    ///
    /// Also called for a row that was only peeked at, if an intent was recorded for it and its message did not leave after
    /// all: it is pending again. That call comes before any other for the same row, so that a ledger sees both in order.
    fn finished(&mut self, _row: &Row, _result: RowResult) {}
}

/// The one run of a session without rows.
#[derive(Debug, Default)]
pub struct SingleRun {
    taken: bool,
}

impl RowSource for SingleRun {
    fn next(&mut self) -> Option<Row> {
        (!std::mem::replace(&mut self.taken, true)).then(Row::default)
    }
}
