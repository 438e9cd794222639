//! How keys of rows are compared, and lists of keys that are to be skipped.

use crate::smtp::address::Mailbox;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// `[rows] key_case`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyCase {
    #[default]
    Exact,
    Ignore,
}

impl KeyCase {
    /// Its name in a session file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Ignore => "ignore",
        }
    }
}

/// What two spellings of the same key have in common. An address is compared without white space around it, and its domain
/// without case (RFC 1035 §2.3.3); any other key as it is. [`KeyCase::Ignore`] ignores case everywhere.
pub fn comparison_key(key: &str, case: KeyCase) -> String {
    let key = as_address(key).unwrap_or_else(|| key.to_owned());
    match case {
        KeyCase::Exact => key,
        KeyCase::Ignore => key.to_lowercase(),
    }
}

/// The [`comparison_key`] of an address, with [`KeyCase::Exact`].
pub fn mailbox_key(mailbox: &Mailbox) -> String {
    if mailbox.domain.is_empty() {
        return mailbox.to_string();
    }
    let (local, domain) = mailbox.comparison_key();
    format!("{local}@{domain}")
}

fn as_address(key: &str) -> Option<String> {
    let mailbox = Mailbox::parse(key.trim()).ok().filter(|mailbox| !mailbox.domain.is_empty())?;
    Some(mailbox_key(&mailbox))
}

/// Whether a cell seems to name an address and is no plain one, so that no recipient is equal to it:
/// `Ann <ann@example.com>`, `mailto:ann@example.com`, two addresses, `*@example.com`, `@example.com`.
pub fn is_decorated_address(cell: &str) -> bool {
    let cell = cell.trim();
    let is_handle = cell.starts_with('@') && !cell.contains('.');
    cell.contains('@') && !is_handle && (cell.starts_with("*@") || as_address(cell).is_none())
}

/// The keys of the rows so far, and their lines. A key takes some 30 bytes, however long it is.
#[derive(Clone, Debug, Default)]
pub struct SeenKeys(HashMap<u128, u64>);

impl SeenKeys {
    /// Adds the key of the row in this line. Gives the line of an earlier row with the same key.
    pub fn add(&mut self, key: &str, case: KeyCase, line: u64) -> Option<u64> {
        let first = *self.0.entry(digest(&comparison_key(key, case))).or_insert(line);
        (first != line).then_some(first)
    }
}

/// The keys of `[rows] exclude`, compared without case and without white space around them. A key takes 16 bytes, however
/// long it is.
#[derive(Clone, Debug, Default)]
pub struct ExclusionList {
    keys: HashSet<u128>,
    has_addresses: bool,
}

impl ExclusionList {
    /// Adds the content of a cell. An empty cell excludes nothing.
    pub fn insert(&mut self, cell: &str) {
        let cell = cell.trim();
        if !cell.is_empty() {
            self.has_addresses |= as_address(cell).is_some();
            self.keys.insert(digest(&comparison_key(cell, KeyCase::Ignore)));
        }
    }

    /// Whether the list has the key.
    pub fn contains(&self, key: &str) -> bool {
        !self.keys.is_empty() && self.keys.contains(&digest(&comparison_key(key.trim(), KeyCase::Ignore)))
    }

    /// Whether the list has this recipient.
    pub fn contains_mailbox(&self, mailbox: &Mailbox) -> bool {
        self.has_addresses && self.keys.contains(&digest(&mailbox_key(mailbox).to_lowercase()))
    }
}

/// Half of SHA-256: no list that a stranger writes can make another key look the same.
fn digest(compared: &str) -> u128 {
    let digest = Sha256::digest(compared);
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_compared_as_key_case_says() {
        let table = [
            ("b@example.com", "b@EXAMPLE.com", true, true, "the case of a domain"),
            ("b@example.com", " b@example.com\t", true, true, "white space around an address"),
            ("B@example.com", "b@example.com", false, true, "the case of a local part"),
            ("b@münchen.example", "b@XN--MNCHEN-3YA.example", true, true, "a domain and its A-label"),
            ("\"b c\"@example.com", "\"b c\"@Example.com", true, true, "a quoted local part"),
            ("A1", "a1", false, true, "a key that is no address"),
            ("a1", " a1", false, false, "white space around a key that is no address"),
            ("ÄB", "äb", false, true, "letters beyond ASCII"),
            ("a@b@example.com", "a@b@EXAMPLE.com", false, true, "no address"),
            ("", "", true, true, "nothing"),
        ];
        for (one, other, exact, ignore, why) in table {
            let are_alike = |case| comparison_key(one, case) == comparison_key(other, case);
            assert_eq!((are_alike(KeyCase::Exact), are_alike(KeyCase::Ignore)), (exact, ignore), "{why}");
        }
    }

    #[test]
    fn lists_compare_without_case_and_white_space() {
        let mut list = ExclusionList::default();
        [" b@X.Y ", "C42", "", "  "].into_iter().for_each(|cell| list.insert(cell));
        for (key, expected, why) in [
            ("B@x.y", true, "an address"),
            ("b@x.y\t", true, "white space after it"),
            ("c42 ", true, "a number"),
            ("c4", false, "another number"),
            ("", false, "an empty cell excludes nobody"),
        ] {
            assert_eq!(list.contains(key), expected, "{why}");
        }
        assert!(list.contains_mailbox(&Mailbox::parse("B@x.Y").expect("it is one")));
        assert!(!ExclusionList::default().contains("b@x.y"));
    }

    #[test]
    fn a_cell_that_names_an_address_and_more_is_noticed() {
        for cell in [
            "Ann <ann@x.y>",
            "<ann@x.y>",
            " mailto:ann@x.y",
            "a@x.y; b@x.y",
            "a@x.y,b@x.y",
            "a b@x.y",
            "a@x.y.",
            "*@x.y",
            "@x.y",
        ] {
            assert!(is_decorated_address(cell), "{cell}");
        }
        for cell in ["ann@x.y", " ann@X.Y\t", "\"a b\"@x.y", "ann@m\u{fc}nchen.example", "C42", "@ann", "", "ann"] {
            assert!(!is_decorated_address(cell), "{cell}");
        }
    }

    #[test]
    fn a_second_key_names_the_line_of_the_first() {
        let mut seen = SeenKeys::default();
        for (key, case, line, expected) in [
            ("a@x.y", KeyCase::Exact, 2, None),
            (" a@X.y", KeyCase::Exact, 3, Some(2)),
            ("A@x.y", KeyCase::Exact, 4, None),
            ("a@x.y", KeyCase::Exact, 5, Some(2)),
            ("K", KeyCase::Ignore, 6, None),
            ("k", KeyCase::Ignore, 7, Some(6)),
        ] {
            assert_eq!(seen.add(key, case, line), expected, "line {line}");
        }
    }

    proptest! {
        #[test]
        fn a_mailbox_has_the_key_of_its_text(text in "[a-cA-C.]{1,4}@[a-cA-C.\u{fc}-]{1,6}") {
            let mailbox = Mailbox::parse(&text);
            prop_assume!(mailbox.is_ok());
            let mailbox = mailbox.expect("it was checked");
            prop_assert_eq!(mailbox_key(&mailbox), comparison_key(&text, KeyCase::Exact));
        }

        #[test]
        fn a_comparison_key_is_that_of_itself(key in prop_oneof![".*", "[a-cA-C. \"]{0,4}@[a-cA-C.ü-]{0,6}"], ignore: bool) {
            let case = if ignore { KeyCase::Ignore } else { KeyCase::Exact };
            let compared = comparison_key(&key, KeyCase::Exact);
            prop_assert_eq!(comparison_key(&compared, case), comparison_key(&key, case));
            let mut list = ExclusionList::default();
            list.insert(&key);
            prop_assert_eq!(list.contains(&key), !key.trim().is_empty());
            prop_assert_eq!(list.contains(&format!(" {} ", key.trim().to_lowercase())), !key.trim().is_empty());
        }
    }
}
