//! What was sent on a connection and what its replies answer, as far as mail transactions go.

use super::row_result::RawDialogue;
use super::row_traffic::RowTraffic;
use crate::smtp::reply::Reply;
use crate::smtp::transaction::{Answered, TransactionTracker};
use std::ops::Range;
use std::time::Duration;

/// The transactions of a connection.
#[derive(Default)]
pub struct TransactionLog {
    tracker: TransactionTracker,
    /// What the replies of this row say.
    pub row: RowTraffic,
}

impl TransactionLog {
    /// What was sent so far is no dialogue that replies answer: a PROXY header, or another connection's.
    pub fn reset_tracker(&mut self) {
        self.count_unanswered_end();
        self.tracker = TransactionTracker::default();
    }

    /// See [`TransactionTracker::forget_replies`]: content without a reply stays unanswered.
    pub fn forget_replies(&mut self) {
        self.count_unanswered_end();
        self.tracker.forget_replies();
    }

    /// The ranges of `bytes` that are content if they are sent next.
    pub fn content_in(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        self.tracker.content_in(bytes)
    }

    /// Whether what is sent next is content, or may be.
    pub fn expects_content(&self) -> bool {
        self.tracker.expects_content()
    }

    /// A row begins.
    pub fn begin_row(&mut self) {
        self.row = RowTraffic::default();
    }

    /// These bytes were written. Gives how many contents ended in them.
    pub fn sent(&mut self, bytes: &[u8]) -> usize {
        let ends = self.tracker.sent(bytes);
        (0..ends).for_each(|_| self.row.content_sent());
        ends
    }

    /// A reply came, which is `None` if it is not SMTP; `at`: since the session's start. Gives what it answers.
    pub fn answered(&mut self, reply: Option<&Reply>, at: Duration) -> Answered {
        let answered = self.tracker.reply(reply.map_or(0, |reply| reply.code.get()));
        self.row.answered(answered, reply, at);
        answered
    }

    /// Whether the row has left a transaction open, or may have.
    pub fn has_open_transaction(&self) -> bool {
        (self.row.began_transaction || self.tracker.awaits_mail_reply()) && self.tracker.may_be_open()
    }

    /// What came of the commands and the content that the row wrote itself. `last_reply` is the connection's, if the row's
    /// last reply came here; `text` shows a reply.
    pub fn dialogue(&mut self, last_reply: Option<&Reply>, text: &dyn Fn(&Reply) -> String) -> RawDialogue {
        self.count_unanswered_end();
        self.row.summary(last_reply, text)
    }

    fn count_unanswered_end(&mut self) {
        if self.tracker.end_may_have_left() {
            self.row.content_sent();
        }
    }
}
