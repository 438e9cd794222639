//! The Mailbox of RFC 5321 §4.1.2, with the UTF-8 of RFC 6531 §3.3.
//!
//! ```abnf
//! Mailbox = Local-part "@" ( Domain / address-literal )
//! Local-part = Dot-string / Quoted-string
//! Dot-string = Atom *("." Atom)
//! Quoted-string = DQUOTE *QcontentSMTP DQUOTE
//! Domain = sub-domain *("." sub-domain)
//! sub-domain = Let-dig [Ldh-str] / U-label
//! address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"
//! ```
//!
//! Whether an address is longer than RFC 5321 §4.5.3.1 allows is left to the server.

use super::domain::{self, code_point};
use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// An address as in MAIL and RCPT, without `<` and `>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// As written, with the quotes of a quoted string.
    pub local: String,
    /// Empty for the null path and for the bare `postmaster` of RFC 5321 §4.1.1.3.
    pub domain: String,
}

/// Why a text is not an address, and at which position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    /// Byte offset into the text.
    pub at: usize,
    pub why: Cow<'static, str>,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl AddressError {
    /// The error with its position in `text`, counted in characters.
    pub fn within(&self, text: &str) -> String {
        let before = text.get(..self.at.min(text.len())).unwrap_or(text);
        format!("{} (at character {})", self.why, before.chars().count() + 1)
    }
}

impl std::error::Error for AddressError {}

impl Mailbox {
    /// The empty reverse path.
    pub const NULL: Self = Self { local: String::new(), domain: String::new() };

    /// Parses `local@domain`, `"quoted"@domain`, `local@[192.0.2.1]`, and the empty text or `<>` as the null path.
    /// Comments, line breaks and spaces outside quotes are errors.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() || text == "<>" {
            return Ok(Self::NULL);
        }
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self { local: text.to_owned(), domain: String::new() });
        }
        let (mailbox, length) = Self::parse_prefix(text)?;
        match text[length..].chars().next() {
            None => Ok(mailbox),
            Some(next) => {
                Err(AddressError { at: length, why: misplaced(next).unwrap_or("the address should end here").into() })
            }
        }
    }

    /// Parses the Mailbox at the beginning of `text`, and returns its length too.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), AddressError> {
        let mut parser = MailboxParser { text, at: 0 };
        parser.local_part()?;
        let local = text[..parser.at].to_owned();
        domain::check_local_part(&local)
            .map_err(|error| AddressError { at: error.at, why: error.to_string().into() })?;
        match parser.peek() {
            Some('@') => parser.at += 1,
            // It ends here, before `>` or the next one of a list.
            Some('>' | ',' | ';') | None => return Err(parser.error("an address needs an @ and a domain")),
            Some(next) => {
                return Err(
                    parser.error(misplaced(next).unwrap_or("this character needs quotes around the part before the @"))
                );
            }
        }
        let domain = parser.at;
        if parser.peek() == Some('[') {
            parser.literal()?
        } else {
            parser.domain()?
        }
        Ok((Self { local, domain: text[domain..parser.at].to_owned() }, parser.at))
    }

    /// Whether it is the null path `<>`.
    pub fn is_null(&self) -> bool {
        self.local.is_empty() && self.domain.is_empty()
    }

    /// Whether it needs SMTPUTF8 (RFC 6531). A domain never does, as it has A-labels (RFC 5890 §2.3.2.1).
    pub fn is_internationalized(&self) -> bool {
        !self.local.is_ascii()
    }

    /// Writes the domain in A-labels.
    pub fn convert_domain(&mut self) {
        // The parser has refused every domain that cannot be converted.
        if let Ok(domain) = domain::to_ascii(&self.domain) {
            self.domain = domain;
        }
    }

    /// Which of RFC 5321's limits it exceeds, in words: servers need not accept a local part of more than 64 octets
    /// (§4.5.3.1.1), a domain of more than 255 (§4.5.3.1.2), or both with `@`, `<` and `>` of more than 256 (§4.5.3.1.3).
    pub fn exceeded_limit(&self) -> Option<String> {
        let path = self.local.len() + self.domain.len() + "<@>".len();
        [
            ("its local part", self.local.len(), 64, "4.5.3.1.1"),
            ("its domain", self.domain.len(), 255, "4.5.3.1.2"),
            ("as a path it", path, 256, "4.5.3.1.3"),
        ]
        .into_iter()
        .find(|(_, octets, most, _)| octets > most)
        .map(|(part, octets, most, section)| {
            format!("{part} has {octets} octets; servers need not accept more than {most} (RFC 5321 §{section})")
        })
    }

    /// What two spellings of the same mailbox have in common: domains are compared without case (RFC 1035 §2.3.3), local
    /// parts exactly (RFC 5321 §2.4).
    pub fn comparison_key(&self) -> (String, String) {
        (self.local.clone(), domain::comparison_key(&self.domain))
    }
}

/// Without `<` and `>`; empty for the null path.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.local)?;
        if self.domain.is_empty() { Ok(()) } else { write!(f, "@{}", self.domain) }
    }
}

/// The error for characters that people often put into addresses.
fn misplaced(c: char) -> Option<&'static str> {
    Some(match c {
        '\r' | '\n' => "an address cannot contain a line break",
        '\0' => "an address cannot contain NUL",
        ' ' | '\t' => "an address cannot contain a space outside quotes",
        '(' | ')' => "an address cannot contain a comment",
        '<' | '>' => "an address is written without < and > here",
        ',' | ';' => "one address is expected here, not a list",
        '@' => "an address has only one @",
        c if c.is_control() => "an address cannot contain a control character",
        _ => return None,
    })
}

/// atext of RFC 5322 §3.2.3 and UTF8-non-ascii of RFC 6531 §3.3, without control characters and spaces.
pub fn is_atext(c: char) -> bool {
    match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c),
        c => !c.is_control() && !c.is_whitespace(),
    }
}

struct MailboxParser<'a> {
    text: &'a str,
    at: usize,
}

impl MailboxParser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn error(&self, why: impl Into<Cow<'static, str>>) -> AddressError {
        AddressError { at: self.at, why: why.into() }
    }

    /// Skips characters of one kind. Returns whether there was any.
    fn skip(&mut self, is: impl Fn(char) -> bool) -> bool {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is(c)).unwrap_or(rest.len());
        self.at += length;
        length > 0
    }

    fn local_part(&mut self) -> Result<(), AddressError> {
        if self.peek() == Some('"') {
            return self.quoted_string();
        }
        loop {
            if !self.skip(is_atext) {
                return Err(self.error(match self.peek() {
                    Some('.') => {
                        "the part before the @ cannot begin with a dot or contain two dots in a row, except in quotes"
                    }
                    Some('@') if self.at == 0 => "there is nothing before the @",
                    Some('@') => "the part before the @ cannot end in a dot, except in quotes",
                    Some(c) => misplaced(c).unwrap_or("this character needs quotes around the part before the @"),
                    None => "an address needs an @ and a domain",
                }));
            }
            if self.peek() != Some('.') {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// ```abnf
    /// QcontentSMTP = qtextSMTP / quoted-pairSMTP
    /// qtextSMTP = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
    /// quoted-pairSMTP = %d92 %d32-126
    /// ```
    fn quoted_string(&mut self) -> Result<(), AddressError> {
        let opening = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(AddressError { at: opening, why: "this quote is not closed".into() }),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(' '..='~') => self.at += 1,
                        _ => return Err(self.error("a backslash must be followed by a printable ASCII character")),
                    }
                }
                Some(c) if c.is_control() => {
                    return Err(self.error(misplaced(c).unwrap_or("this character is not allowed in an address")));
                }
                Some(c) => self.at += c.len_utf8(),
            }
        }
    }

    fn domain(&mut self) -> Result<(), AddressError> {
        let start = self.at;
        self.labels()?;
        let written = &self.text[start..self.at];
        let invalid =
            |error: domain::DomainError| AddressError { at: start + error.at(), why: error.to_string().into() };
        domain::to_ascii(written).map(drop).map_err(invalid)
    }

    /// RFC 5321's `sub-domain`s, or U-labels.
    fn labels(&mut self) -> Result<(), AddressError> {
        let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && is_atext(c));
        loop {
            let label = self.at;
            if self.peek() == Some('-') {
                return Err(self.error("a label of a domain must begin with a letter or digit"));
            }
            if !self.skip(is_label) {
                return Err(self.error(match self.peek() {
                    Some('.') => "a label of the domain is empty",
                    Some('_') => "a domain cannot contain an underscore (U+005F)",
                    Some(c) if !c.is_ascii() => return Err(self.not_in_domain(c)),
                    Some(c) => misplaced(c).unwrap_or("this character is not allowed in a domain"),
                    None if self.text.ends_with('.') => "a domain cannot end in a dot",
                    None => "the domain is missing",
                }));
            }
            if self.text[label..self.at].ends_with('-') {
                self.at -= 1;
                return Err(self.error("a label of a domain must end in a letter or digit"));
            }
            match self.peek() {
                Some('.') => self.at += 1,
                Some('_') => return Err(self.error("a domain cannot contain an underscore (U+005F)")),
                Some(c) if !c.is_ascii() => return Err(self.not_in_domain(c)),
                _ => return Ok(()),
            }
        }
    }

    fn not_in_domain(&self, c: char) -> AddressError {
        self.error(format!("a domain cannot contain {}", code_point(c)))
    }

    /// RFC 5321 §4.1.3.
    fn literal(&mut self) -> Result<(), AddressError> {
        let opening = self.at;
        self.at += 1;
        // dcontent, which includes the colon of the IPv6 and general forms.
        self.skip(|c| matches!(c, '!'..='Z' | '^'..='~'));
        let inside = &self.text[opening + 1..self.at];
        match self.peek() {
            Some(']') => self.at += 1,
            Some(c) => {
                return Err(self.error(misplaced(c).unwrap_or("this character is not allowed in an address literal")));
            }
            None => return Err(AddressError { at: opening, why: "this bracket is not closed".into() }),
        }
        let fine = match inside.split_once(':') {
            None => is_ipv4(inside),
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => address.parse::<Ipv6Addr>().is_ok(),
            Some((tag, content)) => {
                let is_ldh = |c: char| c.is_ascii_alphanumeric() || c == '-';
                !tag.is_empty()
                    && tag.chars().all(is_ldh)
                    && !tag.ends_with('-')
                    && !content.is_empty()
                    && !is_bare_ipv6(inside)
            }
        };
        if fine {
            return Ok(());
        }
        let why = if is_bare_ipv6(inside) {
            "an IPv6 address literal is written [IPv6:…]"
        } else {
            "the brackets hold no IPv4 address, IPv6:address or tag:content"
        };
        Err(AddressError { at: opening + 1, why: why.into() })
    }
}

fn is_bare_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// `Snum 3("." Snum)` with `Snum = 1*3DIGIT`, 0 to 255; leading zeros are allowed.
fn is_ipv4(text: &str) -> bool {
    let mut count = 0;
    text.split('.').all(|snum| {
        count += 1;
        (1..=3).contains(&snum.len())
            && snum.bytes().all(|b| b.is_ascii_digit())
            && snum.parse::<u16>().is_ok_and(|n| n <= 255)
    }) && count == 4
}

#[cfg(test)]
mod tests;
