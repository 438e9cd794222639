//! The steps `connect` and `close`.

use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::read_outcome::StreamEnd;
use crate::session::CloseMode;

/// A new connection in place of one that ended.
pub fn connect(context: &mut StepContext<'_, '_>) -> Result<(), StepError> {
    context.connection.close(context.events, CloseMode::Fin);
    context.connect(false)
}

/// Ends the connection, or its sending half.
pub fn close(context: &mut StepContext<'_, '_>, how: CloseMode) -> Result<(), StepError> {
    if !context.connection.is_open() {
        return Err(StepError::lost(&context.events.secrets, &StreamEnd::Absent));
    }
    context.connection.close(context.events, how);
    Ok(())
}
