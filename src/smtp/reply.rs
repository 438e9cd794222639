//! Replies of RFC 5321 §4.2 and the enhanced codes of RFC 3463 (RFC 2034).
//!
//! The parser takes one line and returns a reply, "more", or an error. It never reads or waits. It is lenient as RFC
//! 5321 §4.2 asks: `250` without text is a reply, and any three digits are a code.

use std::fmt;

/// The most lines that one reply may have.
pub const MAX_REPLY_LINES: usize = 10_000;
/// The most octets of text in one reply: the largest number of lines, each of the largest length, would exhaust the
/// memory.
pub const MAX_REPLY_TEXT: usize = 16 << 20;

/// Three digits, 000 to 999 (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// `None` if `code` has more than three digits.
    pub fn new(code: u16) -> Option<Self> {
        (code <= 999).then_some(Self(code))
    }

    /// The code as a number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The first digit: 2 success, 3 continue, 4 transient failure, 5 permanent failure.
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

impl EnhancedCode {
    /// Parses `class "." subject "." detail` at the beginning of `text`, up to a space or the end:
    ///
    /// ```abnf
    /// status-code = class "." subject "." detail
    /// class = "2" / "4" / "5"
    /// subject = 1*3digit
    /// detail = 1*3digit
    /// ```
    pub fn leading(text: &[u8]) -> Option<Self> {
        let word = text.split(|b| *b == b' ' || *b == b'\t').next()?;
        let mut parts = word.split(|b| *b == b'.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let &[class @ (b'2' | b'4' | b'5')] = class else { return None };
        Some(Self { class: class - b'0', subject: number(subject)?, detail: number(detail)? })
    }

    /// Parses all of `text`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains([' ', '\t']) { None } else { Self::leading(text.as_bytes()) }
    }
}

/// 1*3digit.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0')))
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One reply with all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: ReplyCode,
    /// The text of each line, after the code and its separator.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// The enhanced code at the beginning of the first line, if its class is that of the reply (RFC 2034 §4).
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        let code = EnhancedCode::leading(self.lines.first()?)?;
        (code.class == self.code.class()).then_some(code)
    }

    /// `550 5.1.1 no such user`: the code, and the text as [`Reply::display_text`] has it.
    pub fn code_and_text(&self) -> String {
        format!("{} {}", self.code, self.display_text())
    }

    /// As [`Reply::text`], but bytes that are not UTF-8 are shown as `\xNN`, as in transcripts.
    pub fn display_text(&self) -> String {
        let mut text = String::new();
        for (i, line) in self.lines.iter().enumerate() {
            text.push_str(if i > 0 { "\n" } else { "" });
            for chunk in line.utf8_chunks() {
                text.push_str(chunk.valid());
                chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
            }
        }
        text
    }

    /// The lines joined by `\n`, without the code but with the enhanced code. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.lines.iter().map(|l| l.len() + 1).sum());
        for (i, line) in self.lines.iter().enumerate() {
            if i > 0 {
                text.push('\n');
            }
            text.push_str(&String::from_utf8_lossy(line));
        }
        text
    }
}

/// Why lines are not a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The line does not begin with three digits.
    NoCode,
    /// After the code comes neither a space nor a hyphen nor the line's end.
    NoSeparator { code: ReplyCode },
    /// Two lines of one reply have different codes.
    CodeChanged { first: ReplyCode, now: ReplyCode },
    /// More than [`MAX_REPLY_LINES`].
    TooManyLines,
    /// More than [`MAX_REPLY_TEXT`].
    TooMuchText,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCode => f.write_str("a line has no reply code"),
            Self::NoSeparator { code } => write!(f, "no space or hyphen after the code {code}"),
            Self::CodeChanged { first, now } => write!(f, "the code changes from {first} to {now} inside a reply"),
            Self::TooManyLines => f.write_str("a reply has more than 10,000 lines"),
            Self::TooMuchText => f.write_str("a reply has more than 16 MiB"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Assembles replies from lines.
#[derive(Debug, Default)]
pub struct ReplyParser {
    partial: Option<Reply>,
    /// The octets of text in `partial`.
    octets: usize,
}

impl ReplyParser {
    /// Takes a line without its end, and returns the reply that it completes. After an error the parser is empty.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let partial = self.partial.take();
        let (code, more, text) = split_code(line)?;
        let mut reply = match partial {
            Some(reply) if reply.code != code => {
                return Err(ReplyError::CodeChanged { first: reply.code, now: code });
            }
            Some(reply) => reply,
            None => {
                self.octets = 0;
                Reply { code, lines: Vec::new() }
            }
        };
        if reply.lines.len() == MAX_REPLY_LINES {
            return Err(ReplyError::TooManyLines);
        }
        self.octets += text.len();
        if self.octets > MAX_REPLY_TEXT {
            return Err(ReplyError::TooMuchText);
        }
        reply.lines.push(text.to_vec());
        if more {
            self.partial = Some(reply);
            return Ok(None);
        }
        Ok(Some(reply))
    }

    /// Whether a reply has begun and is not complete.
    pub fn has_partial(&self) -> bool {
        self.partial.is_some()
    }
}

/// Code, whether more lines follow, and text:
///
/// ```abnf
/// Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
/// ```
///
/// RFC 5321 §4.2 asks clients to accept a code alone. §4.2.1's ranges of digits are not enforced.
fn split_code(line: &[u8]) -> Result<(ReplyCode, bool, &[u8]), ReplyError> {
    let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::NoCode)?;
    let code = ReplyCode(number(code).ok_or(ReplyError::NoCode)?);
    match rest {
        [] => Ok((code, false, rest)),
        [b' ', text @ ..] => Ok((code, false, text)),
        [b'-', text @ ..] => Ok((code, true, text)),
        _ => Err(ReplyError::NoSeparator { code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(lines: &[&str]) -> Result<Vec<String>, ReplyError> {
        let mut parser = ReplyParser::default();
        let mut replies = Vec::new();
        for line in lines {
            if let Some(reply) = parser.line(line.as_bytes())? {
                replies.push(format!("{} {}", reply.code, reply.text().replace('\n', "|")));
            }
        }
        if parser.has_partial() {
            replies.push("…".to_owned());
        }
        Ok(replies)
    }

    #[test]
    fn lines_become_replies() {
        let table: &[(&[&str], &[&str], &str)] = &[
            (&["220 ready"], &["220 ready"], "one line"),
            (&["250"], &["250 "], "RFC 5321 §4.2: a code alone is a reply"),
            (&["250 "], &["250 "], "a code and a space"),
            (&["250  two"], &["250  two"], "one space separates, the other is text"),
            (&["250-a", "250 b"], &["250 a|b"], "two lines"),
            (&["250-", "250-", "250"], &["250 ||"], "empty lines"),
            (&["250-a", "250"], &["250 a|"], "the last line may be bare"),
            (&["000 x"], &["000 x"], "any three digits are a code"),
            (&["999 x"], &["999 x"], "any three digits are a code"),
            (&["250-a"], &["…"], "more is to come"),
            (&["250 a", "354 b"], &["250 a", "354 b"], "two replies"),
            (&["250 ü"], &["250 ü"], "UTF-8 in text"),
        ];
        for (lines, replies, why) in table {
            assert_eq!(parse(lines).unwrap_or_default(), *replies, "{why}");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error_by_name() {
        let changed = ReplyError::CodeChanged { first: ReplyCode(250), now: ReplyCode(251) };
        let joined = ReplyError::NoSeparator { code: ReplyCode(250) };
        let table: &[(&[&str], ReplyError, &str)] = &[
            (&[""], ReplyError::NoCode, "an empty line"),
            (&["25"], ReplyError::NoCode, "two digits"),
            (&["2500 x"], joined.clone(), "four digits"),
            (&["250x"], joined.clone(), "no separator"),
            (&["250\tx"], joined.clone(), "a tab separates nothing"),
            (&["250_x"], joined.clone(), "an odd separator"),
            (&[" 250 x"], ReplyError::NoCode, "a space in front"),
            (&["HTTP/1.1 400"], ReplyError::NoCode, "another protocol"),
            (&["\u{662}50 x"], ReplyError::NoCode, "digits of another script"),
            (&["250-a", "junk"], ReplyError::NoCode, "junk within a reply"),
            (&["250-a", "250b"], joined, "no separator within a reply"),
            (&["250-a", "251 b"], changed, "another code within a reply"),
        ];
        for (lines, error, why) in table {
            assert_eq!(parse(lines).as_ref(), Err(error), "{why}");
        }
    }

    #[test]
    fn after_an_error_the_parser_is_empty() {
        for (first, second) in [("250-a", "junk"), ("250-a", "251-b")] {
            let mut parser = ReplyParser::default();
            assert_eq!(parser.line(first.as_bytes()), Ok(None));
            assert!(parser.has_partial());
            assert!(parser.line(second.as_bytes()).is_err());
            assert!(!parser.has_partial());
        }
    }

    #[test]
    fn ten_thousand_lines_are_a_reply_and_one_more_is_not() {
        let mut parser = ReplyParser::default();
        for _ in 1..MAX_REPLY_LINES {
            assert_eq!(parser.line(b"250-x"), Ok(None));
        }
        assert_eq!(parser.line(b"250 x").map(|r| r.map(|r| r.lines.len())), Ok(Some(MAX_REPLY_LINES)));
        for _ in 0..MAX_REPLY_LINES {
            assert_eq!(parser.line(b"250-x"), Ok(None));
        }
        assert_eq!(parser.line(b"250-x"), Err(ReplyError::TooManyLines));
    }

    #[test]
    fn text_has_a_limit_too_and_each_reply_its_own() {
        let (mut parser, megabyte) = (ReplyParser::default(), vec![b'x'; 1 << 20]);
        let line = |separator: &[u8]| [b"250", separator, &megabyte].concat();
        for _ in 0..2 {
            for _ in 1..16 {
                assert_eq!(parser.line(&line(b"-")), Ok(None));
            }
            assert!(parser.line(&line(b" ")).is_ok_and(|reply| reply.is_some()));
        }
        for _ in 0..16 {
            assert_eq!(parser.line(&line(b"-")), Ok(None));
        }
        assert_eq!(parser.line(b"250-x"), Err(ReplyError::TooMuchText));
    }

    #[test]
    fn enhanced_codes_open_the_first_line() {
        let table = [
            ("250 2.1.5 ok", Some("2.1.5"), "the usual"),
            ("250 2.1.5", Some("2.1.5"), "without text"),
            ("550 5.7.509 no", Some("5.7.509"), "three digits"),
            ("250 4.1.5 odd", None, "another class than the reply's (RFC 2034 §4)"),
            ("354 3.0.0 go on", None, "3 is no class"),
            ("250 2.1.5.6 ok", None, "four numbers"),
            ("250 2.1234.5 ok", None, "four digits"),
            ("250 2..5 ok", None, "a number is missing"),
            ("250 2.1.5x ok", None, "a letter"),
            ("250 22.1.5 ok", None, "the class is one digit"),
            ("250 ok 2.1.5", None, "not in front"),
            ("250", None, "no text"),
        ];
        for (line, code, why) in table {
            let reply = ReplyParser::default().line(line.as_bytes()).ok().flatten();
            let found = reply.and_then(|r| r.enhanced()).map(|c| c.to_string());
            assert_eq!(found.as_deref(), code, "{why}");
        }
        assert_eq!(EnhancedCode::parse("2.1.5 x"), None, "parse takes the text as a whole");
    }

    #[test]
    fn text_replaces_what_is_not_utf8() {
        let reply = Reply { code: ReplyCode(250), lines: vec![b"a\xffb".to_vec(), b"c".to_vec()] };
        assert_eq!(reply.text(), "a\u{fffd}b\nc");
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(lines in proptest::collection::vec(
            prop_oneof!["[0-9]{3}[- ].{0,20}", "\\PC*", ".*"], 0..20)) {
            let mut parser = ReplyParser::default();
            for line in &lines {
                if let Ok(Some(reply)) = parser.line(line.as_bytes()) {
                    let _ = (reply.enhanced(), reply.text());
                }
            }
        }

        #[test]
        fn a_printed_code_reads_back(class in prop_oneof![Just(2u8), Just(4), Just(5)], subject in 0u16..1000, detail in 0u16..1000) {
            let code = EnhancedCode { class, subject, detail };
            prop_assert_eq!(EnhancedCode::parse(&code.to_string()), Some(code));
        }
    }
}
