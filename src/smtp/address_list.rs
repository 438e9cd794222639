//! Addresses in headers (RFC 5322 §3.4), built on the Mailbox of RFC 5321:
//!
//! ```abnf
//! address-list = address *("," address)
//! address = mailbox / group
//! mailbox = [ phrase ] "<" Mailbox ">" / Mailbox
//! group = phrase ":" [ mailbox *("," mailbox) ] ";"
//! ```
//!
//! A phrase may contain dots and UTF-8 without quotes, as people write it. Comments are not supported.

use super::address::{AddressError, Mailbox, is_atext};

/// An address of a header: `Name <local@domain>` (RFC 5322 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedMailbox {
    pub name: Option<String>,
    pub mailbox: Mailbox,
}

/// Parses a list of addresses: `a@b`, `Name <a@b>, "Last, First" <c@d>`, and groups, which yield their members. `<>` is
/// the null path. A missing address is an error, because one was probably meant to stand there.
pub fn parse(text: &str) -> Result<Vec<NamedMailbox>, AddressError> {
    match text.find(['\r', '\n', '\0']) {
        Some(at) => Err(AddressError { at, why: "an address cannot contain a line break or NUL".into() }),
        // RFC 5321 §4.1.1.3: the only one that needs no domain.
        None if text.trim().eq_ignore_ascii_case("postmaster") => {
            Ok(vec![NamedMailbox { name: None, mailbox: Mailbox::parse(text.trim())? }])
        }
        None => AddressListParser { text, at: 0 }.list(false),
    }
}

struct AddressListParser<'a> {
    text: &'a str,
    at: usize,
}

impl AddressListParser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn error<T>(&self, why: &'static str) -> Result<T, AddressError> {
        Err(AddressError { at: self.at, why: why.into() })
    }

    /// Skips characters of one kind and returns them.
    fn run(&mut self, is: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn space(&mut self) {
        self.run(|c| c == ' ' || c == '\t');
    }

    /// Addresses up to the end of the text, or of the group.
    fn list(&mut self, in_group: bool) -> Result<Vec<NamedMailbox>, AddressError> {
        let mut found = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(';') if in_group && found.is_empty() => return Ok(found),
                None | Some(',' | ';') => return self.error("an address is missing here"),
                Some(_) => self.address(in_group, &mut found)?,
            }
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(';') if in_group => return Ok(found),
                None if in_group => return self.error("a group must end in a semicolon"),
                None => return Ok(found),
                Some('(') => return self.error("an address cannot contain a comment"),
                Some('_') => return self.error("a domain cannot contain an underscore (U+005F)"),
                Some(_) => return self.error("the address should end here, or a comma follow"),
            }
        }
    }

    fn address(&mut self, in_group: bool, found: &mut Vec<NamedMailbox>) -> Result<(), AddressError> {
        let start = self.at;
        let phrase = self.phrase()?;
        match self.peek() {
            Some('<') => {
                self.at += 1;
                let mailbox = if self.peek() == Some('>') { Mailbox::NULL } else { self.mailbox()? };
                if self.peek() != Some('>') {
                    return self.error("the address should end here with >");
                }
                self.at += 1;
                found.push(NamedMailbox { name: (!phrase.is_empty()).then_some(phrase), mailbox });
            }
            Some(':') if !in_group && !phrase.is_empty() => {
                self.at += 1;
                found.extend(self.list(true)?);
                self.at += 1;
            }
            _ => {
                self.at = start;
                found.push(NamedMailbox { name: None, mailbox: self.mailbox()? });
            }
        }
        Ok(())
    }

    fn mailbox(&mut self) -> Result<Mailbox, AddressError> {
        let start = self.at;
        let (mailbox, length) = Mailbox::parse_prefix(&self.text[start..])
            .map_err(|error| AddressError { at: start + error.at, why: error.why })?;
        self.at += length;
        Ok(mailbox)
    }

    /// Words and quoted strings, joined by single spaces; may be empty.
    fn phrase(&mut self) -> Result<String, AddressError> {
        let mut phrase = String::new();
        loop {
            self.space();
            let word = match self.peek() {
                Some('"') => self.quoted_string()?,
                Some(c) if c == '.' || is_atext(c) => self.run(|c| c == '.' || is_atext(c)).to_owned(),
                _ => return Ok(phrase),
            };
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(&word);
        }
    }

    /// The content of a quoted string, without the backslashes (RFC 5322 §3.2.4).
    fn quoted_string(&mut self) -> Result<String, AddressError> {
        let opening = self.at;
        let mut string = String::new();
        let mut characters = self.text[opening + 1..].char_indices();
        while let Some((offset, c)) = characters.next() {
            match c {
                '"' => {
                    self.at = opening + 1 + offset + 1;
                    return Ok(string);
                }
                '\\' => string.extend(characters.next().map(|(_, c)| c)),
                c => string.push(c),
            }
        }
        self.error("this quote is not closed")
    }
}
