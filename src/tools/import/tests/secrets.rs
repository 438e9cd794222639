//! Secrets in logs: each value has its own name, and stands nowhere else.

use super::*;

fn imported(log: &str) -> String {
    import("log.txt", log.as_bytes(), None).unwrap_or_else(|error| panic!("{log}: {error}"))
}

#[test]
fn a_value_and_what_another_one_is_decoded_have_their_own_names() {
    let text = imported(
        "S: 220 x\nC: AUTH PLAIN AGFubgBodW50ZXIy\nS: 535 no\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ann\n\
         S: 334 UGFzc3dvcmQ6\nC: hunter2\nS: 501 no\n",
    );
    for step in ["AUTH PLAIN {{ auth_plain }}", "{{ auth_login_user }}", "{{ auth_login_password }}"] {
        assert_eq!(text.matches(&format!("send = \"{step}\"")).count(), 1, "{step}\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_auth_line_keeps_its_spaces_and_hides_its_response() {
    for (line, step) in [
        ("AUTH  PLAIN AGEAaHVudGVy", r#""AUTH  PLAIN {{ auth_plain }}""#),
        ("auth\\x09plain\\x09AGEAaHVudGVy", r#""auth\tplain\t{{ auth_plain }}""#),
        (" AUTH PLAIN AGEAaHVudGVy", r#"" AUTH PLAIN {{ auth_plain }}""#),
        ("AUTH PLAIN AGEAaHVudGVy ", r#""AUTH PLAIN {{ auth_plain }} ""#),
        ("AUTH:PLAIN AGEAaHVudGVy", r#""AUTH:PLAIN {{ auth_plain }}""#),
        ("AUTH PLAIN AGEAaHVudGVy\\n", r#""AUTH PLAIN {{ auth_plain }}\n""#),
        ("AUTH PLAIN AGEAaHVudGVy\\xff", r#""AUTH PLAIN {{ auth_plain }}""#),
        ("AUTH PLAIN =", r#""AUTH PLAIN =""#),
        ("AUTH PLAIN", r#""AUTH PLAIN""#),
        (" AUTH ", r#"" AUTH ""#),
        ("AUTH", r#""AUTH""#),
    ] {
        let text = imported(&format!("*: connected to 127.0.0.1:25\nS: 220 x\nC: {line}\nS: 535 no\n"));
        assert!(text.contains(&format!(" = {step}\nexpect = 535")), "{line}\n{text}");
        assert!(!text.contains("AGEA"), "{line}\n{text}");
    }
}

#[test]
fn an_auth_line_without_its_end_or_reply_hides_its_response() {
    for lines in [
        "C: AUTH PLAIN AGEAaHVudGVy\\c\n",
        "C: AUTH PLAIN AGEAaHVudGVy\n",
        "C: AUTH PLAIN\nS: 334 \nC: AGEAaHVudGVy\\c\n",
    ] {
        let text = imported(&format!("*: connected to 127.0.0.1:25\nS: 220 x\n{lines}"));
        assert!(text.contains("{{ auth_plain }}") && !text.contains("AGEA"), "{lines}\n{text}");
    }
}

#[test]
fn a_value_that_comes_again_in_a_later_line_is_the_same_variable() {
    let log = |lines: &str| {
        imported(&format!("*: connected to 127.0.0.1:25\nS: 220 x\nC: AUTH PLAIN AGEAaHVudGVy\nS: 535 no\n{lines}"))
    };
    for (lines, wanted) in [
        ("C: NOOP AGEAaHVudGVy\nS: 250 x\n", "send = \"NOOP {{ auth_plain }}\""),
        ("C: AUTH PLAIN AGEAaHVudGVy\nS: 535 x\n", "send = \"AUTH PLAIN {{ auth_plain }}\""),
        ("C: NOOP {AGEAaHVudGVy}\nS: 250 x\n", "send = \"NOOP {{ '{' }}{{ auth_plain }}}\""),
        ("C: DATA\nS: 354 x\nC: a AGEAaHVudGVy b\nC: .\nS: 250 x\n", "a {{ auth_plain }} b"),
        (
            "C: DATA\nS: 354 x\nC: AGEAaHVudGVy\\n\nC: \\xff\nC: .\nS: 250 x\n",
            "raw = [\"{{ auth_plain }}\\n\", { hex = \"ff 0d 0a\" }, ",
        ),
        (
            "C: DATA\nS: 354 x\nC: \\xc3\\xa9 AGEAaHVudGVy\\n\nC: .\nS: 250 x\n",
            "raw = \"é {{ auth_plain }}\\n.\\r\\n\"",
        ),
        ("C: BDAT 14 LAST\nC: AGEAaHVudGVy\nS: 250 x\n", "bdat = \"{{ auth_plain }}\\r\\n\""),
    ] {
        let text = log(lines);
        assert!(text.contains(wanted) && !text.contains("AGEA") && !text.contains("41 47 45 41"), "{lines}\n{text}");
        assert_eq!(text.matches("{ env = ").count(), 1, "{lines}\n{text}");
    }
}

#[test]
fn a_password_that_auth_sent_in_base64_is_hidden_where_it_is_the_value_of_a_parameter() {
    let plain = "C: AUTH PLAIN AGFubgBodW50ZXIy\nS: 535 no\n";
    let login = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5u\nS: 334 UGFzc3dvcmQ6\nC: aHVudGVyMg==\nS: 535 no\n";
    let token = "C: AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgaHVudGVyMgEB\nS: 535 no\n";
    for auth in [plain, login, token] {
        for (line, wanted) in [
            ("MAIL FROM:<a@b> AUTH=hunter2", "MAIL FROM:<a@b> AUTH={{ password }}"),
            ("XCLIENT LOGIN=hunter2 ADDR=192.0.2.1", "XCLIENT LOGIN={{ password }} ADDR=192.0.2.1"),
            // Elsewhere it may be a word that means something else.
            ("MAIL FROM:<hunter2@example.com> AUTH=hunter20", "MAIL FROM:<hunter2@example.com> AUTH=hunter20"),
            ("RCPT TO:<a=hunter2> ORCPT=rfc822;hunter2", "RCPT TO:<a=hunter2> ORCPT=rfc822;hunter2"),
            ("NOOP {hunter2} hunter2", "NOOP {hunter2} hunter2"),
        ] {
            let text = imported(&format!("*: connected to 127.0.0.1:25\nS: 220 x\n{auth}C: {line}\nS: 250 x\n"));
            assert!(text.contains(&format!("send = \"{wanted}\"")), "{auth}\n{text}");
            let number = 3 + auth.lines().count();
            let shown = format!("password = {{ env = \"PASSWORD\" }}  # its value is in line {number} of the log");
            assert_eq!(text.contains(&shown), wanted.contains("password"), "{text}");
        }
    }
}

#[test]
fn a_password_that_is_a_common_word_changes_no_address_and_no_content() {
    let sent =
        "MAIL FROM:<test@example.com>\nRCPT TO:<test@example.com>\nDATA\nSubject: test 1\n\nAUTH=test mailing\n.\nQUIT";
    let auth = "=== Trying x:25...\n<-  220 x\n -> AUTH PLAIN AHRlc3RAZXhhbXBsZS5jb20AdGVzdA==\n<-  235 ok\n";
    let log: String = sent.lines().fold(auth.to_owned(), |log, line| {
        let reply = match line {
            "DATA" => "<-  354 go\n",
            "." | "QUIT" => "<-  250 ok\n",
            command if command.contains(":<") => "<-  250 ok\n",
            _ => "",
        };
        format!("{log} -> {line}\n{reply}")
    });
    let text = imported(&log);
    for wanted in ["<test@example.com>\"", "Subject: test 1\n\nAUTH=test mailing\n"] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert_eq!(text.matches("{ env = ").count(), 1, "{text}");
    // Later BDAT and bytes without a reply are content, too.
    let text =
        imported("S: 220 x\nC: AUTH PLAIN AHRlc3QAdGVzdA==\nS: 235 ok\nC: BDAT 11 LAST\nC: AUTH=test\nS: 250 ok\n");
    assert!(text.contains("AUTH=test"), "{text}");
}

#[test]
fn a_password_that_a_log_shows_decoded_is_not_its_base64() {
    let log = "=== Trying 127.0.0.1:25...\n=== Connected to 127.0.0.1.\n<-  220 x\n -> AUTH LOGIN\n<-  334 Username:\n -> ann\n\
               <-  334 Password:\n -> hunter2\n<-  535 no\n -> MAIL FROM:<a@b> AUTH=hunter2\n<-  250 ok\n";
    let text = imported(log);
    assert!(text.contains("send = \"{{ auth_login_password }}\"\nexpect = 535"), "{text}");
    assert!(text.contains("AUTH={{ password }}\"") && !text.contains("hunter2"), "{text}");
}
