//! What a server says it can do in its EHLO or LHLO reply (RFC 5321 §4.1.1.1).

use super::reply::Reply;
use std::collections::BTreeMap;

/// The capabilities of one EHLO reply. Keywords are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The first word of the first line: the name the server gives itself.
    pub name: Option<String>,
    /// What follows the name on the first line.
    pub greeting: String,
    /// Upper-case keyword to its parameters as they stand.
    pub keywords: BTreeMap<String, String>,
}

impl Capabilities {
    /// Reads a positive EHLO reply.
    pub fn parse(reply: &Reply) -> Self {
        let _ = reply;
        todo!()
    }

    pub fn has(&self, keyword: &str) -> bool {
        self.keywords.contains_key(&keyword.to_ascii_uppercase())
    }

    /// The SASL mechanisms of `AUTH` and of the old `AUTH=` form, upper case (RFC 4954 §3).
    pub fn auth(&self) -> Vec<String> {
        todo!()
    }

    /// The limit of `SIZE` in bytes; `None` where it is absent, 0 or not a number (RFC 1870 §4).
    pub fn size(&self) -> Option<u64> {
        todo!()
    }

    /// Whether `requirement` (`CHUNKING`, `AUTH PLAIN`) is offered.
    pub fn satisfies(&self, requirement: &str) -> bool {
        let _ = requirement;
        todo!()
    }
}
