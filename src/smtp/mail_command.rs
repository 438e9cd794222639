//! The MAIL command with its ESMTP parameters (RFC 5321 §3.3).

use super::address::Mailbox;
use super::capabilities::Capabilities;

/// What a MAIL command is made of.
pub struct MailCommand<'m> {
    pub from: &'m Mailbox,
    /// The octets of the content with CRLF line ends, before stuffing (RFC 1870 §3).
    pub size: u64,
    /// The content has bytes beyond ASCII.
    pub eight_bit: bool,
    /// The envelope or the headers need SMTPUTF8 (RFC 6531).
    pub internationalized: bool,
    /// A reply per recipient is asked for (PRDR).
    pub prdr: bool,
    /// Parameters that are given: none of these is added again.
    pub params: &'m str,
}

impl MailCommand<'_> {
    /// The line, CRLF included, with the parameters that the server offers; or what the message needs and the server lacks
    /// (RFC 1870 §6, RFC 6152 §3, RFC 6531 §3.4).
    pub fn line(&self, offered: &Capabilities) -> Result<String, Vec<String>> {
        let mut missing = Vec::new();
        let mut line = format!("MAIL FROM:<{}>", self.from);
        if offered.has("SIZE") && !self.has_param("SIZE") {
            if let Some(limit) = offered.size().filter(|limit| self.size > *limit) {
                missing.push(format!("room for a message of {} bytes (SIZE {limit})", self.size));
            }
            line += &format!(" SIZE={}", self.size);
        }
        if self.eight_bit && !self.has_param("BODY") {
            if !offered.has("8BITMIME") {
                missing.push("8BITMIME, which the message needs".to_owned());
            }
            line += " BODY=8BITMIME";
        }
        if self.internationalized && !self.has_param("SMTPUTF8") {
            if !offered.has("SMTPUTF8") {
                missing.push("SMTPUTF8, which the message's addresses or headers need".to_owned());
            }
            line += " SMTPUTF8";
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        if self.prdr && !self.has_param("PRDR") {
            line += " PRDR";
        }
        if !self.params.is_empty() {
            line += &format!(" {}", self.params);
        }
        Ok(line + "\r\n")
    }

    /// Whether this parameter is given.
    pub fn has_param(&self, keyword: &str) -> bool {
        let mut words = self.params.split_whitespace();
        words.any(|word| word.split('=').next().is_some_and(|given| given.eq_ignore_ascii_case(keyword)))
    }
}
