//! Finds the identifiers of templates and expressions, and their roles.

use super::lexer::{TemplateKind, TemplateTokens, TokenKind, is_word_character, literal_end};
use std::ops::Range;

/// The role of an identifier, which the token before it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierRole {
    /// A name or a keyword.
    Name,
    /// After a dot.
    Attribute,
    /// After `|`.
    Filter,
    /// After `is` or `is not`.
    Test,
    /// `name=` in a call.
    Argument,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    pub role: IdentifierRole,
    pub bytes: Range<usize>,
    /// Whether `(` follows.
    pub called: bool,
}

/// Keywords that can be where a name can be.
pub const KEYWORDS: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// The token before an identifier, as far as it decides its role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PrecedingToken {
    Other,
    /// The start of a statement. A keyword follows.
    StatementStart,
    Dot,
    Pipe,
    Is,
}

/// The identifiers of a template or an expression, in order.
pub fn identifiers(source: &str, kind: TemplateKind) -> Vec<Identifier> {
    let mut identifiers = Vec::new();
    let mut depth = 0_usize;
    let mut before = PrecedingToken::Other;
    let mut end_of_number = None;
    for token in TemplateTokens::new(source, kind) {
        let text = &source[token.bytes.clone()];
        // In `1e5` and `0xff` the letters are part of the number.
        let is_glued = token.kind == TokenKind::Word && end_of_number == Some(token.bytes.start);
        end_of_number = (token.kind == TokenKind::Number).then_some(token.bytes.end);
        before = match token.kind {
            TokenKind::Word if !is_glued => {
                let after = source[token.bytes.end..].trim_start();
                let role = match before {
                    PrecedingToken::Dot => IdentifierRole::Attribute,
                    PrecedingToken::Pipe => IdentifierRole::Filter,
                    PrecedingToken::Is if text != "not" => IdentifierRole::Test,
                    _ if depth > 0 && after.starts_with('=') && !after.starts_with("==") => IdentifierRole::Argument,
                    _ => IdentifierRole::Name,
                };
                identifiers.push(Identifier { role, bytes: token.bytes, called: after.starts_with('(') });
                match (text, before) {
                    ("is", _) if role == IdentifierRole::Name => PrecedingToken::Is,
                    ("not", PrecedingToken::Is) => PrecedingToken::Is,
                    ("filter", PrecedingToken::StatementStart) => PrecedingToken::Pipe,
                    _ => PrecedingToken::Other,
                }
            }
            // White space control.
            TokenKind::Sign if before == PrecedingToken::StatementStart && matches!(text, "-" | "+") => before,
            TokenKind::Sign if text == "." => PrecedingToken::Dot,
            TokenKind::Sign if text == "|" => PrecedingToken::Pipe,
            TokenKind::StatementStart => PrecedingToken::StatementStart,
            _ => PrecedingToken::Other,
        };
        match token.kind {
            TokenKind::OpeningBracket => depth += 1,
            TokenKind::ClosingBracket => depth = depth.saturating_sub(1),
            TokenKind::TagEnd => depth = 0,
            _ => {}
        }
    }
    identifiers
}

/// Whether the identifier is a name that can have a value.
pub fn is_name(source: &str, identifier: &Identifier) -> bool {
    identifier.role == IdentifierRole::Name && !KEYWORDS.contains(&&source[identifier.bytes.clone()])
}

/// The names in an expression with the attributes and constant keys after them (`ehlo.size`, `reply.lines[0]`), each
/// once, in order.
pub fn paths(source: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for identifier in identifiers(source, TemplateKind::Expression) {
        if !is_name(source, &identifier) || identifier.called {
            continue;
        }
        let mut end = identifier.bytes.end;
        while let Some(length) = path_segment_length(&source[end..]) {
            end += length;
        }
        let path = identifier.bytes.start..end;
        if !found.iter().any(|other| source[other.clone()] == source[path.clone()]) {
            found.push(path);
        }
    }
    found
}

/// The length of `.name`, `[1]` or `['key']` at the beginning of `text`. `None` if it begins otherwise, or with a call.
fn path_segment_length(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('.') {
        let length = prefix_length(rest, is_word_character);
        let named = rest.starts_with(|c: char| c == '_' || c.is_alphabetic());
        return (named && !rest[length..].trim_start().starts_with('(')).then_some(1 + length);
    }
    let rest = text.strip_prefix('[')?;
    let length = if rest.starts_with(['"', '\'']) {
        literal_end(rest.as_bytes(), 0)
    } else {
        let sign = usize::from(rest.starts_with('-'));
        let digits = prefix_length(&rest[sign..], |c| c.is_ascii_digit());
        if digits == 0 {
            return None;
        }
        sign + digits
    };
    rest[length..].starts_with(']').then_some(length + 2)
}

/// The name at the beginning of `text` with its attributes and items. The whole text if it does not begin with a name.
pub fn leading_path(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = prefix_length(text, is_word_character);
    let mut depth = 0_usize;
    let mut at = end;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b'"' | b'\'' if depth > 0 => {
                at = literal_end(bytes, at);
                continue;
            }
            b'.' if depth == 0 => at += prefix_length(&text[at + 1..], is_word_character),
            _ if depth == 0 => break,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            end = at;
        }
    }
    if end == 0 { text } else { &text[..end] }
}

fn prefix_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The first position of `name` as a name.
pub fn position_of(source: &str, words: &[Identifier], name: &str) -> Option<usize> {
    let mut places =
        words.iter().filter(|word| word.role == IdentifierRole::Name && source[word.bytes.clone()] == *name);
    places.next().map(|word| word.bytes.start)
}

/// Whether the source tests if `name` is defined: `name is defined`, `name | default(…)`.
pub fn is_tested_for_existence(source: &str, words: &[Identifier], name: &str) -> bool {
    words.windows(2).any(|pair| {
        let [word, next] = pair else { return false };
        if word.role != IdentifierRole::Name || source[word.bytes.clone()] != *name {
            return false;
        }
        match (next.role, &source[next.bytes.clone()]) {
            (IdentifierRole::Filter, "default" | "d") => source[word.bytes.end..next.bytes.start].trim() == "|",
            (IdentifierRole::Name, "is") => {
                let behind = source[next.bytes.end..].trim_start();
                let behind = behind.strip_prefix("not ").map_or(behind, str::trim_start);
                behind.starts_with("defined") || behind.starts_with("undefined")
            }
            _ => false,
        }
    })
}
