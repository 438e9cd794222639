//! A message that is ready to be sent over one connection. Data only.

use crate::event::Note;
use crate::message::EncodedMessage;
use crate::session::{RefusalPolicy, Span};
use crate::smtp::address::Mailbox;

/// What an envelope command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    Reset,
    Mail,
    /// RCPT, with the recipient's index.
    Rcpt(usize),
    Data,
    /// BDAT, with more to come.
    Chunk,
    /// BDAT LAST.
    LastChunk,
    /// The dot of a message without recipients.
    Dot,
}

impl CommandKind {
    /// The command's name, for people.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Chunk | Self::LastChunk => "BDAT",
            Self::Dot => "the final dot",
        }
    }
}

/// A command line of a mail transaction, CRLF included.
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

/// How a message is handed to the server.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// Commands leave in one write (RFC 2920).
    pub pipelined: bool,
    /// The content goes through BDAT (RFC 3030).
    pub chunked: bool,
    /// DATA or BDAT may leave before the replies to RCPT have come.
    pub eager: bool,
    /// A reply per recipient is asked for (PRDR).
    pub prdr: bool,
    /// What a refused recipient means for the others.
    pub on_refused: RefusalPolicy,
}

/// What is to be known of a message beside its bytes.
#[derive(Debug, Default)]
pub struct MessageNotices {
    /// Secrets that it may hold and that are too short to be hidden everywhere.
    pub short_secrets: Vec<String>,
    /// It has no recipients because all are excluded.
    pub all_excluded: bool,
    /// Remarks about its content and its recipients, for when its turn comes.
    pub notes: Vec<Note>,
}

/// A message that is ready to be sent over one connection.
pub struct MessageJob<'a> {
    /// Its number among the messages of its connection, by which its replies are known.
    pub number: u64,
    /// Each once, in order; empty if all have had the message before.
    pub recipients: Vec<Mailbox>,
    /// MAIL with its parameters, CRLF included.
    pub mail_command: String,
    /// ESMTP parameters of the session's own after RCPT; empty if there are none.
    pub rcpt_params: String,
    pub content: EncodedMessage<'a>,
    pub notices: MessageNotices,
    pub policy: DeliveryPolicy,
    /// Where the session says what the message is.
    pub span: Span,
}

impl MessageJob<'_> {
    /// The commands up to the content, as far as they may be sent before their replies are known. `reset`: RSET comes
    /// first. BDAT is not among them: it leaves with its octets.
    pub fn envelope(&self, reset: bool) -> Vec<EnvelopeCommand> {
        let mut commands = Vec::with_capacity(self.recipients.len() + 3);
        if reset {
            commands.push(EnvelopeCommand::new(CommandKind::Reset, "RSET\r\n"));
        }
        commands.push(EnvelopeCommand::new(CommandKind::Mail, self.mail_command.as_str()));
        for (index, recipient) in self.recipients.iter().enumerate() {
            let space = if self.rcpt_params.is_empty() { "" } else { " " };
            let text = format!("RCPT TO:<{recipient}>{space}{}\r\n", self.rcpt_params);
            commands.push(EnvelopeCommand::new(CommandKind::Rcpt(index), text));
        }
        if self.policy.eager && !self.policy.chunked {
            commands.push(EnvelopeCommand::new(CommandKind::Data, "DATA\r\n"));
        }
        commands
    }
}
