//! The tokens of a template, one after another.

use super::super::lexer::{TemplateKind, TemplateTokens, Token, TokenKind};
use std::ops::Range;

/// Reads one token after another.
pub struct TokenReader<'s> {
    pub source: &'s str,
    pub tokens: Vec<Token>,
    pub at: usize,
}

impl<'s> TokenReader<'s> {
    pub fn new(source: &'s str, kind: TemplateKind) -> Self {
        Self { source, tokens: TemplateTokens::new(source, kind).collect(), at: 0 }
    }

    pub fn peek(&self, ahead: usize) -> Option<(TokenKind, &'s str)> {
        let token = self.tokens.get(self.at + ahead)?;
        Some((token.kind, &self.source[token.bytes.clone()]))
    }

    pub fn next(&mut self) -> Option<(TokenKind, &'s str)> {
        let token = self.peek(0);
        self.at += 1;
        token
    }

    /// Takes the next token if it is this sign, bracket or word.
    pub fn take(&mut self, text: &str) -> bool {
        let is_next = self.peek(0).is_some_and(|(kind, next)| kind != TokenKind::Literal && next == text);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn take_word(&mut self) -> Option<&'s str> {
        let (_, word) = self.peek(0).filter(|(kind, _)| *kind == TokenKind::Word)?;
        self.at += 1;
        Some(word)
    }

    /// Whether `=` is next, and not `==`.
    pub fn is_at_assignment(&self) -> bool {
        let mut next = self.tokens.iter().skip(self.at).map(|token| token.bytes.clone());
        let Some(sign) = next.next().filter(|bytes| &self.source[bytes.clone()] == "=") else { return false };
        next.next().is_none_or(|after| after.start > sign.end || &self.source[after] != "=")
    }

    /// The bytes of the token that was taken last.
    pub fn last_bytes(&self) -> Range<usize> {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0..0, |token| token.bytes.clone())
    }
}
