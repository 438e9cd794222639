//! How far each recipient of a message got.

use crate::event::{Cause, RefusedRecipient, Status};
use crate::exec::error::StepError;
use crate::smtp::reply::Reply;

/// How far it is with a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RecipientState {
    Open,
    /// RCPT was accepted.
    Accepted,
    /// What became of it was reported.
    Reported,
}

/// The recipients of a message.
pub struct Recipients {
    states: Vec<RecipientState>,
    /// Those that were refused, and the replies.
    pub refused: Vec<RefusedRecipient>,
    /// What the first refusal means for the session.
    pub status: Option<Status>,
}

impl Recipients {
    pub fn new(count: usize) -> Self {
        Self { states: vec![RecipientState::Open; count], refused: Vec::new(), status: None }
    }

    pub fn any_accepted(&self) -> bool {
        self.states.contains(&RecipientState::Accepted)
    }

    /// Whether there is one of which nothing was reported.
    pub fn any_left(&self) -> bool {
        self.states.iter().any(|state| *state != RecipientState::Reported)
    }

    pub fn any_refused(&self) -> bool {
        self.status.is_some()
    }

    pub fn accepted(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|index| self.states.get(*index) == Some(&RecipientState::Accepted)).collect()
    }

    pub fn open(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|index| self.states.get(*index) != Some(&RecipientState::Reported)).collect()
    }

    pub fn set(&mut self, index: usize, state: RecipientState) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    /// Whether recipients were refused on the way. `stopped`: that stopped the message for the others.
    pub fn verdict(self, stopped: bool) -> Result<(), StepError> {
        match self.status {
            None => Ok(()),
            Some(status) => Err(StepError::new(status, Cause::Recipients { refused: self.refused, stopped })),
        }
    }
}

/// What the server said of a recipient, or why it said nothing.
#[derive(Clone, Debug, Default)]
pub struct ServerStatement {
    pub text: String,
    /// The code of the reply; `None` if there was none.
    pub code: Option<u16>,
}

impl From<&Reply> for ServerStatement {
    fn from(reply: &Reply) -> Self {
        Self { text: reply.code_and_text(), code: Some(reply.code.get()) }
    }
}

impl ServerStatement {
    /// The server said nothing, and why.
    pub fn missing(why: &str) -> Self {
        Self { text: why.to_owned(), code: None }
    }
}
