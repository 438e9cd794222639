//! The door through which rows come in and their ends go out: a plain session is the batch of one row.

use crate::event::{RecipientResult, RowResult};
use crate::prepare::Row;

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
