//! Expectations and how a reply is held against them.

use super::{Span, Template};
use crate::smtp::reply::Reply;

/// What a step expects. `source` shows it as the file wrote it.
#[derive(Clone, Debug)]
pub struct Expect {
    pub span: Span,
    /// For messages: `250`, `2xx`, `250 or 251`, `close`.
    pub words: String,
    /// Any of them.
    pub any_of: Vec<ReplyPattern>,
}

#[derive(Clone, Debug)]
pub enum ReplyPattern {
    /// The whole table must hold.
    Reply {
        code: Vec<CodePattern>,
        enhanced: Option<EnhancedPattern>,
        text: Option<Template>,
        lines: Option<usize>,
    },
    /// `"any"`.
    Any,
    Close,
    Silence,
    Malformed,
}

/// `250`, `25x`, `2xx`: digits, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePattern(pub [Option<u8>; 3]);

/// `2.1.5`, `2.x.x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnhancedPattern(pub [Option<u16>; 3]);

impl Expect {
    /// Whether the reply is one of those expected. `text` patterns are templates, so the caller renders: gives it
    /// the pattern's template, gets the regex.
    pub fn accepts(&self, reply: &Reply, regex: &mut dyn FnMut(&Template) -> Option<regex::Regex>) -> bool {
        let _ = (reply, regex);
        todo!()
    }

    pub fn close(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Close))
    }

    pub fn silence(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Silence))
    }

    pub fn malformed(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Malformed))
    }

    /// Whether some 4yz reply would be accepted: another 4yz is then a failure (1) and not "try later" (75).
    pub fn accepts_some_4xx(&self) -> bool {
        todo!()
    }
}
