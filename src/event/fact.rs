//! What can happen.

use super::{ContentBlock, Outcome, RedactedLine, RowId, SessionAttempt, StepId, Verdict};
use crate::session::TlsFacts;
use crate::smtp::reply::Reply;
use crate::transcript::SafeText;
use std::time::Duration;

/// The facts.
#[derive(Debug)]
pub enum Fact<'a> {
    SessionStarted {
        name: SafeText,
        server: SafeText,
    },
    HostResolved {
        host: SafeText,
        addresses: Vec<std::net::IpAddr>,
    },
    Connected {
        address: SafeText,
    },
    TlsStarted {
        tls: &'a TlsFacts,
        verify: bool,
    },
    /// Logged before it is written.
    LineSent(RedactedLine<'a>),
    /// Mail content, block by block. Logged before it is written. The line with the dot that ends it is no part of it.
    Content(ContentBlock<'a>),
    /// Logged before it is judged.
    LineReceived(RedactedLine<'a>),
    /// The end of a content has left: its dot, or the last octet of BDAT LAST.
    ContentSent,
    /// Over LMTP and with PRDR: the reply to a content for one of the recipients that RCPT accepted, counted from 0.
    RecipientAnswered {
        index: usize,
        code: u16,
    },
    /// The last reply to a content that was sent, or a refusal before its end. `code` is 0 if it is not SMTP.
    ContentAnswered {
        code: u16,
    },
    Paused {
        duration: Duration,
    },
    /// The server ended the connection with FIN.
    ClosedByServer,
    /// The server ended the connection with RST.
    ResetByServer,
    /// The client sent close_notify, and the connection goes on in plain text.
    TlsClosedByClient,
    ClosedByClient {
        how: crate::session::CloseMode,
    },
    /// A session without rows, which is to be repeated or tried again, begins on this connection and those of its names.
    AttemptStarted {
        turn: SessionAttempt,
    },
    /// The steps begin for a row, or another attempt at it.
    RowStarted {
        row: &'a RowId,
    },
    /// Its failure may be that of a step, reported already, or of the row itself.
    RowFinished {
        row: &'a RowId,
        outcome: &'a Outcome,
    },
    StepStarted {
        step: &'a StepId,
    },
    StepFinished {
        step: &'a StepId,
        verdict: &'a Verdict,
        elapsed: Duration,
    },
    /// Worth saying, and no failure.
    Noted(Note),
    SessionFinished {
        outcome: &'a Outcome,
    },
}

/// The remark of a session that speaks versions of TLS below 1.2.
pub const SECURITY_LEVEL_REMARK: &str = "TLS security level lowered to 0 for versions below 1.2";

/// Things worth saying that are no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// STARTTLS was opportunistic and the server did not offer it, or refused it: the session continues unencrypted.
    Unencrypted { why: SafeText },
    /// The certificate was not verified, and why not.
    NotVerified { why: SafeText },
    /// The server was connected to once more, unverified, to read the certificate that was not trusted.
    ConnectedAgain,
    /// `--mx`: this exchanger of the domain was connected to; `None`: the domain itself, which has no MX record.
    MailExchanger { domain: SafeText, host: SafeText, preference: Option<u16> },
    /// `--mx`: an exchanger that comes before it could not be connected to.
    MailExchangerUnreachable { host: SafeText, why: SafeText },
    /// A base64 prompt of the server's, decoded (`--verbose` shows it).
    DecodedChallenge { text: SafeText },
    /// What EHLO's reply offers, a keyword with its parameters each (`--verbose` shows it).
    Capabilities { list: Vec<SafeText> },
    /// A message was delivered; QUIT failed after it.
    QuitFailed { why: SafeText },
    /// A secret is so short that it is hidden only when it is sent.
    ShortSecret { name: SafeText },
    /// What the command line gives for the name holds a secret: it is not to be shown.
    SecretInArguments { name: SafeText },
    /// A secret has no value, and the dry run continues without it.
    PlaceholderUsed { name: SafeText, why: SafeText },
    /// The command that gives a name its value failed, and the default is used.
    DefaultUsed { name: SafeText, why: SafeText },
    /// Part of the message of `eml` is not sent: `the field Bcc`.
    PartRemoved { what: &'static str },
    /// A step failed temporarily and is tried again.
    Retrying { attempt: u32, times: u32, wait: Duration },
    /// The whole session failed temporarily and is run again.
    SessionRetrying { attempt: u32, times: u32, wait: Duration },
    /// A server offers CHUNKING and refused BDAT with this reply: the rest of the run uses DATA.
    ChunkingDisabled { reply: SafeText },
    /// A server accepted a message: for how many recipients, its size in octets, and the queue ID from the reply.
    MessageAccepted { recipients: usize, size: u64, queue_id: Option<SafeText> },
    /// What the reply for a recipient means. `message` names the message if a row has several.
    RecipientResult { address: SafeText, outcome: RecipientOutcome, reply: SafeText, message: Option<String> },
    /// A list of `[rows] exclude` has this recipient: the message does not go to it.
    RecipientExcluded { address: SafeText },
    /// Bytes of a text file are invalid in its encoding and were replaced by U+FFFD: the first of them, and how many more.
    InvalidText { what: SafeText },
    /// Writing stopped: how many of the bytes that were emitted last were not written.
    PartialWrite { bytes: usize },
    /// The server refused a TLS handshake, as the step expects. `of_certificate`: it refuses the client's certificate, or its absence.
    HandshakeRefused { why: SafeText, of_certificate: bool },
    /// Versions of TLS below 1.2 are offered, at OpenSSL's security level 0.
    SecurityLevelLowered,
    /// After the client's close_notify none came from the server before its time was over, plain text or the end.
    NoCloseNotify,
    /// A line that the server sent outside TLS after TLS had ended or broken.
    OutsideTls { line: SafeText },
    /// A sleeping or interrupted program says so.
    Interrupted { signal: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientOutcome {
    Accepted,
    Refused,
    Deferred,
    Unknown,
}

impl RecipientOutcome {
    /// The word for it in transcripts, reports and documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
        }
    }

    /// What a reply to a content or a recipient means (RFC 5321 §4.2.1). One of another kind says neither yes nor no: it
    /// is unknown whether the mail was accepted.
    pub fn of(reply: &Reply) -> Self {
        match reply.code.class() {
            2 => Self::Accepted,
            4 => Self::Deferred,
            5 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}
