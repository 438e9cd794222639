//! What is no script, and which connection a line belongs to.

use super::{MatchMode, Script};

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let table = [
        ("C: AUTH SCRAM-SHA-256 [secret]\nS: 334 cj0x\n", 1, "nonce"),
        ("S: 220 x\n*: chunk x\nC: QUIT\n", 2, "`*: chunk 1 every 10ms`"),
        ("*: chunk 1 every soon\nS: 220 x\n", 1, "`*: chunk 1 every 10ms`"),
        ("*: chunck 1 every 10ms\nS: 220 x\n", 1, "did you mean `*: chunk 1 every 10ms`?"),
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
        ("*: match words\nC: QUIT\n", 1, "command, exact, verb, any"),
        ("*: any order\nC: QUIT\nS: 221 x\n", 1, "has no `*: end`"),
        ("C: QUIT\n*: end\n", 2, "without `*: any order`"),
        ("*: any order\nS: 220 x\nC: QUIT\n*: end\n", 4, "begins with a C: line"),
        ("*: closed by server\nC: QUIT\n", 1, "did you mean `*: closed by the server`?"),
        ("S: 220 x\n*: closed by the server\nS: 220 x\n", 3, "closed this connection"),
        ("*: any order\nC: A\n*: closed by the server\n*: end\n", 3, "cannot end inside"),
        ("*: any order\nC: BDAT 5\n*: close after 2 bytes\nC: abc\n*: end\n", 3, "cannot end inside"),
        ("C: a\n*: … 1,234 more lines (96 kB)\nC: .\n", 2, "shortened"),
        ("# nothing\n", 1, "no connection"),
        ("S: 220 x\n*: please be slow here\n", 2, "unknown remark; did you mean"),
        ("S: 220 x\n*: closed by admin\n", 2, "did you mean `*: closed by the "),
        ("S: 220 x\n*: waits for the client\n", 2, "did you mean `*: wait 2s`?"),
        ("S: 220 x\n*: any other reply\n", 2, "did you mean `*: any order`?"),
        ("S: 220 x\n*: half close\n", 2, "did you mean `*: half-close`?"),
        ("S: 220 x\n*: stop-reading\n", 2, "did you mean `*: stop reading`?"),
        ("S: 220 x\n*: TLS closed by the server\n", 2, "did you mean `*: TLS closed by the client`?"),
        ("S: 220 x\n*: TLS with wrong-nam\n", 2, "expired, future, wrong-name, unknown-issuer, self-signed"),
        ("*: optionl\nC: A\n*: end\n", 1, "did you mean `*: optional`?"),
        ("*: optional\nC: A\nS: 250 a\n", 1, "`*: optional` has no `*: end`"),
        ("*: optional\n*: any order\nC: A\n*: end\n", 2, "inside `*: optional`"),
        ("*: close after ten bytes\nC: DATA\nS: 354 x\n", 1, "number of bytes"),
        ("*: close after 10\nC: DATA\nS: 354 x\n", 1, "write `*: close after 100 bytes`"),
        ("C: NOOP\n*: close after 10 bytes\nS: 250 x\n", 2, "no content follows"),
        ("*: half-close\nS: 220 x\n", 2, "sends nothing more"),
    ];
    for (transcript, line, why) in table {
        let errors = Script::parse(transcript, MatchMode::Exact).expect_err(transcript);
        assert_eq!(errors[0].line, line, "{transcript}");
        assert!(errors[0].why.contains(why), "{transcript}: {}", errors[0].why);
    }
}

#[test]
fn remarks_that_only_tell_what_happened_are_passed_over() {
    for remark in [
        "paused for 2s",
        "sent to 2 recipients, 96 kB",
        "sent",
        "TLS ALPN: smtp",
        "TLS error after the handshake: unexpected end",
        "expected 250, got 550 (sessions/smoke.toml:14)",
        "assert failed: reply.elapsed < 0.5",
        "recipients refused: <a@b>: 550 no",
        "recipient <a@b> refused: 550 no",
        "resolved mx.example to 192.0.2.1",
        "cannot connect to 192.0.2.1:25: connection refused",
        "sending half closed by the client",
        "continuing unencrypted: the server does not offer STARTTLS",
        "the last 13 bytes above were not written",
        "capabilities: SIZE 1000",
        "0010  70 6c 65 0d 0a                                    |ple..|",
        "message delivered, but QUIT failed: closed",
        "skipped: CHUNKING is not offered",
        "server lacks STARTTLS",
        "interrupted by SIGINT",
    ] {
        assert!(Script::parse(&format!("S: 220 x\n*: {remark}\nC: QUIT\n"), MatchMode::Exact).is_ok(), "{remark}");
    }
}

#[test]
fn a_refused_scram_can_be_played() {
    assert!(Script::parse("C: AUTH SCRAM-SHA-256 [secret]\nS: 504 no\n", MatchMode::Exact).is_ok());
}

#[test]
fn connections_come_in_the_order_of_their_first_lines() {
    let names = |transcript: &str| -> Vec<(String, usize)> {
        let script = Script::parse(transcript, MatchMode::Exact).expect(transcript);
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
