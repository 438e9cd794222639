//! Rows that follow one another on a connection: the envelope of one leaves with the end of the message before it, and
//! what becomes of either is its own.

use super::row_runs::{MESSAGE, ROWS, quit, run_in_pieces, run_script, verbs};
use super::server::ServerAct::{self, After, BreakAfter, Content, Fin, Hear, Reset, Say, Signal, StallAfter};
use crate::event::Status;
use std::time::Duration;

fn short() -> String {
    format!("[message]\n{MESSAGE}{ROWS}")
}

fn begin() -> Vec<ServerAct> {
    vec![Say("220 mx\r\n"), Hear("EHLO me"), Say("250-mx\r\n250 PIPELINING\r\n")]
}

/// The first row's envelope, and its replies.
const FIRST: [ServerAct; 4] = [Hear("MAIL"), Hear("RCPT TO:<1@"), Hear("DATA"), Say("250 a\r\n250 b\r\n354 go\r\n")];
/// What leaves with the end of the first row's content.
const SECOND: [ServerAct; 4] = [Content, Hear("MAIL"), Hear("RCPT TO:<2@"), Hear("DATA")];

#[test]
fn ten_rows_on_one_connection_cost_one_round_trip_each() {
    let mut server = [&begin()[..], &FIRST].concat();
    for _ in 1..10 {
        server.extend([Content, Hear("MAIL"), Hear("RCPT"), Hear("DATA")]);
        server.push(Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n"));
    }
    server.extend([Content, Say("250 ok\r\n")]);
    let (ran, wire) = run_script(&short(), 10, &[server, quit()].concat());
    let mut turns = vec!["EHLO", "MAIL RCPT DATA"];
    turns.extend([". MAIL RCPT DATA"; 9]);
    turns.extend([".", "QUIT"]);
    assert_eq!(verbs(&wire), turns, "{}", ran.log);
    assert_eq!(ran.reported.iter().filter(|reported| reported.ends_with("Passed")).count(), 10);
    for number in 1..=10 {
        assert!(ran.log.contains(&format!("C: hi {number}\n")), "each says its own\n{}", ran.log);
    }
}

#[test]
fn a_refused_row_keeps_the_envelope_of_the_next_row() {
    let server = [&begin()[..], &FIRST, &SECOND, &[Say("554 spam\r\n250 a\r\n250 b\r\n354 go\r\n"), Content]].concat();
    let (ran, _) = run_script(&short(), 2, &[server, vec![Say("250 ok\r\n")], quit()].concat());
    assert_eq!(ran.reported, ["intent 1", "1 Failed", "intent 2", "2 Passed"], "{}", ran.log);
}

#[test]
fn a_row_whose_envelope_is_refused_fails_alone() {
    let said = Say("250 ok\r\n250 a\r\n550 b\r\n554 none\r\n");
    let rest =
        [Hear("RSET"), Hear("MAIL"), Hear("RCPT TO:<3@"), Hear("DATA"), Say("250 r\r\n250 a\r\n250 b\r\n354 go\r\n")];
    let server = [&begin()[..], &FIRST, &SECOND, &[said], &rest, &[Content, Say("250 ok\r\n")], &quit()].concat();
    let (ran, _) = run_script(&short(), 3, &server);
    assert_eq!(ran.reported, ["intent 1", "1 Passed", "2 Failed", "intent 3", "3 Passed"], "{}", ran.log);
}

#[test]
fn a_message_lost_after_its_dot_is_unknown_and_the_next_row_was_not_begun() {
    for end in [Fin, Reset] {
        let (ran, _) = run_script(&short(), 3, &[&begin()[..], &FIRST, &SECOND, &[end]].concat());
        assert_eq!(ran.reported, ["intent 1", "1 IoErr"], "{}", ran.log);
        assert_eq!(ran.left, 2, "they go on over another connection");
    }
}

#[test]
fn a_421_defers_its_row_and_leaves_the_next_one_pending() {
    let (ran, _) = run_script(&short(), 3, &[&begin()[..], &FIRST, &SECOND, &[Say("421 enough\r\n"), Fin]].concat());
    assert_eq!((ran.reported, ran.left), (vec!["intent 1".to_owned(), "1 TempFail".to_owned()], 2), "{}", ran.log);
}

#[test]
fn an_interruption_leaves_the_next_row_pending_and_its_content_unsent() {
    let server = [&begin()[..], &FIRST, &SECOND, &[Signal, Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n")]].concat();
    // How much is read of the replies that nobody wants any more is a matter of how they come.
    for piece in [1, 5, usize::MAX] {
        let (ran, _) = run_in_pieces(&short(), 3, &server, piece);
        assert_eq!(
            (&ran.reported[..], ran.left),
            (&["intent 1".to_owned(), "1 Passed".to_owned()][..], 2),
            "{}",
            ran.log
        );
        assert!(ran.log.contains("1@example.com Accepted") && !ran.log.contains("C: hi 2\n"), "{}", ran.log);
        assert!(ran.log.contains("*: closed\n") && !ran.log.contains("C: QUIT"), "neither dot nor RSET\n{}", ran.log);
    }
}

#[test]
fn steps_between_two_messages_keep_their_envelopes_apart() {
    let message = MESSAGE.trim_end().replace('\n', ", ");
    let open = "open = [{ expect = 220 }, { ehlo = true }]\nclose = [{ quit = true }]\n";
    let noop = "{ send = 'NOOP', expect = 250 }";
    for (steps, why) in [
        (format!("{{ message = {{ {message} }}, expect = 250 }}, {noop}"), "a step after it"),
        (format!("{noop}, {{ message = {{ {message} }}, expect = 250 }}"), "a step before it"),
        (format!("{{ message = {{ {message} }}, expect = 250, if = 'true' }}"), "a condition"),
        (format!("{{ message = {{ {message} }}, expect = 250, delay = '1s' }}"), "a delay"),
        (
            format!("{{ message = {{ {message} }}, expect = 250, retry = {{ times = 1, wait = '1s', on = '4xx' }} }}"),
            "another try",
        ),
        (format!("{{ message = {{ {message} }}, expect = 250, assert = ['reply.code == 250'] }}, {noop}"), "both"),
    ] {
        let mut server = begin();
        for _ in 0..2 {
            let noop = || vec![Hear("NOOP"), Say("250 ok\r\n")];
            if steps.starts_with(&noop_step()) {
                server.extend(noop());
            }
            server.extend([Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Say("250 a\r\n250 b\r\n354 go\r\n"), Content]);
            server.push(Say("250 ok\r\n"));
            if steps.ends_with(&noop_step()) {
                server.extend(noop());
            }
        }
        let (ran, wire) = run_script(&format!("{open}step = [{steps}]\n{ROWS}"), 2, &[server, quit()].concat());
        assert_eq!(verbs(&wire).iter().filter(|write| *write == ".").count(), 2, "{why}: {}", ran.log);
        assert_eq!(ran.status, Status::Passed, "{why}: {}", ran.log);
    }
}

fn noop_step() -> String {
    "{ send = 'NOOP', expect = 250 }".to_owned()
}

#[test]
fn what_a_row_captures_is_in_its_own_message_and_not_in_the_next() {
    let message = MESSAGE.trim_end().replace('\n', ", ");
    let open = "open = [{ expect = 220 }, { ehlo = true }]\nclose = [{ quit = true }]\n";
    let capture = "capture = { id = 'as (\\w+)' }";
    let steps = format!("{{ message = {{ {message} }}, expect = 250, {capture}, assert = [\"id == 'Q'\"] }}");
    let server = [&begin()[..], &FIRST, &SECOND, &[Say("250 as Q\r\n250 a\r\n250 b\r\n354 go\r\n"), Content]].concat();
    let (ran, _) = run_script(
        &format!("{open}step = [{steps}]\n{ROWS}"),
        2,
        &[server, vec![Say("250 as Q\r\n")], quit()].concat(),
    );
    assert_eq!(ran.reported, ["intent 1", "1 Passed", "intent 2", "2 Passed"], "{}", ran.log);
}

#[test]
fn a_failed_write_makes_unknown_only_the_message_whose_dot_may_have_left() {
    let whole = [&begin()[..], &FIRST, &SECOND, &[Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n"), Content]].concat();
    let (_, wire) = run_in_pieces(&short(), 2, &[whole, vec![Say("250 ok\r\n")], quit()].concat(), usize::MAX);
    let text = String::from_utf8_lossy(&wire[2]).into_owned();
    let (dot, length) = (text.find("\r\n.\r\nMAIL").expect("the next row's envelope is after it") + 2, text.len());
    // TLS takes records whole: one of its ends may be at any of these.
    for (at, status) in [
        (0, Status::Unavailable),
        (dot - 1, Status::Unavailable),
        (dot, Status::Unavailable),
        (dot + 1, Status::IoErr),
        (dot + 3, Status::IoErr),
        (dot + 4, Status::IoErr),
        (length - 1, Status::IoErr),
    ] {
        let (ran, _) = run_in_pieces(
            &short(),
            2,
            &[&begin()[..], &FIRST, &[BreakAfter(at), After(Duration::from_secs(1)), Fin]].concat(),
            usize::MAX,
        );
        assert_eq!(ran.reported, ["intent 1".to_owned(), format!("1 {status:?}")], "at {at}: {}", ran.log);
        let outcome = if status == Status::IoErr { "Unknown" } else { "Deferred" };
        assert!(ran.log.contains(&format!("1@example.com {outcome}")), "at {at}: {}", ran.log);
        assert_eq!(ran.left, 1);
    }
}

#[test]
fn a_signal_after_the_dot_leaves_its_message_unknown() {
    let (_, wire) = run_in_pieces(
        &short(),
        1,
        &[&begin()[..], &FIRST, &[Content, Say("250 ok\r\n")], &quit()].concat(),
        usize::MAX,
    );
    for (but, outcome) in [(3, "Deferred"), (2, "Unknown"), (1, "Unknown")] {
        let stalls = [Signal, StallAfter(wire[2].len() - but)];
        let (ran, _) = run_in_pieces(&short(), 1, &[&begin()[..], &FIRST, &stalls].concat(), usize::MAX);
        assert_eq!(ran.reported, ["intent 1", "1 Interrupted"], "{}", ran.log);
        assert!(ran.log.contains(&format!("1@example.com {outcome}")), "{but} bytes are left: {}", ran.log);
    }
}

#[test]
fn bdat_in_a_batch_waits_for_the_replies_to_its_envelope() {
    let mut script = vec![Say("220 mx\r\n"), Hear("EHLO me"), Say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")];
    // Nothing but the next row's envelope stands after the refusal.
    script.extend([Hear("MAIL"), Hear("RCPT TO:<1@"), Say("250 a\r\n451 later\r\n")]);
    script.extend([Hear("RSET"), Hear("MAIL"), Hear("RCPT TO:<2@"), Say("250 r\r\n250 a\r\n250 b\r\n")]);
    script.extend([ServerAct::Bdat, Say("250 ok\r\n")]);
    script.extend(quit());
    let (ran, _) = run_script(&short(), 2, &script);
    assert_eq!(
        (ran.reported, ran.left),
        (["1 TempFail", "intent 2", "2 Passed"].map(str::to_owned).to_vec(), 0),
        "{}",
        ran.log
    );
}

#[test]
fn rset_follows_a_row_that_failed_in_a_raw_transaction() {
    let check = "{ send = 'VRFY {{ row.n }}', expect = 252 }";
    let mail = "{ send = 'MAIL FROM:<a@x>', expect = 250 }, { send = 'RCPT TO:<{{ row.n }}@x>', expect = 250 }";
    const REFUSED: ServerAct = Say("550 no\r\n");
    /// The steps, what the first row meets, and the second, whether RSET stands between them, why.
    type Case<'c> = (&'c str, &'c [ServerAct], &'c [ServerAct], bool, &'c str);
    let table: &[Case<'_>] = &[
        (check, &[Hear("VRFY 1"), REFUSED], &[Hear("VRFY 2"), Say("252 ok\r\n")], false, "there was none"),
        (
            mail,
            &[Hear("MAIL"), Say("250 ok\r\n"), Hear("RCPT TO:<1"), REFUSED],
            &[Hear("MAIL"), Say("250 ok\r\n"), Hear("RCPT TO:<2"), Say("250 ok\r\n")],
            true,
            "it was open",
        ),
        (
            "{ send = 'MAIL FROM:<a@x>', expect = 250 }, { send = 'RSET', expect = 250, always = true }",
            &[Hear("MAIL"), REFUSED, Hear("RSET"), Say("250 ok\r\n")],
            &[Hear("MAIL"), Say("250 ok\r\n"), Hear("RSET"), Say("250 ok\r\n")],
            false,
            "the row ended it",
        ),
    ];
    for (steps, first, second, resets, why) in table {
        let toml = format!("open = [ {{ expect = 220 }} ]\nstep = [ {steps} ]\nclose = [ {{ quit = true }} ]\n{ROWS}");
        let reset: &[ServerAct] = if *resets { &[Hear("RSET"), Say("250 ok\r\n")] } else { &[] };
        let (ran, _) = run_script(&toml, 2, &[&[Say("220 mx\r\n")], *first, reset, *second, &quit()].concat());
        assert_eq!(ran.reported, ["1 Failed", "2 Passed"], "{why}: {}", ran.log);
    }
}

#[test]
fn a_failed_quit_after_a_failed_row_changes_no_status() {
    let toml = format!(
        "open = [ {{ expect = 220 }} ]\nstep = [ {{ send = 'NOOP', expect = 250 }} ]\nclose = [ {{ quit = true }} ]\n{ROWS}"
    );
    let failing = [Hear("QUIT"), Say("500 what\r\n"), Hear("QUIT"), Say("500 what\r\n"), Fin];
    for (reply, reported, status) in
        [("450 later\r\n", "1 TempFail", Status::Passed), ("250 ok\r\n", "1 Passed", Status::Failed)]
    {
        let (ran, _) = run_script(&toml, 1, &[&[Say("220 mx\r\n"), Hear("NOOP"), Say(reply)], &failing[..]].concat());
        assert_eq!(
            (ran.reported, ran.status),
            (vec![reported.to_owned()], status),
            "the connection's own\n{}",
            ran.log
        );
        assert!(ran.log.contains("failed: expected 221"), "it is reported either way\n{}", ran.log);
    }
}
