//! The `raw` step: bytes as they are.

use super::command::exchange;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;
use crate::session::RawBytes;
use crate::smtp::timeouts::Timeout;
use std::io::{Error, Read};

/// What `raw = { file = … }` may hold: it is sent in one go.
const MAX_FILE: u64 = 64 << 20;

/// Sends bytes as they are. They may be anything, so it is not checked whether the server sent something before.
pub fn raw(context: &mut StepContext<'_, '_>, raw: &RawBytes) -> Result<(), StepError> {
    let (bytes, short_secrets) = raw_bytes(context, raw)?;
    let step = context.step;
    let command = SmtpCommand {
        bytes: &bytes,
        short_secrets,
        chunk: step.chunk,
        deadline: context.deadline(step.timeout, Timeout::of_command(&bytes)),
        expect: step.expect.as_ref(),
        requires_quiet: false,
        reply_to: None,
        records_content: true,
    };
    exchange(context, &command).map(drop)
}

/// The bytes of a `raw`, and the short secrets in them.
pub fn raw_bytes(context: &StepContext<'_, '_>, raw: &RawBytes) -> Result<(Vec<u8>, Vec<String>), StepError> {
    let renderer = context.renderer();
    match raw {
        RawBytes::Text(template) => Ok((renderer.render(template)?.into_bytes(), renderer.short_secrets(template))),
        RawBytes::Bytes(bytes) => Ok((bytes.clone(), Vec::new())),
        RawBytes::File(path) => {
            let (resolved, parts) = (renderer.resolve(path)?, context.parts());
            let (name, mut bytes) = (resolved.to_string(), Vec::new());
            let file = parts.open(&resolved, &path.span)?;
            let read = file.reader.take(MAX_FILE + 1).read_to_end(&mut bytes);
            read.map_err(|error| parts.unreadable(&Error::other(format!("{name}: {error}")), &path.span))?;
            if bytes.len() as u64 > MAX_FILE {
                let what = format!("{name} holds more than 64 MiB, the limit of raw");
                return Err(context.bad_value(what).at(&path.span));
            }
            Ok((bytes, Vec::new()))
        }
    }
}
