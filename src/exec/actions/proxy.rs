//! The `proxy` step.

use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::{SmtpCommand, send_command};
use crate::smtp::proxy;
use crate::smtp::timeouts::Timeout;
use std::net::SocketAddr;

/// The PROXY header is the first thing on a connection, before the greeting, which may come meanwhile.
pub fn proxy(
    context: &mut StepContext<'_, '_>,
    version: u8,
    source: SocketAddr,
    destination: SocketAddr,
) -> Result<(), StepError> {
    let header = match version {
        1 => proxy::header_v1(source, destination),
        _ => proxy::header_v2(source, destination),
    };
    let bytes = header.map_err(|error| context.bad_value(error.to_string()))?;
    let step = context.step;
    let command = SmtpCommand {
        bytes: &bytes,
        short_secrets: Vec::new(),
        chunk: step.chunk,
        deadline: context.deadline(step.timeout, Timeout::Other),
        expect: None,
        requires_quiet: false,
        reply_to: None,
        records_content: false,
    };
    send_command(context, &command)?;
    // The header has no reply.
    context.connection.log.reset_tracker();
    Ok(())
}
