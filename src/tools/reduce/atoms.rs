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
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let length = unit_length(&text[at..]);
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
const LONGEST_ADDRESS: usize = 320;

/// The length of an e-mail address at the beginning of `text`. It is never cut: what is left could be the address of somebody
/// else, who would get mail.
fn address_length(text: &str) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || ",;:<>\"'{".contains(c);
    let word = text.split(ends).next().unwrap_or_default();
    (word.len() <= LONGEST_ADDRESS && word.contains('@')).then_some(word.len())
}

/// The length in bytes of what is not cut at the beginning of `text`: a template expression, an address, a CRLF or a character.
fn unit_length(text: &str) -> usize {
    for (open, close) in EXPRESSIONS {
        if text.starts_with(open) {
            return text.find(close).map_or(open.len(), |at| at + close.len());
        }
    }
    if let Some(length) = address_length(text) {
        return length;
    }
    if text.starts_with("\r\n") { 2 } else { text.chars().next().map_or(text.len(), char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_cut_into_pieces_and_expressions_stay_whole() {
        let table: [(&str, Pieces, &[&str]); 9] = [
            ("<bob@example.com>", Pieces::Characters, &["<", "bob@example.com", ">"]),
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
}
