//! Builds a mail from what `[message]` says (RFC 5322, RFC 2045), as a stream. Nothing random, no file and no clock: date
//! and Message-ID are given, and whoever calls opens the files.

mod eml;
mod encoded_message;
mod header;
mod media_type;
mod parts;
mod source;
#[cfg(test)]
mod tests;
mod transfer;

pub use crate::smtp::address_list::NamedMailbox;
pub use eml::{Eml, EmlError};
pub use encoded_message::{EncodedMessage, MessageReader};
pub use media_type::check as check_media_type;
pub use parts::TextPart;
pub use source::{Opener, Source};

use sha2::{Digest, Sha256};
use std::fmt;

/// What a mail is made of. `bcc` has no place here on purpose.
#[derive(Default)]
pub struct Draft<'a> {
    /// Where there are several, the first is the Sender too (RFC 5322 §3.6.2).
    pub from: Vec<NamedMailbox>,
    pub to: Vec<NamedMailbox>,
    pub cc: Vec<NamedMailbox>,
    pub reply_to: Vec<NamedMailbox>,
    pub subject: Option<String>,
    /// As it stands in the header: `Mon, 2 Nov 2026 08:00:00 +0000`. No header where it is empty.
    pub date: String,
    /// With or without `<` and `>`. No header where it is empty.
    pub message_id: String,
    /// Own headers, in order. One that would be written anyway (`Subject`, `Date`) takes its place.
    pub headers: Vec<(String, String)>,
    pub text: Option<TextPart<'a>>,
    /// Beside `text`, which is what those see who do not see HTML.
    pub html: Option<TextPart<'a>>,
    pub attachments: Vec<Attachment<'a>>,
}

/// A file that goes with a mail.
pub struct Attachment<'a> {
    pub source: Source<'a>,
    /// Its name for the recipient.
    pub name: String,
    /// `None`: as its name says.
    pub media_type: Option<String>,
    /// The Content-ID by which HTML shows it, with or without `<` and `>`: `cid:logo`.
    pub inline: Option<String>,
}

/// What cannot be part of a mail: which field, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The header's name, or the address.
    pub field: String,
    pub why: String,
}

impl MessageError {
    fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl std::error::Error for MessageError {}

/// As [`crate::smtp::address_list::parse`], with the text in the error.
pub fn parse_address_list(text: &str) -> Result<Vec<NamedMailbox>, MessageError> {
    crate::smtp::address_list::parse(text).map_err(|error| MessageError::new(text, error.within(text)))
}

/// Why a mail was not built.
#[derive(Debug)]
pub enum BuildError {
    Message(MessageError),
    /// A file could not be looked through.
    Source(std::io::Error),
}

impl From<MessageError> for BuildError {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::Source(error)
    }
}

impl Draft<'_> {
    /// Whether its headers need SMTPUTF8 (RFC 6531).
    pub fn is_internationalized(&self) -> bool {
        [&self.from, &self.to, &self.cc, &self.reply_to]
            .into_iter()
            .flatten()
            .any(|address| address.mailbox.is_internationalized())
    }
}

/// What the boundaries of a mail begin with. It follows from the Message-ID, so that the same mail has the same bytes.
/// Neither base64 nor quoted-printable can hold `=_`; what is carried as it is is looked through for it.
pub fn boundary_prefix(message_id: &str) -> String {
    let digest = Sha256::digest(message_id.as_bytes());
    let digits = digest.iter().take(10).flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    "=_".chars().chain(hex).chain(['_']).collect()
}

/// The mail: all its line ends are CRLF, its last one too.
pub fn build(draft: Draft<'_>) -> Result<EncodedMessage<'_>, BuildError> {
    let internationalized = draft.is_internationalized();
    let mut content = EncodedMessage { segments: Vec::new(), eight_bit: false, internationalized };
    parts::write_parts(draft, &mut content)?;
    Ok(content)
}
