//! What a message is built from.

use super::cache::PartSource;
use super::scan::Scan;
use crate::smtp::address_list::NamedMailbox;
use sha2::{Digest, Sha256};
use std::io;

/// What a message is built from. There is no `bcc` on purpose: blind recipients never stand in headers.
#[derive(Default)]
pub struct Draft<'a> {
    pub from: Vec<NamedMailbox>,
    pub to: Vec<NamedMailbox>,
    pub cc: Vec<NamedMailbox>,
    pub reply_to: Vec<NamedMailbox>,
    pub subject: Option<String>,
    /// As it stands in the header: `Mon, 2 Nov 2026 08:00:00 +0000`. No header if it is empty.
    pub date: String,
    /// With or without `<` and `>`. No header if it is empty.
    pub message_id: String,
    /// Headers of the session's own, in order. One that would be written anyway (`Subject`, `Date`) replaces it.
    pub headers: Vec<(String, String)>,
    pub text: Option<TextPart<'a>>,
    /// The alternative to `text`, which is shown to readers without HTML.
    pub html: Option<TextPart<'a>>,
    pub attachments: Vec<FilePart<'a>>,
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

/// A text part, scanned.
pub struct TextPart<'a> {
    pub(super) source: PartSource<'a>,
    pub(super) scan: Scan,
}

impl<'a> TextPart<'a> {
    /// Scans the text for the message with that Message-ID. A text that is not UTF-8 is no error here:
    /// see [`TextPart::is_utf8`].
    pub fn new(source: impl Into<PartSource<'a>>, message_id: &str) -> io::Result<Self> {
        let source = source.into();
        let scan = source.scan(format!("--{}", boundary_prefix(message_id)).as_bytes())?;
        Ok(Self { source, scan })
    }

    /// Whether the text is valid UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.scan.is_utf8
    }
}

/// A file that is attached to a message.
pub struct FilePart<'a> {
    pub source: PartSource<'a>,
    /// The name that the recipient sees.
    pub name: String,
    /// `None`: derived from the name.
    pub media_type: Option<String>,
    /// The Content-ID by which HTML shows it, with or without `<` and `>`: `logo` of `cid:logo`.
    pub inline: Option<String>,
}

/// What the boundaries of a message begin with. It is derived from the Message-ID, so that the same message has the same
/// bytes. Neither base64 nor quoted-printable contains `=_`; unencoded parts are scanned for it.
pub(super) fn boundary_prefix(message_id: &str) -> String {
    let digest = Sha256::digest(message_id.as_bytes());
    let digits = digest.iter().take(10).flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    "=_".chars().chain(hex).chain(['_']).collect()
}
