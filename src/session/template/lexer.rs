//! Finds the words of templates and expressions and what each is there: enough to point at them, not a parser.

use std::ops::Range;

/// What a word is, by what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierRole {
    /// A name, or a word of the language.
    Name,
    /// Behind a dot.
    Attribute,
    /// Behind `|`.
    Filter,
    /// Behind `is` or `is not`.
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

/// The words of the language itself.
const LANGUAGE: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// Whether `text` has anything that minijinja would act upon.
pub fn has_markup(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The words inside `{{ … }}` and `{% … %}`, outside string literals.
pub fn template_identifiers(source: &str) -> Vec<Identifier> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let close = match source.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                at = source[open..].find("#}").map_or(source.len(), |found| open + found + 2);
                continue;
            }
            _ => {
                at = open + 1;
                continue;
            }
        };
        let first = words.len();
        at = expression(source, open + 2, close, &mut words);
        if close == "%}" && words.get(first).is_some_and(|word| source[word.bytes.clone()] == *"raw") {
            at = source[at..].find("endraw").map_or(source.len(), |found| at + found);
            at = source[at..].find("%}").map_or(source.len(), |found| at + found + 2);
        }
    }
    words
}

/// The words of an expression.
pub fn expression_identifiers(source: &str) -> Vec<Identifier> {
    let mut words = Vec::new();
    expression(source, 0, "", &mut words);
    words
}

/// Collects words from `at` on until `close`; gives where it ended.
fn expression(source: &str, mut at: usize, close: &str, words: &mut Vec<Identifier>) -> usize {
    let bytes = source.as_bytes();
    let first = words.len();
    let mut depth = 0_usize;
    // What decides about the next word: the sign or the word before it.
    let mut before = PrecedingToken::Nothing;
    while let Some(c) = source[at..].chars().next() {
        if !close.is_empty() && depth == 0 && source[at..].starts_with(close) {
            return at + close.len();
        }
        match c {
            '"' | '\'' => {
                at = literal_end(bytes, at);
                before = PrecedingToken::Nothing;
            }
            _ if c.is_ascii_digit() => {
                at += prefix_length(&source[at..], |c| c.is_ascii_alphanumeric() || c == '_');
                before = PrecedingToken::Nothing;
            }
            _ if c == '_' || c.is_alphabetic() => {
                let length = prefix_length(&source[at..], |c| c == '_' || c.is_alphanumeric());
                let bytes_of_word = at..at + length;
                let text = &source[bytes_of_word.clone()];
                let behind = source[at + length..].trim_start();
                let role = match before {
                    PrecedingToken::Dot => IdentifierRole::Attribute,
                    PrecedingToken::Pipe => IdentifierRole::Filter,
                    PrecedingToken::Is if text != "not" => IdentifierRole::Test,
                    _ if depth > 0 && behind.starts_with('=') && !behind.starts_with("==") => IdentifierRole::Argument,
                    _ => IdentifierRole::Name,
                };
                before = match text {
                    "is" if role == IdentifierRole::Name => PrecedingToken::Is,
                    "not" if before == PrecedingToken::Is => PrecedingToken::Is,
                    "filter" if close == "%}" && words.len() == first => PrecedingToken::Pipe,
                    _ => PrecedingToken::Nothing,
                };
                words.push(Identifier { role, bytes: bytes_of_word, called: behind.starts_with('(') });
                at += length;
            }
            _ if c.is_whitespace() => at += c.len_utf8(),
            _ => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                before = match c {
                    '.' => PrecedingToken::Dot,
                    '|' => PrecedingToken::Pipe,
                    _ => PrecedingToken::Nothing,
                };
                at += c.len_utf8();
            }
        }
    }
    source.len()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PrecedingToken {
    Nothing,
    Dot,
    Pipe,
    Is,
}

fn prefix_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Behind the string literal that begins at `start`.
pub fn literal_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            return at;
        }
        if byte == b'\\' {
            // The escaped character may be of several bytes; none of the later ones looks like a quote or backslash.
            at += 1;
        }
    }
    bytes.len()
}

/// Whether a word is a name that can have a value.
pub fn is_name(source: &str, word: &Identifier) -> bool {
    word.role == IdentifierRole::Name && !LANGUAGE.contains(&&source[word.bytes.clone()])
}

/// The names in an expression with the attributes and constant keys behind them (`ehlo.size`, `reply.lines[0]`), each
/// once, in order.
pub fn paths(source: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in expression_identifiers(source) {
        if !is_name(source, &word) || word.called {
            continue;
        }
        let mut end = word.bytes.end;
        while let Some(length) = path_segment_length(&source[end..]) {
            end += length;
        }
        let path = word.bytes.start..end;
        if !found.iter().any(|other| source[other.clone()] == source[path.clone()]) {
            found.push(path);
        }
    }
    found
}

/// The length of the `.name`, `[1]` or `['key']` that `text` begins with; `None` where it is a call, or nothing such.
fn path_segment_length(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('.') {
        let length = prefix_length(rest, |c| c == '_' || c.is_alphanumeric());
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

/// The name that `text` begins with, and all attributes and items behind it; the whole text where it begins with none.
pub fn leading_path(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = prefix_length(text, |c| c == '_' || c.is_alphanumeric());
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
            b'.' if depth == 0 => at += prefix_length(&text[at + 1..], |c| c == '_' || c.is_alphanumeric()),
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

/// Where `name` first stands as a name.
pub fn position_of(source: &str, words: &[Identifier], name: &str) -> Option<usize> {
    let mut places =
        words.iter().filter(|word| word.role == IdentifierRole::Name && source[word.bytes.clone()] == *name);
    places.next().map(|word| word.bytes.start)
}

/// Whether the source asks if `name` is there at all: `name is defined`, `name | default(…)`.
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
