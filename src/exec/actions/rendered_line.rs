//! The line that a step sends.

use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::session::{Action, HelloVerb, Step};

/// The line that a step sends, if it sends one: rendered once, for the title and the wire.
pub fn rendered_line(context: &StepContext<'_, '_>, step: &Step) -> Result<Option<String>, StepError> {
    match &step.action {
        Action::Send(template) => context.renderer().render_line(template).map(Some),
        Action::Hello { verb, name } => {
            let name = match name {
                Some(name) => context.renderer().render_line(name)?,
                // The name may be the address of a connection that is still to be opened.
                None if context.connector.client_name.is_none() && context.connection.server.info.is_none() => {
                    return Ok(None);
                }
                None => context.client_name(),
            };
            let verb = match verb {
                HelloVerb::Ehlo => "EHLO",
                HelloVerb::Helo => "HELO",
                HelloVerb::Lhlo => "LHLO",
            };
            Ok(Some(format!("{verb} {name}")))
        }
        _ => Ok(None),
    }
}
