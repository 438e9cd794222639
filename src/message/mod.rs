//! Builds a mail from what `[message]` says (RFC 5322, RFC 2045). Nothing random and no clock: date and Message-ID
//! are given.

mod address;
mod header;
#[cfg(test)]
mod tests;
mod transfer;

pub use address::{Address, parse_address_list};

use std::fmt;
use transfer::TransferEncoding;

/// What a mail is made of. `bcc` has no place here on purpose.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Where there are several, the first is the Sender too (RFC 5322 §3.6.2).
    pub from: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub reply_to: Vec<Address>,
    pub subject: Option<String>,
    /// As it stands in the header: `Mon, 2 Nov 2026 08:00:00 +0000`. No header where it is empty.
    pub date: String,
    /// With or without `<` and `>`. No header where it is empty.
    pub message_id: String,
    /// Own headers, in order. One that would be written anyway (`Subject`, `Date`) takes its place.
    pub headers: Vec<(String, String)>,
    /// The text, with any line ends.
    pub text: String,
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

impl Draft {
    /// Whether its headers need SMTPUTF8 (RFC 6531).
    pub fn is_internationalized(&self) -> bool {
        [&self.from, &self.to, &self.cc, &self.reply_to]
            .into_iter()
            .flatten()
            .any(|address| address.mailbox.is_internationalized())
    }
}

/// The mail as bytes: its headers end in CRLF, plain text stays as it is; the content encoder makes all line ends CRLF.
pub fn build(draft: &Draft) -> Result<Vec<u8>, MessageError> {
    let encoding = TransferEncoding::of(&draft.text);
    let mut out = Vec::with_capacity(draft.text.len() + 1024);
    header::write_all(draft, encoding, &mut out)?;
    out.extend_from_slice(b"\r\n");
    encoding.encode(&draft.text, &mut out);
    Ok(out)
}
