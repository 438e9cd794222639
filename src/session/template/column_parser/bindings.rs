//! The names that a template gives values itself.

use super::super::lexer::{Token, TokenKind};
use std::collections::{HashMap, HashSet};

/// How often a template binds each name. Which value a name has that is bound more than once depends on more than its place.
#[derive(Default)]
pub struct TemplateBindings<'s> {
    sets: HashSet<&'s str>,
    counts: HashMap<&'s str, usize>,
    /// Names in `with`, `macro`, `call`, `import` and `from`, whose values are not followed.
    other: HashSet<&'s str>,
}

impl<'s> TemplateBindings<'s> {
    pub fn find(source: &'s str, tokens: &[Token]) -> Self {
        let mut found = Self::default();
        let text = |token: &Token| &source[token.bytes.clone()];
        let starts = tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::StatementStart);
        for (start, _) in starts {
            let tag = tokens.iter().skip(start + 1).take_while(|token| token.kind != TokenKind::TagEnd);
            let mut words = tag.filter(|token| token.kind == TokenKind::Word || text(token) == "=");
            let statement = words.next().map(text).unwrap_or_default();
            for name in words.map(text) {
                match (statement, name) {
                    ("set", "=") | ("for", "in") => break,
                    ("set" | "for", name) => {
                        *found.counts.entry(name).or_default() += 1;
                        if statement == "set" {
                            found.sets.insert(name);
                        }
                    }
                    ("with" | "macro" | "call" | "import" | "from", name) => drop(found.other.insert(name)),
                    _ => break,
                }
            }
        }
        found
    }

    /// Whether a statement other than `for` sets the name.
    pub fn is_set(&self, name: &str) -> bool {
        self.sets.contains(name) || self.other.contains(name)
    }

    /// Whether one `set` is all that gives the name a value.
    pub fn is_set_once(&self, name: &str) -> bool {
        self.counts.get(name) == Some(&1) && !self.other.contains(name)
    }
}
