//! Expectations, and how replies are compared with them.

use super::{Span, Template};
use crate::smtp::reply::{EnhancedCode, Reply, ReplyCode};
use std::fmt;

/// The replies that a step expects.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub span: Span,
    /// For messages: `250`, `2xx`, `250 or 251`, `close`.
    pub words: String,
    /// Any of them passes.
    pub any_of: Vec<ReplyPattern>,
}

#[derive(Clone, Debug)]
pub enum ReplyPattern {
    /// All of its keys must match.
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
    /// `"handshake-failure"`: the server refuses the TLS handshake. Never in a list.
    HandshakeFailure,
}

/// `250`, `25x`, `2xx`. `None` is an `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePattern(pub [Option<u8>; 3]);

/// `2.1.5`, `2.x.x`. `None` is an `x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnhancedPattern(pub [Option<u16>; 3]);

impl CodePattern {
    /// Parses `250`, `25x` or `2xx`. The first must be a digit, and no digit follows an `x`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pattern = [None; 3];
        let mut open = false;
        if text.len() != 3 || text.starts_with(['x', 'X']) {
            return None;
        }
        for (slot, byte) in pattern.iter_mut().zip(text.bytes()) {
            match byte {
                b'0'..=b'9' if !open => *slot = Some(byte - b'0'),
                b'x' | b'X' => open = true,
                _ => return None,
            }
        }
        Some(Self(pattern))
    }

    fn accepts(self, code: ReplyCode) -> bool {
        self.accepts_code(code.get())
    }

    pub(super) fn accepts_code(self, code: u16) -> bool {
        let digits = [code / 100, code / 10 % 10, code % 10];
        self.0.iter().zip(digits).all(|(wanted, digit)| wanted.is_none_or(|wanted| u16::from(wanted) == digit))
    }
}

impl fmt::Display for CodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| match digit {
            Some(digit) => write!(f, "{digit}"),
            None => f.write_str("x"),
        })
    }
}

impl EnhancedPattern {
    /// Parses `2.1.5`, `2.1.x` or `2.x.x`. The class is 2, 4 or 5 (RFC 3463 §2), and no number follows an `x`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pattern = [None; 3];
        let mut open = false;
        let mut parts = text.split('.');
        for (index, slot) in pattern.iter_mut().enumerate() {
            match parts.next()? {
                "x" | "X" if index > 0 => open = true,
                part if open || part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) => {
                    return None;
                }
                part => *slot = part.parse().ok().filter(|n| index > 0 || matches!(n, 2 | 4 | 5)).map(Some)?,
            }
        }
        parts.next().is_none().then_some(Self(pattern))
    }

    fn accepts(&self, code: EnhancedCode) -> bool {
        let numbers = [u16::from(code.class), code.subject, code.detail];
        self.0.iter().zip(numbers).all(|(wanted, number)| wanted.is_none_or(|wanted| wanted == number))
    }
}

impl fmt::Display for EnhancedPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { "." } else { "" })?;
            match number {
                Some(number) => write!(f, "{number}")?,
                None => f.write_str("x")?,
            }
        }
        Ok(())
    }
}

impl ReplyPattern {
    /// A pattern of codes alone.
    pub fn codes(code: Vec<CodePattern>) -> Self {
        Self::Reply { code, enhanced: None, text: None, lines: None }
    }

    fn accepts(&self, reply: &Reply, regex: &mut dyn FnMut(&Template) -> Option<regex::Regex>) -> bool {
        match self {
            Self::Any => true,
            Self::Close | Self::Silence | Self::Malformed | Self::HandshakeFailure => false,
            Self::Reply { code, enhanced, text, lines } => {
                (code.is_empty() || code.iter().any(|pattern| pattern.accepts(reply.code)))
                    && enhanced.as_ref().is_none_or(|e| reply.enhanced().is_some_and(|code| e.accepts(code)))
                    && lines.is_none_or(|lines| lines == reply.lines.len())
                    && text.as_ref().is_none_or(|text| regex(text).is_some_and(|regex| regex.is_match(&reply.text())))
            }
        }
    }

    /// The keys of a table that the reply does not match, a sentence each.
    fn mismatches(&self, reply: &Reply, regex: &mut dyn FnMut(&Template) -> Option<regex::Regex>) -> Vec<String> {
        let Self::Reply { code, enhanced, text, lines } = self else { return Vec::new() };
        // The caller reports a wrong code by itself.
        if enhanced.is_none() && text.is_none() && lines.is_none() {
            return Vec::new();
        }
        let mut mismatches = Vec::new();
        if !code.is_empty() && !code.iter().any(|pattern| pattern.accepts(reply.code)) {
            let codes: Vec<String> = code.iter().map(ToString::to_string).collect();
            mismatches.push(format!("the code is {}, not {}", reply.code, codes.join(" or ")));
        }
        if let Some(wanted) = enhanced {
            match reply.enhanced() {
                Some(got) if wanted.accepts(got) => {}
                Some(got) => {
                    mismatches.push(format!(
                        "the enhanced code is {}.{}.{}, not {wanted}",
                        got.class, got.subject, got.detail
                    ));
                }
                None => mismatches.push(format!("there is no enhanced code, {wanted} is expected")),
            }
        }
        if let Some(wanted) = text
            && let Some(regex) = regex(wanted)
            && !regex.is_match(&reply.text())
        {
            mismatches.push(format!("the text does not match '{}'", regex.as_str()));
        }
        if let Some(wanted) = lines.filter(|wanted| *wanted != reply.lines.len()) {
            let plural = if reply.lines.len() == 1 { "line" } else { "lines" };
            mismatches.push(format!("it has {} {plural}, not {wanted}", reply.lines.len()));
        }
        mismatches
    }

    fn accepts_some_4xx(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Close | Self::Silence | Self::Malformed | Self::HandshakeFailure => false,
            // An enhanced code has the class of its reply (RFC 2034 §4).
            Self::Reply { code, enhanced, .. } => {
                (code.is_empty() || code.iter().any(|pattern| pattern.0[0] == Some(4)))
                    && enhanced.as_ref().is_none_or(|enhanced| enhanced.0[0] == Some(4))
            }
        }
    }
}

impl Expectation {
    /// Whether the reply is one of those expected. `text` patterns are templates: `regex` renders and compiles one.
    pub fn accepts(&self, reply: &Reply, regex: &mut dyn FnMut(&Template) -> Option<regex::Regex>) -> bool {
        self.any_of.iter().any(|pattern| pattern.accepts(reply, regex))
    }

    /// The keys that the reply does not match, if one table alone is expected.
    pub fn mismatches(&self, reply: &Reply, regex: &mut dyn FnMut(&Template) -> Option<regex::Regex>) -> Vec<String> {
        match self.any_of.as_slice() {
            [pattern] => pattern.mismatches(reply, regex),
            _ => Vec::new(),
        }
    }

    /// Whether a TLS handshake is to be refused by the server.
    pub fn wants_handshake_failure(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::HandshakeFailure))
    }

    pub fn accepts_close(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Close))
    }

    pub fn accepts_silence(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Silence))
    }

    pub fn accepts_malformed(&self) -> bool {
        self.any_of.iter().any(|p| matches!(p, ReplyPattern::Malformed))
    }

    /// Whether any 4yz reply is expected. If so, another 4yz is a failure (1) and not "try again later" (75).
    pub fn accepts_some_4xx(&self) -> bool {
        self.any_of.iter().any(ReplyPattern::accepts_some_4xx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(any_of: Vec<ReplyPattern>) -> Expectation {
        Expectation { span: Span::default(), words: String::new(), any_of }
    }

    fn codes(texts: &[&str]) -> ReplyPattern {
        ReplyPattern::codes(texts.iter().map(|text| CodePattern::parse(text).expect("a code")).collect())
    }

    fn reply(code: u16) -> Reply {
        Reply { code: ReplyCode::new(code).expect("three digits"), lines: vec![b"ok".to_vec()] }
    }

    fn accepts(expect: &Expectation, code: u16) -> bool {
        expect.accepts(&reply(code), &mut |_| None)
    }

    #[test]
    fn code_patterns_are_digits_then_x() {
        let table = [
            ("250", true, "digits"),
            ("000", true, "any three digits are a code"),
            ("25x", true, "the last one open"),
            ("2xx", true, "a class"),
            ("2XX", true, "either case"),
            ("xxx", false, "that is \"any\""),
            ("x50", false, "the class is open"),
            ("2x0", false, "a digit behind an x"),
            ("25", false, "two digits"),
            ("2500", false, "four digits"),
            ("25\u{e9}", false, "not ASCII"),
            ("", false, "empty"),
        ];
        for (text, good, why) in table {
            let pattern = CodePattern::parse(text);
            assert_eq!(pattern.is_some(), good, "{why}");
            if let Some(pattern) = pattern {
                assert_eq!(pattern.to_string(), text.to_lowercase(), "{why}");
            }
        }
    }

    #[test]
    fn enhanced_patterns_are_numbers_then_x() {
        let table = [
            ("2.1.5", true, "exact"),
            ("5.7.x", true, "the detail open"),
            ("4.x.x", true, "a class"),
            ("2.x.5", false, "a number behind an x"),
            ("x.x.x", false, "the class is open"),
            ("3.0.0", false, "RFC 3463 has no class 3"),
            ("2.1", false, "two parts"),
            ("2.1.5.1", false, "four parts"),
            ("2.1.1000", false, "four digits"),
            ("2..5", false, "an empty part"),
        ];
        for (text, good, why) in table {
            let pattern = EnhancedPattern::parse(text);
            assert_eq!(pattern.is_some(), good, "{why}");
            if let Some(pattern) = pattern {
                assert_eq!(pattern.to_string(), text, "{why}");
            }
        }
    }

    #[test]
    fn a_reply_is_accepted_by_any_of_the_patterns() {
        let either = expect(vec![codes(&["250", "35x"]), ReplyPattern::Close]);
        assert!(accepts(&either, 250));
        assert!(accepts(&either, 354));
        assert!(!accepts(&either, 251));
        assert!(either.accepts_close() && !either.accepts_silence() && !either.accepts_malformed());
        assert!(accepts(&expect(vec![ReplyPattern::Any]), 599));
        assert!(!accepts(&expect(vec![ReplyPattern::Close, ReplyPattern::Silence, ReplyPattern::Malformed]), 250));
    }

    #[test]
    fn the_number_of_lines_and_the_code_must_both_match() {
        let one = |lines| {
            let code = vec![CodePattern([Some(2), None, None])];
            expect(vec![ReplyPattern::Reply { code, enhanced: None, text: None, lines: Some(lines) }])
        };
        assert!(accepts(&one(1), 250));
        assert!(!accepts(&one(1), 550));
        assert!(!accepts(&one(2), 250));
    }

    #[test]
    fn each_mismatch_of_a_reply_is_named() {
        let table = [
            ("250", None, None, vec![], "a code alone is said elsewhere"),
            ("250", Some("2.1.5"), None, vec!["there is no enhanced code, 2.1.5 is expected"], "no enhanced code"),
            (
                "250",
                Some("2.x.x"),
                Some(1),
                vec!["there is no enhanced code, 2.x.x is expected"],
                "the lines are right",
            ),
            ("25x", None, Some(2), vec!["it has 1 line, not 2"], "the code is right"),
            ("354", None, Some(3), vec!["the code is 250, not 354", "it has 1 line, not 3"], "both"),
        ];
        for (code, enhanced, lines, expected, why) in table {
            let code = CodePattern::parse(code).into_iter().collect();
            let enhanced = enhanced.and_then(EnhancedPattern::parse);
            let expect = expect(vec![ReplyPattern::Reply { code, enhanced, text: None, lines }]);
            assert_eq!(expect.mismatches(&reply(250), &mut |_| None), expected, "{why}");
        }
    }

    #[test]
    fn whether_a_4xx_is_welcome() {
        let enhanced = |text| ReplyPattern::Reply {
            code: Vec::new(),
            enhanced: EnhancedPattern::parse(text),
            text: None,
            lines: None,
        };
        let table = [
            (codes(&["250"]), false, "a success"),
            (codes(&["250", "451"]), true, "one in the list"),
            (codes(&["4xx"]), true, "the class"),
            (ReplyPattern::Any, true, "any reply"),
            (ReplyPattern::Close, false, "no reply at all"),
            (enhanced("2.x.x"), false, "the enhanced code has another class"),
            (enhanced("4.7.1"), true, "the enhanced code has the class"),
        ];
        for (pattern, welcome, why) in table {
            assert_eq!(expect(vec![pattern]).accepts_some_4xx(), welcome, "{why}");
        }
    }
}
