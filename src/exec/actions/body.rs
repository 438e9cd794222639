//! The `body` step: content, dot, reply.

use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::message::{ContentOptions, ContentProgress, read_content_reply, write_content};
use crate::prepare::ContentSource;
use crate::session::TextSource;

/// Sends content that the session names, and its dot, and reads the reply.
pub fn body(context: &mut StepContext<'_, '_>, content: &TextSource, stuffing: bool) -> Result<(), StepError> {
    let expect = context.expected()?;
    // After a 354 content that cannot be had can only be given up with the connection.
    let source = ContentSource::open(&context.parts(), content)
        .map_err(|error| StepError { closes_connection: true, ..error })?;
    let options = ContentOptions { stuffing, expect, recipients: &[], following_commands: None };
    match write_content(context, source, &options).0? {
        ContentProgress::AnsweredEarly => Ok(()),
        ContentProgress::Complete => read_content_reply(context),
    }
}
