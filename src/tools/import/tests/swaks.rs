//! Output of swaks with the options that change it.

use super::*;

/// The session without comments at the ends of lines.
fn imported(log: &str) -> String {
    let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{log}"));
    text.lines().map(|line| format!("{}\n", line.split("  # ").next().unwrap_or_default())).collect()
}

const TRYING: &str = "=== Trying 127.0.0.1:25...\n=== Connected to 127.0.0.1.\n";

#[test]
fn the_crs_of_content_tell_crlf_from_lf() {
    let log = |content: &str| {
        format!(
            "{TRYING}<-  220 x\n -> DATA\n<-  354 go\n{content}\n<-  250 ok\n -> QUIT\n<-  221 bye\n=== Connection closed with remote host.\n"
        )
    };
    for (content, wanted) in [
        (" -> A: b\r\n -> \r\n -> c\r\n -> .", "body = \"\"\"\nA: b\n\nc\n\"\"\"\nexpect = 250"),
        (" -> A: b\n -> \n -> c\n -> .", "body = \"\"\"\nA: b\n\nc\n\"\"\"\nexpect = 250"),
        (" -> A: b\r\n -> \n -> c\r\n -> .", "raw = \"A: b\\r\\n\\nc\\r\\n.\\r\\n\"\nexpect = 250"),
        (" -> a\r\n -> .\n -> b\r\n -> .", "raw = \"a\\r\\n.\\nb\\r\\n.\\r\\n\"\nexpect = 250"),
        (" -> a\r\r\n -> .", "raw = \"a\\r\\r\\n.\\r\\n\"\nexpect = 250"),
    ] {
        let text = imported(&log(content));
        assert!(text.contains(wanted), "{content:?}\n{text}");
    }
}

#[test]
fn a_line_of_content_that_looks_like_a_summary_stays() {
    let log = |content: &str| format!("{TRYING}<-  220 x\n -> DATA\n<-  354 go\n{content}<-  250 ok\n");
    let text = imported(&log(" -> a\n -> 12 lines sent\n -> .\n"));
    assert!(text.contains("\n12 lines sent\n"), "{text}");
    assert!(imported(&log(" -> 12 lines sent\n")).contains("placeholder"));
}

#[test]
fn a_log_saved_with_crlf_shows_the_same_line_ends() {
    let log = format!("{TRYING}<-  220 x\n -> DATA\n<-  354 go\n -> a\r\n -> b\n -> .\n<-  250 ok\n");
    let windows = log.replace('\n', "\r\n");
    assert_eq!(imported(&windows), imported(&log));
    assert!(imported(&log).contains("raw = \"a\\r\\nb\\n.\\r\\n\""), "{}", imported(&log));
}

#[test]
fn marks_with_a_tilde_stand_for_tls() {
    let log = "<-  220 x\n -> STARTTLS\n<-  220 go\n ~> EHLO me\n<~  250 x\n ~> QUIT\n<~  221 bye\n";
    assert!(imported(log).contains("starttls = true\n\n[[step]]\nsend = \"EHLO me\""), "{}", imported(log));
    let from_the_first_byte = "<~  220 x\n ~> QUIT\n<~  221 bye\n";
    assert!(imported(from_the_first_byte).contains("tls = true\n\n[[step]]\nexpect = 220"));
}

#[test]
fn lines_without_hints_are_told_apart_by_syntax() {
    let lines = [
        ("<-  ", "220 x"),
        (" -> ", "EHLO me"),
        ("<-  ", "250 x"),
        (" -> ", "DATA"),
        ("<-  ", "354 go"),
        (" -> ", "Subject: x"),
        (" -> ", ""),
        (" -> ", "250 text"),
        (" -> ", "."),
        ("<-  ", "250 ok"),
        (" -> ", "QUIT"),
        ("<-  ", "221 bye"),
    ];
    let log = |shows: &dyn Fn(&str) -> bool| -> String {
        let dialogue = lines.iter().map(|(mark, text)| format!("{}{text}\n", if shows(mark) { mark } else { "" }));
        format!("{TRYING}{}=== Connection closed with remote host.\n", dialogue.collect::<String>())
    };
    let wanted = imported(&log(&|_| true));
    assert!(wanted.contains("250 text") && wanted.contains("send = \"QUIT\"\nexpect = 221"), "{wanted}");
    assert_eq!(imported(&log(&|mark| mark == "<-  ")), wanted, "--no-send-hints");
    assert_eq!(imported(&log(&|_| false)), wanted, "--no-hints");
    // Without marks of the server, a line of content that looks like a reply is the client's: it has its mark.
    assert_eq!(imported(&log(&|mark| mark == " -> ")), wanted, "--no-receive-hints");
}

#[test]
fn tls_is_read_from_a_log_without_hints() {
    let log = format!("{TRYING}220 x\nSTARTTLS\n220 go\n=== TLS started with cipher TLSv1.3:X:256\nNOOP\n250 ok\n");
    assert!(
        imported(&log).contains("starttls = true\n\n[[step]]\nsend = \"NOOP\"\nexpect = 250"),
        "{}",
        imported(&log)
    );
}

#[test]
fn a_proxy_header_of_version_2_becomes_its_bytes() {
    let log = format!("{TRYING} -> DQoNCgANClFVSVQKIgAA\n<-  220 x\n -> QUIT\n<-  221 bye\n");
    let text = imported(&log);
    assert!(
        text.contains(r#"raw = "\r\n\r\n\u0000\r\nQUIT\n\"\u0000\u0000""#)
            && text.contains("\n\n[[step]]\nexpect = 220"),
        "{text}"
    );
}

#[test]
fn a_reply_after_a_timeout_is_not_paired_with_the_command_before() {
    let log = format!(
        "{TRYING}<-  220 x\n -> RCPT TO:<b@x>\n<** Timeout (1 secs) waiting for server response\n -> QUIT\n<-  221 bye\n"
    );
    let text = imported(&log);
    assert!(text.contains("raw = \"RCPT TO:<b@x>\\r\\n\"\n"), "{text}");
    assert!(text.contains("raw = \"QUIT\\r\\n\"\n\n[[step]]\nexpect = 221"), "{text}");
    assert!(text.contains("# no reply came: Timeout (1 secs)"), "{text}");
}

#[test]
fn a_reply_that_the_close_cuts_expects_the_close() {
    let log = format!("{TRYING}<** 220-half\n*** Remote host closed connection unexpectedly.\n");
    let text = imported(&log);
    assert!(text.ends_with("[[step]]\nexpect = \"close\"\n") && text.matches("[[step]]").count() == 1, "{text}");
}

#[test]
fn a_secret_says_how_the_log_shows_it() {
    for (line, wanted) in [
        ("AUTH PLAIN AHUAcA==", "its value is in line 4 of the log"),
        ("AUTH PLAIN \\0u\\0p", "in base64; its value is decoded in line 4 of the log"),
        ("AUTH PLAIN AHZpeGVuAFBST1ZJREVEX0JVVF9SRU1PVkVE", "a guess: the value is hidden in line 4 of the log"),
    ] {
        let log = format!("{TRYING}<-  220 x\n -> {line}\n<-  235 ok\n");
        let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.contains(wanted), "{line}: {text}");
    }
    let log = format!("{TRYING}<-  220 x\n -> AUTH LOGIN\n<-  334 Username:\n -> user\n<-  334 Password:\n -> word\n");
    let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
    assert!(text.contains("decoded in line 6") && text.contains("decoded in line 8"), "{text}");
}

#[test]
fn bytes_that_swaks_shows_are_no_lines_of_the_dialogue() {
    let rows = |mark: &str| {
        format!(
            "{mark}0000: 32 35 30 2D  6D 78 2E 74  65 73 74 0D  0A 32 35 30    250-mx.test..250\n{mark}0016: 0A    .\n"
        )
        .repeat(9)
    };
    let wanted = "expect = 220\n\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n\n[[step]]\nsend = \"QUIT\"\nexpect = 221";
    for (sent, received, rows_sent, rows_received) in
        [(" -> ", "<-  ", "  > ", "<   "), ("", "<-  ", "", "<   "), (" -> ", "", "  > ", ""), ("", "", "", "")]
    {
        let (out, into) = (rows(rows_sent), rows(rows_received));
        let log = format!(
            "{TRYING}{into}{received}220 x\n{sent}NOOP\n{out}{into}{received}250 ok\n{sent}QUIT\n{out}{into}{received}221 bye\n"
        );
        assert!(imported(&log).contains(wanted), "{log}\n{}", imported(&log));
    }
}

#[test]
fn a_log_of_one_side_says_so() {
    for (log, wanted) in [
        ("<-  220 x\n<-  250 ok\n", "# The log has no line of the client, so the session only waits for the replies."),
        (" -> NOOP\n -> QUIT\n", "# The log has no line of the server."),
    ] {
        let text = imported(&format!("{TRYING}{log}"));
        assert_eq!(text.matches("has no line of").count(), 1, "{text}");
        assert!(text.contains(wanted), "{text}");
    }
}
