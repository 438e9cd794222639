//! Replies by command, in place of the sink's own: `[[on]] verb = "RCPT", nth = 2, reply = "450 4.2.0 later"`.

mod read;

use regex::Regex;
use std::time::Duration;

/// The verbs that are no commands: the greeting, and the reply to content (over LMTP one for each recipient).
pub(super) const CONNECT: &str = "CONNECT";
pub(super) const CONTENT: &str = "CONTENT";

/// The verbs that a mistyped one may mean.
const VERBS: [&str; 22] = [
    CONNECT, CONTENT, "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN",
    "HELP", "AUTH", "STARTTLS", "ETRN", "BURL", "SEND", "SOML", "SAML",
];

/// Rules in the order of their file; the first that fits is obeyed.
#[derive(Clone, Debug, Default)]
pub struct ReplyRules {
    pub(super) list: Vec<ReplyRule>,
}

#[derive(Clone, Debug)]
pub(super) struct ReplyRule {
    /// Upper case.
    verb: String,
    /// Of the connection's commands that fit otherwise, which one, counted from 1; every one where it is `None`.
    nth: Option<u32>,
    argument: Option<Regex>,
    /// With CRLF behind each line. Empty where nothing is answered.
    pub(super) reply: Vec<u8>,
    /// Before the reply.
    pub(super) delay: Option<Duration>,
    /// Behind the reply.
    pub(super) close: bool,
}

impl ReplyRules {
    /// The rule for a command; `counts` are the connection's, one for each rule.
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
    /// Whether the command is to have its effect: the reply is of class 2 or 3.
    pub(super) fn permits_command(&self) -> bool {
        matches!(self.reply.first(), Some(b'2' | b'3'))
    }
}
