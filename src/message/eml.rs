//! A complete message from a file. Its line ends become CRLF. Its Bcc and Resent-Bcc fields, a byte order mark and an mbox
//! line before the first header are not sent; all else is sent as it is. Its headers give the envelope, unless the session
//! does.

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

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The headers of a message, and what of them may be sent.
struct Sendable {
    /// All fields, which give the envelope.
    headers: Vec<u8>,
    /// Without blind recipients.
    sent: Vec<u8>,
    /// What was removed, each once.
    removed: Vec<&'static str>,
}

impl Sendable {
    fn of(head: &[u8]) -> Self {
        let mut removed = Vec::new();
        let mut rest = head;
        if let Some(after) = rest.strip_prefix(MARK) {
            removed.push("the byte order mark");
            rest = after;
        }
        if rest.starts_with(b"From ") {
            removed.push("the mbox line \"From \"");
            rest = memchr::memchr(b'\n', rest).and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        }
        let mut sent = Vec::with_capacity(rest.len());
        for field in fields(rest) {
            let name = field_name(field);
            let hidden = match () {
                () if name.eq_ignore_ascii_case(b"Bcc") => "the field Bcc",
                () if name.eq_ignore_ascii_case(b"Resent-Bcc") => "the field Resent-Bcc",
                () => {
                    sent.extend_from_slice(field);
                    continue;
                }
            };
            if !removed.contains(&hidden) {
                removed.push(hidden);
            }
        }
        let mut headers = rest.to_vec();
        if !headers.ends_with(b"\n") {
            // The parser gives no field without a line end.
            headers.extend_from_slice(b"\r\n");
        }
        Self { headers, sent, removed }
    }
}

/// The header fields, each with its folded lines.
fn fields(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = headers;
    std::iter::from_fn(move || {
        let is_end = |at: &usize| !matches!(rest.get(at + 1), Some(b' ' | b'\t'));
        let end = memchr::memchr_iter(b'\n', rest).find(is_end).map_or(rest.len(), |at| at + 1);
        let (field, after) = rest.split_at(end);
        rest = after;
        Some(field).filter(|field| !field.is_empty())
    })
}

/// The name of a field; white space before the colon is obsolete (RFC 5322 §4.5.3), and read.
fn field_name(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(b':', field).unwrap_or_default();
    field.get(..end).unwrap_or_default().trim_ascii_end()
}

/// A complete message and its headers.
pub struct Eml<'a> {
    pub content: EncodedMessage<'a>,
    /// What is not sent: the names of fields, a byte order mark, an mbox line.
    pub removed: Vec<&'static str>,
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
            let mark = if headers.starts_with(MARK) { MARK.len() } else { 0 };
            let end = if headers.get(mark..).unwrap_or_default().starts_with(b"\r\n") {
                Some(mark)
            } else {
                headers.get(from..).and_then(|new| memchr::memmem::find(new, b"\r\n\r\n")).map(|at| from + at + 2)
            };
            if let Some(end) = end {
                headers.truncate(end);
                ended = true;
            }
        })?;
        if !ended && headers.len() > HEADERS {
            return Err(io::Error::other(format!("{}: its header is larger than 1 MiB", source.name)));
        }
        let head = headers;
        let Sendable { headers, sent, removed } = Sendable::of(&head);
        let beyond_ascii = |bytes: &[u8]| bytes.iter().filter(|byte| !byte.is_ascii()).count() as u64;
        let eight_bit = scan.eight_bit + beyond_ascii(&sent) > beyond_ascii(&head);
        let headers_sent = &sent;
        let internationalized = !headers_sent.is_ascii() && std::str::from_utf8(headers_sent).is_ok();
        let mut content = EncodedMessage::new(eight_bit, internationalized);
        let (encoding, size) = (TransferEncoding::SevenBit, scan.canonical);
        if removed.is_empty() {
            content.push(Segment::Part { source, encoding, size });
        } else {
            content.push_bytes(sent);
            content.push(Segment::After { source, head, size });
        }
        if !scan.ends_line {
            content.push_bytes(*b"\r\n");
        }
        Ok(Self { content, removed, headers })
    }

    /// The author, or the first of several.
    pub fn from(&self) -> Result<Option<Mailbox>, EmlError> {
        Ok(self.addresses(&[HeaderName::From])?.into_iter().next())
    }

    /// The addresses of Resent-To, Resent-Cc and Resent-Bcc if there is one of these fields (RFC 5322 §3.6.6), as in
    /// `sendmail -t`. Otherwise those of To, Cc and Bcc.
    pub fn recipients(&self) -> Result<Vec<Mailbox>, EmlError> {
        let resent = ["resent-to", "resent-cc", "resent-bcc"];
        if fields(&self.headers)
            .any(|field| resent.iter().any(|name| field_name(field).eq_ignore_ascii_case(name.as_bytes())))
        {
            return self.addresses(&[HeaderName::ResentTo, HeaderName::ResentCc, HeaderName::ResentBcc]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sent(text: &[u8]) -> (String, Vec<&'static str>, Vec<String>, bool) {
        let eml = Eml::new(Source::in_memory("m.eml", text.to_vec())).expect("it can be read");
        let mut bytes = Vec::new();
        eml.content.open().read_to_end(&mut bytes).expect("it can be sent");
        assert_eq!(eml.content.size(), bytes.len() as u64, "its size is known before");
        let recipients = eml.recipients().expect("valid addresses").iter().map(ToString::to_string).collect();
        (String::from_utf8_lossy(&bytes).into_owned(), eml.removed.clone(), recipients, eml.content.eight_bit())
    }

    #[test]
    fn blind_recipients_are_not_sent() {
        const BCC: &str = "the field Bcc";
        type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static str);
        let table: [Case; 14] = [
            ("To: b@x.y\n\nx\n", "To: b@x.y\r\n\r\nx\r\n", &[], &["b@x.y"], "nothing to remove"),
            (
                "To: b@x.y\nBcc: c@x.y\nA: 1\n\nx\n",
                "To: b@x.y\r\nA: 1\r\n\r\nx\r\n",
                &[BCC],
                &["b@x.y", "c@x.y"],
                "Bcc",
            ),
            ("BCC: c@x.y,\n\td@x.y\n\nx\n", "\r\nx\r\n", &[BCC], &["c@x.y", "d@x.y"], "folded, and the only field"),
            (
                "Bcc : c@x.y\r\nTo: b@x.y\r\n\r\n",
                "To: b@x.y\r\n\r\n",
                &[BCC],
                &["c@x.y", "b@x.y"],
                "a space before the colon",
            ),
            (
                "Bcc: c@x.y\nTo: b@x.y\nbcc: d@x.y\n\n",
                "To: b@x.y\r\n\r\n",
                &[BCC],
                &["c@x.y", "b@x.y", "d@x.y"],
                "two fields",
            ),
            ("To: b@x.y\rBcc: c@x.y\r\rx", "To: b@x.y\r\n\r\nx\r\n", &[BCC], &["b@x.y", "c@x.y"], "line ends of CR"),
            ("To: b@x.y\nBcc: c@x.y", "To: b@x.y\r\n\r\n", &[BCC], &["b@x.y", "c@x.y"], "no content and no line end"),
            (
                "To: b@x.y\nX-Bcc: c@x.y\n\nBcc: z\n",
                "To: b@x.y\r\nX-Bcc: c@x.y\r\n\r\nBcc: z\r\n",
                &[],
                &["b@x.y"],
                "other names, and content",
            ),
            (
                "To: b@x.y\nSubject: a\n Bcc: z\n\n",
                "To: b@x.y\r\nSubject: a\r\n Bcc: z\r\n\r\n",
                &[],
                &["b@x.y"],
                "a folded line",
            ),
            (
                "From a@x.y Mon Nov  2\nTo: b@x.y\n\nFrom z\n",
                "To: b@x.y\r\n\r\nFrom z\r\n",
                &["the mbox line \"From \""],
                &["b@x.y"],
                "mbox",
            ),
            (
                "\u{feff}To: b@x.y\n\nx\n",
                "To: b@x.y\r\n\r\nx\r\n",
                &["the byte order mark"],
                &["b@x.y"],
                "a byte order mark",
            ),
            (
                "\u{feff}From a\r\nTo: b@x.y\r\n\r\n",
                "To: b@x.y\r\n\r\n",
                &["the byte order mark", "the mbox line \"From \""],
                &["b@x.y"],
                "both",
            ),
            ("\u{feff}\nBcc: z\n\n", "\r\nBcc: z\r\n\r\n", &["the byte order mark"], &[], "no header at all"),
            (
                "Resent-To: r@x.y\nResent-Bcc: s@x.y\nTo: b@x.y\nBcc: c@x.y\n\n",
                "Resent-To: r@x.y\r\nTo: b@x.y\r\n\r\n",
                &["the field Resent-Bcc", BCC],
                &["r@x.y", "s@x.y"],
                "a message that is sent again",
            ),
        ];
        for (text, expected, removed, recipients, why) in table {
            let recipients = recipients.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(sent(text.as_bytes()), (expected.to_owned(), removed.to_vec(), recipients, false), "{why}");
        }
    }

    #[test]
    fn large_content_follows_what_is_removed() {
        let content = "0123456789\r\n".repeat(20_000);
        for field in ["Bcc: c@x.y\r\n".to_owned(), format!("Bcc: c@x.y{}\r\n", ",\r\n d@x.y".repeat(9_000))] {
            let (text, removed, ..) = sent(format!("To: b@x.y\r\n{field}\r\n{content}").as_bytes());
            assert!(text == format!("To: b@x.y\r\n\r\n{content}") && removed == ["the field Bcc"]);
        }
    }

    #[test]
    fn a_header_that_changed_is_not_sent() {
        let first = std::cell::Cell::new(true);
        let open = move || -> io::Result<Box<dyn Read>> {
            let text: &[u8] = if first.replace(false) {
                b"Bcc: c@x.y\r\nTo: b@x.y\r\n\r\n"
            } else {
                b"To: b@x.y\r\nBcc: c@x.y\r\n\r\n"
            };
            Ok(Box::new(text))
        };
        let eml = Eml::new(Source::new("m.eml", 25, Box::new(open))).expect("it can be read");
        assert!(eml.content.open().read_to_end(&mut Vec::new()).is_err());
    }
}
