//! Addresses that are made of data: a rendered value never changes the number of addresses, nor what is name and what
//! is address.
//!
//! - A **string** becomes exactly one mailbox (RFC 5322 §3.4, RFC 5321 §4.1.2). Every value lies within one of its
//!   parts: the name, the local part, the domain, or the whole address; and what divides the parts is literal text. A
//!   string that is one value and nothing else is one mailbox of any form.
//! - In a **table** each value is data. The name may be any text, and the address is one Mailbox.
//! - Only the filter `addresses` makes a list of one value.
//!
//! An address that renders to nothing, or to white space, is `None`: it is left out.

use super::template::RenderedText;
use crate::smtp::address::{AddressError, Mailbox, is_atext};
use crate::smtp::address_list::NamedMailbox;
use std::fmt;
use std::ops::Range;

/// Why a rendered text is not the address that the session file describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressTemplateError {
    /// It is not exactly one mailbox.
    Syntax(AddressError),
    /// A value divides the parts of the address, or is only a piece of two parts.
    ValueDivides { value: String },
    /// `<>`, which is only for `envelope_from`.
    NullPath,
    /// The name of a table has a CR, an LF or a NUL.
    NameWithLineBreak,
}

impl fmt::Display for AddressTemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::ValueDivides { value } => {
                write!(f, "the value \"{}\" changes what is the name and what is the address", value.escape_debug())
            }
            Self::NullPath => f.write_str("<> is not an address"),
            Self::NameWithLineBreak => f.write_str("a name cannot contain a line break or NUL"),
        }
    }
}

impl std::error::Error for AddressTemplateError {}

impl AddressTemplateError {
    /// What to write instead.
    pub const HELP: &'static str = "in a table each value is data: { name = \"{{ … }}\", address = \"{{ … }}\" }";
}

impl From<AddressError> for AddressTemplateError {
    fn from(error: AddressError) -> Self {
        Self::Syntax(error)
    }
}

/// A mailbox, and where its parts are in the text.
struct MailboxParts {
    named: NamedMailbox,
    /// The words of the name, with their quotes; empty at the beginning if there are none.
    phrase: Range<usize>,
    local: Range<usize>,
    domain: Range<usize>,
    /// Where the mailbox ends, with its `>`.
    end: usize,
}

/// The one mailbox of a string with template expressions; `None` if the text is empty or white space.
///
/// # Errors
/// If it is not one, or if values decide what its parts are.
pub fn mailbox_from_string(rendered: &RenderedText) -> Result<Option<NamedMailbox>, AddressTemplateError> {
    let text = rendered.text();
    if text.trim().is_empty() {
        return Ok(None);
    }
    if let Some(mailbox) = bare_postmaster(text) {
        return Ok(Some(mailbox));
    }
    let parts = parse_mailbox(text, skip_space(text, 0))?;
    let end = skip_space(text, parts.end);
    if end < text.len() {
        return Err(AddressError { at: end, why: "this is more than one address".into() }.into());
    }
    let is_one_value = is_one_value(rendered);
    for value in rendered.values() {
        if !is_one_value && !is_within_one_part(text, value, &parts) {
            let value = text.get(value.clone()).unwrap_or_default().to_owned();
            return Err(AddressTemplateError::ValueDivides { value });
        }
    }
    if parts.named.mailbox.is_null() { Err(AddressTemplateError::NullPath) } else { Ok(Some(parts.named)) }
}

/// Whether the text is one value and nothing else but spaces around it.
pub fn is_one_value(rendered: &RenderedText) -> bool {
    let [value] = rendered.values() else { return false };
    let text = rendered.text();
    let around = [text.get(..value.start), text.get(value.end..)];
    around.into_iter().flatten().all(|literal| literal.trim_matches(' ').is_empty())
}

/// The mailbox of a table, whose values are data; `None` if the address is empty or white space.
///
/// # Errors
/// If the address is not one Mailbox, and if the name has a line break.
pub fn mailbox_from_table(name: Option<&str>, address: &str) -> Result<Option<NamedMailbox>, AddressTemplateError> {
    let trimmed = address.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    if name.is_some_and(|name| name.contains(['\r', '\n', '\0'])) {
        return Err(AddressTemplateError::NameWithLineBreak);
    }
    let before = address.len() - address.trim_start().len();
    let mailbox = Mailbox::parse(trimmed).map_err(|error| shifted(error, before))?;
    if mailbox.is_null() {
        return Err(AddressTemplateError::NullPath);
    }
    Ok(Some(NamedMailbox { name: name.filter(|name| !name.trim().is_empty()).map(str::to_owned), mailbox }))
}

/// The mailboxes of one value that went through the filter `addresses`: each as in a string, separated by commas or
/// semicolons. Empty entries are skipped.
///
/// # Errors
/// If an entry is not a mailbox.
pub fn mailboxes_from_list(text: &str) -> Result<Vec<NamedMailbox>, AddressTemplateError> {
    let mut mailboxes = Vec::new();
    let mut at = 0;
    loop {
        at = skip_space(text, at);
        match text.get(at..).and_then(|rest| rest.chars().next()) {
            None => return Ok(mailboxes),
            Some(',' | ';') => at += 1,
            Some(_) => {
                let parts = parse_mailbox(text, at)?;
                if parts.named.mailbox.is_null() {
                    return Err(AddressTemplateError::NullPath);
                }
                at = skip_space(text, parts.end);
                if !matches!(text.get(at..).and_then(|rest| rest.chars().next()), None | Some(',' | ';')) {
                    return Err(
                        AddressError { at, why: "a comma or semicolon should follow the address".into() }.into()
                    );
                }
                mailboxes.push(parts.named);
            }
        }
    }
}

/// RFC 5321 §4.1.1.3: the only address that needs no domain.
fn bare_postmaster(text: &str) -> Option<NamedMailbox> {
    let text = text.trim();
    let mailbox = Mailbox { local: text.to_owned(), domain: String::new() };
    text.eq_ignore_ascii_case("postmaster").then_some(NamedMailbox { name: None, mailbox })
}

/// Whether a value is data of one part: it does not divide the text.
fn is_within_one_part(text: &str, value: &Range<usize>, parts: &MailboxParts) -> bool {
    let is_in = |part: &Range<usize>| part.start <= value.start && value.end <= part.end;
    let has_quotation = text.get(value.clone()).is_some_and(|value| value.contains(['"', '\\']));
    let address = parts.local.start..parts.domain.end;
    if *value == parts.local || *value == parts.domain || *value == address {
        return true;
    }
    // White space around a name is not part of it.
    let is_space = text.get(value.clone()).is_some_and(|value| value.trim_matches([' ', '\t']).is_empty());
    let phrase = phrase_with_space(text, &parts.phrase);
    let is_part_of_name = is_in(&phrase);
    let is_part_of_address = is_in(&parts.local) || is_in(&parts.domain);
    is_space || ((is_part_of_name || is_part_of_address) && !has_quotation)
}

fn phrase_with_space(text: &str, phrase: &Range<usize>) -> Range<usize> {
    let before = text.get(..phrase.start).unwrap_or_default();
    before.trim_end_matches([' ', '\t']).len()..skip_space(text, phrase.end)
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

fn shifted(error: AddressError, by: usize) -> AddressError {
    AddressError { at: error.at + by, ..error }
}

/// `[ phrase ] "<" Mailbox ">" / Mailbox`, from `at` on. A phrase may have dots and UTF-8, as people write it. No
/// comments and no groups.
fn parse_mailbox(text: &str, at: usize) -> Result<MailboxParts, AddressError> {
    let (name, phrase) = parse_phrase(text, at)?;
    let opening = skip_space(text, phrase.end);
    if text.get(opening..).is_none_or(|rest| !rest.starts_with('<')) {
        let (mailbox, end) = parse_address(text, at)?;
        let (local, domain) = part_ranges(&mailbox, at);
        return Ok(MailboxParts { named: NamedMailbox { name: None, mailbox }, phrase: at..at, local, domain, end });
    }
    let start = opening + 1;
    let (mailbox, end) = if text.get(start..).is_some_and(|rest| rest.starts_with('>')) {
        (Mailbox::NULL, start)
    } else {
        parse_address(text, start)?
    };
    if text.get(end..).is_none_or(|rest| !rest.starts_with('>')) {
        return Err(AddressError { at: end, why: "the address should end here with >".into() });
    }
    let (local, domain) = part_ranges(&mailbox, start);
    let name = (!name.is_empty()).then_some(name);
    Ok(MailboxParts { named: NamedMailbox { name, mailbox }, phrase, local, domain, end: end + 1 })
}

fn parse_address(text: &str, at: usize) -> Result<(Mailbox, usize), AddressError> {
    let (mailbox, length) =
        Mailbox::parse_prefix(text.get(at..).unwrap_or_default()).map_err(|error| shifted(error, at))?;
    Ok((mailbox, at + length))
}

/// A Mailbox keeps its text: the local part, the `@`, the domain.
fn part_ranges(mailbox: &Mailbox, at: usize) -> (Range<usize>, Range<usize>) {
    let end = at + mailbox.local.len();
    (at..end, end + 1..end + 1 + mailbox.domain.len())
}

/// Words and quoted strings with one space between them, and where they are.
fn parse_phrase(text: &str, at: usize) -> Result<(String, Range<usize>), AddressError> {
    let mut phrase = String::new();
    let mut end = at;
    loop {
        let start = skip_space(text, end);
        let rest = text.get(start..).unwrap_or_default();
        let word = if rest.starts_with('"') {
            let (word, length) =
                parse_quoted_string(rest).ok_or(AddressError { at: start, why: "this quote is not closed".into() })?;
            end = start + length;
            word
        } else {
            let length = rest.find(|c| !(c == '.' || is_atext(c))).unwrap_or(rest.len());
            if length == 0 {
                return Ok((phrase, at..end));
            }
            end = start + length;
            rest.get(..length).unwrap_or_default().to_owned()
        };
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(&word);
    }
}

/// What is between quotes, without the backslashes (RFC 5322 §3.2.4), and the length with the quotes.
fn parse_quoted_string(text: &str) -> Option<(String, usize)> {
    let mut string = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((string, at + 1)),
            '\\' => string.push(characters.next()?.1),
            c => string.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests;
