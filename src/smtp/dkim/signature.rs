//! The DKIM-Signature field (RFC 6376 §3.5), folded so that no line is longer than 78 characters if its words permit
//! it.

use super::body_hash::BodyHash;
use super::key::DkimAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 5322 §2.1.1, with room for a semicolon.
const WIDTH: usize = 77;
/// How many characters of the signature must stand in one line with `b=`.
const FIRST_PIECE: usize = 16;

/// What a signature says.
pub(super) struct Tags<'a> {
    pub algorithm: DkimAlgorithm,
    pub domain: &'a str,
    pub selector: &'a str,
    pub timestamp: u64,
    pub names: &'a [String],
    pub body_hash: BodyHash,
}

/// A DKIM-Signature field that ends with `b=`.
pub(super) struct UnsignedField {
    text: String,
    column: usize,
}

const NAME: &str = "DKIM-Signature:";

impl UnsignedField {
    pub(super) fn new(tags: &Tags<'_>) -> Self {
        let mut field = Self { text: NAME.to_owned(), column: NAME.len() };
        field.word("v=1;", 0);
        field.word(&format!("a={};", tags.algorithm.tag_value()), 0);
        field.word("c=relaxed/relaxed;", 0);
        field.word(&format!("d={};", tags.domain), 0);
        field.word(&format!("s={};", tags.selector), 0);
        field.word(&format!("t={};", tags.timestamp), 0);
        field.names(tags.names);
        field.word(&format!("bh={};", tags.body_hash.to_base64()), 0);
        field.word("b=", FIRST_PIECE);
        field
    }

    /// All after the colon of the name.
    pub(super) fn value(&self) -> &str {
        self.text.get(NAME.len()..).unwrap_or_default()
    }

    pub(super) fn append_signature(&mut self, signature: &[u8]) {
        // White space in base64 is ignored (RFC 6376 §3.5).
        for character in STANDARD.encode(signature).chars() {
            if self.column >= WIDTH {
                self.fold();
            }
            self.text.push(character);
            self.column += 1;
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }

    /// `h=From:To`, which may be folded after a colon.
    fn names(&mut self, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            let mark = if index + 1 == names.len() { ';' } else { ':' };
            if index == 0 {
                self.word(&format!("h={name}{mark}"), 0);
                continue;
            }
            if self.column + name.len() + 1 > WIDTH {
                self.fold();
            }
            self.push(&format!("{name}{mark}"));
        }
    }

    /// A word after white space, in a line that has `room` more columns after it.
    fn word(&mut self, word: &str, room: usize) {
        if self.column + 1 + word.len() + room > WIDTH {
            self.fold();
        } else {
            self.push(" ");
        }
        self.push(word);
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n ");
        self.column = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::dkim::BodyHasher;
    use proptest::prelude::*;

    fn field(domain: &str, selector: &str, names: &[String], signature: &[u8]) -> String {
        let mut field = UnsignedField::new(&Tags {
            algorithm: DkimAlgorithm::RsaSha256,
            domain,
            selector,
            timestamp: 1_528_637_909,
            names,
            body_hash: BodyHasher::new().finish(),
        });
        assert!(field.value().ends_with("b="), "the signature is the last tag");
        field.append_signature(signature);
        field.finish()
    }

    #[test]
    fn fields_are_folded() {
        let names = ["From", "From", "To", "To", "Cc", "Subject", "Subject", "Message-ID"].map(str::to_owned);
        let expected = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s2026;\r\n \
                        t=1528637909; h=From:From:To:To:Cc:Subject:Subject:Message-ID;\r\n \
                        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAAAAAAAAAAAAAAAAAAAAAAA\r\n \
                        AAAAAAAAAAAAAAA\r\n";
        assert_eq!(field("example.com", "s2026", &names, &[0; 30]), expected);
    }

    proptest! {
        #[test]
        fn lines_are_short_and_nothing_is_lost(
            domain in "[a-z]{1,63}(\\.[a-z]{1,63}){0,2}",
            selector in "[a-z0-9]{1,63}",
            names in prop::collection::vec("[A-Za-z-]{1,70}", 1..40),
            signature in prop::collection::vec(any::<u8>(), 64..600),
        ) {
            let field = field(&domain, &selector, &names, &signature);
            let longest_word = [domain.len() + 3, selector.len() + 3, 72].into_iter().max().unwrap_or_default();
            for line in field.trim_end_matches("\r\n").split("\r\n") {
                prop_assert!(line.len() <= 78.max(longest_word + 1), "{}", line);
                prop_assert!(!line.trim().is_empty(), "RFC 5322 §2.2.3: no line of white space only");
            }
            let unfolded = field.replace("\r\n ", " ");
            let tag = |name: &str| {
                unfolded[NAME.len()..].split(';').find_map(|tag| Some(tag.trim().strip_prefix(name)?.strip_prefix('=')?.replace([' ', '\r', '\n'], "")))
            };
            prop_assert_eq!(tag("d"), Some(domain));
            prop_assert_eq!(tag("s"), Some(selector));
            prop_assert_eq!(tag("h"), Some(names.join(":")));
            prop_assert_eq!(tag("b"), Some(STANDARD.encode(&signature)));
        }
    }
}
