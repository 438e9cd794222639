//! Logs as they are pasted: whatever surrounds them, they give the same session.

use super::*;

/// The session without comments that name lines of the log.
fn steps(log: &[u8]) -> String {
    let text = import("x", log, None).unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(log)));
    text.lines().filter(|line| !line.contains("of the log")).collect::<Vec<_>>().join("\n")
}

fn prefixed(text: &str, prefix: &str) -> String {
    text.lines().map(|line| format!("{prefix}{line}\n")).collect()
}

/// Logs whose marks stand at the beginning of a line.
const LOGS: [&str; 8] = [
    "swaks.txt",
    "telnet.txt",
    "rfc-style.txt",
    "curl.txt",
    "client-marked.txt",
    "s_client.txt",
    "msmtp.txt",
    "sendmail.txt",
];

#[test]
fn prefixes_of_containers_and_ci_and_diffs_are_skipped() {
    for name in LOGS {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        let wanted = steps(text.as_bytes());
        for (way, pasted) in [
            ("docker compose", prefixed(&text, "mail-1  | ")),
            ("docker compose with times", prefixed(&text, "mail-1  | 2026-11-30T16:00:00.123456789Z ")),
            ("containerd", prefixed(&text, "2026-11-30T16:00:00.123456789Z stdout F ")),
            ("GitHub Actions", prefixed(&text, "2026-11-30T16:00:00.1234567Z ")),
            ("a diff", format!("--- a/x.log\n+++ b/x.log\n@@ -0,0 +1,9 @@\n{}", prefixed(&text, "+"))),
            ("a diff's context", prefixed(&text, " ")),
            ("a removed file", prefixed(&text, "-")),
            ("a quote of three levels", prefixed(&text, ">>> ")),
        ] {
            assert_eq!(steps(pasted.as_bytes()), wanted, "{name}, {way}");
        }
    }
}

#[test]
fn pages_of_issue_trackers_give_their_text() {
    for name in LOGS {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        let wanted = steps(text.as_bytes());
        let entities = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let spans: String = entities.lines().map(|line| format!("<span class=\"c1\">{line}</span>\n")).collect();
        for (way, page) in [
            ("pre", format!("<p>I see this:</p>\n<pre>\n{entities}</pre>\n<p>Regards</p>\n")),
            (
                "highlighted",
                format!("<div class=\"highlight\"><pre><code class=\"language-text\">\n{spans}</code></pre></div>\n"),
            ),
        ] {
            assert_eq!(steps(page.as_bytes()), wanted, "{name}, {way}");
        }
    }
}

#[test]
fn tags_in_the_content_of_a_message_stay() {
    let log = "220 x\nDATA\n354 go\n<pre>&lt;b&gt;</pre>\n<code>x</code>\n.\n250 ok\n";
    assert!(steps(log.as_bytes()).contains("<pre>&lt;b&gt;</pre>\n<code>x</code>\n"), "{}", steps(log.as_bytes()));
}

#[test]
fn inline_code_in_the_text_around_a_log_does_not_hide_the_log() {
    for name in LOGS {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        for (before, prefix) in [
            ("I ran <code>swaks</code>, and got this:", ""),
            ("I ran <code>swaks</code>, and got this:", "mail-1  | "),
            ("$ run --body \"<pre>hi</pre>\"", ""),
            ("Is <code>250 ok</code> right?", ""),
        ] {
            let log = format!("{before}\n\n{}", prefixed(&text, prefix));
            // A comment has the line around the log.
            let found: Vec<String> = steps(log.as_bytes())
                .lines()
                .filter(|line| !line.starts_with("# not understood"))
                .map(str::to_owned)
                .collect();
            assert_eq!(found.join("\n"), steps(text.as_bytes()), "{name}, {before}, {prefix}");
        }
    }
}

#[test]
fn a_diff_with_lines_of_two_versions_is_an_error() {
    for log in [
        " 220 x\n EHLO a\n 250 a\n-MAIL FROM:<a@b>\n-250 ok\n+MAIL FROM:<c@d>\n+550 no\n QUIT\n 221 bye\n",
        "--- a\n+++ b\n@@ -1,7 +1,5 @@\n 220 x\n-NOOP\n-250 ok\n QUIT\n\n 221 bye\n",
        " S: 220 x\n-C: NOOP\n-S: 250 ok\n C: QUIT\n S: 221 bye\n",
        "-220 x\n+220 y\n+QUIT\n+221 bye\n",
    ] {
        let error = import("x", log.as_bytes(), None).expect_err("one of the versions would be lost");
        assert!(error.message.contains("two versions") && !error.help.is_empty(), "{error}\n{log}");
    }
}

#[test]
fn the_empty_line_after_a_header_is_sent_also_without_a_354() {
    let log = "220 x\nDATA\n503 no\nSubject: x\n\nhello\n.\n500 what\nQUIT\n221 bye\n";
    let text = steps(log.as_bytes());
    let sent: Vec<&str> = ["DATA", "Subject: x", "", "hello", ".", "QUIT"].to_vec();
    let shown = |line: &str| text.find(&format!("\"{line}\"")).or_else(|| text.find(&format!("\"{line}\\r\\n\"")));
    let places: Vec<Option<usize>> = sent.iter().map(|line| shown(line)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{text}");
    // Between commands it is only in the paste.
    let spaced = "220 x\n\nNOOP\n\n250 ok\n\nQUIT\n\n221 bye\n";
    assert_eq!(steps(spaced.as_bytes()), steps(spaced.replace("\n\n", "\n").as_bytes()));
}

#[test]
fn a_line_that_swaks_does_not_print_is_named_in_a_comment() {
    let log = "=== Trying x:25...\n<-  220 x\n -> NOOP\n<-  250 ok\n>> lost\n -> QUIT\n<-  221 bye\n";
    assert!(
        steps(log.as_bytes()).contains("# not understood: >> lost\n[[step]]\nsend = \"QUIT\""),
        "{}",
        steps(log.as_bytes())
    );
}

#[test]
fn a_line_that_is_wrapped_is_named() {
    let reply = "250 2.1.5 the recipient of this message is known here and wants to have it for";
    for (log, line) in [
        (format!("220 x\nRCPT TO:<a@b>\n{reply}\nbreakfast\nQUIT\n221 bye\n"), Some(3)),
        (
            format!(
                "=== Trying x:25...\n<-  220 x\n -> RCPT TO:<a@b>\n<-  {}\nbreakfast today\n -> QUIT\n<-  221 bye\n",
                &reply[..70]
            ),
            Some(4),
        ),
        (format!("220 x\nRCPT TO:<a@b>\n{reply}\nQUIT\n221 bye\n"), None),
        ("220 x\nRSET\n250 ok\nFOO\n500 what\n".to_owned(), None),
        // What follows a 3yz reply is the client's.
        (format!("220 x\nAUTH CRAM-MD5\n334 {}\n{}\n235 ok\n", "PDE4".repeat(16), "dGlt".repeat(12)), None),
        (format!("220 x\nDATA\n354 Enter mail, end with a dot\nhttps://{}\n.\n250 ok\n", "x".repeat(60)), None),
        (format!("220 x\nDATA\n354 go\n{reply}\nbreakfast\n.\n250 ok\n"), Some(4)),
    ] {
        let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{log}"));
        let comment = line.map(|line| format!("# Line {line} of the log seems to be wrapped"));
        assert_eq!(text.contains("seems to be wrapped"), line.is_some(), "{text}");
        assert!(comment.is_none_or(|comment| text.contains(&comment)), "{text}");
    }
}

#[test]
fn utf_16_of_either_order_and_windows_line_ends_give_the_same_session() {
    for name in LOGS {
        let text = String::from_utf8(fixture(name)).expect("the fixture is text");
        let wanted = steps(text.as_bytes());
        let windows = text.replace('\n', "\r\n");
        let little: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(windows.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(windows.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        let marked = [b"\xef\xbb\xbf", windows.as_bytes()].concat();
        for (way, log) in [("CRLF", windows.as_bytes()), ("UTF-16LE", &little), ("UTF-16BE", &big), ("a BOM", &marked)]
        {
            assert_eq!(steps(log), wanted, "{name}, {way}");
        }
    }
}
