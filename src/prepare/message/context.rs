//! What a message is prepared from.

use super::parts::PartReader;
use crate::event::StepError;
use crate::prepare::clock::Clock;
use crate::prepare::context::{RowContext, RunContext};
use crate::prepare::values::Renderer;
use crate::transcript::Secrets;

/// What a message is prepared from: no connection, and nothing that says what has been sent.
pub struct MessageContext<'m, 'a> {
    pub run: RunContext<'a>,
    /// The row whose message it is; a clone if the row's turn has not come.
    pub row: &'m mut RowContext,
    pub secrets: &'m Secrets,
    pub clock: &'m dyn Clock,
}

impl<'a> MessageContext<'_, 'a> {
    pub fn renderer(&self) -> Renderer<'_> {
        Renderer { session: self.run.session, scope: &self.row.scope, secrets: self.secrets }
    }

    /// A rendered value is not valid.
    pub fn bad_value(&self, what: impl AsRef<[u8]>) -> StepError {
        StepError::bad_value(self.secrets, what)
    }

    /// Opens files and texts.
    pub fn parts(&self) -> PartReader<'_, 'a> {
        PartReader { run: self.run, renderer: self.renderer(), clock: self.clock }
    }
}
