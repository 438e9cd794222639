//! The headers of a message: checked, encoded (RFC 2047) and folded (RFC 5322 §2.2.3).

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

/// RFC 5322 §2.1.1: the length that a line should not exceed.
const FOLD: usize = 78;
/// RFC 5322 §2.1.1: the length that a line must not exceed.
const LIMIT: usize = 998;
/// The longest word of a folded text: before it in its line stands a space, or the header's name.
const LONGEST_WORD: usize = LIMIT - 78;

/// Appends the headers, each with its CRLF, up to those of the root part.
pub fn write_all(draft: &Draft<'_>, out: &mut Vec<u8>) -> Result<(), MessageError> {
    for (name, value) in &draft.headers {
        check_own(name, value)?;
    }
    let is_own = |name: &str| draft.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut headers = Headers { out, is_own: &is_own };

    headers.structured("Date", &draft.date)?;
    headers.addresses("From", &draft.from)?;
    headers.addresses("Reply-To", &draft.reply_to)?;
    headers.addresses("To", &draft.to)?;
    headers.addresses("Cc", &draft.cc)?;
    if let Some(subject) = &draft.subject {
        headers.text("Subject", subject)?;
    }
    headers.structured("Message-ID", &identifier("Message-ID", &draft.message_id)?)?;

    headers.is_own = &|_| false;
    for (name, value) in &draft.headers {
        // A value that needs no encoding stays unchanged: it may be structured, or encoded already.
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
        return Err(MessageError::new(name, "a header name must be printable ASCII without space or colon"));
    }
    if name.eq_ignore_ascii_case("Bcc") {
        return Err(MessageError::new(name, "blind recipients never stand in the headers: use `bcc`"));
    }
    let from_parts = ["MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"];
    if from_parts.iter().any(|made| made.eq_ignore_ascii_case(name)) {
        return Err(MessageError::new(name, "this header is derived from the parts of the message"));
    }
    check_value(name, value)
}

/// Printable ASCII, spaces and tabs.
fn is_printable(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || matches!(b, b' '..=b'~'))
}

fn check_value(name: &str, value: &str) -> Result<(), MessageError> {
    if value.contains(['\r', '\n', '\0']) {
        return Err(MessageError::new(name, "a header cannot contain a line break or NUL"));
    }
    Ok(())
}

/// The identifier in `<` and `>`; may be empty.
pub fn identifier(header: &str, id: &str) -> Result<String, MessageError> {
    let inside = msg_id::parse(id).ok_or_else(|| MessageError::new(header, msg_id::ERROR))?;
    Ok(if inside.is_empty() { String::new() } else { format!("<{inside}>") })
}

struct Headers<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the draft has its own header of that name.
    is_own: &'a dyn Fn(&str) -> bool,
}

impl Headers<'_> {
    /// Writes text. It is encoded if it is not printable ASCII, or if one of its words does not fit a line; else it is
    /// folded at spaces.
    fn text(&mut self, name: &str, value: &str) -> Result<(), MessageError> {
        check_value(name, value)?;
        // Text that looks like an encoded word would be decoded, so it is encoded itself.
        if value.contains("=?") {
            return self.write(name, &EncodedWords(value));
        }
        // Leading and trailing spaces would be lost.
        let keeps = value.trim_ascii() == value && value.split([' ', '\t']).all(|word| word.len() <= LONGEST_WORD);
        if keeps && is_printable(value) {
            self.write(name, &Raw::new(value))
        } else {
            self.write(name, &Text::new(value))
        }
    }

    /// Writes a value unchanged; no header if it is empty.
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
        // Folding breaks lines at spaces, so a long word makes a long line.
        let too_long = self.out[start..].split(|b| *b == b'\n').any(|line| line.len() > LIMIT + "\r".len());
        if too_long {
            return Err(MessageError::new(
                name,
                "it has a word that does not fit a line of 998 characters (RFC 5322 §2.1.1)",
            ));
        }
        Ok(())
    }

    /// Writes a list of addresses; no header if there are none.
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

/// Text of which every character is encoded (RFC 2047 §2): in words of 75 characters, none of which splits a character.
struct EncodedWords<'a>(&'a str);

impl Header for EncodedWords<'_> {
    fn write_header(&self, output: &mut impl mail_builder::Writer, column: usize) {
        // 45 bytes are 60 characters of base64; delimiters and charset take 12.
        const BYTES: usize = 45;
        let mut rest = self.0;
        let mut room = BYTES.saturating_sub(column * 3 / 4).max(4);
        while !rest.is_empty() {
            let whole = |end: &usize| rest.is_char_boundary(*end);
            let (word, after) = rest.split_at((0..=room.min(rest.len())).rev().find(whole).unwrap_or_default());
            output.write(format!("=?utf-8?B?{}?=", STANDARD.encode(word)).as_bytes());
            output.write(if after.is_empty() { b"" } else { b"\r\n " });
            (rest, room) = (after, BYTES);
        }
        output.write(b"\r\n");
    }
}

/// Addresses without a name are written without `<` and `>`, as people do.
struct AddressList<'a>(&'a [NamedMailbox]);

impl Header for AddressList<'_> {
    fn write_header(&self, output: &mut impl mail_builder::Writer, column: usize) {
        let mut column = column;
        for (i, address) in self.0.iter().enumerate() {
            let mut item = format_address(address, column + 2);
            let first_line = item.find("\r\n").unwrap_or(item.len());
            if i > 0 {
                // A comma, a space, and a comma that may follow.
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

/// One address in a line from `column` on, folded if it must be.
fn format_address(address: &NamedMailbox, column: usize) -> String {
    let email = address.mailbox.to_string();
    match address.name.as_deref() {
        None | Some("") if email.is_empty() => "<>".to_owned(),
        None | Some("") => email,
        // Words that need no quotes and fit into a line are written plainly.
        Some(name) if is_plain_phrase(name) && name.len() + email.len() < FOLD / 2 => format!("{name} <{email}>"),
        Some(name) => {
            let mut out = Vec::new();
            if name.contains("=?") {
                // Readers decode what looks like an encoded word even inside quotes, so it is encoded itself.
                EncodedWords(name).write_header(&mut out, column);
                let encoded = String::from_utf8_lossy(&out);
                let encoded = encoded.trim_end();
                let last = encoded.rsplit('\n').next().unwrap_or_default();
                let separator = if last.len() + email.len() + " <>,".len() > FOLD { "\r\n " } else { " " };
                return format!("{encoded}{separator}<{email}>");
            }
            EmailAddress { name: Some(name.into()), email: email.into() }.write_header(&mut out, column);
            String::from_utf8_lossy(&out).trim_end().to_owned()
        }
    }
}

/// Whether it is `1*atom` in ASCII, with single spaces, and nothing in it looks like an encoded word.
fn is_plain_phrase(name: &str) -> bool {
    name.is_ascii()
        && !name.contains("=?")
        && name.split(' ').all(|word| !word.is_empty() && word.chars().all(is_atext))
}
