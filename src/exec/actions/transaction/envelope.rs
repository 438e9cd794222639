//! The envelope: MAIL and RCPT with what the server offers and the mail needs, and which commands leave together.

use super::super::compose::{PreparedMessage, compose};
use crate::event::{Cause, Status};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::session::{Message, RefusalPolicy};

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    Reset,
    Mail,
    /// The recipient's number.
    Rcpt(usize),
    Data,
    /// BDAT, with more to come.
    Chunk,
    /// BDAT LAST.
    Last,
    /// The dot of a message that nobody takes.
    Dot,
}

/// A command line, CRLF included.
#[derive(Debug)]
pub struct EnvelopeCommand {
    pub kind: CommandKind,
    pub text: String,
}

impl EnvelopeCommand {
    pub fn new(kind: CommandKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// A mail, and how it is handed to this server.
pub struct MessagePlan<'a> {
    pub mail: PreparedMessage<'a>,
    mail_line: String,
    pub pipelined: bool,
    pub chunked: bool,
    /// Whether DATA or BDAT may leave before RCPT's replies have come.
    pub eager: bool,
    pub prdr: bool,
}

impl<'a> MessagePlan<'a> {
    /// Composes, and compares with what the server offers: what it lacks is noticed before anything is sent.
    pub fn new(executor: &mut Executor<'a>, connection: &SmtpConnection, message: &Message) -> Result<Self, StepError> {
        let mail = compose(executor, message)?;
        let ehlo = &connection.ehlo;
        let prdr = message.prdr && ehlo.has("PRDR") && !executor.server.is_lmtp();
        let pipelined = message.pipelining && ehlo.has("PIPELINING");
        let chunked = message.chunking && ehlo.has("CHUNKING");
        // Content that left cannot be taken back: where a record is kept it leaves when nothing but its own reply is due,
        // so that no refusal of the envelope, and no end of the connection before it, leaves a doubt.
        let held = chunked && executor.row.is_recorded && in_flight(executor) <= 1;
        Ok(Self {
            mail_line: mail_line(executor, connection, &mail, prdr)?,
            pipelined,
            chunked,
            // With `abort` a recipient that is refused stops the message for all: first their replies.
            eager: pipelined && !held && (message.on_refused == RefusalPolicy::Skip || mail.recipients.len() == 1),
            prdr,
            mail,
        })
    }

    /// The commands up to the content, as far as they may be sent before it is known what becomes of them. `reset`:
    /// whether RSET stands before them. BDAT is not among them: it leaves with its octets.
    pub fn envelope(&self, reset: bool) -> Vec<EnvelopeCommand> {
        let mut lines = Vec::with_capacity(self.mail.recipients.len() + 3);
        if reset {
            lines.push(EnvelopeCommand::new(CommandKind::Reset, "RSET\r\n"));
        }
        lines.push(EnvelopeCommand::new(CommandKind::Mail, self.mail_line.as_str()));
        for (index, recipient) in self.mail.recipients.iter().enumerate() {
            let line = with_params(format!("RCPT TO:<{recipient}>"), &self.mail.rcpt_params);
            lines.push(EnvelopeCommand::new(CommandKind::Rcpt(index), line));
        }
        if self.eager && !self.chunked {
            lines.push(EnvelopeCommand::new(CommandKind::Data, "DATA\r\n"));
        }
        lines
    }
}

fn in_flight(executor: &Executor<'_>) -> u64 {
    executor.session.rows.as_ref().map_or(1, |rows| rows.in_flight.into())
}

/// To encode a mail anew that is ready would change its bytes, and break what signs them (RFC 6376 §5.3).
const EML_IN_8_BITS: &str = "a mail of `eml` is sent as it is: encode its parts in quoted-printable or base64 beforehand, \
    or give them as `text`, `html` and `attach`, which are encoded for any server";

/// MAIL with the parameters that the server offers and the mail needs; what it needs and the server lacks is an error
/// (RFC 1870 §6, RFC 6152 §3, RFC 6531 §3.4).
fn mail_line(
    executor: &Executor<'_>,
    connection: &SmtpConnection,
    mail: &PreparedMessage<'_>,
    prdr: bool,
) -> Result<String, StepError> {
    let ehlo = &connection.ehlo;
    let mut lacking = Vec::new();
    let given = |keyword: &str| {
        let mut words = mail.mail_params.split_whitespace();
        words.any(|word| word.split('=').next().is_some_and(|given| given.eq_ignore_ascii_case(keyword)))
    };
    let mut line = format!("MAIL FROM:<{}>", mail.from);
    if ehlo.has("SIZE") && !given("SIZE") {
        let size = mail.size();
        if let Some(limit) = ehlo.size().filter(|limit| size > *limit) {
            lacking.push(format!("room for a message of {size} bytes (SIZE {limit})"));
        }
        line += &format!(" SIZE={size}");
    }
    if mail.eight_bit() && !given("BODY") {
        if !ehlo.has("8BITMIME") {
            lacking.push("8BITMIME, which the message needs".to_owned());
        }
        line += " BODY=8BITMIME";
    }
    if mail.internationalized() && !given("SMTPUTF8") {
        if !ehlo.has("SMTPUTF8") {
            lacking.push("SMTPUTF8, which the message's addresses or headers need".to_owned());
        }
        line += " SMTPUTF8";
    }
    if !lacking.is_empty() {
        let what = executor.events.shown(lacking.join("; and "));
        let help = mail.ready && mail.eight_bit() && !ehlo.has("8BITMIME") && !given("BODY");
        let help = help.then(|| executor.events.shown(EML_IN_8_BITS));
        return Err(StepError::new(Status::Config, Cause::MissingCapability { what, help }));
    }
    if prdr && !given("PRDR") {
        line += " PRDR";
    }
    Ok(with_params(line, &mail.mail_params))
}

fn with_params(line: String, params: &str) -> String {
    if params.is_empty() { line + "\r\n" } else { format!("{line} {params}\r\n") }
}
