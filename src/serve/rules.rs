//! Replies to commands that replace the sink's own: `[[on]] verb = "RCPT", nth = 2, reply = "450 4.2.0 later"`.

mod read;

use regex::Regex;
use std::time::Duration;

/// The verbs that are not commands: the greeting, and the reply to content (over LMTP one per recipient).
pub(super) const CONNECT: &str = "CONNECT";
/// The verb of the reply to content.
pub(super) const CONTENT: &str = "CONTENT";

/// The verbs that are suggested for a mistyped one.
const VERBS: [&str; 22] = [
    CONNECT, CONTENT, "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN",
    "HELP", "AUTH", "STARTTLS", "ETRN", "BURL", "SEND", "SOML", "SAML",
];

/// Rules in the order of their file; the first that matches is applied.
#[derive(Clone, Debug, Default)]
pub struct ReplyRules {
    pub(super) list: Vec<ReplyRule>,
}

/// When to reply differently, and what.
#[derive(Clone, Debug)]
pub(super) struct ReplyRule {
    /// In upper case.
    verb: String,
    /// Which of the connection's commands that match otherwise, counted from 1; `None`: all of them.
    nth: Option<u32>,
    argument: Option<Regex>,
    /// With CRLF after each line. Empty if nothing is replied.
    pub(super) reply: Vec<u8>,
    /// Waited before the reply.
    pub(super) delay: Option<Duration>,
    /// Whether the connection is closed after the reply.
    pub(super) close: bool,
}

impl ReplyRules {
    /// The rule for a command. `counts` belong to the connection, one for each rule.
    pub(super) fn find(&self, counts: &mut Vec<u32>, verb: &str, argument: &str) -> Option<&ReplyRule> {
        counts.resize(self.list.len(), 0);
        let mut found = None;
        for (rule, count) in self.list.iter().zip(counts) {
            if rule.verb != verb || rule.argument.as_ref().is_some_and(|regex| !regex.is_match(argument)) {
                continue;
            }
            *count = count.saturating_add(1);
            if found.is_none() && rule.nth.is_none_or(|nth| nth == *count) {
                found = Some(rule);
            }
        }
        found
    }
}

impl ReplyRule {
    /// Whether the command takes effect: the reply is of class 2 or 3.
    pub(super) fn permits_command(&self) -> bool {
        matches!(self.reply.first(), Some(b'2' | b'3'))
    }
}
