//! Tests of importing: each fixture, and what is cut or mixed.

mod captures;
mod clients;
mod fixtures;
mod libraries;
mod mixed_logs;
mod pastes;
mod secrets;
mod swaks;

use super::*;
use fixtures::FIXTURES;
use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/import").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_fixture_is_recognized_and_imported() {
    for (name, format, wanted) in FIXTURES {
        let log = fixture(name);
        assert_eq!(detect_log_format(&log), Some(*format), "{name}");
        let text = import(name, &log, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in *wanted {
            assert!(text.contains(part.trim_end()) || matches_with_remarks(&text, part), "{name} lacks {part}\n{text}");
        }
    }
}

/// Whether the text has `part`, if the comments at line ends are left out.
fn matches_with_remarks(text: &str, part: &str) -> bool {
    let bare: Vec<&str> = text.lines().map(|line| line.split("  # ").next().unwrap_or_default()).collect();
    bare.join("\n").contains(part)
}

#[test]
fn no_session_shows_what_authenticates() {
    for (name, _, _) in FIXTURES {
        let text = import(name, &fixture(name), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        for secret in [
            "AGZveAB2aXhlbi0yMDI2",
            "vixen-2026",
            "AGd1bGwAaGVycmluZw==",
            "herring",
            "AHN0b3AALyogc2VjcmV0ICov",
            "s3cretpw",
            "czNjcmV0cHc=",
            "AHZpeGVuAHMzY3JldHB3",
            "73 33 63 72",
        ] {
            assert!(!text.contains(secret), "{name} shows {secret}");
        }
    }
}

#[test]
fn a_log_in_utf_16_or_with_crs_is_imported_alike() {
    let log = fixture("swaks.txt");
    let wanted = import("x", &log, None);
    let text = String::from_utf8(log).expect("the fixture is text");
    assert_eq!(import("x", text.replace('\n', "\r\n").as_bytes(), None), wanted);
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(import("x", &utf16, None), wanted);
}

#[test]
fn a_log_that_is_coloured_quoted_or_fenced_is_imported_alike() {
    for (name, _, _) in FIXTURES {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        let wanted = import("x", text.as_bytes(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bare =
            |session: &str| session.lines().filter(|line| !line.contains("of the log")).collect::<Vec<_>>().join("\n");
        let quote = |text: &str| {
            format!("I see this:\n\n{}\nRegards\n", text.lines().map(|line| format!("> {line}\n")).collect::<String>())
        };
        let fence =
            |text: &str| format!("```toml\nretries = 3\n```\n\nI see this:\n\n```console\n{text}```\n\nRegards\n");
        let colour = |text: &str| text.lines().map(|line| format!("\x1b[1;32m{line}\x1b[0m\n")).collect::<String>();
        for (way, pasted) in [
            ("quoted", quote(&text)),
            ("quoted twice", quote(&quote(&text))),
            ("fenced", fence(&text)),
            ("fenced and quoted", quote(&fence(&text))),
            ("quoted and fenced", fence(&quote(&text))),
            ("coloured", colour(&text)),
        ] {
            let got = import("x", pasted.as_bytes(), None).unwrap_or_else(|error| panic!("{name}, {way}: {error}"));
            assert_eq!(bare(&got), bare(&wanted), "{name}, {way}");
        }
    }
}

#[test]
fn a_fence_in_the_content_of_a_message_stays() {
    let log = "220 x\nMAIL FROM:<a@example.com>\n250 ok\nDATA\n354 go\nSubject: x\n\n```\ncode\n```\n> 250 quoted\n.\n250 ok\n";
    let text = import("x", log.as_bytes(), None).expect("a paste");
    assert!(text.contains("```\ncode\n```\n> 250 quoted\n"), "{text}");
    let indented: String = log.lines().map(|line| format!("    {line}\n")).collect();
    let text = import("x", indented.as_bytes(), None).expect("an indented paste");
    assert!(text.contains("```\ncode\n```\n"), "{text}");
}

#[test]
fn s_client_says_its_name_and_shows_records() {
    let log = "$ openssl s_client -connect mx.example:587 -starttls smtp -name me.example -msg\nCONNECTED(00000003)\n\
               >>> TLS 1.0, RecordHeader [length 0005]\n    16 03 01 01 24\n---\n250 HELP\nNOOP\n\
               >>> TLS 1.2, RecordHeader [length 0005]\n    17 03 03 00 17\n<<< TLS 1.3, InnerContent [length 0001]\n    17\n250 ok\nDONE\n";
    let text = import("x", log.as_bytes(), None).expect("a paste");
    assert!(text.contains("send = \"EHLO me.example\"") && text.contains("starttls = true"), "{text}");
    assert!(matches_with_remarks(&text, "send = \"NOOP\"\nexpect = 250\n") && !text.contains("Record"), "{text}");
    assert!(!text.contains("17 03"), "{text}");
}

#[test]
fn a_byte_order_mark_hides_no_line_of_a_quoted_log() {
    let text = import("x", b"\xef\xbb\xbf> 220 x\n> EHLO me\n> 250 ok\n", None).expect("a quoted paste");
    assert!(text.contains("expect = 220"), "{text}");
}

#[test]
fn colours_in_the_content_of_a_log_without_colours_stay() {
    let log = b"220 x\nDATA\n354 go\nA: \x1b[1mB\n.\n250 ok\n";
    let text = import("x", log, None).expect("a paste");
    assert!(text.contains("1b 5b 31 6d") || text.contains("\\u001b[1m") || text.contains("\\x1b[1m"), "{text}");
}

#[test]
fn a_progress_meter_before_a_line_of_curl_hides_nothing() {
    let meter = "  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
    let log = format!(
        "* Connected to mx.example (192.0.2.1) port 25\n\r{meter}\r{meter}< 220 mx.example\n{meter}> NOOP\n< 250 ok\n"
    );
    let text = import("x", log.as_bytes(), None).expect("output of curl");
    assert!(text.contains("expect = 220") && text.contains("send = \"NOOP\"\nexpect = 250"), "{text}");
}

#[test]
fn further_lines_of_a_reply_follow_the_process_id_of_exim() {
    for prefix in ["", "12345 ", "10:00:00.200 12345 "] {
        let log = format!(
            "{prefix}  SMTP<< 220 x\n{prefix}  SMTP>> EHLO me\n{prefix}  SMTP<< 250-x\n{prefix}         250-SIZE 100\n\
             {prefix}         250 HELP\n{prefix}  SMTP>> NOOP\n{prefix}  SMTP<< 500 no\n"
        );
        let text = import("x", log.as_bytes(), None).expect("output of Exim");
        assert!(
            text.contains("(and 2 more lines)") && text.contains("send = \"NOOP\"\nexpect = 500"),
            "{prefix:?}\n{text}"
        );
    }
}

#[test]
fn html_of_phpmailer_gives_the_same_session() {
    let text = String::from_utf8(fixture("phpmailer.txt")).expect("the fixture is text");
    let html: Vec<String> =
        text.lines().map(|line| line.replace('<', "&lt;").replace('>', "&gt;") + "<br>\n").collect();
    assert_eq!(import("x", html.concat().as_bytes(), None), import("x", text.as_bytes(), None));
}

#[test]
fn an_error_has_its_place_and_says_what_helps() {
    let bad = import("x", b"*: connected\nS: 220 x\n  C: NOOP \\q\n", None).expect_err("the escape is wrong");
    assert_eq!(bad.place, Some((3, 11)), "{bad}");
    let none = import("x", b"Dear all,\nnothing here\n", None).expect_err("this is no log");
    assert!(none.help.contains("swaks") && none.help.contains("pcap"), "{}", none.help);
    for log in ["", "\n \n"] {
        let empty = import("x", log.as_bytes(), None).expect_err("there is nothing");
        assert_eq!(empty.message, "the log is empty");
    }
    let other = import("x", &fixture("swaks.txt"), Some(LogFormat::Postfix)).expect_err("not of Postfix");
    assert!(other.message.contains("Postfix"), "{other}");
}

#[test]
fn what_looks_like_a_template_is_sent_as_it_is() {
    for (text, wanted) in [("{{{", "{{ '{{' }}{"), ("{%x%}", "{{ '{%' }}x%}"), ("{ {", "{ {"), ("a{#", "a{{ '{#' }}")] {
        assert_eq!(steps::template_literal(text), wanted);
    }
}

#[test]
fn answers_to_a_refused_auth_are_secrets_too() {
    for log in [
        "S: 220 x\nC: AUTH LOGIN\nS: 503 no\nC: dXNlcg==\nS: 500 x\nC: cGFzc3dvcmQ=\nS: 500 x\nC: NOOP\nS: 250 x\n",
        "C: AUTH LOGIN\nC: dXNlcg==\nC: cGFzc3dvcmQ=\nC: NOOP\n",
    ] {
        let text = import("log.txt", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
        assert!(!text.contains("cGFzc3dvcmQ=") && !text.contains("dXNlcg=="), "{text}");
        assert!(text.contains("NOOP"), "{text}");
    }
}

#[test]
fn bdat_is_imported_with_its_octets() {
    for (log, wanted, why) in [
        ("C: BDAT 5\nC: a{{\\n\nC: \\xc3\\c\nS: 250 x\n", "bdat = { hex = ", "bytes that are not UTF-8"),
        ("C: BDAT 6\nC: a{{\nC: \\x0d\\c\nS: 250 x\n", "bdat = \"a{{ '{{' }}\\r\\n\\r\"\nexpect = 250", "no template"),
        ("C: BDAT 0 LAST\nS: 250 x\n", "bdat = \"\"\nlast = true\nexpect = 250", "no octets"),
        ("C: bdat 3\nC: a\nS: 250 x\n", "raw = \"bdat 3\\r\\na\\r\\n\"\nexpect = 250", "written otherwise"),
        ("C: BDAT 9\nC: a\nS: 501 x\n", "raw = \"BDAT 9\\r\\na\\r\\n\"\nexpect = 501", "fewer octets than announced"),
        ("C: BDAT 3\nC: a\n", "raw = \"BDAT 3\\r\\na\\r\\n\"", "no reply"),
    ] {
        let log = format!("*: connected to 127.0.0.1:25\nS: 220 x\n{log}");
        let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{why}: {error}"));
        assert!(matches_with_remarks(&text, wanted), "{why}: {text}");
    }
}

#[test]
fn a_log_with_a_margin_or_entities_is_imported_alike() {
    let bare =
        |session: &str| session.lines().filter(|line| !line.contains("of the log")).collect::<Vec<_>>().join("\n");
    let prefixed = |text: &str, prefix: &str| text.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>();
    for name in ["swaks.txt", "telnet.txt", "rfc-style.txt", "curl.txt", "client-marked.txt", "s_client.txt"] {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        let wanted = import("x", text.as_bytes(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let numbered = |separator: &str| -> String {
            text.lines().enumerate().map(|(at, line)| format!("{:5}{separator}{line}\n", at + 1)).collect()
        };
        let entities = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        for (way, pasted) in [
            ("indented", prefixed(&text, "    ")),
            ("behind tabs", prefixed(&text, "\t")),
            ("with times", prefixed(&text, "2026-11-03 08:00:00,123 ")),
            ("with times in brackets", prefixed(&text, "[08:00:00.123] ")),
            ("from a log of syslog", prefixed(&text, "Nov  3 08:00:00 host app[12]: ")),
            ("from a journal", prefixed(&text, "2026-11-03T08:00:00.123+0100 host app[12]: ")),
            ("numbered", numbered("  ")),
            ("numbered by cat", numbered("\t")),
            ("numbered with colons", numbered(": ")),
            ("out of HTML", entities),
        ] {
            let got = import("x", pasted.as_bytes(), None).unwrap_or_else(|error| panic!("{name}, {way}: {error}"));
            assert_eq!(bare(&got), bare(&wanted), "{name}, {way}");
        }
    }
}

#[test]
fn escapes_are_read_with_or_without_remarks() {
    let log = "S: 220 x\nC: NOOP\\x20\nS: 250 \\xff\nC: \\x5bsecret]\\n\nS: 500 x\n";
    let text = import("x", log.as_bytes(), None).expect("a transcript");
    assert!(text.contains("send = \"NOOP \"") && text.contains("raw = \"[secret]\\n\""), "{text}");
    // An RFC's dialogue may have backslashes that are no escapes.
    let rfc = "S: 220 x\nC: MAIL FROM:<\"a\\\"b\"@x>\nS: 250 ok\n";
    let text = import("x", rfc.as_bytes(), None).expect("a dialogue");
    assert!(text.contains(r#"a\\\"b"#), "{text}");
}

#[test]
fn a_stage_direction_is_skipped_and_a_tag_in_content_is_not() {
    for marks in [["S: ", "C: "], ["  S: ", "  C: "]] {
        let [server, client] = marks;
        let log = format!(
            "{server}<waits for connection on TCP port 25>\n{server}220 x\n{client}DATA\n{server}354 go\n\
             {client}<p class=\"x\">\n{client}.\n{server}250 ok\n"
        );
        let text = import("x", log.as_bytes(), None).expect("a dialogue");
        assert!(text.contains("<p class=") && !text.contains("waits"), "{text}");
    }
}

#[test]
fn entities_in_the_content_of_a_message_stay() {
    let log = "220 x\nMAIL FROM:<a@example.com>\n250 ok\nDATA\n354 go\nSubject: &lt;x&gt;\n.\n250 ok\n";
    let text = import("x", log.as_bytes(), None).expect("a paste");
    assert!(text.contains("Subject: &lt;x&gt;"), "{text}");
}
