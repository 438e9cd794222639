//! The door through which rows come in and their ends go out: a plain session is the batch of one row.

use crate::event::{Failure, Outcome, RowId};
use crate::session::RowValue;

/// One turn of the `step` section.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// `None` where the session has no rows: nothing is told of its turn then.
    pub id: Option<RowId>,
    /// Where it stands, for errors: `people.csv:3`.
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
}

/// A message that is about to leave, for the record.
#[derive(Clone, Debug)]
pub struct DeliveryIntent<'s> {
    /// How many rows before its turn comes; 0: it is its turn.
    pub ahead: usize,
    pub message_id: Option<&'s str>,
    /// As facts show them; none where the session sends in its own words.
    pub recipients: Vec<String>,
}

/// Rows for one connection, and what became of them.
pub trait RowSource {
    /// The next row; `None` leads to `[[close]]`.
    fn next(&mut self) -> Option<Row>;

    /// The row that [`RowSource::next`] gives next, or so many behind it, where there is one already that may begin at once: its
    /// envelope, or all of its message, leaves before the one before it is answered.
    fn peek(&mut self, _behind: usize) -> Option<Row> {
        None
    }

    /// Of the rows that were peeked at, but for so many in front, nothing was sent that could be delivered: they are
    /// pending again.
    fn release_unsent(&mut self, _but: usize) {}

    /// Takes back a row that [`RowSource::next`] gave: nothing of it was done, since the connection had ended.
    fn give_back(&mut self, _row: Row) {}

    /// Told before the last byte of content leaves, once for each message. Where it cannot be recorded the connection
    /// is closed instead, and nothing was sent.
    fn record_intent(&mut self, _messages: &[DeliveryIntent<'_>]) -> Result<(), String> {
        Ok(())
    }

    /// A message of the turn was not begun, since something failed before it.
    fn message_skipped(&mut self) {}

    /// Told behind `sending` where the end of content leaves with bytes of the session's own, so that it cannot be known
    /// how much of them the server got: the reply to it is that many replies away.
    fn content_end_written(&mut self, _replies: usize) {}

    /// How a row ended, and its Message-ID where it has got one.
    fn finished(&mut self, _row: &Row, _outcome: &Outcome, _message_id: Option<&str>) {}

    /// Whether what becomes of each message is kept, so that others act upon it.
    fn keeps_ledger(&self) -> bool {
        self.is_batch()
    }

    /// Whether there may be another row behind one that failed. Where there is none a failure ends the session as it
    /// does without rows.
    fn is_batch(&self) -> bool {
        true
    }
}

/// The one turn of a session without rows.
#[derive(Debug, Default)]
pub struct SingleRun {
    taken: bool,
}

impl RowSource for SingleRun {
    fn next(&mut self) -> Option<Row> {
        (!std::mem::replace(&mut self.taken, true)).then(Row::default)
    }

    fn is_batch(&self) -> bool {
        false
    }
}
