//! The notation, both ways.

#![expect(clippy::single_range_in_vec_init, reason = "lists of hidden ranges often have one")]

use super::*;
use crate::smtp::lines::{LineEnd, WireLine};
use proptest::prelude::*;
use std::time::Duration;

fn noted(bytes: &[u8], end: LineEnd, hidden: &[std::ops::Range<usize>]) -> String {
    let mut out = String::new();
    write_notation(WireLine { bytes, end }, hidden, &mut out);
    out
}

#[test]
fn lines_are_shown_as_the_contract_says() {
    use LineEnd::*;
    let table: &[(&[u8], LineEnd, &str, &str)] = &[
        (b"250 ok", CrLf, "250 ok", "CRLF carries no sign"),
        (b"250 ok", Lf, "250 ok\\n", "a bare LF"),
        (b"250", Missing, "250\\c", "no end at all"),
        (b"a\rb", CrLf, "a\\x0db", "a bare CR ends no line"),
        (b"a\nb", CrLf, "a\\x0ab", "nor does a LF where the caller did not cut"),
        (b"334 ", CrLf, "334\\x20", "a space at the end"),
        (b"334  ", Lf, "334 \\x20\\n", "before the mark of another end, too; only the last"),
        (b" ", CrLf, "\\x20", "a space alone"),
        (b"", CrLf, "", "nothing"),
        (b"C:\\dir", CrLf, "C:\\\\dir", "a backslash"),
        (b"\x1b[2J\x07\x00\x7f\t", CrLf, "\\x1b[2J\\x07\\x00\\x7f\\x09", "controls, DEL, TAB"),
        (b"caf\xc3\xa9 \xff\xc3", CrLf, "café \\xff\\xc3", "UTF-8 stays, other bytes do not"),
        ("\u{9b}31m".as_bytes(), CrLf, "\\xc2\\x9b31m", "C1: CSI in one character"),
        ("a\u{202e}b\u{2066}".as_bytes(), CrLf, "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6", "bidirectional"),
        ("\u{feff}\u{200b}\u{200d}".as_bytes(), CrLf, "\\xef\\xbb\\xbf\\xe2\\x80\\x8b\\xe2\\x80\\x8d", "zero-width"),
        (
            "\u{2028}\u{2029}".as_bytes(),
            CrLf,
            "\\xe2\\x80\\xa8\\xe2\\x80\\xa9",
            "separators that some take for line ends",
        ),
        ("\u{e0041}".as_bytes(), CrLf, "\\xf3\\xa0\\x81\\x81", "tag characters"),
        (b"[secret] [secret [x]", CrLf, "\\x5bsecret] [secret [x]", "a literal [secret], and only that"),
    ];
    for (bytes, end, shown, why) in table {
        assert_eq!(noted(bytes, *end, &[]), *shown, "{why}");
        assert_eq!(unescape(shown), Ok(LineBody::plain(*bytes, *end)), "{why}");
    }
}

#[test]
fn secrets_stand_between_pieces() {
    assert_eq!(noted(b"AUTH PLAIN abcd", LineEnd::CrLf, &[11..15]), "AUTH PLAIN [secret]");
    assert_eq!(noted(b"a pw  ", LineEnd::CrLf, &[2..4]), "a [secret] \\x20");
    assert_eq!(noted(b"[secretpw", LineEnd::CrLf, &[7..9]), "[secret[secret]");
    assert_eq!(noted(b"abc", LineEnd::CrLf, &[1..9, 0..2]), "a[secret][secret]", "a range beyond the end is cut");
    assert_eq!(
        unescape("a [secret]b[secret]").map(|body| body.pieces),
        Ok(vec![b"a ".to_vec(), b"b".to_vec(), Vec::new()])
    );
    assert_eq!(unescape("[secret]").map(|body| body.pieces), Ok(vec![Vec::new(), Vec::new()]));
}

#[test]
fn printable_keeps_what_only_the_notation_escapes() {
    assert_eq!(escape_unprintable(b"a\\b [secret] "), "a\\b [secret] ");
    assert_eq!(escape_unprintable(b"\x1b]0;x\x07\r\n\xff"), "\\x1b]0;x\\x07\\x0d\\x0a\\xff");
}

#[test]
fn a_whole_transcript_is_read() {
    let text = "\u{feff}# by hand\n*: connected to 127.0.0.1:2525\r\nS: 220 x\n\nC:\nC: \n   0.012 C[b]: a\\c\n12345.678 *[b]: x\n*:\n";
    let wire = |mark, connection: Option<&str>, ms: Option<u64>, bytes: &str, end| TranscriptLine::Wire {
        mark,
        connection: connection.map(str::to_owned),
        time: ms.map(Duration::from_millis),
        body: LineBody::plain(bytes, end),
    };
    let remark = |connection: Option<&str>, ms: Option<u64>, text: &str| TranscriptLine::Remark {
        connection: connection.map(str::to_owned),
        time: ms.map(Duration::from_millis),
        text: text.into(),
    };
    assert_eq!(
        parse(text),
        Ok(vec![
            TranscriptLine::Comment("by hand".into()),
            remark(None, None, "connected to 127.0.0.1:2525"),
            wire(Mark::Server, None, None, "220 x", LineEnd::CrLf),
            TranscriptLine::Blank,
            wire(Mark::Client, None, None, "", LineEnd::CrLf),
            wire(Mark::Client, None, None, "", LineEnd::CrLf),
            wire(Mark::Client, Some("b"), Some(12), "a", LineEnd::Missing),
            remark(Some("b"), Some(12_345_678), "x"),
            remark(None, None, ""),
        ])
    );
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let table = [
        ("X: y", 1, "begins with"),
        ("C:y", 3, "there must be a space"),
        ("C: é\\y", 5, "a backslash must begin"),
        ("C: \\x2", 4, "two hexadecimal digits"),
        ("C: \\x+1", 4, "two hexadecimal digits"),
        ("C: \\né", 4, "is allowed only at the end"),
        ("C: \\", 4, "a backslash must begin"),
        ("C[b: x", 3, "has no closing ]"),
        ("C[\\xff]: x", 3, "not text"),
        ("C[b]", 5, "begins with"),
        ("   0.012 X", 10, "begins with"),
        ("99999999999999999999999.1 C: x", 1, "begins with"),
        ("\u{e9}", 1, "begins with"),
    ];
    for (line, column, why) in table {
        let errors = parse(&format!("# first\n{line}\n")).expect_err(line);
        assert_eq!((errors[0].line, errors[0].column), (2, column), "{line}: {}", errors[0].why);
        assert!(errors[0].why.contains(why), "{line}: {}", errors[0].why);
    }
    assert_eq!(parse("x\ny\n").expect_err("two mistakes").len(), 2);
}

fn end() -> impl Strategy<Value = LineEnd> {
    prop_oneof![Just(LineEnd::CrLf), Just(LineEnd::Lf), Just(LineEnd::Missing)]
}

/// Bytes with a taste for what the notation treats specially.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        prop::sample::select(vec!["[secret]", "[sec", "\\", "\\n", "\\c", "\\x20", " ", "\u{202e}", "::", "]"])
            .prop_map(|s| s.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn record() -> impl Strategy<Value = TranscriptLine> {
    let time = prop::option::of((0..100_000_000u64).prop_map(Duration::from_millis));
    let connection = prop::option::of(any::<String>());
    let text = || bytes().prop_map(|bytes| escape_unprintable(&bytes));
    let body = (prop::collection::vec(bytes(), 1..4), end()).prop_map(|(pieces, end)| LineBody { pieces, end });
    let mark = prop_oneof![Just(Mark::Client), Just(Mark::Server)];
    prop_oneof![
        4 => (mark, connection.clone(), time.clone(), body)
            .prop_map(|(mark, connection, time, body)| TranscriptLine::Wire { mark, connection, time, body }),
        2 => (connection, time, text())
            .prop_map(|(connection, time, text)| TranscriptLine::Remark { connection, time, text }),
        1 => text().prop_map(TranscriptLine::Comment),
        1 => Just(TranscriptLine::Blank),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(records in prop::collection::vec(record(), 0..8)) {
        let text: String = records.iter().map(|record| format!("{record}\n")).collect();
        prop_assert_eq!(parse(&text), Ok(records));
    }

    #[test]
    fn no_byte_can_leave_its_line_or_move_a_cursor(line in bytes(), end in end()) {
        for shown in [noted(&line, end, &[]), escape_unprintable(&line)] {
            let moves = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
            let safe = !shown.contains(moves);
            prop_assert!(safe);
            prop_assert_eq!(escape_unprintable(shown.as_bytes()), shown, "already safe");
        }
    }

    #[test]
    fn reading_never_panics(text in any::<String>(), marked in bytes()) {
        let _ = parse(&text);
        let _ = parse(&format!("C: {}", String::from_utf8_lossy(&marked)));
    }
}
