//! The capabilities in a server's EHLO or LHLO reply (RFC 5321 §4.1.1.1).

use super::reply::Reply;
use std::collections::BTreeMap;

/// The capabilities of one EHLO reply. Keywords are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The first word of the first line: the name the server gives itself.
    pub name: Option<String>,
    /// What follows the name on the first line.
    pub greeting: String,
    /// Keywords in upper case, with their parameters as sent.
    pub keywords: BTreeMap<String, String>,
}

impl Capabilities {
    /// Parses a positive EHLO reply:
    ///
    /// ```abnf
    /// ehlo-ok-rsp = ( "250" SP Domain [ SP ehlo-greet ] CRLF ) / …
    /// ehlo-line = ehlo-keyword *( SP ehlo-param )
    /// ```
    ///
    /// If a keyword comes twice, the first one counts; but AUTH lines are merged, because servers repeat them for old
    /// clients.
    pub fn parse(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter().map(|line| String::from_utf8_lossy(line));
        let first = lines.next().unwrap_or_default();
        let (name, greeting) = split_word(&first);
        let mut capabilities = Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            greeting: greeting.to_owned(),
            keywords: BTreeMap::new(),
        };
        for line in lines {
            let (word, parameters) = split_word(&line);
            let keyword = word.to_ascii_uppercase();
            match keyword.strip_prefix("AUTH=") {
                Some(mechanism) => capabilities.add_auth(&format!("{mechanism} {parameters}")),
                None if keyword == "AUTH" => capabilities.add_auth(parameters),
                None if keyword.is_empty() => {}
                None => {
                    capabilities.keywords.entry(keyword).or_insert_with(|| parameters.to_owned());
                }
            }
        }
        capabilities
    }

    /// Adds mechanisms that are not in the list yet.
    fn add_auth(&mut self, mechanisms: &str) {
        let known = self.keywords.entry("AUTH".to_owned()).or_default();
        for mechanism in mechanisms.split_ascii_whitespace() {
            if !has_word(known, mechanism) {
                if !known.is_empty() {
                    known.push(' ');
                }
                known.push_str(mechanism);
            }
        }
    }

    /// Whether the keyword is offered, without regard to case.
    pub fn has(&self, keyword: &str) -> bool {
        self.keywords.contains_key(&keyword.to_ascii_uppercase())
    }

    /// The SASL mechanisms of `AUTH` and of the old `AUTH=` form, in upper case (RFC 4954 §3).
    pub fn auth(&self) -> Vec<String> {
        let mechanisms = self.keywords.get("AUTH").map(String::as_str).unwrap_or_default();
        mechanisms.split_ascii_whitespace().map(str::to_ascii_uppercase).collect()
    }

    /// The limit of `SIZE` in octets; `None` if it is absent, 0 or not a number (RFC 1870 §4).
    pub fn size(&self) -> Option<u64> {
        let size = self.keywords.get("SIZE")?;
        if !size.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        size.parse().ok().filter(|size| *size > 0)
    }

    /// Whether `requirement` (`CHUNKING`, `AUTH PLAIN`) is offered: its keyword, with each of its parameters. A
    /// parameter of SIZE is the least size that the server must accept.
    pub fn satisfies(&self, requirement: &str) -> bool {
        let mut words = requirement.split_ascii_whitespace();
        let Some(keyword) = words.next().map(str::to_ascii_uppercase) else { return true };
        let Some(parameters) = self.keywords.get(&keyword) else { return false };
        words.all(|word| match word.parse::<u64>() {
            Ok(needed) if keyword == "SIZE" => self.size().is_none_or(|limit| needed <= limit),
            _ => has_word(parameters, word),
        })
    }
}

/// The first word, and the rest without surrounding space.
fn split_word(line: &str) -> (&str, &str) {
    let line = line.trim_matches([' ', '\t']);
    match line.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start_matches([' ', '\t'])),
        None => (line, ""),
    }
}

fn has_word(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::ReplyCode;

    fn ehlo(lines: &[&str]) -> Capabilities {
        let code = ReplyCode::new(250).expect("250 has three digits");
        Capabilities::parse(&Reply { code, lines: lines.iter().map(|l| l.as_bytes().to_vec()).collect() })
    }

    #[test]
    fn name_and_greeting_stand_on_the_first_line() {
        let table: &[(&str, Option<&str>, &str)] = &[
            ("mx.example Hello you", Some("mx.example"), "Hello you"),
            ("mx.example", Some("mx.example"), ""),
            ("", None, ""),
        ];
        for (line, name, greeting) in table {
            let found = ehlo(&[line]);
            assert_eq!((found.name.as_deref(), found.greeting.as_str()), (*name, *greeting));
            assert!(found.keywords.is_empty());
        }
    }

    #[test]
    fn mechanisms_add_up() {
        let table: &[(&[&str], &[&str], &str)] = &[
            (&["x", "AUTH PLAIN LOGIN"], &["PLAIN", "LOGIN"], "the usual"),
            (&["x", "auth plain Login"], &["PLAIN", "LOGIN"], "case does not count"),
            (&["x", "AUTH=LOGIN"], &["LOGIN"], "the old form"),
            (&["x", "AUTH=LOGIN PLAIN"], &["LOGIN", "PLAIN"], "the old form with two"),
            (&["x", "AUTH PLAIN", "AUTH=PLAIN LOGIN"], &["PLAIN", "LOGIN"], "both forms"),
            (&["x", "AUTH PLAIN", "AUTH CRAM-MD5"], &["PLAIN", "CRAM-MD5"], "two lines"),
            (&["x", "AUTH"], &[], "none at all"),
            (&["AUTH PLAIN"], &[], "the first line is the server's name"),
        ];
        for (lines, mechanisms, why) in table {
            assert_eq!(ehlo(lines).auth(), *mechanisms, "{why}");
        }
    }

    #[test]
    fn size_is_a_limit_or_none() {
        let table = [
            ("SIZE 35882577", Some(35_882_577)),
            ("size 10", Some(10)),
            ("SIZE", None),
            ("SIZE 0", None),
            ("SIZE lots", None),
            ("SIZE +5", None),
            ("SIZE 99999999999999999999999", None),
            ("8BITMIME", None),
        ];
        for (line, size) in table {
            assert_eq!(ehlo(&["x", line]).size(), size, "{line}");
        }
    }

    #[test]
    fn requirements_are_looked_up_word_by_word() {
        let offered = ehlo(&["x", "starttls", "AUTH PLAIN LOGIN", "SIZE 1000", "LIMITS RCPTMAX=5"]);
        let table = [
            ("STARTTLS", true),
            ("StartTLS", true),
            ("AUTH", true),
            ("auth login", true),
            ("AUTH PLAIN LOGIN", true),
            ("AUTH SCRAM-SHA-1", false),
            ("SIZE 1000", true),
            ("SIZE 1001", false),
            ("LIMITS RCPTMAX=5", true),
            ("CHUNKING", false),
            ("", true),
        ];
        for (requirement, satisfied) in table {
            assert_eq!(offered.satisfies(requirement), satisfied, "{requirement}");
        }
        assert!(offered.has("Starttls"));
        assert!(ehlo(&["x", "SIZE"]).satisfies("SIZE 1001"), "no limit takes everything");
    }
}
