//! The `proxy` step.

use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::{SmtpCommand, send_command};
use crate::session::ProxySettings;
use crate::smtp::proxy;
use crate::smtp::timeouts::Timeout;

/// The PROXY header is the first thing on a connection, before the greeting, which may come meanwhile.
pub fn proxy(context: &mut StepContext<'_, '_>, settings: &ProxySettings) -> Result<(), StepError> {
    let header = match *settings {
        ProxySettings::Local => Ok(proxy::LOCAL_V2.to_vec()),
        ProxySettings::Unknown => Ok(proxy::UNKNOWN_V1.to_vec()),
        ProxySettings::Addresses { version: 1, source, destination } => proxy::header_v1(source, destination),
        ProxySettings::Addresses { source, destination, .. } => proxy::header_v2(source, destination),
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
