//! The envelope: MAIL with what the server offers and the message needs, and which commands leave together.

use super::context::MessageContext;
use super::job::{DeliveryPolicy, MessageJob};
use super::prepare::{PreparedMessage, prepare_message};
use crate::event::StepError;
use crate::event::{Cause, Status};
use crate::session::{EhloFacts, Message, RefusalPolicy};
use crate::smtp::mail_command::MailCommand;

/// What a message must know of the server that it goes to.
#[derive(Clone, Copy)]
pub struct ServerTraits<'s> {
    pub ehlo: &'s EhloFacts,
    pub is_lmtp: bool,
}

/// Makes the message ready for the server of this connection: what the server lacks is noticed before anything is sent.
pub fn prepare_job<'a>(
    context: &mut MessageContext<'_, 'a>,
    message: &Message,
    server: ServerTraits<'_>,
    number: u64,
) -> Result<MessageJob<'a>, StepError> {
    let mail = prepare_message(context, message)?;
    let ServerTraits { ehlo, is_lmtp } = server;
    let prdr = message.prdr && ehlo.has("PRDR") && !is_lmtp;
    let pipelined = message.pipelining && ehlo.has("PIPELINING");
    let chunked = message.chunking && ehlo.has("CHUNKING") && !context.run.shared.chunking.is_disabled();
    let in_flight = context.run.session.rows.as_ref().map_or(1, |rows| rows.in_flight);
    // Content that has left cannot be taken back: if a record is kept it leaves when nothing but its own reply is due,
    // so that no refusal of the envelope, and no end of the connection before it, leaves a doubt.
    let held = chunked && context.row.row.is_recorded && in_flight <= 1;
    // With `abort` a recipient that is refused stops the message for all: their replies come first.
    let eager = pipelined && !held && (message.on_refused == RefusalPolicy::Skip || mail.recipients.len() == 1);
    Ok(MessageJob {
        mail_command: mail_command(context, ehlo, &mail, prdr)?,
        number,
        recipients: mail.recipients,
        rcpt_params: mail.rcpt_params,
        content: mail.content,
        notices: mail.notices,
        policy: DeliveryPolicy { pipelined, chunked, eager, prdr, on_refused: message.on_refused },
        span: message.span.clone(),
    })
}

/// To encode the mail again would change its bytes, and break its signatures (RFC 6376 §5.3).
const EML_IN_8_BITS: &str = "a mail of `eml` is sent as it is: encode its parts in quoted-printable or base64 beforehand, \
    or give them as `text`, `html` and `attach`, which are encoded for any server";

/// MAIL with the parameters that the server offers and the message needs.
fn mail_command(
    context: &MessageContext<'_, '_>,
    ehlo: &EhloFacts,
    mail: &PreparedMessage<'_>,
    prdr: bool,
) -> Result<String, StepError> {
    let command = MailCommand {
        from: &mail.from,
        size: mail.content.size(),
        eight_bit: mail.content.eight_bit(),
        internationalized: mail.is_internationalized(),
        prdr,
        params: &mail.mail_params,
    };
    command.line(ehlo).map_err(|missing| {
        let what = context.secrets.shown(missing.join("; and "));
        let help = mail.is_eml && command.eight_bit && !ehlo.has("8BITMIME") && !command.has_param("BODY");
        let help = help.then(|| context.secrets.shown(EML_IN_8_BITS));
        StepError::new(Status::Config, Cause::MissingCapability { what, help })
    })
}
