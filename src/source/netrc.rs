//! Reads a netrc file, as ftp(1) and curl know it: `machine`, `default`, `login`, `password`, `account`, `macdef`.

/// The value of `field` (`login`, `password`, `account`) for `host`: of the first `machine` of that name, or of
/// `default`, in any order.
pub fn find_value(text: &str, host: &str, field: &str) -> Option<String> {
    let mut tokens = Tokens { rest: text };
    let mut of_default = None;
    let mut entry = EntryKind::Other;
    let mut seen = false;
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "machine" => {
                let matches = tokens.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
                // Only the first entry for a host counts.
                entry = if matches && !seen { EntryKind::Host } else { EntryKind::Other };
                seen |= matches;
            }
            "default" => entry = EntryKind::Default,
            "macdef" => {
                entry = EntryKind::Other;
                tokens.skip_macro();
            }
            "login" | "password" | "account" => {
                let value = tokens.next();
                if token == field {
                    match entry {
                        EntryKind::Host => return value,
                        EntryKind::Default => of_default = of_default.or(value),
                        EntryKind::Other => {}
                    }
                }
            }
            // An unknown word is skipped, and so is its value, which is the next one.
            _ => {}
        }
    }
    if seen { None } else { of_default }
}

#[derive(Clone, Copy)]
enum EntryKind {
    Host,
    Default,
    Other,
}

/// Words separated by white space. `"…"` with backslashes is one word; `#` at the beginning of a word begins a comment.
struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    /// A macro ends at the first empty line.
    fn skip_macro(&mut self) {
        let end = ["\n\n", "\n\r\n"].iter().filter_map(|end| self.rest.find(end).map(|at| at + end.len())).min();
        self.rest = end.map_or("", |end| &self.rest[end..]);
    }
}

impl Iterator for Tokens<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                break;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            let (token, rest) = self.rest.split_at(end);
            self.rest = rest;
            return (!token.is_empty()).then(|| token.to_owned());
        };
        let mut token = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => match characters.next() {
                    Some('n') => token.push('\n'),
                    Some('r') => token.push('\r'),
                    Some('t') => token.push('\t'),
                    Some(escaped) => token.push(escaped),
                    None => break,
                },
                other => token.push(other),
            }
        }
        self.rest = characters.as_str();
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::find_value;
    use proptest::prelude::*;

    #[test]
    fn entries_are_found() {
        let file = "# mail\nmachine a.example login anna password \"p \\\"q\\\" #\"\n\
                    macdef init\nmachine b.example password no\n\nmachine B.example\n\tlogin bob\n\taccount x\n\tpassword b#1\n\
                    machine a.example password second\ndefault login anonymous password guest\n";
        let table = [
            ("a.example", "login", Some("anna"), "one line"),
            ("a.example", "password", Some("p \"q\" #"), "a quoted word, the first of two entries"),
            ("b.example", "password", Some("b#1"), "over several lines, in other case, not the macro's"),
            ("b.example", "account", Some("x"), "an account"),
            ("a.example", "account", None, "an entry without it does not fall back to default's"),
            ("c.example", "login", Some("anonymous"), "default"),
        ];
        for (host, field, expected, why) in table {
            assert_eq!(find_value(file, host, field).as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_keyword_may_be_a_value() {
        assert_eq!(find_value("machine h login machine password default", "h", "password").as_deref(), Some("default"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"(machine|default|macdef|login|password|"|\\|#|h|\n| |\PC){0,40}"#) {
            find_value(&text, "h", "password");
        }
    }
}
