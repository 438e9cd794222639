//! Dialogues compared: what counts as a difference, and how it is printed.

use super::{DiffOptions, ObservedDialogue, ServerAnswer, compare, read_dialogues};
use proptest::prelude::*;

fn read(name: &str, text: &str) -> ObservedDialogue {
    let read = read_dialogues(name, text.as_bytes()).expect("it is a transcript");
    read.into_iter().next().expect("a transcript has one dialogue").1
}

/// The differences as they are printed.
fn differences(a: &str, b: &str, text: bool) -> Vec<String> {
    compare(&read("a", a), &read("b", b), DiffOptions { text }).iter().map(ToString::to_string).collect()
}

const RCPT: &str = "S: 220 mx.example ESMTP\nC: RCPT TO:<b@example.com>\n";

#[test]
fn codes_and_enhanced_codes_differ_and_words_only_if_asked_for() {
    let table = [
        ("S: 250 ok\n", "S: 250 fine\n", None, Some("250 fine"), "words"),
        ("S: 250 ok\n", "S: 550 no\n", Some("550 no"), Some("550 no"), "codes"),
        (
            "S: 250 ok\n",
            "S: 250 2.1.5 ok\n",
            Some("250 2.1.5 ok"),
            Some("250 2.1.5 ok"),
            "an enhanced code on one side",
        ),
        ("S: 250 2.1.0 ok\n", "S: 250 2.1.5 ok\n", Some("250 2.1.5 ok"), Some("250 2.1.5 ok"), "enhanced codes"),
        ("S: 250-ok\nS: 250 go on\n", "S: 250 ok\n", None, Some("250 ok"), "the lines of a reply are words"),
        ("S: 250 ok\n", "S: 25x ok\n", Some("not SMTP: 25x ok"), Some("not SMTP: 25x ok"), "not SMTP"),
        ("S: 25x ok\n", "S: 25y no\n", None, Some("not SMTP: 25y no"), "both are not SMTP"),
        ("S: 250 ok\n", "", Some("no reply"), Some("no reply"), "no reply"),
        (
            "S: 250 ok\n",
            "*: closed by the server\n",
            Some("closed the connection"),
            Some("closed the connection"),
            "FIN",
        ),
        (
            "*: reset by the server\n",
            "*: closed by the server\n",
            Some("closed the connection"),
            Some("closed the connection"),
            "RST",
        ),
    ];
    for (a, b, plain, words, why) in table {
        let of = |text| differences(&format!("{RCPT}{a}"), &format!("{RCPT}{b}"), text);
        let last = |found: Vec<String>| found.first().and_then(|one| one.split("\n  B: ").nth(1).map(str::to_owned));
        assert_eq!(last(of(false)).as_deref(), plain, "{why}");
        assert_eq!(last(of(true)).as_deref(), words, "{why}, with words");
    }
}

#[test]
fn a_difference_names_the_command_its_places_and_both_answers() {
    let found =
        differences(&format!("{RCPT}S: 250 2.1.5 ok\n"), &format!("{RCPT}S: 550 5.7.1 relaying denied\n"), false);
    assert_eq!(found, ["RCPT TO:<b@example.com> (a:2, b:2)\n  A: 250 2.1.5 ok\n  B: 550 5.7.1 relaying denied"]);
}

#[test]
fn capabilities_are_compared_as_a_set() {
    let ehlo = |name: &str, lines: &[&str]| {
        let mut text = format!("S: 220 x\nC: EHLO {name}\nS: 250-mx.example\n");
        lines.iter().for_each(|line| text += &format!("S: 250-{line}\n"));
        text + "S: 250 HELP\n"
    };
    let table = [
        (&["PIPELINING", "SIZE 10"][..], &["size 10", "pipelining"][..], None, "order and case"),
        (&["AUTH PLAIN LOGIN"], &["AUTH LOGIN PLAIN", "AUTH=LOGIN"], None, "mechanisms in another order, and repeated"),
        (&["PIPELINING", "PIPELINING"], &["PIPELINING"], None, "repeated"),
        (
            &["SIZE 10"],
            &["SIZE 20", "8BITMIME"],
            Some("A: SIZE 10\n  B: 8BITMIME, SIZE 20"),
            "a parameter, and a keyword",
        ),
        (&["STARTTLS"], &[], Some("A: STARTTLS\n  B: none of these"), "missing"),
        (&["AUTH PLAIN"], &["AUTH PLAIN LOGIN"], Some("A: AUTH PLAIN\n  B: AUTH LOGIN PLAIN"), "a mechanism more"),
    ];
    for (a, b, expected, why) in table {
        let found = differences(&ehlo("one.example", a), &ehlo("two.example", b), false);
        let expected = expected.map(|sides| format!("EHLO one.example (a:2, b:2): capabilities\n  {sides}"));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{why}");
    }
}

#[test]
fn replies_belong_to_their_commands() {
    let table = [
        (
            "S: 220 x\nC: MAIL FROM:<>\nC: RCPT TO:<b@x.y>\nC: DATA\nS: 250 a\nS: 550 b\nS: 503 c\n",
            vec![("(greeting)", "220"), ("MAIL FROM:<>", "250"), ("RCPT TO:<b@x.y>", "550"), ("DATA", "503")],
            "a pipelined group",
        ),
        (
            "S: 220 x\nC: DATA\nS: 354 go\nC: Subject: x\nC: QUIT\nC: .\nS: 250 a\nC: QUIT\nS: 221 bye\n*: closed by the server\n",
            vec![("(greeting)", "220"), ("DATA", "354"), ("(content)", "250"), ("QUIT", "221")],
            "content is one unit, and the end after QUIT is none",
        ),
        (
            "S: 220 x\nC: DATA\nC: Subject: x\nC: .\nC: QUIT\nS: 354 go\nS: 250 a\nS: 221 bye\n",
            vec![("(greeting)", "220"), ("DATA", "354"), ("(content)", "250"), ("QUIT", "221")],
            "content that does not wait for 354",
        ),
        (
            "S: 220 x\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 a\nS: 452 b\n",
            vec![("(greeting)", "220"), ("DATA", "354"), ("(content)", "250 452")],
            "LMTP's reply for each recipient",
        ),
        (
            "S: 220 x\nC: BDAT 6 LAST\nC: NOOP\nS: 250 a\nC: NOOP\nS: 250 b\n",
            vec![("(greeting)", "220"), ("BDAT 6 LAST", "250"), ("NOOP", "250")],
            "the octets of BDAT are no commands",
        ),
        (
            "S: 220 x\nC: AUTH LOGIN\nS: 334 VXNlcg==\nC: [secret]\nS: 535 no\n",
            vec![("(greeting)", "220"), ("AUTH LOGIN", "334"), ("(answer to 334)", "535")],
            "SASL",
        ),
        ("S: 220 x\nS: 421 busy\n", vec![("(greeting)", "220"), ("(unasked)", "421")], "a line that nobody asked for"),
        (
            "S: 220 x\nC: NOOP\nS: 250 a\n*: closed by the server\n",
            vec![("(greeting)", "220"), ("NOOP", "250"), ("(end of the connection)", "closed")],
            "an end that was not announced",
        ),
    ];
    for (text, expected, why) in table {
        let dialogue = read("a", text);
        let found: Vec<(String, String)> = dialogue.connections[0]
            .exchanges
            .iter()
            .map(|exchange| {
                let codes: Vec<String> = exchange
                    .answers
                    .iter()
                    .map(|answer| match answer {
                        ServerAnswer::Reply(reply) => reply.code.to_string(),
                        _ => "closed".to_owned(),
                    })
                    .collect();
                (exchange.command.clone(), codes.join(" "))
            })
            .collect();
        let expected: Vec<(String, String)> = expected.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn commands_of_one_side_are_listed_together() {
    let a = "S: 220 x\nC: EHLO a\nS: 250 x\nC: VRFY ann\nS: 252 ok\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
    let b = "S: 220 x\nC: EHLO b\nS: 250 x\nC: QUIT\nS: 221 bye\n";
    assert_eq!(differences(a, b, false), ["only A\n  A: VRFY ann (a:4): 252 ok\n  A: NOOP (a:6): 250 ok"]);
    assert_eq!(differences(b, a, false), ["only B\n  B: VRFY ann (b:4): 252 ok\n  B: NOOP (b:6): 250 ok"]);
}

#[test]
fn other_recipients_are_no_difference_and_other_connections_are() {
    let a = "S: 220 x\nC: RCPT TO:<a@x.y>\nS: 250 ok\n";
    let b = "S: 220 x\nC: RCPT TO:<b@x.y>\nS: 250 ok\n";
    assert_eq!(differences(a, b, false), Vec::<String>::new());
    let two = format!(
        "*: connected to 127.0.0.1:25\n{a}*[b]: connected to 127.0.0.1:26\nS[b]: 421 busy\n*: connected to 127.0.0.1:25\n{b}"
    );
    assert_eq!(differences(&two, &two, true), Vec::<String>::new());
    let found = differences(&two, a, false);
    assert_eq!(
        found,
        [
            "[b] only A\n  A: (greeting) (a:6): 421 busy",
            "only A\n  A: (greeting) (a:8): 220 x\n  A: RCPT TO:<b@x.y> (a:9): 250 ok"
        ]
    );
}

#[test]
fn handshakes_are_compared_by_whether_they_succeed() {
    let a = "S: 220 x\n*: TLS started: TLSv1.3, CN=a, verified\nC: NOOP\nS: 250 a\n";
    let b = "S: 220 x\n*: TLS started: TLSv1.2, CN=b, verified\nC: NOOP\nS: 250 a\n";
    assert_eq!(differences(a, b, true), Vec::<String>::new());
    let found = differences(a, "S: 220 x\n*: certificate not trusted: it has expired\n", false);
    assert_eq!(found[0], "(TLS handshake) (a:2, b:2)\n  A: TLS started\n  B: certificate not trusted: it has expired");
}

#[test]
fn what_is_no_result_is_refused_with_its_place() {
    let table: &[(&[u8], &str, &str)] = &[
        (b"Dear all,\n", "1:1: a line begins with", "a letter"),
        (b"  S: 220 x\n  C: \\q\n", "2:6: a backslash must begin", "indented, and a wrong escape"),
        (b"", "there is no reply of a server in this file", "empty"),
        (b"C: NOOP\n", "there is no reply of a server in this file", "no reply"),
        (b"S: 220 x\nS: \xff\n", "2:1: this line is not UTF-8", "Latin-1"),
        (b"{\"version\": 1,\n \"sessions\"\n", "3:1: not valid JSON: EOF", "JSON that is cut"),
        (b"{\"a\": 1}\n", "this JSON is no result of mailrun", "other JSON"),
        (b"{\"sessions\": 1}\n", "`sessions` is no list", "a wrong type"),
        (b"{\"sessions\": []}\n", "there is no reply of a server in this file", "a run without a session"),
    ];
    for (bytes, expected, why) in table {
        let error = read_dialogues("a.txt", bytes).expect_err(why).to_string();
        assert!(error.starts_with(expected), "{why}: {error}");
    }
}

#[test]
fn json_reports_and_events_have_the_dialogue_of_the_transcript() {
    let report =
        r#"{"version":1,"sessions":[{"file":"a.toml","transcript":["S: 220 x","C: NOOP","S: 450 4.2.0 later"]}]}"#;
    let events = "{\"event\":\"session_started\",\"session\":1,\"file\":\"a.toml\"}\n\
                  {\"event\":\"line_received\",\"session\":1,\"connection\":\"main\",\"line\":\"220 x\"}\n\
                  {\"event\":\"line_sent\",\"session\":1,\"connection\":\"main\",\"line\":\"NOOP\"}\n\
                  {\"event\":\"line_received\",\"session\":1,\"connection\":\"main\",\"line\":\"450 4.2.0 later\"}\n\
                  {\"event\":\"run_finished\",\"status\":0}\n";
    let [report, events] = [report, events].map(|text| read_dialogues("x", text.as_bytes()).expect("it is a result"));
    assert_eq!(report[0].0, "a.toml");
    assert_eq!(report, events);
    let transcript = read("x", "S: 220 x\nC: NOOP\nS: 450 4.2.0 later\n");
    assert!(compare(&report[0].1, &transcript, DiffOptions { text: true }).is_empty());
}

fn transcript() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("C: NOOP"),
        Just("C: DATA"),
        Just("C: ."),
        Just("C: BDAT 3"),
        Just("C: EHLO x"),
        Just("C: QUIT"),
        Just("S: 250 2.0.0 ok"),
        Just("S: 250-x"),
        Just("S: 354 go"),
        Just("S: 334 "),
        Just("S: x"),
        Just("S[b]: 220 b"),
        Just("*: connected to a"),
        Just("*: closed by the server"),
        Just("*: TLS started: TLSv1.3"),
        Just("C: \\xff\\c"),
    ];
    proptest::collection::vec(line, 0..30).prop_map(|lines| format!("S: 220 x\n{}\n", lines.join("\n")))
}

proptest! {
    #[test]
    fn a_transcript_is_alike_itself(text in transcript()) {
        prop_assert_eq!(differences(&text, &text, true), Vec::<String>::new());
    }

    #[test]
    fn differences_are_the_same_from_both_sides(a in transcript(), b in transcript()) {
        let (there, back) = (differences(&a, &b, false), differences(&b, &a, false));
        prop_assert_eq!(there.is_empty(), back.is_empty());
        // No reply is lost: what is on one side alone makes a difference.
        if read("a", &a).reply_count() != read("b", &b).reply_count() {
            prop_assert!(!there.is_empty());
        }
    }
}
