//! The Mailbox of RFC 5321 §4.1.2, with the UTF-8 of RFC 6531 §3.3.

/// An address as it stands between `<` and `>` in MAIL and RCPT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    pub local: String,
    /// Empty for the null path and for the bare `postmaster` of RFC 5321 §4.1.1.3.
    pub domain: String,
}

/// Where and why an address is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    /// Byte offset into the text.
    pub at: usize,
    pub why: &'static str,
}

impl Mailbox {
    /// Parses `local@domain`, `"quoted"@domain`, `local@[192.0.2.1]`, and the empty text or `<>` as the null path.
    /// Comments, line breaks and spaces outside quotes are errors.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let _ = text;
        todo!()
    }

    pub fn is_null(&self) -> bool {
        self.local.is_empty() && self.domain.is_empty()
    }

    /// Whether it needs SMTPUTF8 (RFC 6531).
    pub fn is_internationalized(&self) -> bool {
        !self.local.is_ascii() || !self.domain.is_ascii()
    }
}
