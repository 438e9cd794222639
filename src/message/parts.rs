//! The parts of a mail and how they nest (RFC 2046 §5.1, RFC 2387):
//!
//! ```text
//! mixed            where there are attachments
//! ├ alternative    where there is HTML beside the text
//! │ ├ text
//! │ └ related      where HTML shows files
//! │   ├ html
//! │   └ inline …
//! └ attachment …
//! ```

use super::encoded_message::{EncodedMessage, Segment};
use super::source::{Scan, Source};
use super::transfer::{TransferEncoding, base64_size};
use super::{Attachment, BuildError, Draft, MessageError, boundary_prefix, header, media_type};
use mail_builder::headers::Header;
use mail_builder::headers::content_type::ContentType;
use std::io;

/// A text and what was found in it.
pub struct TextPart<'a> {
    source: Source<'a>,
    scan: Scan,
}

impl<'a> TextPart<'a> {
    /// Looks through it. A text is UTF-8: what is not has `is_utf8` false.
    pub fn new(source: Source<'a>, message_id: &str) -> io::Result<Self> {
        let stem = format!("--{}", boundary_prefix(message_id));
        let scan = Scan::of(&source, stem.as_bytes())?;
        Ok(Self { source, scan })
    }

    pub fn is_utf8(&self) -> bool {
        self.scan.is_utf8
    }
}

/// A part with its headers, or parts in a part.
enum MimePart<'a> {
    Leaf { headers: Vec<u8>, segment: Segment<'a>, ends_line: bool },
    Multipart { kind: &'static str, parts: Vec<MimePart<'a>> },
}

pub(super) fn write_parts<'a>(mut draft: Draft<'a>, content: &mut EncodedMessage<'a>) -> Result<(), BuildError> {
    let stem = boundary_prefix(&draft.message_id);
    let root = tree(&mut draft, &stem)?;
    let mut headers = Vec::new();
    header::write_all(&draft, &mut headers)?;
    content.bytes(headers);
    let mut number = 0;
    let ends_line = root.write(content, &stem, &mut number);
    // Content ends with a line end.
    if !ends_line {
        content.bytes(*b"\r\n");
    }
    Ok(())
}

fn tree<'a>(draft: &mut Draft<'a>, stem: &str) -> Result<MimePart<'a>, BuildError> {
    let attachments = std::mem::take(&mut draft.attachments);
    let shows = draft.html.is_some();
    let (inline, attached): (Vec<_>, Vec<_>) =
        attachments.into_iter().partition(|attachment| shows && attachment.inline.is_some());
    let leaves = |list: Vec<Attachment<'a>>| -> Result<Vec<MimePart<'a>>, BuildError> {
        list.into_iter().map(|attachment| attachment_part(attachment, stem)).collect()
    };
    let (inline, attached) = (leaves(inline)?, leaves(attached)?);
    let text = match draft.text.take() {
        Some(text) => Some(text_part(text, "text/plain")?),
        // A mail has a body, were it empty; attachments alone are one.
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

/// Several parts as one; a single one stands for itself.
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
    let size = encoding.size(&source, &scan)?;
    let mut headers = Vec::new();
    header_line(&mut headers, "Content-Type", ContentType::new(format!("{media_type}; charset=utf-8")));
    header_line(&mut headers, "Content-Transfer-Encoding", ContentType::new(encoding.name()));
    let ends_line = size == 0 || scan.ends_line && encoding != TransferEncoding::Base64Text;
    Ok(MimePart::Leaf { headers, segment: Segment::Part { source, encoding, size }, ends_line })
}

fn attachment_part<'a>(attachment: Attachment<'a>, stem: &str) -> Result<MimePart<'a>, BuildError> {
    let Attachment { source, name, media_type, inline } = attachment;
    let wrong = |why: &str| MessageError::new(name.clone(), why);
    if name.contains(['\r', '\n', '\0']) {
        return Err(wrong("a file's name has no line break and no NUL").into());
    }
    let guessed = media_type.is_none();
    let mut media_type = media_type.unwrap_or_else(|| media_type::from_file_name(&name).to_owned());
    media_type::check(&media_type).map_err(wrong)?;
    // What is said of a type that was given is its giver's to say.
    let charset = if guessed && media_type::is_kind(&media_type, "text") { charset_of(&source)? } else { None };
    let mut carried = (TransferEncoding::Base64, base64_size(source.length), source.length == 0);
    // RFC 2046 §5.2.1: a message is never encoded. One that does not go as it is goes as a file of any kind.
    if media_type::is_kind(&media_type, "message") {
        let scan = Scan::of(&source, format!("--{stem}").as_bytes())?;
        if scan.is_seven_bit() {
            carried = (TransferEncoding::SevenBit, scan.canonical, scan.ends_line);
        } else {
            media_type = media_type::UNKNOWN.to_owned();
        }
    }
    let (encoding, size, ends_line) = carried;
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
            return Err(wrong("the Content-ID by which HTML shows it is empty").into());
        }
        header_line(&mut headers, "Content-ID", ContentType::new(id));
    }
    Ok(MimePart::Leaf { headers, segment: Segment::Part { source, encoding, size }, ends_line })
}

/// RFC 2046 §4.1.2: a text without a charset is US-ASCII, which is right for ASCII and a lie for all else. Bytes that are
/// not UTF-8 are in a charset that nobody here knows.
fn charset_of(source: &Source<'_>) -> io::Result<Option<&'static str>> {
    let scan = Scan::of(source, b"")?;
    Ok((scan.is_utf8 && scan.eight_bit > 0).then_some("utf-8"))
}

fn header_line(out: &mut Vec<u8>, name: &str, value: ContentType<'_>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

impl<'a> MimePart<'a> {
    /// Writes its headers and itself. Gives whether it ends with a line end.
    fn write(self, content: &mut EncodedMessage<'a>, stem: &str, number: &mut usize) -> bool {
        match self {
            Self::Leaf { mut headers, segment, ends_line } => {
                headers.extend_from_slice(b"\r\n");
                content.bytes(headers);
                content.push(segment);
                ends_line
            }
            Self::Multipart { kind, parts } => {
                *number += 1;
                let boundary = format!("{stem}{number}");
                // RFC 2387 §3.1: the type of the part that is shown.
                let shown = if kind == "related" { "; type=\"text/html\"" } else { "" };
                content.bytes(format!("Content-Type: multipart/{kind}{shown};\r\n boundary=\"{boundary}\"\r\n"));
                for part in parts {
                    content.bytes(format!("\r\n--{boundary}\r\n"));
                    part.write(content, stem, number);
                }
                content.bytes(format!("\r\n--{boundary}--\r\n"));
                true
            }
        }
    }
}
