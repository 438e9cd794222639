//! Identifiers of messages and of their parts (RFC 5322 §3.6.4), read leniently.

/// Why it is none.
pub const ERROR: &str = "an identifier has no space, control character, < or > within";

/// What stands in `<` and `>`, or alone; empty where there is none. `None` where it is no identifier.
pub fn parse(id: &str) -> Option<&str> {
    let inside = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    let breaks = |c: char| c.is_whitespace() || c.is_control() || c == '<' || c == '>';
    (!inside.contains(breaks)).then_some(inside)
}
