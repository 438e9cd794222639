//! Reads a netrc file, as ftp(1) and curl know it: `machine`, `default`, `login`, `password`, `account`, `macdef`.

/// The value of `field` (`login`, `password`, `account`) for `host`: of the first entry with the login `user`, or of the first
/// entry if that is `None`. `default` is used if no `machine` of that host has it, wherever it is in the file.
pub fn find_value(text: &str, host: &str, user: Option<&str>, field: &str) -> Option<String> {
    let entries = entries(text, host);
    let is_of_user = |entry: &&NetrcEntry| user.is_none() || entry.login.as_deref() == user;
    let (defaults, machines): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.is_default);
    let chosen = machines.iter().find(is_of_user).or_else(|| defaults.iter().find(is_of_user))?;
    match field {
        "login" => chosen.login.clone(),
        "password" => chosen.password.clone(),
        _ => chosen.account.clone(),
    }
}

/// A `machine` or `default`.
#[derive(Default)]
struct NetrcEntry {
    is_default: bool,
    login: Option<String>,
    password: Option<String>,
    account: Option<String>,
}

/// The entries for a host, and those for any.
fn entries(text: &str, host: &str) -> Vec<NetrcEntry> {
    let mut tokens = Tokens { rest: text };
    let mut found: Vec<NetrcEntry> = Vec::new();
    // Whether the last entry found is the one that is read.
    let mut is_open = false;
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "machine" => {
                is_open = tokens.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
                found.extend(is_open.then(NetrcEntry::default));
            }
            "default" => {
                is_open = true;
                found.push(NetrcEntry { is_default: true, ..NetrcEntry::default() });
            }
            "macdef" => {
                is_open = false;
                tokens.skip_macro();
            }
            "login" | "password" | "account" => {
                let value = tokens.next();
                let Some(entry) = found.last_mut().filter(|_| is_open) else { continue };
                let slot = match token.as_str() {
                    "login" => &mut entry.login,
                    "password" => &mut entry.password,
                    _ => &mut entry.account,
                };
                *slot = slot.take().or(value);
            }
            // An unknown word is skipped, and so is its value, which is the next one.
            _ => {}
        }
    }
    found
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
                    machine a.example password second\nmachine d.example password one password two\ndefault login anonymous password guest\n";
        let table = [
            ("a.example", "login", Some("anna"), "one line"),
            ("a.example", "password", Some("p \"q\" #"), "a quoted word, the first of two entries"),
            ("b.example", "password", Some("b#1"), "over several lines, in other case, not the macro's"),
            ("b.example", "account", Some("x"), "an account"),
            ("a.example", "account", None, "an entry without it does not fall back to default's"),
            ("c.example", "login", Some("anonymous"), "default"),
            ("d.example", "password", Some("one"), "the first of two in one entry"),
        ];
        for (host, field, expected, why) in table {
            assert_eq!(find_value(file, host, None, field).as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn the_entry_is_that_of_the_user() {
        let file = "machine h login joe password joes\nmachine h password nobodys\nmachine h login jim password jims\n\
                    machine h login jim password second\nmachine i login ann password anns\n\
                    default login kim password kims\n";
        let table = [
            ("h", Some("jim"), Some("jims"), "the first of this login"),
            ("h", Some("joe"), Some("joes"), "the other"),
            ("h", None, Some("joes"), "no user: the first entry"),
            ("h", Some("kim"), Some("kims"), "default has this login"),
            ("h", Some("ann"), None, "another host's"),
            ("h", Some("JIM"), None, "logins are compared exactly"),
            ("i", Some("jim"), None, "no entry of this host"),
            ("x", None, Some("kims"), "default"),
        ];
        for (host, user, expected, why) in table {
            assert_eq!(find_value(file, host, user, "password").as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_keyword_may_be_a_value() {
        assert_eq!(
            find_value("machine h login machine password default", "h", None, "password").as_deref(),
            Some("default")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"(machine|default|macdef|login|password|"|\\|#|h|\n| |\PC){0,40}"#) {
            find_value(&text, "h", None, "password");
            find_value(&text, "h", Some("h"), "password");
        }
    }
}
