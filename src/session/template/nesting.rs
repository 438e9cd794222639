//! Limits how deep operators nest, before the engine reads them. Its parser, its compiler and the code that drops their
//! trees recurse once for each operator of a chain, and its own limit counts brackets and statements only.

use super::lexer::{TemplateKind, TemplateTokens, TokenKind};
use std::ops::Range;

/// The most operators that nest, and the most `elif` of a template. A stack of 2 MiB holds four times as many in a debug
/// build.
pub const MAX_NESTING: usize = 250;

/// Operators that nest too deep, or too many `elif`.
pub struct NestingError {
    what: &'static str,
    pub bytes: Range<usize>,
}

impl NestingError {
    pub fn message(&self) -> String {
        match self.what {
            ELIF => format!("a template may have {MAX_NESTING} times elif, this one has more"),
            _ => format!("operators may nest {MAX_NESTING} deep in a template or expression, these nest deeper"),
        }
    }
}

const ELIF: &str = "elif";
const OPERATORS: &str = "operators";

/// Keywords that are operators.
const NESTING_WORDS: [&str; 6] = ["and", "or", "not", "in", "is", "if"];

/// The count between two brackets. Each item of a list starts again.
struct Level {
    /// The depth of its bracket.
    base: usize,
    now: usize,
    most: usize,
}

impl Level {
    fn at(base: usize) -> Self {
        Self { base, now: base, most: base }
    }

    fn operator(&mut self) -> bool {
        self.now += 1;
        self.now <= MAX_NESTING
    }
}

/// Finds the first place that nests too deep.
pub fn check_nesting(source: &str, kind: TemplateKind) -> Result<(), NestingError> {
    let mut elifs = 0;
    let mut level = Level::at(0);
    let mut outer: Vec<Level> = Vec::new();
    let mut end_of_number = None;
    for token in TemplateTokens::new(source, kind) {
        let text = &source[token.bytes.clone()];
        // `1if` is a number and a keyword. `1e5` and `0xff` are counted as well, which does no harm.
        let is_glued = token.kind == TokenKind::Word && end_of_number == Some(token.bytes.start);
        end_of_number = (token.kind == TokenKind::Number).then_some(token.bytes.end);
        let has_room = match token.kind {
            TokenKind::ValueStart | TokenKind::StatementStart | TokenKind::TagEnd => {
                level = Level::at(0);
                outer.clear();
                true
            }
            TokenKind::Literal | TokenKind::Number => true,
            TokenKind::OpeningBracket => {
                let has_room = level.operator();
                let inner = Level::at(level.now);
                outer.push(std::mem::replace(&mut level, inner));
                has_room
            }
            TokenKind::ClosingBracket => {
                if let Some(around) = outer.pop() {
                    let inside = std::mem::replace(&mut level, around);
                    level.now = inside.most.max(inside.now);
                }
                true
            }
            TokenKind::Word => {
                if text == ELIF && !is_glued {
                    elifs += 1;
                    if elifs > MAX_NESTING {
                        return Err(NestingError { what: ELIF, bytes: token.bytes });
                    }
                }
                !(is_glued || NESTING_WORDS.contains(&text)) || level.operator()
            }
            TokenKind::Sign if text == "," => {
                level.most = level.most.max(level.now);
                level.now = level.base;
                true
            }
            TokenKind::Sign => !"+-*/%~|.<>!=".contains(text) || level.operator(),
        };
        if !has_room {
            return Err(NestingError { what: OPERATORS, bytes: token.bytes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
