//! The identifier under which a server queued a message. No RFC defines its place in the reply to the content, but
//! there are only a few forms: `queued as 4F2A` (Postfix, and Sendmail and aiosmtpd alike), `OK id=1rX2-0001` (Exim).
//!
//! Parsed by hand: compiling a regular expression for it once took as long as everything else that is done to send one
//! message.

/// The identifier in the text of a reply, if there is one.
pub fn queue_id(text: &str) -> Option<&str> {
    (0..text.len()).find_map(|at| queue_name(text.get(after_marker(text.as_bytes(), at)?..)?))
}

/// The position of the identifier, if a marker for it begins at `at`.
fn after_marker(text: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
    let begins_with = |mark: &[u8]| text.get(at..at + mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark));
    if begins_with(b"id=") && before.is_none_or(|byte| byte.is_ascii_whitespace() || b"([".contains(&byte)) {
        return Some(at + b"id=".len());
    }
    let inside_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii());
    if begins_with(b"queued as") && !inside_word {
        let words = at + b"queued as".len();
        let space = text.get(words..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        return (space > 0).then_some(words + space);
    }
    None
}

/// The longest identifier at the beginning of `text`. It ends in a letter, a digit or `_`, so a full stop after it does
/// not belong to it.
fn queue_name(text: &str) -> Option<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c: char| !is_word(c) && !".@+-".contains(c)).unwrap_or(text.len());
    let name = text.get(..end)?.trim_end_matches(|c: char| !is_word(c));
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_real_servers() {
        let table = [
            ("2.0.0 Ok: queued as 4F2A", Some("4F2A"), "Postfix"),
            ("2.0.0 OK: Queued As 4F2A.", Some("4F2A"), "letters of any case, and a full stop after it"),
            ("OK id=1rX2-0001", Some("1rX2-0001"), "Exim"),
            ("2.1.5 ok (id=abc.def@mx)", Some("abc.def@mx"), "in brackets"),
            ("[id=x_]", Some("x_"), "in square ones"),
            ("id=7", Some("7"), "at the beginning"),
            ("ok\nqueued as\t9", Some("9"), "on a later line, after a tab"),
            ("ok queued as é1", Some("é1"), "letters beyond ASCII"),
            ("ok", None, "no name"),
            ("valid=1", None, "the end of another word"),
            ("enqueued as 1", None, "the end of another word"),
            ("queued as", None, "nothing after it"),
            ("queued as -- id=5", Some("5"), "nothing in the one place, a name in the other"),
            ("queued asap", None, "no space"),
            ("équeued as 1", None, "the end of another word, beyond ASCII"),
            ("é id=é", Some("é"), "cut at no character's middle"),
        ];
        for (text, name, why) in table {
            assert_eq!(queue_id(text), name, "{why}: {text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_the_name_is_part_of_it(text in "(queued as |id=|\\PC|[ ().]){0,12}") {
            if let Some(name) = queue_id(&text) {
                prop_assert!(!name.is_empty() && text.contains(name));
            }
        }
    }
}
