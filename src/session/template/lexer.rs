//! Cuts templates and expressions into tokens.
//!
//! Tags begin and end exactly as for minijinja, because [`super::nesting`] must count everything that it reads. This is not
//! a parser: it is enough to count operators and to point at names.

use std::ops::Range;

/// How a string is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    Text,
    /// Like text, with HTML-escaped values.
    Html,
    /// Like text, with values between the marks of `rendered_text`.
    Marked,
    /// An expression without tags, as in `assert` and `if`.
    Expression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// `{{`.
    ValueStart,
    /// `{%`.
    StatementStart,
    /// `}}` or `%}`.
    TagEnd,
    /// A name or a keyword.
    Word,
    Number,
    /// A string literal with its quotes.
    Literal,
    OpeningBracket,
    ClosingBracket,
    /// Any other character except white space.
    Sign,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: TokenKind,
    pub bytes: Range<usize>,
}

/// Whether `text` has anything that minijinja acts on.
pub fn has_markup(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The tokens inside tags, or those of an expression. Comments and raw text have none.
pub struct TemplateTokens<'s> {
    source: &'s str,
    at: usize,
    /// The end of the current tag. Empty in an expression, `None` outside of tags.
    end_mark: Option<&'static str>,
    /// The number of open brackets. A tag does not end inside brackets.
    depth: usize,
}

impl<'s> TemplateTokens<'s> {
    pub fn new(source: &'s str, kind: TemplateKind) -> Self {
        let end_mark = if kind == TemplateKind::Expression { Some("") } else { None };
        Self { source, at: 0, end_mark, depth: 0 }
    }

    /// The start of the next tag.
    fn tag_start(&mut self) -> Option<Token> {
        let bytes = self.source.as_bytes();
        while let Some(start) = find(bytes, self.at, b"{") {
            self.at = start + 2;
            let (kind, end_mark) = match bytes.get(start + 1) {
                Some(b'{') => (TokenKind::ValueStart, "}}"),
                Some(b'%') => match basic_tag(&bytes[start + 2..], b"raw") {
                    Some(length) => {
                        self.at = after_raw(bytes, start + 2 + length);
                        continue;
                    }
                    None => (TokenKind::StatementStart, "%}"),
                },
                Some(b'#') => {
                    // White space control belongs to the start.
                    let inside = start + 2 + usize::from(matches!(bytes.get(start + 2), Some(b'-' | b'+')));
                    self.at = find(bytes, inside, b"#}").map_or(bytes.len(), |end| end + 2);
                    continue;
                }
                _ => {
                    self.at = start + 1;
                    continue;
                }
            };
            self.end_mark = Some(end_mark);
            self.depth = 0;
            return Some(Token { kind, bytes: start..start + 2 });
        }
        self.at = bytes.len();
        None
    }

    /// The next token of a tag or an expression.
    fn inside(&mut self, end_mark: &'static str) -> Option<Token> {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        if !end_mark.is_empty() && self.depth == 0 && self.source[start..].starts_with(end_mark) {
            self.at += end_mark.len();
            self.end_mark = None;
            return Some(Token { kind: TokenKind::TagEnd, bytes: start..self.at });
        }
        let first = self.source[start..].chars().next()?;
        let bytes = self.source.as_bytes();
        let (kind, end) = match first {
            '"' | '\'' => (TokenKind::Literal, literal_end(bytes, start)),
            '0'..='9' => (TokenKind::Number, number_end(bytes, start)),
            c if is_word_character(c) => (TokenKind::Word, word_end(self.source, start)),
            '(' | '[' | '{' => {
                self.depth += 1;
                (TokenKind::OpeningBracket, start + 1)
            }
            ')' | ']' | '}' => {
                self.depth = self.depth.saturating_sub(1);
                (TokenKind::ClosingBracket, start + 1)
            }
            c => (TokenKind::Sign, start + c.len_utf8()),
        };
        self.at = end;
        Some(Token { kind, bytes: start..end })
    }
}

impl Iterator for TemplateTokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        match self.end_mark {
            None => self.tag_start(),
            Some(end_mark) => self.inside(end_mark),
        }
    }
}

/// Whether a name can contain the character. A name does not begin with a digit.
pub fn is_word_character(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The end of the string literal that begins at `start`.
pub fn literal_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            return at;
        }
        if byte == b'\\' {
            // Later bytes of a multi-byte character never look like a quote or a backslash.
            at += 1;
        }
    }
    bytes.len()
}

fn word_end(source: &str, start: usize) -> usize {
    source[start..].find(|c| !is_word_character(c)).map_or(source.len(), |length| start + length)
}

/// The end of the number that begins at `start`. A dot belongs to it, except in an index after another dot (`a.0.1`).
fn number_end(bytes: &[u8], start: usize) -> usize {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
    };
    let end = digits(start);
    let is_index = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'.');
    let has_fraction = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    if has_fraction && !is_index { digits(end + 1) } else { end }
}

/// The length of ` name %}` after `{%`.
fn basic_tag(text: &[u8], name: &[u8]) -> Option<usize> {
    let white_space = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut at = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    at += white_space(&text[at..]);
    at += text[at..].starts_with(name).then_some(name.len())?;
    at += white_space(&text[at..]);
    at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
    text[at..].starts_with(b"%}").then_some(at + 2)
}

fn after_raw(bytes: &[u8], mut at: usize) -> usize {
    while let Some(open) = find(bytes, at, b"{%") {
        at = open + 2;
        if let Some(length) = basic_tag(&bytes[at..], b"endraw") {
            return at + length;
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, what).map(|found| from + found)
}
