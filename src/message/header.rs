//! A mail's headers: checked, encoded (RFC 2047), folded (RFC 5322 §2.2.3).

use super::draft::Draft;
use super::error::MessageError;
use crate::smtp::address::is_atext;
use crate::smtp::address_list::NamedMailbox;
use crate::smtp::msg_id;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_builder::headers::Header;
use mail_builder::headers::address::EmailAddress;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;

/// RFC 5322 §2.1.1: a line should be so long at most.
const FOLD: usize = 78;
/// RFC 5322 §2.1.1: a line must be so long at most.
const LIMIT: usize = 998;
/// Of a text that is folded: in front of it in its line stands a space, or the header's name.
const LONGEST_WORD: usize = LIMIT - 78;

/// Appends the mail's headers, each with its CRLF; those of its root part follow.
pub fn write_all(draft: &Draft<'_>, out: &mut Vec<u8>) -> Result<(), MessageError> {
    for (name, value) in &draft.headers {
        check_own(name, value)?;
    }
    let is_own = |name: &str| draft.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut headers = Headers { out, is_own: &is_own };

    headers.structured("Date", &draft.date)?;
    headers.addresses("From", &draft.from)?;
    if draft.from.len() > 1 {
        headers.addresses("Sender", &draft.from[..1])?;
    }
    headers.addresses("Reply-To", &draft.reply_to)?;
    headers.addresses("To", &draft.to)?;
    headers.addresses("Cc", &draft.cc)?;
    if let Some(subject) = &draft.subject {
        headers.text("Subject", subject)?;
    }
    headers.structured("Message-ID", &identifier("Message-ID", &draft.message_id)?)?;

    headers.is_own = &|_| false;
    for (name, value) in &draft.headers {
        // What needs no encoding is not touched: it may be structured, or encoded already.
        if is_printable(value) {
            headers.write(name, &Raw::new(value.as_str()))?;
        } else {
            headers.text(name, value)?;
        }
    }
    headers.structured("MIME-Version", "1.0")
}

/// ```abnf
/// field-name = 1*ftext
/// ftext = %d33-57 / %d59-126 ; RFC 5322 §3.6.8
/// ```
fn check_own(name: &str, value: &str) -> Result<(), MessageError> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
        return Err(MessageError::new(name, "a header's name is printable ASCII without space or colon"));
    }
    if name.eq_ignore_ascii_case("Bcc") {
        return Err(MessageError::new(name, "blind recipients never stand in the headers; `bcc` names them"));
    }
    let from_parts = ["MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"];
    if from_parts.iter().any(|made| made.eq_ignore_ascii_case(name)) {
        return Err(MessageError::new(name, "this header follows from the parts of the message"));
    }
    check_value(name, value)
}

/// Printable ASCII, spaces and tabs.
fn is_printable(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || matches!(b, b' '..=b'~'))
}

fn check_value(name: &str, value: &str) -> Result<(), MessageError> {
    if value.contains(['\r', '\n', '\0']) {
        return Err(MessageError::new(name, "a header has no line break and no NUL"));
    }
    Ok(())
}

/// In `<` and `>`; empty where there is none.
pub fn identifier(header: &str, id: &str) -> Result<String, MessageError> {
    let inside = msg_id::parse(id).ok_or_else(|| MessageError::new(header, msg_id::ERROR))?;
    Ok(if inside.is_empty() { String::new() } else { format!("<{inside}>") })
}

struct Headers<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the draft has a header of its own by that name.
    is_own: &'a dyn Fn(&str) -> bool,
}

impl Headers<'_> {
    /// Text that is encoded where it is more than printable ASCII, or no line holds a word of it. All else is folded at its
    /// spaces.
    fn text(&mut self, name: &str, value: &str) -> Result<(), MessageError> {
        check_value(name, value)?;
        // What looks like an encoded word would be decoded: it is encoded itself.
        if value.contains("=?") {
            return self.write(name, &EncodedWords(value));
        }
        // Spaces around it would be lost.
        let keeps = value.trim_ascii() == value && value.split([' ', '\t']).all(|word| word.len() <= LONGEST_WORD);
        if keeps && is_printable(value) {
            self.write(name, &Raw::new(value))
        } else {
            self.write(name, &Text::new(value))
        }
    }

    /// A value that is written as it is; none where it is empty.
    fn structured(&mut self, name: &str, value: &str) -> Result<(), MessageError> {
        check_value(name, value)?;
        if value.is_empty() { Ok(()) } else { self.write(name, &Raw::new(value)) }
    }

    fn write(&mut self, name: &str, value: &impl Header) -> Result<(), MessageError> {
        if (self.is_own)(name) {
            return Ok(());
        }
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        value.write_header(self.out, name.len() + 2);
        // Folding puts a line end before spaces; a word has none.
        let too_long = self.out[start..].split(|b| *b == b'\n').any(|line| line.len() > LIMIT + "\r".len());
        if too_long {
            return Err(MessageError::new(
                name,
                "it has a word that no line of 998 characters holds (RFC 5322 §2.1.1)",
            ));
        }
        Ok(())
    }

    /// Several addresses; none where there is none.
    fn addresses(&mut self, name: &str, addresses: &[NamedMailbox]) -> Result<(), MessageError> {
        for address in addresses {
            let NamedMailbox { name: phrase, mailbox } = address;
            check_value(name, phrase.as_deref().unwrap_or_default())?;
            check_value(name, &mailbox.local)?;
            check_value(name, &mailbox.domain)?;
        }
        if addresses.is_empty() { Ok(()) } else { self.write(name, &AddressList(addresses)) }
    }
}

/// Text of which every character is encoded (RFC 2047 §2): words of 75 characters, whole characters in each.
struct EncodedWords<'a>(&'a str);

impl Header for EncodedWords<'_> {
    fn write_header(&self, output: &mut impl mail_builder::Writer, column: usize) {
        // 45 bytes are 60 characters of base64, and 12 stand around them.
        const BYTES: usize = 45;
        let mut rest = self.0;
        let mut room = BYTES.saturating_sub(column * 3 / 4).max(4);
        while !rest.is_empty() {
            let whole = |end: &usize| rest.is_char_boundary(*end);
            let (word, behind) = rest.split_at((0..=room.min(rest.len())).rev().find(whole).unwrap_or_default());
            output.write(format!("=?utf-8?B?{}?=", STANDARD.encode(word)).as_bytes());
            output.write(if behind.is_empty() { b"" } else { b"\r\n " });
            (rest, room) = (behind, BYTES);
        }
        output.write(b"\r\n");
    }
}

/// Addresses without a name stand bare, as people write them.
struct AddressList<'a>(&'a [NamedMailbox]);

impl Header for AddressList<'_> {
    fn write_header(&self, output: &mut impl mail_builder::Writer, column: usize) {
        let mut column = column;
        for (i, address) in self.0.iter().enumerate() {
            let mut item = format_address(address, column + 2);
            let first_line = item.find("\r\n").unwrap_or(item.len());
            if i > 0 {
                // The comma, the space, and the comma that may follow.
                let folds = column + 2 + first_line + 1 > FOLD;
                output.write(if folds { b",\r\n " } else { b", " });
                column = if folds { 1 } else { column + 2 };
                if folds {
                    item = format_address(address, column);
                }
            }
            output.write(item.as_bytes());
            column = match item.rfind('\n') {
                Some(end) => item.len() - end - 1,
                None => column + item.len(),
            };
        }
        output.write(b"\r\n");
    }
}

/// One address as it stands in a line from `column` on; folded where it must be.
fn format_address(address: &NamedMailbox, column: usize) -> String {
    let email = address.mailbox.to_string();
    match address.name.as_deref() {
        None | Some("") if email.is_empty() => "<>".to_owned(),
        None | Some("") => email,
        // Words that need no quotes and fit into a line are written as people write them.
        Some(name) if is_plain_phrase(name) && name.len() + email.len() < FOLD / 2 => format!("{name} <{email}>"),
        Some(name) => {
            let mut out = Vec::new();
            EmailAddress { name: Some(name.into()), email: email.into() }.write_header(&mut out, column);
            String::from_utf8_lossy(&out).trim_end().to_owned()
        }
    }
}

/// `1*atom` in ASCII, with one space between them, and nothing that looks like an encoded word.
fn is_plain_phrase(name: &str) -> bool {
    name.is_ascii()
        && !name.contains("=?")
        && name.split(' ').all(|word| !word.is_empty() && word.chars().all(is_atext))
}
