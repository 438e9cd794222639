//! A secret is hidden in every form in which it travels.

mod lines;

use super::redactor::replace_ranges;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

fn knowing(secrets: &[&str]) -> Redactor {
    let mut redactor = Redactor::default();
    for secret in secrets {
        redactor.add(secret);
    }
    redactor
}

#[test]
fn every_form_of_a_secret_is_hidden() {
    let b64 = |text: &str| STANDARD.encode(text);
    let table = [
        ("pass hunter2-Z&\"ä end".to_owned(), "pass [secret] end", "plain"),
        (b64("hunter2-Z&\"ä"), "[secret]", "base64 alone, with its padding"),
        (format!("AUTH PLAIN {}", b64("\0u\0hunter2-Z&\"ä")), "AUTH PLAIN [secret]", "inside PLAIN, first alignment"),
        (format!("AUTH PLAIN {}", b64("\0us\0hunter2-Z&\"ä")), "AUTH PLAIN [secret]", "second alignment"),
        (format!("AUTH PLAIN {}", b64("\0use\0hunter2-Z&\"ä")), "AUTH PLAIN [secret]", "third alignment"),
        (format!("235-{}", b64("hunter2-Z&\"ä!")), "235-[secret]", "a reply's code is no part of the run"),
        ("x=hunter2-Z%26%22%C3%A4&y".into(), "x=[secret]&y", "URL-encoded"),
        ("x=hunter2%2dZ%26%22%c3%a4".into(), "x=[secret]", "lower hex, and more encoded than must be"),
        ("X=hunter2-Z+26+22+C3+A4 y".into(), "X=[secret] y", "xtext"),
        ("hunter2-Z&=22=C3=A4".into(), "[secret]", "quoted-printable"),
        (r#"{"pw":"hunter2-Z&\"\u00e4"}"#.into(), r#"{"pw":"[secret]"}"#, "JSON"),
        (r#"hunter2-Z&\"ä"#.into(), "[secret]", "JSON that keeps UTF-8"),
        (r"hunter2-Z\x26\x22\xc3\xa4".into(), "[secret]", "this program's own escapes"),
        ("hunter2-Z&amp;&quot;ä".into(), "[secret]", "HTML"),
        ("hunter2-Z&#38;&#x22;&#228;".into(), "[secret]", "HTML by number"),
        ("hunter2-Zhunter2-Z&\"ähunter2-Z&\"ä".into(), "hunter2-Z[secret]", "adjacent ones are one"),
    ];
    let redactor = knowing(&["hunter2-Z&\"ä"]);
    for (text, shown, why) in table {
        assert_eq!(redactor.redact(&text).as_str(), shown, "{why}");
    }
}

#[test]
fn a_space_in_a_form_is_a_plus() {
    assert_eq!(knowing(&["two words"]).redact("x=two+words&y=two%20words").as_str(), "x=[secret]&y=[secret]");
}

#[test]
fn one_secret_in_another_leaks_nothing_of_it() {
    for order in [["pass", "my-password-1"], ["my-password-1", "pass"]] {
        let redactor = knowing(&order);
        assert_eq!(redactor.redact("x my-password-1 pass y").as_str(), "x [secret] [secret] y");
    }
    let redactor = knowing(&["abcd", "cdef1"]);
    assert_eq!(redactor.redact("-abcdef1-").as_str(), "-[secret]-", "two that overlap");
}

#[test]
fn short_and_empty_secrets_are_hidden_where_they_are_sent() {
    let mut redactor = Redactor::default();
    assert!(redactor.add(""), "an empty one is none");
    assert!(!redactor.add("abc"));
    assert_eq!(redactor.redact("abc").as_str(), "abc");
    assert_eq!(redactor.find_sent(b"NOOP abc", &["abc", ""]), vec![5..8]);
    assert_eq!(redactor.find_sent(b"YWJj", &["abc"]), vec![0..4], "base64 alone");
    assert_eq!(redactor.find_sent(b"%61bc", &["abc"]), vec![0..5], "encoded");
    assert!(redactor.find_sent(b"x", &["abc"]).is_empty());
    assert!(redactor.add("äöüß"), "characters are counted, not bytes");
}

#[test]
fn each_line_of_a_secret_is_one() {
    let redactor = knowing(&["-----BEGIN KEY-----\r\nabcdefgh\r\nx\r\n"]);
    assert_eq!(redactor.redact("abcdefgh").as_str(), "[secret]");
    assert_eq!(redactor.redact("x").as_str(), "x");
}

#[test]
fn responses_are_hidden_in_both_forms() {
    let mut redactor = Redactor::default();
    redactor.add_response(b"tim b913a602c7eda7a495b4e6e7334d3890");
    let encoded = "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
    assert_eq!(redactor.redact(encoded).as_str(), "[secret]");
    assert_eq!(redactor.redact("got tim b913a602c7eda7a495b4e6e7334d3890").as_str(), "got [secret]");
    redactor.add_response(b"pw");
    assert_eq!(redactor.redact("cHc=").as_str(), "[secret]");
    assert_eq!(redactor.redact("pw").as_str(), "pw", "too short to be looked for");
}

#[test]
fn hiding_comes_before_escaping() {
    assert_eq!(knowing(&["pa\\ss\x1bword"]).redact("\x1b pa\\ss\x1bword").as_str(), "\\x1b [secret]");
}

#[test]
fn lines_of_a_text_are_shown_in_one() {
    let redactor = knowing(&["two\nlines"]);
    assert_eq!(redactor.redact_lines("5.1.1 a two\nlines\r\nb\x1b").as_str(), "5.1.1 a [secret] / b\\x1b");
}

#[test]
fn base64_that_is_folded_within_a_secret_shows_neither_part() {
    let redactor = knowing(&["hunter2-Zaphod"]);
    for before in 30..80 {
        let encoded = STANDARD.encode(format!("{:x<before$}hunter2-Zaphod{:y<60}", "", ""));
        let secret = before * 4 / 3 + 1..(before + 14) * 4 / 3; // characters that hold nothing else
        let (first, second) = encoded.split_at(76);
        let hidden = redactor.find(format!("{first}\r\n{second}\r\n").as_bytes());
        let parts = [0..76, 78..78 + second.len()];
        for (line, part) in
            parts.iter().zip([secret.start..secret.end.min(76), secret.start.max(76) + 2..secret.end + 2])
        {
            assert!(part.is_empty() || hidden.contains(line), "{before}: {encoded}");
        }
    }
    assert!(redactor.find(b"eHh4eHh4eHh4eHh4eHh4eHh4eHh4").is_empty(), "other base64 stays");
}

#[test]
fn a_long_secret_hides_what_follows_its_beginning() {
    let long = "0123456789abcdef".repeat(4096);
    assert_eq!(knowing(&[&long]).redact(format!("x {long} y")).as_str(), "x [secret]");
}

#[test]
fn switched_off_it_finds_nothing_and_it_never_shows_itself() {
    let mut redactor = Redactor::off();
    redactor.add("hunter2");
    redactor.add_response(b"hunter2");
    assert!(redactor.find_sent(b"hunter2 ab", &["hunter2", "ab"]).is_empty());
    assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    assert!(!format!("{:?}", knowing(&["hunter2"])).contains("hunter"));
}

proptest! {
    #[test]
    fn no_secret_survives(secret in "\\PC{4,12}", before in any::<String>(), after in any::<String>()) {
        let redactor = knowing(&[&secret]);
        let text = format!("{before}{secret}{after}");
        let hidden = redactor.find(text.as_bytes());
        for window in hidden.windows(2) {
            prop_assert!(window[0].end < window[1].start, "ascending and apart");
        }
        let covered = |at: usize| hidden.iter().any(|range| range.contains(&at));
        prop_assert!((before.len()..before.len() + secret.len()).all(covered));
    }

    #[test]
    fn no_base64_of_it_survives(
        secret in "[ -~]{4,12}", before in prop::collection::vec(any::<u8>(), 0..5), after in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let redactor = knowing(&[&secret]);
        let encoded = STANDARD.encode([before, secret.into_bytes(), after].concat());
        prop_assert_eq!(redactor.find(encoded.as_bytes()), vec![0..encoded.len()]);
    }
}
