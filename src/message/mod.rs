//! Builds a mail from what `[message]` says (RFC 5322, RFC 2045). Nothing random and no clock: date and Message-ID
//! are given.

use crate::smtp::address::Mailbox;
use std::fmt;

/// An address of a header: `Name <local@domain>` (RFC 5322 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub name: Option<String>,
    pub mailbox: Mailbox,
}

/// What a mail is made of. `bcc` has no place here on purpose.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub from: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub reply_to: Vec<Address>,
    pub subject: Option<String>,
    /// As it stands in the header: `Mon, 2 Nov 2026 08:00:00 +0000`.
    pub date: String,
    /// With or without `<` and `>`.
    pub message_id: String,
    /// Own headers, in order.
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

/// The mail as bytes; the content encoder makes its line ends CRLF.
pub fn build(draft: &Draft) -> Result<Vec<u8>, MessageError> {
    let _ = draft;
    todo!()
}

/// Reads the addresses of one text: `a@b`, `Name <a@b>, "Last, First" <c@d>`, and groups.
pub fn parse_address_list(text: &str) -> Result<Vec<Address>, MessageError> {
    let _ = text;
    todo!()
}
