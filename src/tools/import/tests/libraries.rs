//! Debug output of libraries and curl: what real versions of them print.

use super::*;

/// The session without comments at the ends of lines.
fn imported(log: &str) -> String {
    let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{log}"));
    text.lines().map(|line| format!("{}\n", line.split("  # ").next().unwrap_or_default())).collect()
}

#[test]
fn literals_of_python_become_their_bytes() {
    for (literal, wanted) in [
        (r"b'a\r\n.\r\n'", "body = \"a\\n\"\nexpect = 250"),
        (r"b'caf\xc3\xa9\r\n.\r\n'", "body = \"café\\n\""),
        (r#"b"it's\r\n.\r\n""#, "body = \"it's\\n\""),
        (r"b'a\nb\r\n.\r\n'", "raw = \"a\\nb\\r\\n.\\r\\n\""),
        (r"b'\\\t\'x\r\n.\r\n'", "body = \"\\\\\\t'x\\n\""),
    ] {
        for time in ["", "14:00:38.123456 "] {
            let log = format!(
                "{time}connect: to ('mx.example', 25) None\n{time}reply: b'220 x\\r\\n'\n\
                 {time}reply: retcode (220); Msg: b'x'\n{time}send: 'data\\r\\n'\n{time}reply: b'354 go\\r\\n'\n\
                 {time}data: (354, b'go')\n{time}send: {literal}\n{time}reply: b'250 ok\\r\\n'\n"
            );
            let text = imported(&log);
            assert!(text.contains(wanted) && text.contains("server = \"smtp://mx.example:25\""), "{literal}\n{text}");
        }
    }
}

#[test]
fn a_connection_that_python_lost_expects_the_close() {
    let log = "reply: b'220 x\\r\\n'\nsend: 'noop\\r\\n'\nreply: b''\nsmtplib.SMTPServerDisconnected: Connection unexpectedly closed\n";
    assert!(imported(log).ends_with("send = \"noop\"\nexpect = \"close\"\n"), "{}", imported(log));
}

#[test]
fn replies_that_html_output_of_phpmailer_runs_together_are_parted() {
    let log = "2026-11-30 14:02:36 SERVER -&gt; CLIENT: 220 mx<br>\n2026-11-30 14:02:36 CLIENT -&gt; SERVER: EHLO me<br>\n\
               2026-11-30 14:02:36 SERVER -&gt; CLIENT: 250-mx250-SIZE 1000250 HELP<br>\n\
               2026-11-30 14:02:36 CLIENT -&gt; SERVER: NOOP<br>\n2026-11-30 14:02:36 SERVER -&gt; CLIENT: 250 ok<br>\n";
    let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
    assert!(text.contains("250  # mx (and 2 more lines)") && text.contains("send = \"NOOP\"\nexpect = 250"), "{text}");
}

#[test]
fn a_plain_log_of_phpmailer_keeps_its_replies_whole() {
    for (lines, text) in [
        (
            "250-mx250-a.example.com\n               250-SIZE 1\n               250 HELP",
            "mx250-a.example.com (and 2 more lines)",
        ),
        ("250-x250 y\n               250 HELP", "x250 y (and 1 more line)"),
    ] {
        let log = format!(
            "SERVER -> CLIENT: 220 x\nCLIENT -> SERVER: EHLO me\nSERVER -> CLIENT: {lines}\nCLIENT -> SERVER: NOOP\nSERVER -> CLIENT: 500 no\n"
        );
        let session = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
        assert!(session.contains(&format!("expect = 250  # {text}\n")), "{session}");
        assert!(session.contains("send = \"NOOP\"\nexpect = 500"), "{session}");
    }
}

#[test]
fn further_lines_of_a_reply_need_no_indentation_in_the_error_log_of_phpmailer() {
    let log = "SERVER -> CLIENT: 220 x\n\nCLIENT -> SERVER: EHLO me\n\nSERVER -> CLIENT: 250-x\n250-SIZE 1\n250 HELP\n\n\
               CLIENT -> SERVER: NOOP\n\nSERVER -> CLIENT:\nSMTP NOTICE: EOF caught while checking if connected\n";
    let text = imported(log);
    assert!(text.contains("send = \"EHLO me\"\nexpect = 250\n"), "{text}");
    assert!(text.ends_with("send = \"NOOP\"\nexpect = \"close\"\n"), "{text}");
}

#[test]
fn times_and_identifiers_before_marks_of_curl_hide_nothing() {
    let meter = "  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
    for prefix in ["13:58:26.268076 ", "13:58:26.268076 [0-0] ", "[0-x] "] {
        let log = format!(
            "{meter}{prefix}* Connected to mx.example (192.0.2.1) port 25 (#0)\n{prefix}< 220 x\n{prefix}> EHLO me\n\
             {meter}{prefix}< 250-x\n{prefix}< 250 HELP\n{prefix}> QUIT\n{prefix}< 221 bye\n"
        );
        let text = imported(&log);
        assert!(text.contains("expect = 220\n\n[[step]]\nsend = \"EHLO me\"\nexpect = 250"), "{prefix}\n{text}");
        assert!(text.contains("mx.example:25") && text.contains("send = \"QUIT\"\nexpect = 221"), "{prefix}\n{text}");
    }
}

#[test]
fn what_a_client_says_after_the_connection_ended_opens_no_other() {
    let log = "* Connected to mx.example (192.0.2.1) port 25 (#0)\n< 220 x\n> NOOP\n* response reading failed (errno: 115)\n\
               > QUIT\n* response reading failed (errno: 115)\n* Closing connection 0\n";
    let text = imported(log);
    assert!(!text.contains("connect = true") && !text.contains("QUIT"), "{text}");
    assert!(text.contains("# after this: the log has lines of the client after the connection ended"), "{text}");
}
