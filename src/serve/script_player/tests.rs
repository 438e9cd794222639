//! Scripts against clients, without a socket: what the server says and what it thinks of the client.

mod cases;
mod recorded_faults;

use super::super::dialogue::{ClientEnd, Dialogue, ServerAction, TlsHandshake};
use super::super::script::{MatchMode, Script};
use super::ScriptPlayer;
use cases::CASES;
use proptest::prelude::*;
use recorded_faults::RECORDED_FAULTS;

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
            ServerAction::Hold => return (said + "<hold>", player.mismatch().map(|mismatch| mismatch.text)),
            ServerAction::Wait(_) => said.push_str("<wait>"),
            ServerAction::Close => return (said + "<close>", player.mismatch().map(|mismatch| mismatch.text)),
            ServerAction::Reset => return (said + "<reset>", player.mismatch().map(|mismatch| mismatch.text)),
        }
    }
    panic!("the script does not end: {said}");
}

#[test]
fn scripts_play_the_same_at_every_chunk_size() {
    for case in CASES.iter().chain(RECORDED_FAULTS) {
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
        for case in CASES.iter().chain(RECORDED_FAULTS) {
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
