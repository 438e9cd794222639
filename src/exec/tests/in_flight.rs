//! Several messages in flight on a connection: each is judged in its own turn, whatever becomes of the others.

use super::rows::{MESSAGE, ROWS, RunResult, quit, run_in_pieces, run_script, verbs};
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
/// One behind it.
const NEXT: [ServerAct; 4] = [Hear("RSET"), Hear("MAIL"), Hear("RCPT"), Bdat];
const ACCEPTED: ServerAct = Say("250 a\r\n250 b\r\n250 ok\r\n");
const NEXT_ACCEPTED: ServerAct = Say("250 r\r\n250 a\r\n250 b\r\n250 ok\r\n");

/// Three messages in flight, and then the rest.
fn three(rest: &[ServerAct]) -> Vec<ServerAct> {
    [&begin()[..], &FIRST, &NEXT, &NEXT, rest].concat()
}

fn told(ran: &RunResult) -> Vec<&str> {
    ran.told.iter().map(String::as_str).collect()
}

#[test]
fn so_many_messages_leave_before_the_first_is_answered_and_one_more_for_each_reply() {
    let mut server = three(&[ACCEPTED]);
    for _ in 0..3 {
        server.extend(NEXT);
        server.push(NEXT_ACCEPTED);
    }
    server.extend([NEXT_ACCEPTED, NEXT_ACCEPTED]);
    server.extend(quit());
    let (ran, wire) = run_script(&toml(3), 6, &server);
    let passed: Vec<_> = ran.told.iter().filter(|told| told.ends_with("Passed")).collect();
    assert_eq!(passed, ["1 Passed", "2 Passed", "3 Passed", "4 Passed", "5 Passed", "6 Passed"], "{}", ran.log);
    let one = "RSET MAIL RCPT BDAT";
    assert_eq!(verbs(&wire), ["EHLO", "MAIL RCPT BDAT", &format!("{one} {one}"), one, one, one, "QUIT"], "{}", ran.log);
    assert_eq!(ran.told.first().map(String::as_str), Some("sealed 1"));
    assert_eq!(ran.told.get(1).map(String::as_str), Some("sealed 2 3"), "one record for what leaves together");
    for number in 1..=6 {
        assert_eq!(
            ran.log.matches(&format!("C: hi {number}\\c\n")).count()
                + ran.log.matches(&format!("C: hi {number}\n")).count(),
            1
        );
    }
}

#[test]
fn without_chunking_one_message_is_in_flight_whatever_was_asked_for() {
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
    assert_eq!(told(&ran), ["sealed 1", "1 Passed", "sealed 2", "2 Passed"], "{}", ran.log);
}

#[test]
fn what_one_server_refuses_of_a_message_disturbs_no_other() {
    for (refusal, status, why) in [
        ("250 r\r\n250 a\r\n550 b\r\n503 c\r\n", "2 Failed", "RCPT"),
        ("250 r\r\n550 a\r\n503 b\r\n503 c\r\n", "2 Failed", "MAIL"),
        ("250 r\r\n250 a\r\n250 b\r\n552 full\r\n", "2 Failed", "content"),
        ("250 r\r\n250 a\r\n450 b\r\n503 c\r\n", "2 TempFail", "RCPT for now"),
        ("502 r\r\n250 a\r\n250 b\r\n250 ok\r\n", "2 Passed", "RSET, and nothing else"),
    ] {
        let server = three(&[ACCEPTED, Say(refusal), NEXT_ACCEPTED]);
        let (ran, _) = run_script(&toml(3), 3, &[server, quit()].concat());
        assert_eq!(told(&ran), ["sealed 1", "sealed 2 3", "1 Passed", status, "3 Passed"], "{why}: {}", ran.log);
    }
}

#[test]
fn all_that_was_in_flight_when_the_connection_ended_is_unknown() {
    let (ran, _) =
        run_script(&toml(3), 5, &three(&[ACCEPTED, NEXT[0].clone(), NEXT[1].clone(), NEXT[2].clone(), Bdat, Fin]));
    let expected = ["sealed 1", "sealed 2 3", "sealed 4", "1 Passed", "2 IoErr", "3 IoErr", "4 IoErr"];
    let mut sorted = told(&ran);
    sorted.sort_by_key(|told| !told.starts_with("sealed"));
    assert_eq!((sorted, ran.left), (expected.to_vec(), 1), "{}", ran.log);
    assert_eq!(ran.log.matches("Unknown: no reply came to the content").count(), 3);
}

#[test]
fn behind_a_421_and_the_end_what_was_in_flight_was_not_heard() {
    let (ran, _) = run_script(&toml(3), 5, &three(&[Say("250 a\r\n250 b\r\n421 enough\r\n"), Fin]));
    assert_eq!((told(&ran), ran.left), (vec!["sealed 1", "sealed 2 3", "1 TempFail", "unsent 2 3"], 4), "{}", ran.log);
}

#[test]
fn a_server_that_says_421_and_goes_on_is_believed() {
    let server = three(&[Say("250 a\r\n250 b\r\n421 busy\r\n"), NEXT_ACCEPTED, NEXT_ACCEPTED]);
    let (ran, _) = run_script(&toml(3), 3, &[server, quit()].concat());
    assert_eq!(told(&ran), ["sealed 1", "sealed 2 3", "1 TempFail", "2 Passed", "3 Passed"], "{}", ran.log);
}

#[test]
fn what_did_not_leave_whole_is_pending_and_what_left_is_judged() {
    // The second write holds two messages.
    let whole =
        run_in_pieces(&toml(3), 3, &[three(&[ACCEPTED, NEXT_ACCEPTED, NEXT_ACCEPTED]), quit()].concat(), usize::MAX).1;
    let (length, half) = (whole[2].len(), whole[2].len() / 2);
    assert_eq!(whole[2][..half].len() * 2, length, "both are as long");
    for at in [0, 1, half - 1, half, half + 1, length - 1] {
        let server = [&begin()[..], &FIRST, &[BreakAfter(at), After(Duration::from_secs(1)), ACCEPTED, Fin]].concat();
        let (ran, _) = run_in_pieces(&toml(3), 3, &server, usize::MAX);
        let expected: &[&str] = match at < half {
            true => &["sealed 1", "sealed 2 3", "unsent 2 3", "1 Passed"],
            false => &["sealed 1", "sealed 2 3", "unsent 3", "1 Passed", "2 IoErr"],
        };
        assert_eq!(told(&ran), expected, "at {at}: {}", ran.log);
        assert_eq!(ran.left, if at < half { 2 } else { 1 });
    }
}

#[test]
fn a_signal_lets_all_that_is_in_flight_end() {
    let server = three(&[Signal, After(Duration::from_secs(4)), ACCEPTED, NEXT_ACCEPTED, NEXT_ACCEPTED]);
    let (ran, _) = run_script(&toml(3), 5, &server);
    assert_eq!(told(&ran), ["sealed 1", "sealed 2 3", "1 Passed", "2 Passed", "3 Passed"], "{}", ran.log);
    assert_eq!(ran.left, 2, "and no more of them leave");
    let server = three(&[ACCEPTED, Signal, After(Duration::from_secs(9)), NEXT_ACCEPTED]);
    let (ran, _) = run_in_pieces(&toml(3), 3, &server, usize::MAX);
    assert_eq!(told(&ran), ["sealed 1", "sealed 2 3", "1 Passed", "2 Interrupted", "3 Interrupted"], "{}", ran.log);
    assert!(ran.log.contains("2@example.com Unknown") && ran.log.contains("3@example.com Unknown"), "{}", ran.log);
}
