//! Replies by command, in place of the sink's own: `[[on]] verb = "RCPT", nth = 2, reply = "450 4.2.0 later"`.

use crate::session::{nearest, parse_duration};
use regex::Regex;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

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
pub struct Rules {
    pub(super) list: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
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

/// Why a file does not hold rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    pub why: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.why)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    on: Vec<Spanned<On>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct On {
    verb: Spanned<String>,
    nth: Option<Spanned<u32>>,
    argument: Option<Spanned<String>>,
    reply: Option<Spanned<String>>,
    delay: Option<Spanned<String>>,
    #[serde(default)]
    close: bool,
}

impl Rules {
    /// Reads TOML. Gives all errors of its rules, or of its syntax, or the first key or value that is of no use.
    pub fn parse(text: &str) -> Result<Self, Vec<RulesError>> {
        let at = |offset: usize, why: String| {
            let before = text.get(..offset).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            RulesError { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1, why }
        };
        let (_, syntax) = toml::de::DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
            let errors = syntax.iter().map(|error| at(place(error), error.message().trim_end().replace('\n', " ")));
            return Err(errors.collect());
        }
        let file: File = toml::from_str(text).map_err(|error| {
            vec![at(error.span().map_or(0, |span| span.start), error.message().trim_end().replace('\n', " "))]
        })?;
        let mut errors = Vec::new();
        let mut list = Vec::new();
        if file.on.is_empty() {
            errors.push(at(0, "no rules: write [[on]] with verb and reply".to_owned()));
        }
        for on in file.on {
            let place = on.span().start;
            match Rule::new(place, on.into_inner()) {
                Ok(rule) => list.push(rule),
                Err((offset, why)) => errors.push(at(offset, why)),
            }
        }
        if errors.is_empty() { Ok(Self { list }) } else { Err(errors) }
    }

    /// The rule for a command; `counts` are the connection's, one for each rule.
    pub(super) fn find(&self, counts: &mut Vec<u32>, verb: &str, argument: &str) -> Option<&Rule> {
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

impl Rule {
    fn new(place: usize, on: On) -> Result<Self, (usize, String)> {
        let verb = on.verb.get_ref().to_ascii_uppercase();
        if verb.is_empty() || !verb.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err((on.verb.span().start, "verb is one word: RCPT, CONNECT for the greeting, CONTENT".to_owned()));
        }
        // A verb of one's own has its use (what does the client do then?); one that is nearly a command is mistyped.
        if !VERBS.contains(&verb.as_str())
            && let Some(meant) = nearest(&verb, VERBS.into_iter())
        {
            return Err((on.verb.span().start, format!("\"{verb}\" is no command: did you mean \"{meant}\"?")));
        }
        if let Some(nth) = on.nth.as_ref().filter(|nth| *nth.get_ref() == 0) {
            return Err((nth.span().start, "nth counts from 1".to_owned()));
        }
        let argument = match &on.argument {
            Some(pattern) => Some(
                Regex::new(pattern.get_ref()).map_err(|error| (pattern.span().start, format!("argument: {error}")))?,
            ),
            None => None,
        };
        let delay = match &on.delay {
            Some(text) => Some(parse_duration(text.get_ref()).map_err(|why| (text.span().start, why))?),
            None => None,
        };
        if on.reply.is_none() && !on.close {
            return Err((place, "a rule has a reply, or close = true".to_owned()));
        }
        let reply = on.reply.map_or_else(Vec::new, |reply| {
            let text = reply.into_inner();
            let lines = text.trim_end_matches(['\r', '\n']).split('\n');
            lines.flat_map(|line| [line.trim_end_matches('\r').as_bytes(), b"\r\n"].concat()).collect()
        });
        Ok(Self { verb, nth: on.nth.map(Spanned::into_inner), argument, reply, delay, close: on.close })
    }

    /// Whether the command is to have its effect: the reply is of class 2 or 3.
    pub(super) fn lets(&self) -> bool {
        matches!(self.reply.first(), Some(b'2' | b'3'))
    }
}
