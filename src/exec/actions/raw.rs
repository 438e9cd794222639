//! The steps `raw` and `bdat`: bytes as they are.

use super::command::exchange;
use crate::exec::checks::judge;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::{SmtpCommand, send_command};
use crate::exec::message::read_content_reply;
use crate::session::RawBytes;
use crate::smtp::timeouts::Timeout;
use std::io::{Error, Read};

/// What the file of `raw` or `bdat` may hold: it is sent in one go.
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
        reply_to: context.connection.log.expects_content().then_some("the content"),
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
                let what = format!("{name} holds more than 64 MiB, the limit of raw and bdat");
                return Err(context.bad_value(what).at(&path.span));
            }
            Ok((bytes, Vec::new()))
        }
        RawBytes::Parts(parts) => {
            let mut whole = (Vec::new(), Vec::new());
            for part in parts {
                let (bytes, short_secrets) = raw_bytes(context, part)?;
                whole.0.extend(bytes);
                whole.1.extend(short_secrets);
            }
            Ok(whole)
        }
    }
}

/// One BDAT command with its octets, in one write (RFC 3030 §2).
pub fn bdat(context: &mut StepContext<'_, '_>, octets: &RawBytes, last: bool) -> Result<(), StepError> {
    let (bytes, short_secrets) = bdat_bytes(context, octets, last)?;
    let (step, expect) = (context.step, context.expected()?);
    let line = SmtpCommand::line(context, &bytes, expect, step.timeout);
    let command = SmtpCommand { short_secrets, chunk: step.chunk, reply_to: Some("BDAT"), ..line };
    if !last {
        return exchange(context, &command).map(drop);
    }
    // The content is complete: without a reply it is not known whether it was delivered.
    match send_command(context, &command)? {
        None => read_content_reply(context),
        Some(known) => judge(context, expect, known, "the reply to BDAT", command.deadline).map(drop),
    }
}

/// The command with its octets, and the short secrets in them.
pub fn bdat_bytes(
    context: &StepContext<'_, '_>,
    octets: &RawBytes,
    last: bool,
) -> Result<(Vec<u8>, Vec<String>), StepError> {
    let (octets, short_secrets) = raw_bytes(context, octets)?;
    let word = if last { " LAST" } else { "" };
    let mut bytes = format!("BDAT {}{word}\r\n", octets.len()).into_bytes();
    bytes.extend(octets);
    Ok((bytes, short_secrets))
}
