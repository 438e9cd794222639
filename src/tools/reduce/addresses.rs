//! The addresses of a session: a smaller session has no others, so that nobody else gets mail.

use super::atoms::{LONGEST_ADDRESS, address_candidates, has_expression};
use super::parts::{all_steps, elements};
use super::session_document::{ItemPath, SECTIONS, SessionDocument};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

/// The addresses that a session may name: those of the whole session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAddresses {
    addresses: BTreeSet<String>,
    /// The values of variables that addresses are made of, each after its name.
    values: BTreeSet<(String, String)>,
    /// A recipient without a domain is named.
    has_bare_recipient: bool,
}

impl KnownAddresses {
    /// The addresses of a session.
    pub fn of(session: &SessionDocument) -> Self {
        let mut found = Self::default();
        let text = wire_text(session);
        found.add_text(&text);
        for line in text.lines() {
            let Some(path) = recipient(line).filter(|path| !path.contains('@')) else { continue };
            match has_expression(path) {
                true => drop(found.addresses.insert(path.to_owned())),
                false => found.has_bare_recipient |= !path.is_empty() && path.len() <= LONGEST_ADDRESS,
            }
        }
        found.add_values(session);
        found
    }

    /// Adds the addresses of a file that becomes part of the session.
    pub fn add_text(&mut self, text: &str) {
        // One that is too long is none (RFC 5321 §4.5.3.1.3): it may become shorter, as long as it stays too long.
        let found = address_candidates(text).filter(|word| word.contains('@') && word.len() <= LONGEST_ADDRESS);
        self.addresses.extend(found.map(str::to_owned));
    }

    /// Whether `session` names no other address.
    pub fn allow(&self, session: &SessionDocument) -> bool {
        let part = Self::of(session);
        part.addresses.is_subset(&self.addresses)
            && part.values.is_subset(&self.values)
            && (self.has_bare_recipient || !part.has_bare_recipient)
    }

    /// Adds the variables that addresses are made of, directly or through others.
    fn add_values(&mut self, session: &SessionDocument) {
        let table = ItemPath::of(&["vars"]);
        let variables: Vec<(String, String)> = session
            .keys(&table)
            .into_iter()
            .filter_map(|name| {
                let value = session.string(&table.key(&name))?.to_owned();
                Some((name, value))
            })
            .collect();
        let mut open: Vec<String> = self.addresses.iter().filter(|text| has_expression(text)).cloned().collect();
        while let Some(text) = open.pop() {
            for (name, value) in variables.iter().filter(|(name, _)| uses(&text, name)) {
                if self.values.insert((name.clone(), value.clone())) && has_expression(value) {
                    open.push(value.clone());
                }
            }
        }
    }
}

/// Whether a template has this name as a word.
fn uses(template: &str, name: &str) -> bool {
    template.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// The recipient of a RCPT command.
fn recipient(line: &str) -> Option<&str> {
    let (verb, path) = line.split_once(':')?;
    let is_rcpt = verb.split_whitespace().map(str::to_ascii_uppercase).eq(["RCPT", "TO"]);
    let path = path.trim_start();
    let path = path.strip_prefix('<').map_or_else(
        || if has_expression(path) { Some(path) } else { path.split_whitespace().next() },
        |path| path.split('>').next(),
    );
    path.filter(|_| is_rcpt)
}

/// All strings of a session. What steps send one after the other is joined as on the wire.
fn wire_text(session: &SessionDocument) -> String {
    let mut text = String::new();
    for key in session.keys(&ItemPath::default()) {
        if !SECTIONS.contains(&key.as_str()) {
            add_strings(session, &ItemPath::of(&[&key]), &mut text);
        }
    }
    text.push('\n');
    for step in all_steps(session) {
        for key in session.keys(&step) {
            let path = step.key(&key);
            match key.as_str() {
                "steps" | "pipeline" => {}
                "raw" => add_raw(session, &path, &mut text),
                _ => add_strings(session, &path, &mut text),
            }
        }
    }
    text
}

/// The strings of an item, each on a line of its own.
fn add_strings(session: &SessionDocument, path: &ItemPath, text: &mut String) {
    if let Some(string) = session.string(path) {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match path.last_key() {
            Some("hex" | "base64") => add_raw(session, path, text),
            _ => text.push_str(string),
        }
        text.push('\n');
    }
    session.keys(path).iter().for_each(|key| add_strings(session, &path.key(key), text));
    elements(session, path).iter().for_each(|element| add_strings(session, element, text));
}

/// The bytes of `raw`, joined. An octet of an encoded value is the character of that number.
fn add_raw(session: &SessionDocument, path: &ItemPath, text: &mut String) {
    let mut add_octets = |octets: Vec<u8>| text.extend(octets.into_iter().map(char::from));
    match (session.string(path), path.last_key()) {
        (Some(digits), Some("hex")) => add_octets(decode_hex(digits).unwrap_or_default()),
        (Some(encoded), Some("base64")) => add_octets(STANDARD.decode(encoded).unwrap_or_default()),
        (Some(string), Some("raw")) => text.push_str(string),
        // A file: what is in it is not known.
        (Some(_), _) => text.push('\n'),
        (None, _) => {}
    }
    session.keys(path).iter().for_each(|key| add_raw(session, &path.key(key), text));
    elements(session, path).iter().for_each(|element| add_raw(session, element, text));
}

/// The octets of hexadecimal digits, which may have white space between them; `None` if they are none.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(session: &str) -> KnownAddresses {
        KnownAddresses::of(&SessionDocument::parse(session).expect("TOML"))
    }

    #[test]
    fn a_smaller_session_names_no_other_address() {
        let long = "a".repeat(400);
        let (too_long, shorter, short) =
            (format!("<{long}@x>"), format!("<{}@x>", &long[..330]), format!("<{}@x>", &long[..300]));
        let rcpt = |path: &str| format!("[[step]]\nsend = 'RCPT TO:{path}'\n");
        let raw = |list: &str| format!("[[step]]\nraw = {list}\n");
        let with = |user: &str| format!("[vars]\nuser = '{user}'\n{}", rcpt("<{{ user }}@x.org>"));
        let through =
            |name: &str| format!("[vars]\nname = '{name}'\nuser = '{{{{ name }}}}'\n{}", rcpt("<{{ user }}@x.org>"));
        let table = [
            (rcpt("<bob@x.org>"), rcpt("<bob@x.org>"), true, "the same"),
            (rcpt("<bob@x.org> A=1"), rcpt("<bob@x.org>"), true, "without a parameter"),
            (rcpt("<bob@x.org>"), rcpt("bob@x.org>"), true, "the address stays"),
            (rcpt("<bob@x.org>"), rcpt("<ob@x.org>"), false, "another one"),
            (rcpt("<bob@x.org>"), rcpt("<bob>"), false, "a local one"),
            (rcpt("<bob@x.org>"), rcpt("<>"), true, "none"),
            (rcpt("<bob>"), rcpt("<bo>"), true, "a local one that was local"),
            (rcpt(&too_long), rcpt(&shorter), true, "still too long"),
            (rcpt(&too_long), rcpt(&short), false, "no longer too long"),
            (raw("['RCPT TO:<bob@x.', 'org>']"), raw("['RCPT TO:<bob@x.', '>']"), false, "over two entries"),
            (raw("['RCPT TO:<bob@x.', 'org>']"), raw("['RCPT TO:<bob@x.org>']"), true, "joined"),
            (raw("['RCPT TO:<bob', '@x.org>']"), raw("['RCPT TO:<bob', '>']"), false, "the domain is an entry"),
            (raw("['RCPT TO:<bob@x', { hex = '2e6f7267 3e' }]"), raw("'RCPT TO:<bob@x'"), false, "text and octets"),
            (
                raw("'RCPT TO:<bob@x.'") + &raw("'org>'"),
                raw("'RCPT TO:<bob@x.'") + &raw("'>'"),
                false,
                "over two steps",
            ),
            (
                raw("'RCPT TO:<bob@x.'") + &raw("'org>'") + &raw("'.example>'"),
                raw("'RCPT TO:<bob@x.'") + &raw("'.example>'"),
                false,
                "a step in the middle",
            ),
            (with("bob"), with("bo"), false, "a variable of an address"),
            (through("bob"), through("bo"), false, "a variable of a variable"),
            (
                "[vars]\nx = 'bob'\n".to_owned() + &rcpt("<a@b>"),
                "[vars]\nx = ''\n".to_owned(),
                true,
                "another variable",
            ),
            (rcpt("<{{ to }}>"), rcpt("<{{ from }}>"), false, "another expression"),
            ("message.to = ['a@x', 'b@x']\n".to_owned(), "message.to = ['a@x']\n".to_owned(), true, "a list"),
            ("message.to = 'a@x, b@x'\n".to_owned(), "message.to = 'a@xb@x'\n".to_owned(), false, "run together"),
            ("[[step]]\nbdat = { hex = '6140 78' }\n".to_owned(), raw("'a@x'"), true, "in octets"),
        ];
        for (whole, part, allowed, why) in &table {
            assert_eq!(known(whole).allow(&SessionDocument::parse(part).expect("TOML")), *allowed, "{why}");
            assert!(known(whole).allow(&SessionDocument::parse(whole).expect("TOML")), "{why}: the whole session");
        }
    }

    #[test]
    fn a_file_that_is_written_into_the_session_brings_its_addresses() {
        let mut addresses = known("[[step]]\nbody = { file = 'x' }\n");
        let written = SessionDocument::parse("[[step]]\nbody = 'To: a@x'\n").expect("TOML");
        assert!(!addresses.allow(&written));
        addresses.add_text("To: a@x\n");
        assert!(addresses.allow(&written));
    }

    #[test]
    fn hexadecimal_digits_are_octets() {
        for (text, octets) in [("61 4a", Some(vec![0x61, 0x4a])), ("", Some(vec![])), ("6x", None), ("é", None)] {
            assert_eq!(decode_hex(text), octets, "{text}");
        }
    }
}
