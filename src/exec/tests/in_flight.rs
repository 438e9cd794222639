//! Several messages in flight on a connection: each is judged in its own turn, whatever becomes of the others.

use super::row_runs::{MESSAGE, ROWS, RunResult, quit, run_in_pieces, run_prepared, run_script, verbs};
use super::server::ServerAct::{self, After, Bdat, BreakAfter, Fin, Hear, Say, Signal};
use std::time::Duration;

fn toml(in_flight: u32) -> String {
    format!("[message]\n{MESSAGE}{ROWS}in_flight = {in_flight}\n")
}

fn begin() -> Vec<ServerAct> {
    vec![Say("220 mx\r\n"), Hear("EHLO me"), Say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")]
}

/// The first message, as it comes.
const FIRST: [ServerAct; 3] = [Hear("MAIL"), Hear("RCPT TO:<1@"), Bdat];
/// One after it.
const NEXT: [ServerAct; 4] = [Hear("RSET"), Hear("MAIL"), Hear("RCPT"), Bdat];
const ACCEPTED: ServerAct = Say("250 a\r\n250 b\r\n250 ok\r\n");
const NEXT_ACCEPTED: ServerAct = Say("250 r\r\n250 a\r\n250 b\r\n250 ok\r\n");

/// Three messages in flight, and then the rest.
fn three(rest: &[ServerAct]) -> Vec<ServerAct> {
    [&begin()[..], &FIRST, &NEXT, &NEXT, rest].concat()
}

fn reported(ran: &RunResult) -> Vec<&str> {
    ran.reported.iter().map(String::as_str).collect()
}

#[test]
fn in_flight_limits_unanswered_messages_and_each_reply_allows_one_more() {
    let mut server = three(&[ACCEPTED]);
    for _ in 0..3 {
        server.extend(NEXT);
        server.push(NEXT_ACCEPTED);
    }
    server.extend([NEXT_ACCEPTED, NEXT_ACCEPTED]);
    server.extend(quit());
    let (ran, wire) = run_script(&toml(3), 6, &server);
    let passed: Vec<_> = ran.reported.iter().filter(|reported| reported.ends_with("Passed")).collect();
    assert_eq!(passed, ["1 Passed", "2 Passed", "3 Passed", "4 Passed", "5 Passed", "6 Passed"], "{}", ran.log);
    let one = "RSET MAIL RCPT BDAT";
    assert_eq!(verbs(&wire), ["EHLO", "MAIL RCPT BDAT", &format!("{one} {one}"), one, one, one, "QUIT"], "{}", ran.log);
    assert_eq!(ran.reported.first().map(String::as_str), Some("intent 1"));
    assert_eq!(ran.reported.get(1).map(String::as_str), Some("intent 2 3"), "one record for what leaves together");
    for number in 1..=6 {
        assert_eq!(
            ran.log.matches(&format!("C: hi {number}\\c\n")).count()
                + ran.log.matches(&format!("C: hi {number}\n")).count(),
            1
        );
    }
}

#[test]
fn without_chunking_only_one_message_is_in_flight() {
    let envelope = [Hear("MAIL"), Hear("RCPT"), Hear("DATA")];
    let begin = [Say("220 mx\r\n"), Hear("EHLO me"), Say("250-mx\r\n250 PIPELINING\r\n")];
    let server = [
        &begin[..],
        &envelope,
        &[Say("250 a\r\n250 b\r\n354 go\r\n"), ServerAct::Content],
        &envelope,
        &[Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n"), ServerAct::Content, Say("250 ok\r\n")],
        &quit(),
    ]
    .concat();
    let (ran, _) = run_script(&toml(3), 2, &server);
    assert_eq!(reported(&ran), ["intent 1", "1 Passed", "intent 2", "2 Passed"], "{}", ran.log);
}

#[test]
fn a_refusal_of_one_message_in_flight_affects_no_other() {
    for (refusal, status, why) in [
        ("250 r\r\n250 a\r\n550 b\r\n503 c\r\n", "2 Failed", "RCPT"),
        ("250 r\r\n550 a\r\n503 b\r\n503 c\r\n", "2 Failed", "MAIL"),
        ("250 r\r\n250 a\r\n250 b\r\n552 full\r\n", "2 Failed", "content"),
        ("250 r\r\n250 a\r\n450 b\r\n503 c\r\n", "2 TempFail", "RCPT for now"),
        ("502 r\r\n250 a\r\n250 b\r\n250 ok\r\n", "2 Passed", "RSET, and nothing else"),
    ] {
        let server = three(&[ACCEPTED, Say(refusal), NEXT_ACCEPTED]);
        let (ran, _) = run_script(&toml(3), 3, &[server, quit()].concat());
        assert_eq!(reported(&ran), ["intent 1", "intent 2 3", "1 Passed", status, "3 Passed"], "{why}: {}", ran.log);
    }
}

#[test]
fn messages_in_flight_are_unknown_when_the_connection_ends() {
    let (ran, _) =
        run_script(&toml(3), 5, &three(&[ACCEPTED, NEXT[0].clone(), NEXT[1].clone(), NEXT[2].clone(), Bdat, Fin]));
    let expected = ["intent 1", "intent 2 3", "intent 4", "1 Passed", "2 IoErr", "3 IoErr", "4 IoErr"];
    let mut sorted = reported(&ran);
    sorted.sort_by_key(|reported| !reported.starts_with("intent"));
    assert_eq!((sorted, ran.left), (expected.to_vec(), 1), "{}", ran.log);
    assert_eq!(ran.log.matches("Unknown: no reply came to the content").count(), 3);
}

#[test]
fn messages_in_flight_after_a_421_and_a_close_were_not_read() {
    let (ran, _) = run_script(&toml(3), 5, &three(&[Say("250 a\r\n250 b\r\n421 enough\r\n"), Fin]));
    assert_eq!(
        (reported(&ran), ran.left),
        (vec!["intent 1", "intent 2 3", "1 TempFail", "unsent 2 3"], 4),
        "{}",
        ran.log
    );
}

#[test]
fn a_server_that_continues_after_421_is_believed() {
    let server = three(&[Say("250 a\r\n250 b\r\n421 busy\r\n"), NEXT_ACCEPTED, NEXT_ACCEPTED]);
    let (ran, _) = run_script(&toml(3), 3, &[server, quit()].concat());
    assert_eq!(reported(&ran), ["intent 1", "intent 2 3", "1 TempFail", "2 Passed", "3 Passed"], "{}", ran.log);
}

#[test]
fn partly_sent_messages_are_pending_and_sent_ones_are_judged() {
    // The second write holds two messages.
    let whole =
        run_in_pieces(&toml(3), 3, &[three(&[ACCEPTED, NEXT_ACCEPTED, NEXT_ACCEPTED]), quit()].concat(), usize::MAX).1;
    let (length, half) = (whole[2].len(), whole[2].len() / 2);
    assert_eq!(whole[2][..half].len() * 2, length, "both are as long");
    for at in [0, 1, half - 1, half, half + 1, length - 1] {
        let server = [&begin()[..], &FIRST, &[BreakAfter(at), After(Duration::from_secs(1)), ACCEPTED, Fin]].concat();
        let (ran, _) = run_in_pieces(&toml(3), 3, &server, usize::MAX);
        let expected: &[&str] = match at < half {
            true => &["intent 1", "intent 2 3", "unsent 2 3", "1 Passed"],
            false => &["intent 1", "intent 2 3", "unsent 3", "1 Passed", "2 IoErr"],
        };
        assert_eq!(reported(&ran), expected, "at {at}: {}", ran.log);
        assert_eq!(ran.left, if at < half { 2 } else { 1 });
    }
}

#[test]
fn a_signal_lets_messages_in_flight_finish() {
    let server = three(&[Signal, After(Duration::from_secs(4)), ACCEPTED, NEXT_ACCEPTED, NEXT_ACCEPTED]);
    let (ran, _) = run_script(&toml(3), 5, &server);
    assert_eq!(reported(&ran), ["intent 1", "intent 2 3", "1 Passed", "2 Passed", "3 Passed"], "{}", ran.log);
    assert_eq!(ran.left, 2, "and no more of them leave");
    let server = three(&[ACCEPTED, Signal, After(Duration::from_secs(9)), NEXT_ACCEPTED]);
    let (ran, _) = run_in_pieces(&toml(3), 3, &server, usize::MAX);
    assert_eq!(reported(&ran), ["intent 1", "intent 2 3", "1 Passed", "2 Interrupted", "3 Interrupted"], "{}", ran.log);
    assert!(ran.log.contains("2@example.com Unknown") && ran.log.contains("3@example.com Unknown"), "{}", ran.log);
}

#[test]
fn nothing_follows_a_bdat_until_one_was_accepted() {
    let second = [Hear("MAIL"), Hear("RCPT TO:<2@"), Bdat];
    let server = [&begin()[..], &FIRST, &[ACCEPTED], &second, &NEXT, &[ACCEPTED, NEXT_ACCEPTED], &quit()].concat();
    let (ran, wire) = run_prepared(&toml(3), 3, &server, usize::MAX, |_| {});
    let one = "MAIL RCPT BDAT";
    assert_eq!(verbs(&wire), ["EHLO", one, one, &format!("RSET {one}"), "QUIT"], "{}", ran.log);
    assert_eq!(reported(&ran), ["intent 1", "1 Passed", "intent 2", "intent 3", "2 Passed", "3 Passed"], "{}", ran.log);
}

#[test]
fn rows_in_flight_are_pending_if_the_server_knows_no_bdat_and_unknown_after_503() {
    for (reply, others, left) in [
        ("250 a\r\n250 b\r\n500 what\r\n", &["unsent 2 3"][..], 4),
        ("250 a\r\n250 b\r\n502 what\r\n", &["unsent 2 3"], 4),
        ("250 a\r\n250 b\r\n504 what\r\n", &["unsent 2 3"], 4),
        // It knows BDAT, and may have taken those of the other rows.
        ("250 a\r\n250 b\r\n503 not now\r\n", &["2 IoErr", "3 IoErr"], 2),
    ] {
        let (ran, wire) = run_script(&toml(3), 5, &three(&[Say(reply)]));
        let mut expected = vec!["intent 1", "intent 2 3", "1 Config"];
        expected.extend(others);
        assert_eq!((reported(&ran), ran.left), (expected, left), "{reply}: {}", ran.log);
        let one = "RSET MAIL RCPT BDAT";
        assert_eq!(verbs(&wire), ["EHLO", "MAIL RCPT BDAT", &format!("{one} {one}")], "no QUIT: {}", ran.log);
    }
}
