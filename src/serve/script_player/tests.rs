//! Scripts against clients, without a socket: what the server says and what it thinks of the client.

use super::super::dialogue::{ClientEnd, Dialogue, ServerAction, TlsHandshake};
use super::super::script::{MatchMode, Script};
use super::ScriptPlayer;
use proptest::prelude::*;

/// Plays the first connection's script to a client that sends `sent` in pieces and then closes. Gives what the
/// server said, with `<tls>`, `<wait>`, `<close>` and `<reset>` in their places, and its complaint.
fn play(transcript: &str, sent: &[u8], piece: usize) -> (String, Option<String>) {
    let script = Script::parse(transcript, MatchMode::Exact).expect("the test's transcript is a script");
    let mut player = ScriptPlayer::new(&script.connections[0]);
    let mut pieces = sent.chunks(piece);
    let mut said = String::new();
    for _ in 0..100_000 {
        match player.next_action() {
            ServerAction::Read => match pieces.next() {
                Some(piece) => player.received(piece),
                None => player.client_ended(ClientEnd::Closed),
            },
            ServerAction::Write { bytes, .. } => said.push_str(&String::from_utf8_lossy(&bytes)),
            ServerAction::StartTls { may_fail, flaw } => {
                said.push_str(&match (flaw, may_fail) {
                    (Some(flaw), _) => format!("<tls {flaw:?}>"),
                    (None, true) => "<perhaps tls>".to_owned(),
                    (None, false) => "<tls>".to_owned(),
                });
                player.take_input();
                if may_fail {
                    pieces = [].chunks(1);
                }
                player.tls_started(TlsHandshake::default());
            }
            ServerAction::EndTls => {
                said.push_str("<end of tls>");
                player.tls_ended();
            }
            ServerAction::WriteOutsideTls(bytes) => {
                said.push_str(&format!("<outside: {}>", String::from_utf8_lossy(&bytes).trim_end()));
            }
            ServerAction::HalfClose => said.push_str("<half-close>"),
            ServerAction::Hold => return (said + "<hold>", player.problem()),
            ServerAction::Wait(_) => said.push_str("<wait>"),
            ServerAction::Close => return (said + "<close>", player.problem()),
            ServerAction::Reset => return (said + "<reset>", player.problem()),
        }
    }
    panic!("the script does not end: {said}");
}

struct Case {
    why: &'static str,
    transcript: &'static str,
    sent: &'static [u8],
    said: &'static str,
    problem: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        why: "the server closes after 221, said or not",
        transcript: "S: 220 x\nC: QUIT\nS: 221 bye\n",
        sent: b"QUIT\r\n",
        said: "220 x\r\n221 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "a pipelining client sends all at once and hears the replies in order",
        transcript: "S: 220 x\nC: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 1\nS: 250 2\nS: 354 3\nC: hi\nC: .\nS: 250 4\n",
        sent: b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\n",
        said: "220 x\r\n250 1\r\n250 2\r\n354 3\r\n250 4\r\n<close>",
        problem: None,
    },
    Case {
        why: "another command is a mismatch",
        transcript: "S: 220 x\nC: EHLO client.example\nS: 250 x\n",
        sent: b"HELO x\r\n",
        said: "220 x\r\n421 script mismatch\r\n<close>",
        problem: Some("expected \"EHLO client.example\", got \"HELO x\""),
    },
    Case {
        why: "line ends are compared, too",
        transcript: "C: NOOP\nS: 250 x\n",
        sent: b"NOOP\n",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"NOOP\", got \"NOOP\\n\""),
    },
    Case {
        why: "a client that leaves early is a mismatch",
        transcript: "S: 220 x\nC: QUIT\nS: 221 bye\n",
        sent: b"",
        said: "220 x\r\n421 script mismatch\r\n<close>",
        problem: Some("expected \"QUIT\", got the end of the connection"),
    },
    Case {
        why: "so is one that goes on after the script's end",
        transcript: "S: 220 x\nC: NOOP\nS: 250 x\n",
        sent: b"NOOP\r\nNOOP\r\n",
        said: "220 x\r\n250 x\r\n421 script mismatch\r\n<close>",
        problem: Some("expected the end of the connection, got \"NOOP\""),
    },
    Case {
        why: "a secret stands for anything in its line",
        transcript: "C: AUTH PLAIN [secret]\nS: 235 ok\nC: x [secret] y [secret] z\nS: 250 ok\n*: closed by the server\n",
        sent: b"AUTH PLAIN AGEAYg==\r\nx 1 y  z\r\n",
        said: "235 ok\r\n250 ok\r\n<close>",
        problem: None,
    },
    Case {
        why: "a secret does not stand for what is around it",
        transcript: "C: AUTH PLAIN [secret]\nS: 235 ok\n",
        sent: b"AUTH LOGIN AGEAYg==\r\n",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"AUTH PLAIN [secret]\", got \"AUTH LOGIN AGEAYg==\""),
    },
    Case {
        why: "pieces of a line are one line",
        transcript: "C: NO\\c\nC: OP\nS: 250 ok\n",
        sent: b"NOOP\r\n",
        said: "250 ok\r\n<close>",
        problem: None,
    },
    Case {
        why: "the server may speak after a piece of a line",
        transcript: "C: NO\\c\nS: 250 a\nC: OP\nS: 250 b\n",
        sent: b"NOOP\r\n",
        said: "250 a\r\n250 b\r\n<close>",
        problem: None,
    },
    Case {
        why: "ends of the server's lines are as shown",
        transcript: "S: 250-a\\n\nS: 250 b\\x0d\\x00\nS: 2\\c\n*: closed by the server\n",
        sent: b"",
        said: "250-a\n250 b\r\0\r\n2<close>",
        problem: None,
    },
    Case {
        why: "verbs are compared without regard to case, content is one unit",
        transcript: "*: match verb\nC: MAIL FROM:<a@b>\nS: 250 x\nC: DATA\nS: 354 go\nC: one\nC: .\nS: 250 kept\nC: QUIT\nS: 221 x\n",
        sent: b"mail from:<z@z>\r\nData\r\nfirst\r\n..second\r\n\r\nthird\r\n.\r\nquit\r\n",
        said: "250 x\r\n354 go\r\n250 kept\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "content without a line is content",
        transcript: "*: match any\nC: DATA\nS: 354 go\nC: one\nC: .\nS: 250 kept\n",
        sent: b"DATA\r\n.\r\n",
        said: "354 go\r\n250 kept\r\n<close>",
        problem: None,
    },
    Case {
        why: "another verb is a mismatch",
        transcript: "*: match verb\nC: MAIL FROM:<a@b>\nS: 250 x\n",
        sent: b"RCPT TO:<a@b>\r\n",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"MAIL\", got \"RCPT TO:<a@b>\""),
    },
    Case {
        why: "BDAT's octets belong to it, whatever they are",
        transcript: "*: match verb\nC: BDAT 6\nC: abcd\nS: 250 a\nC: BDAT 3 LAST\nC: xyz\\c\nS: 250 b\n",
        sent: b"BDAT 4\r\nQUITBDAT 2 LAST\r\n\r\n",
        said: "250 a\r\n250 b\r\n<close>",
        problem: None,
    },
    Case {
        why: "the answer to a 334 has no verb",
        transcript: "*: match verb\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YQ==\nS: 334 UGFzc3dvcmQ6\nC: [secret]\nS: 235 ok\n",
        sent: b"AUTH LOGIN\r\nYg==\r\nYw==\r\n",
        said: "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n<close>",
        problem: None,
    },
    Case {
        why: "any line",
        transcript: "*: match any\nC: NOOP\nS: 250 a\n*: match exact\nC: QUIT\nS: 221 b\n",
        sent: b"what\r\nQUIT\r\n",
        said: "250 a\r\n221 b\r\n<close>",
        problem: None,
    },
    Case {
        why: "any order: each with its own reply",
        transcript: "*: any order\nC: RCPT TO:<a@b>\nS: 250 a\nC: RCPT TO:<c@d>\nS: 550-c\nS: 550 c\n*: end\nC: QUIT\nS: 221 x\n",
        sent: b"RCPT TO:<c@d>\r\nRCPT TO:<a@b>\r\nQUIT\r\n",
        said: "550-c\r\n550 c\r\n250 a\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "any order: each once, and what an intermediate reply asks for belongs to it",
        transcript: "*: any order\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 a\nC: NOOP\nS: 250 b\n*: end\n",
        sent: b"NOOP\r\nNOOP\r\n",
        said: "250 b\r\n421 script mismatch\r\n<close>",
        problem: Some("expected \"DATA\", got \"NOOP\""),
    },
    Case {
        why: "a reset, waiting, and a line many times",
        transcript: "*: repeat 3\nS: 250-x\n*: wait 2s\nS: 250 y\n*: reset by the server\n",
        sent: b"",
        said: "250-x\r\n250-x\r\n250-x\r\n<wait>250 y\r\n<reset>",
        problem: None,
    },
    Case {
        why: "TLS where the transcript says so",
        transcript: "*: TLS started: TLSv1.3, CN=x, verified\nS: 220 x\nC: QUIT\nS: 221 x\n",
        sent: b"QUIT\r\n",
        said: "<tls>220 x\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "a client that refuses the certificate has begun a handshake first",
        transcript: "S: 220 x\nC: STARTTLS\nS: 220 go\n",
        sent: b"STARTTLS\r\n\x16\x03\x01",
        said: "220 x\r\n220 go\r\n<perhaps tls><close>",
        problem: None,
    },
    Case {
        why: "no handshake where the client does without",
        transcript: "S: 220 x\nC: STARTTLS\nS: 220 go\nC: QUIT\nS: 221 x\n",
        sent: b"STARTTLS\r\nQUIT\r\n",
        said: "220 x\r\n220 go\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "what a transcript tells besides is passed over",
        transcript: "*: connected to 127.0.0.1:25\n# by hand\n\n   0.012 S: 220 x\n*: paused for 2s\nC: NOOP\nS: 550 no\n*: expected 250, got 550 (a.toml:3)\n*: closed by the client\n",
        sent: b"NOOP\r\n",
        said: "220 x\r\n550 no\r\n<close>",
        problem: None,
    },
    Case {
        why: "a line in the server's complaint cannot forge another",
        transcript: "C: QUIT\nS: 221 x\n",
        sent: b"\x1b[2J\xff\r\n",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"QUIT\", got \"\\x1b[2J\\xff\""),
    },
    Case {
        why: "command lines are compared, except the argument of EHLO, HELO and LHLO",
        transcript: "*: match command\nS: 220 x\nC: EHLO a\nS: 250 x\nC: MAIL FROM:<a@b>\nS: 250 y\n",
        sent: b"EHLO z\r\nMAIL FROM:<z@b>\r\n",
        said: "220 x\r\n250 x\r\n421 script mismatch\r\n<close>",
        problem: Some("expected \"MAIL FROM:<a@b>\", got \"MAIL FROM:<z@b>\""),
    },
    Case {
        why: "the verb of EHLO is compared",
        transcript: "*: match command\nC: EHLO a\nS: 250 x\n",
        sent: b"HELO a\r\n",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"EHLO\", got \"HELO a\""),
    },
    Case {
        why: "an answer to a 334 is compared, and a secret is anything",
        transcript: "*: match command\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YQ==\nS: 334 UGFzc3dvcmQ6\nC: [secret]\nS: 235 ok\n",
        sent: b"AUTH LOGIN\r\nYQ==\r\nYw==\r\n",
        said: "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n<close>",
        problem: None,
    },
    Case {
        why: "content is one unit, cut or not",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: one\n*: … 1,234 more lines (96 kB)\nC: .\nS: 250 kept\n",
        sent: b"DATA\r\nfirst\r\n\r\n..third\r\n.\r\n",
        said: "354 go\r\n250 kept\r\n<close>",
        problem: None,
    },
    Case {
        why: "the number of BDAT's octets is that of the content, which is not compared",
        transcript: "*: match command\nC: BDAT 6\nC: abcd\nS: 250 a\nC: BDAT 3 LAST\nC: xyz\\c\nS: 250 b\n",
        sent: b"BDAT 4\r\nQUITBDAT 2 LAST\r\n\r\n",
        said: "250 a\r\n250 b\r\n<close>",
        problem: None,
    },
    Case {
        why: "but LAST is compared",
        transcript: "*: match command\nC: BDAT 3 LAST\nC: xyz\\c\nS: 250 b\n",
        sent: b"BDAT 3\r\nxyz",
        said: "421 script mismatch\r\n<close>",
        problem: Some("expected \"BDAT 3 LAST\", got \"BDAT 3\""),
    },
    Case {
        why: "a server may speak before BDAT's octets are complete",
        transcript: "*: match command\nC: BDAT 100 LAST\nC: abc\\c\nS: 250 early\n*: closed by the server\n",
        sent: b"BDAT 100 LAST\r\nabc",
        said: "250 early\r\n<close>",
        problem: None,
    },
    Case {
        why: "content that never came to its dot",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: one\nC: two\n*: closed by the client\n",
        sent: b"DATA\r\nfirst\r\n",
        said: "354 go\r\n<close>",
        problem: None,
    },
    Case {
        why: "after the last line QUIT is answered",
        transcript: "S: 220 x\nC: NOOP\nS: 250 ok\n",
        sent: b"NOOP\r\nquit\r\n",
        said: "220 x\r\n250 ok\r\n221 2.0.0 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "what a client may leave out",
        transcript: "*: optional\nC: NOOP\nS: 250 a\nC: RSET\nS: 250 b\n*: end\nC: QUIT\nS: 221 x\n",
        sent: b"RSET\r\nQUIT\r\n",
        said: "250 b\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "all of it",
        transcript: "*: optional\nC: NOOP\nS: 250 a\nC: RSET\nS: 250 b\n*: end\nC: QUIT\nS: 221 x\n",
        sent: b"QUIT\r\n",
        said: "221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "none of it",
        transcript: "*: optional\nC: NOOP\nS: 250 a\nC: RSET\nS: 250 b\n*: end\nC: QUIT\nS: 221 x\n",
        sent: b"NOOP\r\nRSET\r\nQUIT\r\n",
        said: "250 a\r\n250 b\r\n221 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "optional lines come in their order",
        transcript: "*: optional\nC: NOOP\nS: 250 a\nC: RSET\nS: 250 b\n*: end\nC: QUIT\nS: 221 x\n",
        sent: b"RSET\r\nNOOP\r\n",
        said: "250 b\r\n421 script mismatch\r\n<close>",
        problem: Some("expected \"QUIT\", got \"NOOP\""),
    },
    Case {
        why: "an optional end of the script",
        transcript: "C: NOOP\nS: 250 ok\n*: optional\nC: RSET\nS: 250 b\n*: end\n",
        sent: b"NOOP\r\n",
        said: "250 ok\r\n<close>",
        problem: None,
    },
    Case {
        why: "the connection ends inside the content",
        transcript: "C: DATA\nS: 354 go\n*: close after 5 bytes\nC: one\nC: .\nS: 250 kept\n",
        sent: b"DATA\r\nfirst\r\n.\r\n",
        said: "354 go\r\n<close>",
        problem: None,
    },
    Case {
        why: "or inside BDAT's octets, whatever comes next in the script",
        transcript: "*: reset after 3 bytes\nC: BDAT 6 LAST\nC: abcd\nS: 250 kept\nC: QUIT\nS: 221 x\n*: closed by the server\n",
        sent: b"BDAT 6 LAST\r\nabcd\r\n",
        said: "<reset>",
        problem: None,
    },
    Case {
        why: "content that is too short for that",
        transcript: "C: DATA\nS: 354 go\n*: reset after 50 bytes\n",
        sent: b"DATA\r\nfirst\r\n.\r\n",
        said: "354 go\r\n421 script mismatch\r\n<close>",
        problem: Some("expected 40 more bytes of content, got its end"),
    },
    Case {
        why: "no byte of it",
        transcript: "C: DATA\nS: 354 go\n*: close after 0 bytes\n",
        sent: b"DATA\r\n",
        said: "354 go\r\n<close>",
        problem: None,
    },
    Case {
        why: "a shut sending half",
        transcript: "S: 220 x\nC: NOOP\n*: half-close\nC: QUIT\n",
        sent: b"NOOP\r\nQUIT\r\n",
        said: "220 x\r\n<half-close><close>",
        problem: None,
    },
    Case {
        why: "a server that reads nothing more",
        transcript: "C: DATA\nS: 354 go\n*: stop reading\nC: one\nC: .\nS: 250 kept\n",
        sent: b"DATA\r\none\r\n",
        said: "354 go\r\n<hold>",
        problem: None,
    },
    Case {
        why: "it may still end the connection",
        transcript: "C: NOOP\n*: stop reading\nS: 250 ok\n*: wait 2s\n*: reset by the server\n",
        sent: b"NOOP\r\nmore\r\n",
        said: "250 ok\r\n<wait><reset>",
        problem: None,
    },
    Case {
        why: "a handshake that is never answered",
        transcript: "C: STARTTLS\nS: 220 go\n*: stall TLS\nC: EHLO a\nS: 250 x\n",
        sent: b"STARTTLS\r\n\x16\x03\x01abc",
        said: "220 go\r\n<close>",
        problem: None,
    },
    Case {
        why: "a bad certificate that the client refuses",
        transcript: "C: STARTTLS\nS: 220 go\n*: TLS with self-signed\n",
        sent: b"STARTTLS\r\n\x16",
        said: "220 go\r\n<tls SelfSigned><close>",
        problem: None,
    },
    Case {
        why: "TLS that the client ends",
        transcript: "*: TLS started\nC: NOOP\nS: 250 in\n*: TLS closed by the client\nS: 250 out\n",
        sent: b"NOOP\r\n",
        said: "<tls>250 in\r\n<end of tls>250 out\r\n<close>",
        problem: None,
    },
    Case {
        why: "bytes outside TLS, with escapes",
        transcript: "*: TLS started\n*: outside TLS: 421 \\x1bno\n*: closed by the server\n",
        sent: b"",
        said: "<tls><outside: 421 \x1bno><close>",
        problem: None,
    },
];

#[test]
fn scripts_play_the_same_at_every_chunk_size() {
    for case in CASES {
        for piece in (1..=16).chain([usize::MAX]) {
            let (said, problem) = play(case.transcript, case.sent, piece);
            assert_eq!(said, case.said, "{}, pieces of {piece}", case.why);
            // Cut to pieces, a wrong line may be seen before its end.
            if piece == usize::MAX || case.problem.is_none() {
                assert_eq!(problem.as_deref(), case.problem, "{}, pieces of {piece}", case.why);
            } else {
                assert!(problem.is_some(), "{}, pieces of {piece}", case.why);
            }
        }
    }
}

#[test]
fn how_a_long_line_was_cut_on_its_way_changes_nothing() {
    let transcript = "*: match verb\nS: 220 x\nC: NOOP\nS: 500 too long\nC: QUIT\nS: 221 bye\n";
    for (length, said) in
        [(1 << 19, "220 x\r\n500 too long\r\n221 bye\r\n<close>"), (1 << 21, "220 x\r\n421 script mismatch\r\n<close>")]
    {
        let sent = format!("NOOP {}\r\nQUIT\r\n", "x".repeat(length));
        for piece in [64 * 1024, 66_000, usize::MAX] {
            assert_eq!(play(transcript, sent.as_bytes(), piece).0, said, "{length} bytes in pieces of {piece}");
        }
    }
}

#[test]
fn a_long_repetition_comes_in_batches() {
    let script =
        Script::parse("*: repeat 1000000\nS: 250-0123456789\nS: 250 end\n", MatchMode::Exact).expect("a script");
    let mut player = ScriptPlayer::new(&script.connections[0]);
    let mut total = 0;
    while let ServerAction::Write { bytes, .. } = player.next_action() {
        assert!(bytes.len() <= 64 * 1024, "memory stays bounded");
        total += bytes.len();
    }
    assert_eq!(total, 1_000_000 * 16 + 9);
}

proptest! {
    #[test]
    fn no_client_makes_a_script_panic_or_hang(sent in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..20) {
        for case in CASES {
            play(case.transcript, &sent, piece);
        }
    }

    #[test]
    fn a_client_that_says_its_lines_is_content(lines in proptest::collection::vec("[ -~&&[^\\\\]]{0,20}[!-~&&[^\\\\\\]]]", 1..8), piece in 1usize..20) {
        let transcript: String = lines.iter().map(|line| format!("C: {line}\nS: 250 ok\n")).collect();
        let sent: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let (_, problem) = play(&transcript, sent.as_bytes(), piece);
        prop_assert_eq!(problem, None);
    }
}
