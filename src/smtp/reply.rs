//! Replies of RFC 5321 §4.2 and the enhanced codes of RFC 3463 (RFC 2034).
//!
//! The parser takes one line and gives a reply, "more", or an error. It never reads or waits. It is
//! lenient where RFC 5321 §4.2 asks for it: `250` without text is a reply, any three digits are a code.

use std::fmt;

/// The most lines that one reply may have.
pub const MAX_REPLY_LINES: usize = 10_000;

/// Three digits, 000 to 999 (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// `None` where `code` has more than three digits.
    pub fn new(code: u16) -> Option<Self> {
        (code <= 999).then_some(Self(code))
    }

    pub fn get(self) -> u16 {
        self.0
    }

    /// The first digit: 2 success, 3 go on, 4 try later, 5 no.
    pub fn class(self) -> u8 {
        (self.0 / 100) as u8
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// `class.subject.detail` (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

/// One reply with all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: ReplyCode,
    /// The text of each line: what stands behind the code and its separator.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// The enhanced code that opens the first line, where there is one of this reply's class (RFC 2034 §4).
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        todo!()
    }

    /// The lines joined by `\n`, without code, with enhanced code; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        todo!()
    }
}

/// Why lines are not a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The line does not begin with three digits followed by a space, a hyphen or its end.
    NoCode,
    /// Two lines of one reply have different codes.
    CodeChanged { first: ReplyCode, now: ReplyCode },
    /// More than [`MAX_REPLY_LINES`].
    TooManyLines,
}

/// Puts lines together to replies.
#[derive(Debug, Default)]
pub struct ReplyParser {
    so_far: Option<Reply>,
}

impl ReplyParser {
    /// Takes a line without its end; gives the reply that it completes. After an error the parser is empty again.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let _ = (line, &self.so_far);
        todo!()
    }

    /// Whether a reply has begun and is not complete.
    pub fn in_reply(&self) -> bool {
        self.so_far.is_some()
    }
}
