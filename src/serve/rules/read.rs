//! Reads rules in TOML. Like the reader of session files, it returns all errors with their places.

use super::{ReplyRule, ReplyRules, VERBS};
use crate::session::{Diagnostic, Diagnostics, SourceMap, Span, closest_name, describe_value, parse_duration};
use regex::Regex;
use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of a rule.
const KEYS: [&str; 6] = ["verb", "nth", "argument", "reply", "delay", "close"];

/// Keys that only session files have at their top level.
const OF_SESSIONS: [&str; 10] =
    ["server", "step", "open", "close", "message", "rows", "auth", "vars", "secrets", "client_name"];

type TomlNode<'a> = Spanned<DeValue<'a>>;

impl ReplyRules {
    /// Reads the rules in TOML. All errors are returned, not only the first. `name` is the name of the file in messages.
    pub fn read(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let (table, syntax) = DeTable::parse_recoverable(text);
        let mut reader = RuleReader { sources, file, found: Vec::new(), broken: HashSet::new() };
        for error in syntax {
            let span = reader.span(error.span().unwrap_or_default());
            reader.broken.insert(reader.sources.place(&span).line);
            reader.found.push(Diagnostic::error(span, error.message().trim_end().replace('\n', " ")));
        }
        let rules = reader.rules(table.get_ref());
        if reader.found.is_empty() {
            return Ok(rules);
        }
        reader.found.sort_by_key(|one| one.span.bytes.start);
        Err(Diagnostics { list: reader.found, sources: reader.sources })
    }
}

struct RuleReader {
    sources: SourceMap,
    file: usize,
    found: Vec<Diagnostic>,
    /// The lines with syntax errors. Values there may be misread and keys may seem to be missing, so no other errors
    /// are reported for them.
    broken: HashSet<usize>,
}

impl RuleReader {
    fn span(&self, bytes: Range<usize>) -> Span {
        Span { file: self.file, bytes }
    }

    fn add(&mut self, one: Diagnostic) {
        if !self.broken.contains(&self.sources.place(&one.span).line) {
            self.found.push(one);
        }
    }

    fn error<T>(&mut self, bytes: Range<usize>, message: impl Into<String>) -> Option<T> {
        let one = Diagnostic::error(self.span(bytes), message);
        self.add(one);
        None
    }

    fn missing(&mut self, bytes: Range<usize>, message: &str) {
        if self.broken.is_empty() {
            let one = Diagnostic::error(self.span(bytes), message);
            self.found.push(one);
        }
    }

    fn rules(&mut self, table: &DeTable<'_>) -> ReplyRules {
        let on = table.get("on");
        let of_session = OF_SESSIONS.iter().filter_map(|name| table.get_key_value(*name));
        if on.is_none()
            && let Some((key, _)) = of_session.min_by_key(|(key, _)| key.span().start)
        {
            let one = Diagnostic::error(self.span(key.span()), "this is a session file, not rules for a server");
            let help = "`mailrun run` runs it; rules have [[on]] tables with verb and reply";
            self.found.push(one.with_help(help));
            return ReplyRules::default();
        }
        let meant = self.unknown(table, "the file", &["on"]);
        let rules = match on.map(|node| (node.get_ref(), node.span())) {
            Some((DeValue::Array(list), span)) if list.is_empty() => self.error(span, "\"on\" is an empty list"),
            Some((DeValue::Array(list), _)) => Some(list.iter().filter_map(|node| self.rule(node)).collect()),
            Some((_, span)) => self.error(span, "\"on\" must be a list of rules: write [[on]]"),
            None if meant.is_empty() => {
                self.missing(0..0, "no rules: write [[on]] with verb and reply");
                None
            }
            None => None,
        };
        ReplyRules { list: rules.unwrap_or_default() }
    }

    /// Reports unknown keys. Returns the keys that were probably meant.
    fn unknown(&mut self, table: &DeTable<'_>, what: &str, keys: &[&'static str]) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for (key, _) in table.iter().filter(|(key, _)| !keys.contains(&key.get_ref().as_ref())) {
            let message = format!("unknown key \"{}\" in {what}", key.get_ref());
            let unknown = Diagnostic::error(self.span(key.span()), message);
            let guess = closest_name(key.get_ref(), keys.iter().copied());
            meant.extend(guess);
            self.add(match guess {
                Some(guess) => unknown.with_label(format!("did you mean \"{guess}\"?")),
                None => unknown.with_help(format!("{what} may have: {}", keys.join(", "))),
            });
        }
        meant
    }

    /// Reads one rule; `None` if its verb is invalid.
    fn rule(&mut self, node: &TomlNode<'_>) -> Option<ReplyRule> {
        let DeValue::Table(table) = node.get_ref() else {
            return self.error(node.span(), "a rule must be a table");
        };
        let meant = self.unknown(table, "a rule", &KEYS);
        let verb = table.get("verb").and_then(|node| self.verb(node));
        let nth = table.get("nth").and_then(|node| self.nth(node));
        let argument = table.get("argument").and_then(|node| self.regex(node));
        let delay = table.get("delay").and_then(|node| self.duration(node));
        let reply = table.get("reply").and_then(|node| self.text("reply", node));
        let close = table.get("close").and_then(|node| match node.get_ref() {
            DeValue::Boolean(close) => Some(*close),
            _ => self.must_be("close", "true or false", node),
        });
        let stands = |name: &str| table.contains_key(name) || meant.contains(&name);
        // The error points at the table's header, not at all that follows it.
        if !stands("verb") {
            self.missing(node.span(), "a rule has a verb: RCPT, CONNECT for the greeting, CONTENT");
        }
        let closes = stands("close") && close != Some(false);
        if !stands("reply") && !closes {
            self.missing(node.span(), "a rule has a reply, or close = true");
        }
        let reply = reply.map_or_else(Vec::new, |text| {
            let lines = text.trim_end_matches(['\r', '\n']).split('\n');
            lines.flat_map(|line| [line.trim_end_matches('\r').as_bytes(), b"\r\n"].concat()).collect()
        });
        Some(ReplyRule { verb: verb?, nth, argument, reply, delay, close: close.unwrap_or(false) })
    }

    fn must_be<T>(&mut self, name: &str, what: &str, node: &TomlNode<'_>) -> Option<T> {
        let got = describe_value(node.get_ref());
        self.error(node.span(), format!("\"{name}\" must be {what}, not {got}"))
    }

    fn text<'a>(&mut self, name: &str, node: &'a TomlNode<'_>) -> Option<&'a str> {
        match node.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.must_be(name, "a string", node),
        }
    }

    fn verb(&mut self, node: &TomlNode<'_>) -> Option<String> {
        let verb = self.text("verb", node)?.to_ascii_uppercase();
        if verb.is_empty() || !verb.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return self.error(node.span(), "\"verb\" must be one word: RCPT, CONNECT for the greeting, CONTENT");
        }
        // Unknown verbs are useful (what does the client do then?); one that is nearly a command is a typing error.
        if !VERBS.contains(&verb.as_str())
            && let Some(meant) = closest_name(&verb, VERBS.into_iter())
        {
            let one = Diagnostic::error(self.span(node.span()), format!("\"{verb}\" is not a command"));
            self.add(one.with_label(format!("did you mean \"{meant}\"?")));
            return None;
        }
        Some(verb)
    }

    fn nth(&mut self, node: &TomlNode<'_>) -> Option<u32> {
        let number = match node.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.filter(|nth| *nth > 0).or_else(|| self.must_be("nth", "a whole number, counted from 1", node))
    }

    fn regex(&mut self, node: &TomlNode<'_>) -> Option<Regex> {
        let text = self.text("argument", node)?;
        Regex::new(text)
            .map_err(|error| {
                // The crate explains it in several lines for a terminal; the last one has the reason.
                let words = error.to_string();
                let why = words.lines().rev().find_map(|line| line.strip_prefix("error: "));
                let why = why.or_else(|| words.lines().last()).unwrap_or_default();
                self.error::<()>(node.span(), format!("\"argument\" is not a regular expression: {why}"));
            })
            .ok()
    }

    fn duration(&mut self, node: &TomlNode<'_>) -> Option<Duration> {
        let text = self.text("delay", node)?;
        parse_duration(text).map_err(|why| self.error::<()>(node.span(), why)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_each_with_its_place_and_what_was_meant() {
        let table = [
            (
                "[[on]]\nver = 'RCPT'\nreply = '250 x'\n[[on]]\nverb = 'RCTP'\nnth = 0\nreply = 1\nclose = 'yes'\n",
                "r.toml:2:1: error: unknown key \"ver\" in a rule\n  |\n2 | ver = 'RCPT'\n  | ^^^ did you mean \"verb\"?\n\
                 r.toml:5:8: error: \"RCTP\" is not a command\n  |\n5 | verb = 'RCTP'\n  |        ^^^^^^ did you mean \"RCPT\"?\n\
                 r.toml:6:7: error: \"nth\" must be a whole number, counted from 1, not 0\n  |\n6 | nth = 0\n  |       ^\n\
                 r.toml:7:9: error: \"reply\" must be a string, not 1\n  |\n7 | reply = 1\n  |         ^\n\
                 r.toml:8:9: error: \"close\" must be true or false, not \"yes\"\n  |\n8 | close = 'yes'\n  |         ^^^^^\n",
                "one run tells them all",
            ),
            (
                "server = 'smtp://a'\n[[step]]\nexpect = 220\n",
                "r.toml:1:1: error: this is a session file, not rules for a server\n  |\n1 | server = 'smtp://a'\n  \
                 | ^^^^^^\n  = help: `mailrun run` runs it; rules have [[on]] tables with verb and reply\n",
                "the wrong file",
            ),
            (
                "[[om]]\nverb = 'RCPT'\nreply = '250 x'\n",
                "r.toml:1:3: error: unknown key \"om\" in the file\n  |\n1 | [[om]]\n  |   ^^ did you mean \"on\"?\n",
                "what was meant is not missing, too",
            ),
            (
                "on = 3\n",
                "r.toml:1:6: error: \"on\" must be a list of rules: write [[on]]\n  |\n1 | on = 3\n  |      ^\n",
                "no list",
            ),
            (
                "[[on]]\nverb = \nreply = 5\n",
                "r.toml:2:8: error: string values must be quoted, expected literal string\n  |\n2 | verb =\n  |        ^\n\
                 r.toml:3:9: error: \"reply\" must be a string, not 5\n  |\n3 | reply = 5\n  |         ^\n",
                "syntax, and what stands elsewhere",
            ),
            (
                "[[on]]\nverb = 'RCPT'\nargument = '('\nreply = '250 x'\n",
                "r.toml:3:12: error: \"argument\" is not a regular expression: unclosed group\n  |\n3 | argument = '('\n  \
                 |            ^^^\n",
                "a reason in one line",
            ),
        ];
        for (text, expected, why) in table {
            let found = ReplyRules::read("r.toml", text).expect_err(why);
            assert_eq!(found.render(false), expected, "{why}");
        }
    }
}
