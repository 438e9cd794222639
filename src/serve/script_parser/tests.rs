//! What is no script, and which connection a line belongs to.

use super::Script;

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let table = [
        ("C: AUTH SCRAM-SHA-256 [secret]\nS: 334 cj0x\n", 1, "nonce"),
        ("S: 220 x\n*: chunk x\nC: QUIT\n", 2, "`*: chunk 1 every 10ms`"),
        ("*: chunk 1 every soon\nS: 220 x\n", 1, "`*: chunk 1 every 10ms`"),
        ("*: chunck 1 every 10ms\nS: 220 x\n", 1, "did you mean `*: chunk …`?"),
        ("*: wiat 2s\nS: 220 x\n", 1, "did you mean `*: wait 2s`?"),
        ("*: wit 2s\nS: 220 x\n", 1, "did you mean `*: wait 2s`?"),
        ("*: any order\nC: A\n*: edn\n*: end\n", 3, "did you mean `*: end`?"),
        ("*: TLS strated: TLSv1.3, TLS_AES_256_GCM_SHA384\n", 1, "did you mean `*: TLS started`?"),
        ("*: closed by teh server, which has enough\n", 1, "did you mean `*: closed by the server`?"),
        ("*: closed by the cleint\n", 1, "did you mean `*: closed by the client`?"),
        ("*: wait long\nS: 220 x\n", 1, "duration"),
        ("*: wait\nS: 220 x\n", 1, "duration"),
        ("*: repeat 0\nS: 220 x\n", 1, "number"),
        ("*: repeat 2\nC: QUIT\n", 1, "before an S: line"),
        ("S: 220 x\n*: repeat 2\n", 2, "before an S: line"),
        ("*: match words\nC: QUIT\n", 1, "exact, verb or any"),
        ("*: any order\nC: QUIT\nS: 221 x\n", 1, "has no `*: end`"),
        ("C: QUIT\n*: end\n", 2, "without `*: any order`"),
        ("*: any order\nS: 220 x\nC: QUIT\n*: end\n", 4, "begins with a C: line"),
        ("*: closed by server\nC: QUIT\n", 1, "did you mean `*: closed by the server`?"),
        ("S: 220 x\n*: closed by the server\nS: 220 x\n", 3, "closed this connection"),
        ("*: any order\nC: A\n*: closed by the server\n*: end\n", 3, "cannot end inside"),
        ("C: a\n*: … 1,234 more lines (96 kB)\nC: .\n", 2, "shortened"),
        ("# nothing\n", 1, "no connection"),
    ];
    for (transcript, line, why) in table {
        let errors = Script::parse(transcript).expect_err(transcript);
        assert_eq!(errors[0].line, line, "{transcript}");
        assert!(errors[0].why.contains(why), "{transcript}: {}", errors[0].why);
    }
}

#[test]
fn remarks_that_only_tell_what_happened_are_passed_over() {
    for remark in [
        "paused for 2s",
        "waited 2s",
        "waits for the client",
        "bait and switch",
        "any other reply",
        "the end",
        "sent",
        "TLS stays off",
        "expected 250, got 550",
        "closed",
        "connecting to 127.0.0.1:25",
    ] {
        assert!(Script::parse(&format!("S: 220 x\n*: {remark}\nC: QUIT\n")).is_ok(), "{remark}");
    }
}

#[test]
fn a_refused_scram_can_be_played() {
    assert!(Script::parse("C: AUTH SCRAM-SHA-256 [secret]\nS: 504 no\n").is_ok());
}

#[test]
fn connections_come_in_the_order_of_their_first_lines() {
    let names = |transcript: &str| -> Vec<(String, usize)> {
        let script = Script::parse(transcript).expect(transcript);
        script.connections.into_iter().map(|c| (c.name, c.ops.len())).collect()
    };
    let owned = |list: &[(&str, usize)]| list.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect::<Vec<_>>();
    // Each ends with an operation of its own: the wait for the client's end.
    assert_eq!(
        names("S: 220 a\nS[b]: 220 b\nC: NOOP\nC[b]: NOOP\nS[b]: 250 ok\n"),
        owned(&[("main", 3), ("b", 4)]),
        "names without `connected`"
    );
    assert_eq!(
        names("*: connected to x\nS: 220 a\n*: connected to x\nS: 220 b\nC: QUIT\nS: 221 b\n"),
        owned(&[("main", 2), ("main", 4)]),
        "a second connection of one name"
    );
    assert_eq!(
        names("*: connected to x\n*[2]: connected to x\nS[2]: 220 b\nS: 220 a\n"),
        owned(&[("main", 2), ("2", 2)]),
        "lines go to the newest connection of their name"
    );
}
