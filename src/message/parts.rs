//! The parts of a mail and how they nest (RFC 2046 §5.1, RFC 2387):
//!
//! ```text
//! mixed            if there are attachments
//! ├ alternative    if there is HTML as well as text
//! │ ├ text
//! │ └ related      if the HTML shows files
//! │   ├ html
//! │   └ inline …
//! └ attachment …
//! ```

use super::cache::PartSource;
use super::draft::{Draft, FilePart, TextPart, boundary_prefix};
use super::encoded_message::{EncodedMessage, Segment};
use super::error::{BuildError, MessageError};
use super::source::Source;
use super::transfer::TransferEncoding;
use super::{header, media_type};
use mail_builder::headers::Header;
use mail_builder::headers::content_type::ContentType;
use std::io;

/// Builds the message. All its line ends are CRLF, its last one too.
pub fn build(mut draft: Draft<'_>) -> Result<EncodedMessage<'_>, BuildError> {
    let mut message = EncodedMessage::new(false, draft.is_internationalized());
    let boundary = boundary_prefix(&draft.message_id);
    let root = tree(&mut draft, &boundary)?;
    let mut headers = Vec::new();
    header::write_all(&draft, &mut headers)?;
    message.push_bytes(headers);
    let ends_line = root.write(&mut message, &boundary, &mut 0);
    if !ends_line {
        message.push_bytes(*b"\r\n");
    }
    Ok(message)
}

/// A part with its headers, or a part made of parts.
enum MimePart<'a> {
    Leaf { headers: Vec<u8>, segment: Segment<'a>, ends_line: bool },
    Multipart { kind: &'static str, parts: Vec<MimePart<'a>> },
}

fn tree<'a>(draft: &mut Draft<'a>, boundary: &str) -> Result<MimePart<'a>, BuildError> {
    let attachments = std::mem::take(&mut draft.attachments);
    let has_html = draft.html.is_some();
    let (inline, attached): (Vec<_>, Vec<_>) =
        attachments.into_iter().partition(|attachment| has_html && attachment.inline.is_some());
    let leaves = |list: Vec<FilePart<'a>>| -> Result<Vec<MimePart<'a>>, BuildError> {
        list.into_iter().map(|attachment| attachment_part(attachment, boundary)).collect()
    };
    let (inline, attached) = (leaves(inline)?, leaves(attached)?);
    let text = match draft.text.take() {
        Some(text) => Some(text_part(text, "text/plain")?),
        // A message has a body, even if it is empty; attachments alone are a body.
        None if attached.is_empty() && draft.html.is_none() => {
            Some(text_part(TextPart::new(Source::in_memory("the text", Vec::new()), "")?, "text/plain")?)
        }
        None => None,
    };
    let html = match draft.html.take() {
        Some(html) => Some(text_part(html, "text/html")?),
        None => None,
    };
    let related = html.map(|html| join("related", std::iter::once(html).chain(inline)));
    let alternative = match (text, related) {
        (None, None) => None,
        (text, related) => Some(join("alternative", text.into_iter().chain(related))),
    };
    Ok(join("mixed", alternative.into_iter().chain(attached)))
}

/// Makes one part of several; a single one stays as it is.
fn join<'a>(kind: &'static str, parts: impl Iterator<Item = MimePart<'a>>) -> MimePart<'a> {
    let mut parts: Vec<_> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => MimePart::Multipart { kind, parts },
    }
}

fn text_part<'a>(text: TextPart<'a>, media_type: &str) -> Result<MimePart<'a>, BuildError> {
    let TextPart { source, scan } = text;
    let encoding = TransferEncoding::of(&scan);
    let segment = source.into_segment(encoding, scan.canonical)?;
    let mut headers = Vec::new();
    header_line(&mut headers, "Content-Type", ContentType::new(format!("{media_type}; charset=utf-8")));
    header_line(&mut headers, "Content-Transfer-Encoding", ContentType::new(encoding.name()));
    let ends_line = segment.size() == 0 || scan.ends_line && encoding != TransferEncoding::Base64Text;
    Ok(MimePart::Leaf { headers, segment, ends_line })
}

fn attachment_part<'a>(attachment: FilePart<'a>, boundary: &str) -> Result<MimePart<'a>, BuildError> {
    let FilePart { source, name, media_type, inline } = attachment;
    let wrong = |why: &str| MessageError::new(name.clone(), why);
    if name.contains(['\r', '\n', '\0']) {
        return Err(wrong("a file name cannot contain a line break or NUL").into());
    }
    let guessed = media_type.is_none();
    let mut media_type = media_type.unwrap_or_else(|| media_type::from_file_name(&name).to_owned());
    media_type::check(&media_type).map_err(wrong)?;
    // The charset of a type that the session names is the session's to say.
    let charset = if guessed && media_type::is_kind(&media_type, "text") { charset_of(&source)? } else { None };
    let (mut encoding, mut canonical, mut ends_line) = (TransferEncoding::Base64, 0, source.length() == 0);
    // RFC 2046 §5.2.1: a message is never encoded. One that needs it is attached as a file of unknown type.
    if media_type::is_kind(&media_type, "message") {
        let scan = source.scan(format!("--{boundary}").as_bytes())?;
        if scan.is_seven_bit() {
            (encoding, canonical, ends_line) = (TransferEncoding::SevenBit, scan.canonical, scan.ends_line);
        } else {
            media_type = media_type::UNKNOWN.to_owned();
        }
    }
    let mut headers = Vec::new();
    let mut content_type = ContentType::new(media_type);
    if let Some(charset) = charset {
        content_type = content_type.attribute("charset", charset);
    }
    header_line(&mut headers, "Content-Type", content_type.attribute("name", name.as_str()));
    header_line(&mut headers, "Content-Transfer-Encoding", ContentType::new(encoding.name()));
    let disposition = if inline.is_some() { "inline" } else { "attachment" };
    header_line(
        &mut headers,
        "Content-Disposition",
        ContentType::new(disposition).attribute("filename", name.as_str()),
    );
    if let Some(id) = inline {
        let id = header::identifier("Content-ID", &id)?;
        if id.is_empty() {
            return Err(wrong("its Content-ID, by which HTML shows it, is empty").into());
        }
        header_line(&mut headers, "Content-ID", ContentType::new(id));
    }
    Ok(MimePart::Leaf { headers, segment: source.into_segment(encoding, canonical)?, ends_line })
}

/// RFC 2046 §4.1.2: a text without a charset is US-ASCII, which is right for ASCII and wrong for anything else. The charset
/// of bytes that are not UTF-8 is unknown.
fn charset_of(source: &PartSource<'_>) -> io::Result<Option<&'static str>> {
    let scan = source.scan(b"")?;
    Ok((scan.is_utf8 && scan.eight_bit > 0).then_some("utf-8"))
}

fn header_line(out: &mut Vec<u8>, name: &str, value: ContentType<'_>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

impl<'a> MimePart<'a> {
    /// Appends its headers and itself. Returns whether it ends with a line end.
    fn write(self, message: &mut EncodedMessage<'a>, prefix: &str, number: &mut usize) -> bool {
        match self {
            Self::Leaf { mut headers, segment, ends_line } => {
                headers.extend_from_slice(b"\r\n");
                message.push_bytes(headers);
                message.push(segment);
                ends_line
            }
            Self::Multipart { kind, parts } => {
                *number += 1;
                let boundary = format!("{prefix}{number}");
                // RFC 2387 §3.1: the type of the root part.
                let shown = if kind == "related" { "; type=\"text/html\"" } else { "" };
                message.push_bytes(format!("Content-Type: multipart/{kind}{shown};\r\n boundary=\"{boundary}\"\r\n"));
                for part in parts {
                    message.push_bytes(format!("\r\n--{boundary}\r\n"));
                    part.write(message, prefix, number);
                }
                message.push_bytes(format!("\r\n--{boundary}--\r\n"));
                true
            }
        }
    }
}
