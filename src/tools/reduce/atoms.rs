//! Cuts the strings of a session into the pieces that are removed from them. A template expression is never cut.

/// How template expressions begin and end.
const EXPRESSIONS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

/// The pieces of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// Lines with their ends.
    Lines,
    /// Words, each with the space before it.
    Words,
    /// What commas separate, each with its comma.
    ListEntries,
    /// Characters. A CRLF is one.
    Characters,
}

/// The pieces of `text`; together they are `text`.
pub fn pieces(text: &str, kind: Pieces) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at, mut word_end) = (0, 0, 0);
    while at < text.len() {
        let mut word = "";
        if at >= word_end {
            word_end = at + word_length(&text[at..]);
            word = &text[at..word_end];
        }
        let length = if is_address(word) { word.len() } else { unit_length(&text[at..]) };
        let unit = &text[at..at + length];
        let (cut_before, cut_after) = match kind {
            Pieces::Lines => (false, unit.ends_with('\n')),
            Pieces::Words => (unit == " ", false),
            Pieces::ListEntries => (false, unit == ","),
            Pieces::Characters => (false, true),
        };
        if cut_before && start < at {
            found.push(&text[start..at]);
            start = at;
        }
        at += length;
        if cut_after {
            found.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() {
        found.push(&text[start..]);
    }
    found
}

/// Whether a string is a template.
pub fn has_expression(text: &str) -> bool {
    EXPRESSIONS.iter().any(|(open, _)| text.contains(open))
}

/// The longest path of RFC 5321 §4.5.3.1.3, with room for a display name's quotes.
pub const LONGEST_ADDRESS: usize = 320;

/// Whether a word is an e-mail address. It is never cut: what is left could be the address of somebody else, who would get mail.
fn is_address(word: &str) -> bool {
    word.contains('@') && word.len() <= LONGEST_ADDRESS
}

/// The words of a text, up to what cannot be in an address. Those with an `@` could be addresses.
pub fn address_candidates(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let (start, length) = (at, word_length(&text[at..]));
            at += if length > 0 { length } else { unit_length(&text[at..]) };
            if length > 0 {
                return Some(&text[start..at]);
            }
        }
        None
    })
}

/// The pieces of octets. What could be an address is one of them; of a line's end each octet is.
pub fn octet_pieces(octets: &[u8]) -> Vec<Vec<u8>> {
    let text: String = octets.iter().map(|octet| char::from(*octet)).collect();
    let mut found = Vec::new();
    for piece in pieces(&text, Pieces::Characters) {
        let piece: Vec<u8> = piece.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        match piece.as_slice() {
            b"\r\n" => found.extend([b"\r".to_vec(), b"\n".to_vec()]),
            _ => found.push(piece),
        }
    }
    found
}

/// The length of the word at the beginning of `text`, up to what cannot be in an address: 0 if there is none. Template expressions, a
/// quoted local part and an address literal (RFC 5321 §4.1.2) belong to it.
fn word_length(text: &str) -> usize {
    let mut at = quoted_length(text).unwrap_or(0);
    let (mut is_literal, mut after_at) = (false, false);
    while let Some(c) = text[at..].chars().next() {
        is_literal = (is_literal || c == '[' && after_at) && c != ']';
        if c.is_ascii_whitespace() || ",;<>\"'".contains(c) || (c == ':' && !is_literal) {
            break;
        }
        after_at = c == '@';
        at += expression_length(&text[at..]).unwrap_or(c.len_utf8());
    }
    at
}

/// The length of a quoted local part at the beginning of `text`.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let inside = text.strip_prefix('"')?;
    let (end, _) = inside.char_indices().take(LONGEST_ADDRESS).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    })?;
    inside[end + 1..].starts_with('@').then_some(end + 2)
}

/// The length of a template expression at the beginning of `text`.
fn expression_length(text: &str) -> Option<usize> {
    if !text.starts_with('{') {
        return None;
    }
    let (open, close) = EXPRESSIONS.iter().find(|(open, _)| text.starts_with(open))?;
    Some(text.find(close).map_or(open.len(), |at| at + close.len()))
}

/// The length in bytes of what is not cut at the beginning of `text`: a template expression, a CRLF or a character.
fn unit_length(text: &str) -> usize {
    if let Some(length) = expression_length(text) {
        return length;
    }
    if text.starts_with("\r\n") { 2 } else { text.chars().next().map_or(text.len(), char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_cut_into_pieces_and_expressions_stay_whole() {
        let table: [(&str, Pieces, &[&str]); 15] = [
            ("<bob@example.com>", Pieces::Characters, &["<", "bob@example.com", ">"]),
            ("<b{{ n }}@x.org>", Pieces::Characters, &["<", "b{{ n }}@x.org", ">"]),
            ("b@{{ h }}.org,", Pieces::Characters, &["b@{{ h }}.org", ","]),
            ("O:<a@[IPv6:2001:db8::25]>", Pieces::Characters, &["O", ":", "<", "a@[IPv6:2001:db8::25]", ">"]),
            ("<\"a \\\"b\"@x>", Pieces::Characters, &["<", "\"a \\\"b\"@x", ">"]),
            ("<\"a b\"@x> c", Pieces::Words, &["<\"a b\"@x>", " c"]),
            ("\"a\" {", Pieces::Characters, &["\"", "a", "\"", " ", "{"]),
            ("a\nb\r\n\nc", Pieces::Lines, &["a\n", "b\r\n", "\n", "c"]),
            ("MAIL FROM:<a> SIZE=1", Pieces::Words, &["MAIL", " FROM:<a>", " SIZE=1"]),
            ("a  b", Pieces::Words, &["a", " ", " b"]),
            ("a@x, b@y", Pieces::ListEntries, &["a@x,", " b@y"]),
            ("é\r\n\n", Pieces::Characters, &["é", "\r\n", "\n"]),
            ("x{{ a b }}{% if c %}y", Pieces::Characters, &["x", "{{ a b }}", "{% if c %}", "y"]),
            ("{{ a b }} c", Pieces::Words, &["{{ a b }}", " c"]),
            ("{{ a", Pieces::Characters, &["{{", " ", "a"]),
        ];
        for (text, kind, expected) in table {
            assert_eq!(pieces(text, kind), expected, "{text:?} as {kind:?}");
            assert_eq!(pieces(text, kind).concat(), text);
        }
    }

    #[test]
    fn octets_are_cut_one_by_one_but_for_addresses() {
        let table: [(&[u8], &[&[u8]]); 3] = [
            (b"<b\xc3\xa0@x>\r\n", &[b"<", b"b\xc3\xa0@x", b">", b"\r", b"\n"]),
            (b"\x00\xff\x85", &[b"\x00", b"\xff", b"\x85"]),
            (b"", &[]),
        ];
        for (octets, expected) in table {
            assert_eq!(octet_pieces(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn a_word_that_is_too_long_for_an_address_is_cut() {
        for (length, count) in [(318, 1), (319, 321), (100_000, 100_002)] {
            let text = format!("{}@x", "a".repeat(length));
            assert_eq!(pieces(&text, Pieces::Characters).len(), count, "{length}");
            assert_eq!(address_candidates(&text).collect::<Vec<_>>(), [&text], "{length}");
        }
    }

    #[test]
    fn words_end_at_what_cannot_be_in_an_address() {
        let text = "RCPT TO:<a@[IPv6:::1]>,\r\n\"b c\"@x \"d\" {{ e f }}@y";
        let found: Vec<&str> = address_candidates(text).collect();
        assert_eq!(found, ["RCPT", "TO", "a@[IPv6:::1]", "\"b c\"@x", "d", "{{ e f }}@y"]);
    }
}
