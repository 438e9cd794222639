//! What a row came to, in typed facts: a ledger computes the row's state from them, and from no text.

use super::cause::Cause;
use super::fact::RecipientOutcome;
use super::outcome::Outcome;
use super::status::Status;
use crate::session::Place;
use crate::transcript::SafeText;

/// How a row ended.
#[derive(Clone, Debug)]
pub struct RowResult {
    pub outcome: Outcome,
    /// What became of the recipients of the row's messages, in the order in which it became known.
    pub recipients: Vec<RecipientResult>,
    /// The first step that failed with a recipient refused permanently.
    pub refused_at: Option<Place>,
    /// What came of the commands and the content that the session wrote itself.
    pub raw: RawDialogue,
    /// The server answered something, or content may have left. If not, the connection had ended before the row began, and
    /// the row can be run over another one.
    pub started: bool,
    /// A message of the row was not begun, because something failed before it.
    pub unsent_messages: bool,
    /// A message of the row was skipped because all its recipients are excluded.
    pub all_excluded: bool,
    /// The Message-ID of the row's first message, once it is made.
    pub message_id: Option<String>,
    /// What the server refused of a `message` though it said nothing of its recipients.
    pub refusal: Option<TransactionRefusal>,
}

/// What a server refused of a mail transaction, although that says nothing of the recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionRefusal {
    /// A 5yz to MAIL, other than 552.
    Sender,
    /// BDAT, although it offers CHUNKING.
    Chunking,
}

/// What became of a recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientResult {
    /// How a ledger knows the recipient: `b@example.com`, or `message 2: b@example.com` if the row has several messages.
    pub name: String,
    pub address: SafeText,
    pub outcome: RecipientOutcome,
    /// What the server said of it, or why it said nothing.
    pub reply: SafeText,
    /// The code of that reply; `None` if the server said nothing.
    pub code: Option<u16>,
}

/// What came of the commands and the content that the session wrote itself: with `send`, `raw`, `body` and `pipeline`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawDialogue {
    /// The last content.
    pub content: RawContent,
    /// The last line of the reply to it, as transcripts show it.
    pub content_reply: Option<String>,
    /// A content before that one was accepted.
    pub accepted_before: bool,
    /// What the first 5yz reply of the row refused.
    pub rejected: Option<Rejection>,
    /// The last line of the last reply, as transcripts show it.
    pub last_reply: Option<String>,
}

/// How far the content got that the session wrote itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawContent {
    /// There was none, or its end did not leave.
    #[default]
    NotSent,
    /// Its end has left, or may have.
    Sent(ContentAnswer),
}

/// What the server said of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentAnswer {
    Accepted,
    Deferred,
    Refused,
    /// It did not answer, or neither yes nor no, or yes for some recipients only.
    Unknown,
}

/// What a 5yz reply refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// A recipient or the content.
    Delivery,
    /// A command before them, or none.
    Other,
}

impl RawDialogue {
    /// Adds what came of another connection of the same row.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        use ContentAnswer::Accepted;
        use RawContent::{NotSent, Sent};
        let accepted_before = self.accepted_before || other.accepted_before;
        let rejected = self.rejected.or(other.rejected);
        let last_reply = self.last_reply.or(other.last_reply);
        // If one of two contents was accepted the other one decides.
        let both = matches!((self.content, other.content), (Sent(_), Sent(_)));
        let (content, content_reply) = match (self.content, other.content) {
            (NotSent | Sent(Accepted), Sent(_)) => (other.content, other.content_reply),
            (Sent(_), _) | (NotSent, NotSent) => (self.content, self.content_reply),
        };
        let accepted_before = accepted_before || (both && [self.content, other.content].contains(&Sent(Accepted)));
        Self { content, content_reply, accepted_before, rejected, last_reply }
    }
}

impl RowResult {
    /// Nothing was done for the row: it goes back to where it came from.
    pub fn not_started() -> Self {
        let outcome = Outcome { status: Status::Passed, failure: None, steps_run: 0, skipped: None };
        Self {
            outcome,
            recipients: Vec::new(),
            refused_at: None,
            raw: RawDialogue::default(),
            started: false,
            unsent_messages: false,
            all_excluded: false,
            message_id: None,
            refusal: None,
        }
    }
}

/// What is collected of a row while its steps run.
#[derive(Debug, Default)]
pub struct RowRecord {
    pub recipients: Vec<RecipientResult>,
    /// How many recipients were reported before the step that is running.
    before_step: usize,
    pub refused_at: Option<Place>,
    /// The end of a content was about to leave.
    pub intent_recorded: bool,
    pub unsent_messages: bool,
    pub all_excluded: bool,
    pub refusal: Option<TransactionRefusal>,
}

impl RowRecord {
    /// `in_flight`: all of the row's message has left already.
    pub fn new(in_flight: bool) -> Self {
        Self { intent_recorded: in_flight, ..Self::default() }
    }

    /// An attempt at a step begins, counted from 1. Another attempt reports its recipients anew.
    pub fn begin_attempt(&mut self, attempt: u32) {
        if attempt > 1 {
            self.recipients.truncate(self.before_step);
        } else {
            self.before_step = self.recipients.len();
        }
    }

    /// What became of the row. `replies` came on its connections, and `raw` is what they said.
    pub fn into_result(
        self,
        outcome: Outcome,
        raw: RawDialogue,
        replies: usize,
        message_id: Option<String>,
    ) -> RowResult {
        let is_lost = outcome.failure.as_ref().is_some_and(|one| matches!(one.cause, Cause::ConnectionLost { .. }));
        RowResult {
            outcome,
            recipients: self.recipients,
            refused_at: self.refused_at,
            raw,
            started: !is_lost || replies > 0 || self.intent_recorded,
            unsent_messages: self.unsent_messages,
            all_excluded: self.all_excluded,
            message_id,
            refusal: self.refusal,
        }
    }

    /// The step failed at `place`.
    pub fn step_failed(&mut self, place: &Place) {
        let reported = self.recipients.get(self.before_step..).unwrap_or_default();
        if reported.iter().any(|one| one.outcome == RecipientOutcome::Refused) {
            self.refused_at.get_or_insert_with(|| place.clone());
        }
    }
}
