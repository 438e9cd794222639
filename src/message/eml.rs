//! A complete message from a file: sent unchanged except for its line ends, which become CRLF. Its headers give the
//! envelope, unless the session does.

use super::encoded_message::{EncodedMessage, Segment};
use super::scan::Scan;
use super::source::Source;
use super::transfer::TransferEncoding;
use crate::smtp::address::Mailbox;
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};
use std::fmt;
use std::io;

/// The most bytes of headers that are read.
const HEADERS: usize = 1 << 20;

/// A complete message and its headers.
pub struct Eml<'a> {
    pub content: EncodedMessage<'a>,
    headers: Vec<u8>,
}

/// An invalid address in its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmlError(pub String);

impl fmt::Display for EmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Eml<'a> {
    /// Scans the message once, for its size and its headers.
    pub fn new(source: Source<'a>) -> io::Result<Self> {
        let (mut headers, mut ended) = (Vec::new(), false);
        let scan = Scan::with(&source, b"", |lines| {
            if ended || headers.len() > HEADERS {
                return;
            }
            let from = headers.len().saturating_sub(3);
            headers.extend_from_slice(lines);
            let end = if headers.starts_with(b"\r\n") {
                Some(0)
            } else {
                headers.get(from..).and_then(|new| memchr::memmem::find(new, b"\r\n\r\n")).map(|at| from + at + 2)
            };
            if let Some(end) = end {
                headers.truncate(end);
                ended = true;
            }
        })?;
        headers.truncate(HEADERS);
        let internationalized = !headers.is_ascii() && std::str::from_utf8(&headers).is_ok();
        let mut content = EncodedMessage::new(scan.eight_bit > 0, internationalized);
        let (encoding, size) = (TransferEncoding::SevenBit, scan.canonical);
        content.push(Segment::Part { source, encoding, size });
        if !scan.ends_line {
            content.push_bytes(*b"\r\n");
        }
        Ok(Self { content, headers })
    }

    /// The author, or the first of several.
    pub fn from(&self) -> Result<Option<Mailbox>, EmlError> {
        Ok(self.addresses(&[HeaderName::From])?.into_iter().next())
    }

    /// The addresses of To, Cc and Bcc, in this order. Resent-… headers are history (RFC 5322 §3.6.6).
    pub fn recipients(&self) -> Result<Vec<Mailbox>, EmlError> {
        self.addresses(&[HeaderName::To, HeaderName::Cc, HeaderName::Bcc])
    }

    fn addresses(&self, names: &[HeaderName<'_>]) -> Result<Vec<Mailbox>, EmlError> {
        let parsed = MessageParser::new().parse_headers(self.headers.as_slice());
        let mut found = Vec::new();
        for header in parsed.iter().flat_map(|message| message.headers()) {
            if !names.contains(&header.name) {
                continue;
            }
            let HeaderValue::Address(value) = &header.value else { continue };
            let members: Vec<_> = match value {
                Address::List(list) => list.iter().collect(),
                Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
            };
            for member in members {
                // An entry without an address is only a name, or an empty group.
                let text = member.address().or(member.name()).unwrap_or_default();
                let mailbox = Mailbox::parse(text).map_err(|error| {
                    EmlError(format!(
                        "its header {}: \"{text}\" is not an address: {}",
                        header.name.as_str(),
                        error.within(text)
                    ))
                })?;
                if !mailbox.is_null() {
                    found.push(mailbox);
                }
            }
        }
        Ok(found)
    }
}
