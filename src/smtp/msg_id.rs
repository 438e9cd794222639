//! Identifiers of messages and of their parts (RFC 5322 §3.6.4), read leniently.

/// The error for a text that is not an identifier.
pub const ERROR: &str = "an identifier cannot contain a space, a control character, < or >";

/// The identifier without `<` and `>`, which are optional; may be empty. `None` if it is invalid.
pub fn parse(id: &str) -> Option<&str> {
    let inside = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    let breaks = |c: char| c.is_whitespace() || c.is_control() || c == '<' || c == '>';
    (!inside.contains(breaks)).then_some(inside)
}
