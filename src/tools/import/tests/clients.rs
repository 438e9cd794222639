//! Logs of mail clients and of programs that show a handshake: what real versions of them print.

use super::*;

/// The session without comments at the ends of lines.
fn imported(log: &str) -> String {
    let text = import("x", log.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{log}"));
    text.lines().map(|line| format!("{}\n", line.split("  # ").next().unwrap_or_default())).collect()
}

#[test]
fn rows_of_a_trace_end_where_their_offsets_say() {
    let wide = "x".repeat(64);
    for (length, rows, wanted) in [
        (10, "0000: one\n0005: two\n".to_owned(), "body = \"\"\"\none\ntwo\n\"\"\""),
        (15, "0000: one\n0005: \n0007: two  x\n".to_owned(), "body = \"\"\"\none\n\ntwo  x\n\"\"\""),
        (68, format!("0000: {wide}\n0040: yz\n"), "xxyz\\n\""),
        (66, format!("0000: {wide}\n"), "xx\\n\""),
        (12, "0000: one\n0008: xx\n".to_owned(), "one  \\u0020\nxx"),
        // Its last line has no end, and gets the one of the dot.
        (8, "0000: one\n0005: two\n".to_owned(), "body = \"\"\"\none\ntwo\n\"\"\""),
    ] {
        let log = format!(
            "== Info: Connected to mx.example (192.0.2.1) port 25 (#0)\n<= Recv header, 7 bytes (0x7)\n0000: 220 x\n\
             => Send header, 6 bytes (0x6)\n0000: DATA\n<= Recv header, 8 bytes (0x8)\n0000: 354 go\n\
             => Send data, {length} bytes (0x1)\n{rows}<= Recv header, 8 bytes (0x8)\n0000: 250 ok\n"
        );
        let text = imported(&log);
        assert!(text.contains(wanted) && text.contains("mx.example:25"), "{wanted}\n{text}");
    }
}

#[test]
fn a_trace_may_have_times_and_a_meter_before_its_marks() {
    let meter = "    0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
    for prefix in ["16:05:54.902190 ", "16:05:54.902190 [0-0] "] {
        let log = format!(
            "{meter}{prefix}== Info:   Trying 192.0.2.1:25...\n{prefix}<= Recv header, 7 bytes (0x7)\n0000: 220 x\n\
             {prefix}=> Send header, 6 bytes (0x6)\n0000: NOOP\n{prefix}<= Recv header, 8 bytes (0x8)\n0000: 250 ok\n"
        );
        let text = imported(&log);
        assert!(text.contains("expect = 220\n\n[[step]]\nsend = \"NOOP\"\nexpect = 250"), "{text}");
    }
}

#[test]
fn a_row_with_the_largest_offset_has_its_text() {
    let log = "== Info: Connected to mx.example (192.0.2.1) port 25 (#0)\n<= Recv header, 5 bytes (0x5)\n\
               ffffffffffffffff: 220 x\n=> Send header, 6 bytes (0x6)\n0000: NOOP\n\
               <= Recv header, 7 bytes (0x7)\n0000: 250 x\n";
    assert!(imported(log).contains("NOOP"), "{}", imported(log));
}

#[test]
fn a_testing_session_of_exim_with_debug_output_has_all_its_steps() {
    let log = "**** SMTP testing session as if from host 192.0.2.7\n**** This is not for real!\n\n\
               1 SMTP>> 220 mx.example\n220 mx.example\n1 SMTP<< EHLO me.example\n\
               1 SMTP>> 250-mx.example Hello\n1        250 HELP\n250-mx.example Hello\n250 HELP\n\
               1 SMTP<< MAIL FROM:<a@b.example>\n1 SMTP>> 250 OK\n250 OK\n\
               1 SMTP<< QUIT\n1 SMTP>> 221 mx.example closing\n221 mx.example closing\n";
    let text = imported(log);
    let steps: Vec<&str> = text.split("[[step]]\n").skip(1).map(str::trim_end).collect();
    let wanted = [
        "expect = 220",
        "send = \"EHLO me.example\"\nexpect = 250",
        "send = \"MAIL FROM:<a@b.example>\"\nexpect = 250",
        "send = \"QUIT\"\nexpect = 221",
    ];
    assert_eq!(steps, wanted, "{text}");
}

#[test]
fn the_mark_of_mutt_is_content_unless_a_line_was_written_in_several_goes() {
    const MARK: &str = "[2026-11-30 16:06:45] 4> ";
    let long = "x".repeat(1022);
    for (logged, content) in [
        (format!(".{MARK}.dot"), ".dot".to_owned()),
        (format!("see {MARK}QUIT"), format!("see {MARK}QUIT")),
        (format!("{MARK}QUIT"), format!("{MARK}QUIT")),
        (format!("{long}{MARK}{long}{MARK}y"), format!("{long}{long}y")),
        (MARK.repeat(20_000), MARK.repeat(20_000)),
    ] {
        let lines = ["DATA", &logged, ".", "QUIT"].map(|line| format!("{MARK}{line}\n"));
        let [data, content_line, dot, quit] = lines;
        let reply = |text: &str| format!("[2026-11-30 16:06:45] 4< {text}\n");
        let log =
            [reply("220 x"), data, reply("354 go"), content_line, dot, reply("250 ok"), quit, reply("221 x")].concat();
        let text = import("x", log.as_bytes(), None).expect("it is a log of mutt");
        assert!(text.contains(&content), "{}", &text[..text.len().min(2000)]);
        assert_eq!(text.matches("expect = ").count(), 4, "{}", &text[..text.len().min(2000)]);
    }
}

#[test]
fn mutt_without_content_in_its_log_gets_a_placeholder() {
    let log = |content: &str| {
        format!(
            "[2026-11-30 16:06:45] 4< 220 x\n[2026-11-30 16:06:45] 4> DATA\n[2026-11-30 16:06:45] 4< 354 go\n{content}\
             [2026-11-30 16:06:45] 4> .\n[2026-11-30 16:06:45] 4< 250 ok\n[2026-11-30 16:06:45] 4> QUIT\n"
        )
    };
    assert!(imported(&log("")).contains("placeholder"), "{}", imported(&log("")));
    let dots = "[2026-11-30 16:06:45] 4> a\n[2026-11-30 16:06:45] 4> .[2026-11-30 16:06:45] 4> .b\n";
    assert!(imported(&log(dots)).contains("body = \"\"\"\na\n.b\n\"\"\""), "{}", imported(&log(dots)));
}

#[test]
fn what_perl_decodes_and_its_classes_are_not_sent() {
    let at = "Net::SMTP=GLOB(0x55e0)";
    let log = format!(
        "Net::SMTP>>> Net::SMTP(3.14)\nNet::SMTP>>>   Net::Cmd(3.14)\n{at}<<< 220 x\n{at}>>> AUTH LOGIN\n{at}<<< 334 VXNlcm5hbWU6\n\
         {at}<<< (decoded) Username:\n{at}>>> (decoded) ann\n{at}>>> YW5u\n{at}<<< 535 no\n\
         Net::SMTP: Net::Cmd::getline(): unexpected EOF on command channel:  at x.pl line 7.\n"
    );
    let text = imported(&log);
    assert!(text.contains("send = \"{{ auth_login_user }}\"\nexpect = 535\n\n[[step]]\nexpect = \"close\""), "{text}");
    assert!(!text.contains("decoded)") && !text.contains("Net::Cmd(") && !text.contains("\"ann\""), "{text}");
}

#[test]
fn literals_of_ruby_become_their_bytes() {
    for (literal, wanted) in [
        (r"NOOP \u00E9\r\n", "send = \"NOOP é\""),
        (r"NOOP \u{1F98A}\r\n", "send = \"NOOP 🦊\""),
        (r"NOOP \#{x} \e\r\n", "send = \"NOOP #{x} \\u001b\""),
        (r"NOOP \xFF\r\n", "raw = { hex = \"4e 4f 4f 50 20 ff 0d 0a\" }"),
        (r"NOOP\n", "raw = \"NOOP\\n\""),
    ] {
        let log = format!("-> \"220 x\\r\\n\"\n<- \"{literal}\"\n-> \"250 ok\\r\\n\"\n");
        assert!(imported(&log).contains(wanted), "{literal}\n{}", imported(&log));
    }
}

#[test]
fn exceptions_of_java_are_not_sent() {
    let log = "DEBUG SMTP: trying to connect to host \"mx.example\", port 465, isSSL true\n220 x\n\
               DEBUG SMTP: connected to host \"mx.example\", port: 465\nRSET\n250 ok\n\
               DEBUG SMTP: MessagingException while sending, THROW: \njakarta.mail.SendFailedException: Invalid Addresses;\n  \
               nested exception is:\n\tcom.sun.mail.smtp.SMTPAddressFailedException: 550 no\n;\n\tat com.sun.mail.X.y(X.java:1)\n\
               Caused by: java.io.IOException: x\n\t... 4 more\nQUIT\n221 bye\n";
    let text = imported(log);
    assert!(text.contains("server = \"smtp://mx.example:465\"") && text.contains("tls = true"), "{text}");
    assert!(text.contains("send = \"RSET\"\nexpect = 250\n\n[[step]]\nsend = \"QUIT\"\nexpect = 221"), "{text}");
    let lost = "DEBUG SMTP: connected\n220 x\nNOOP\nDEBUG SMTP: EOF: [EOF]\nRSET\nDEBUG SMTP: EOF: [EOF]\n";
    assert!(imported(lost).ends_with("send = \"NOOP\"\nexpect = \"close\"\n"), "{}", imported(lost));
}

#[test]
fn s_nail_marks_the_server_too() {
    let log = "s-nail: Connecting to 192.0.2.1:465 ... connected.\ns-nail: >>> SERVER: 220 x\ns-nail: >>> DATA\n\
               s-nail: >>> SERVER: 354 go\ns-nail: >>> a\ns-nail: >>> .dot\ns-nail: >>> .\ns-nail: >>> SERVER: 250 ok\n";
    let text = imported(log);
    assert!(text.contains("tls = true") && text.contains("body = \"\"\"\na\n.dot\n\"\"\"\nexpect = 250"), "{text}");
}

#[test]
fn records_and_dumps_of_openssl_are_not_sent() {
    let record = "Sent Record\nHeader:\n  Version = TLS 1.2 (0x303)\n  Length = 35\n";
    let dump = "write to 0x5646 [0x5647] (40 bytes => 40 (0x28))\n0000 - 17 03 03 00 23 60 77 ad-06 8b   ....#`w.\n0020 - <SPACES/NULS>\n";
    for shown in [record, dump, "80ABC5F7FF7F0000:error:0A00010A:SSL routines::x\n"] {
        let log =
            format!("CONNECTED(00000003)\n---\n220 x\n{shown}EHLO me\n{shown}250 ok\nNOOP\n{shown}250 ok\nDONE\n");
        let text = imported(&log);
        assert!(text.contains("send = \"EHLO me\"\nexpect = 250\n\n[[step]]\nsend = \"NOOP\"\nexpect = 250"), "{text}");
    }
}

#[test]
fn s_client_says_how_it_was_called() {
    for (options, wanted) in [
        ("-starttls lmtp -crlf", "send = \"LHLO mail.example.com\""),
        ("-starttls smtp -crlf", "send = \"EHLO mail.example.com\""),
        ("-quiet", "# openssl ran without -crlf"),
    ] {
        let log =
            format!("$ openssl s_client -connect mx.example:25 {options}\nCONNECTED(00000003)\n220 x\nNOOP\n250 ok\n");
        let text = imported(&log);
        assert!(text.contains(wanted), "{options}\n{text}");
        assert_eq!(text.contains("-crlf"), !options.contains("-crlf"), "{text}");
    }
}

#[test]
fn ncat_and_netcat_say_where_a_paste_begins() {
    for (banner, wanted) in [
        (
            "Ncat: Version 7.93 ( https://nmap.org/ncat )\nNcat: Connected to 192.0.2.1:2525.\n",
            "192.0.2.1:2525\"\n\n[[step]]\nexpect = 220",
        ),
        ("Ncat: Version 7.93\nNcat: Subject: CN=x\nNcat: SSL connection to 192.0.2.1:465. x\n", "[[step]]\ntls = true"),
        ("mx.example [192.0.2.1] 25 (smtp) open\n", "[[step]]\nexpect = 220"),
    ] {
        let log = format!("{banner}220 x\nNOOP\n250 ok\nNcat: 6 bytes sent, 15 bytes received in 1.30 seconds.\n");
        let text = imported(&log);
        assert!(text.contains(wanted) && text.contains("send = \"NOOP\"\nexpect = 250"), "{banner}\n{text}");
        assert!(!text.contains("raw"), "{text}");
    }
}

#[test]
fn a_log_of_a_failed_connection_says_so() {
    for (log, line) in [
        (
            "=== Trying mx.example:25...\n*** Error connecting to mx.example:25:\n*** \tIO::Socket::INET6: connect: Connection refused\n",
            2,
        ),
        (
            "*   Trying 192.0.2.1:25...\n* connect to 192.0.2.1 port 25 failed: Connection refused\n* Closing connection 0\n",
            2,
        ),
        ("Trying 192.0.2.1...\ntelnet: Unable to connect to remote host: Connection refused\n", 2),
        ("nc: connect to mx.example port 25 (tcp) failed: Connection refused\n", 1),
        ("80ABC5F7FF7F0000:error:8000006F:system library\nconnect:errno=111\n", 2),
        ("ConnectionRefusedError: [Errno 111] Connection refused\n", 1),
        ("[2026-11-30 14:02:36] ERROR [x] Send Error: connect ECONNREFUSED 192.0.2.1:25\n", 1),
        ("2026-11-30 14:02:36 SMTP ERROR: Failed to connect to server: Connection refused (111)\n", 1),
        ("Connecting To mx.example...Could not open connection to the host, on port 25: Connect failed\n", 1),
    ] {
        let error = import("x", log.as_bytes(), None).expect_err(log);
        assert_eq!(error.place, Some((line, 1)), "{error}");
        assert!(error.message.contains("no connection was made: ") && error.help.contains("probe"), "{error}");
    }
    // A letter is not a log.
    let letter = import("x", b"Dear all,\nnothing here\n", None).expect_err("a letter");
    assert!(letter.message.contains("recognizes"), "{letter}");
}

#[test]
fn a_test_session_of_exim_is_read_without_its_remarks() {
    let log = ">>> host in host_lookup? no (option unset)\n\n**** SMTP testing session as if from host 192.0.2.1\n\
               **** This is not for real!\n\n>>> host in sender_unqualified_hosts? no\n220 x\nEHLO me\n\
               >>> me in helo_lookup_domains? no\n250-x\n250 HELP\nRCPT TO:<a@b>\n>>> deny: condition test failed\n\
               LOG: H=(me) [192.0.2.1] F=<> rejected RCPT <a@b>\n550 no\nDATA\n354 go\nA: b\n>>> quoted\n.\n250 ok\n";
    let text = imported(log);
    assert!(
        text.contains("expect = 220\n\n[[step]]\nsend = \"EHLO me\"\nexpect = 250\n\n[[step]]\nsend = \"RCPT"),
        "{text}"
    );
    assert!(text.contains("A: b\n>>> quoted\n\"\"\"\nexpect = 250") && !text.contains("LOG"), "{text}");
}

#[test]
fn exim_shows_where_its_message_was_and_when_it_closed() {
    let log = "  SMTP<< 220 x\n  SMTP>> DATA\n  SMTP<< 354 go\n  SMTP>> (writing message)\n  SMTP>> .\n  SMTP+> QUIT\n\
               \x20 SMTP(shutdown)>>\n  SMTP<< 250 ok\n  SMTP<< 221 bye\n  SMTP(close)>>\n";
    let text = imported(log);
    assert_eq!(text.matches("placeholder").count(), 1, "{text}");
    assert!(!text.contains("writing") && text.contains("{ send = \"QUIT\", expect = 221 }"), "{text}");
    let chunk = "  SMTP<< 220 x\n  SMTP|> BDAT 30 LAST\n  SMTP+> QUIT\n  SMTP<< 250 ok\n  SMTP<< 221 bye\n";
    let text = imported(chunk);
    assert!(text.contains("{ bdat = \"Subject: placeholder") && text.contains("{ send = \"QUIT\""), "{text}");
    let server = "99 SMTP>> 220 x\n99 SMTP<< QUIT\n99 SMTP>> 221 bye\n99 SMTP>>(close on process exit)\n";
    assert!(imported(server).ends_with("send = \"QUIT\"\nexpect = 221\n"), "{}", imported(server));
}

#[test]
fn the_dot_of_content_that_postfix_sent_stands_for_it() {
    let at = "Nov 30 16:42:00 pf postfix/smtp[99]:";
    let log = format!(
        "{at} < mx[192.0.2.1]:25: 220 x\n{at} > mx[192.0.2.1]:25: DATA\n{at} < mx[192.0.2.1]:25: 354 go\n\
         {at} > mx[192.0.2.1]:25: .\n{at} > mx[192.0.2.1]:25: QUIT\n{at} < mx[192.0.2.1]:25: 250 ok\n{at} < mx[192.0.2.1]:25: 221 bye\n"
    );
    let text = imported(&log);
    assert!(text.contains("placeholder") && text.contains("{ send = \"QUIT\", expect = 221 }"), "{text}");
    for (codes, has_content) in [(["550", "250"], true), (["250", "550"], true), (["550", "450"], false)] {
        // Without a recipient, a dot alone is all that Postfix sends.
        let recipients: String = codes
            .iter()
            .map(|code| format!("{at} > mx[192.0.2.1]:25: RCPT TO:<a@b>\n{at} < mx[192.0.2.1]:25: {code} x\n"))
            .collect();
        let text = imported(&log.replacen(
            &format!("{at} > mx[192.0.2.1]:25: DATA"),
            &format!("{recipients}{at} > mx[192.0.2.1]:25: DATA"),
            1,
        ));
        assert_eq!(text.contains("placeholder"), has_content, "{codes:?}\n{text}");
        assert!(has_content || text.contains("{ body = \"\", expect = 250 }"), "{text}");
    }
}
