//! What a batch prints: the rows that failed, how many are left, the command to continue, and nothing else.

use crate::fixture::{BatchFixture, Behaviour, SESSION, behaving, replying_on_release};
use crate::support::{Fault, FaultServer, Point, Signal, When, wait_until};
use std::io::Write;

#[test]
fn every_row_that_failed_is_named_with_its_line() {
    let batch = BatchFixture::new(3);
    let server = behaving(&[Behaviour::DefersRecipients]).start();
    let ran = batch.run(&server, &[]);
    assert_eq!(ran.status, 75, "{}", ran.stderr);
    for (number, line) in [(0, 2), (1, 3), (2, 4)] {
        let row = format!("deferred u{number}@x.example (p.csv:{line}): 4");
        assert_eq!(ran.stdout.matches(&row).count(), 1, "{row}{}", ran.stdout);
    }
    assert_eq!(ran.stderr.matches("error: ").count(), 0, "not for the session once more: {}", ran.stderr);
}

#[test]
fn many_failed_rows_are_shown_up_to_a_limit_and_counted() {
    let batch = BatchFixture::new(70);
    let server = behaving(&[Behaviour::DefersRecipients]).start();
    let ran = batch.run(&server, &[]);
    assert_eq!(ran.stdout.matches("deferred u").count(), 50, "{}", ran.stdout);
    assert!(ran.stderr.contains("… and 20 more failed rows\n"), "{}", ran.stderr);
    assert!(ran.stdout.len() + ran.stderr.len() < 20_480, "{}", ran.stdout);
}

#[test]
fn the_command_to_run_one_session_sends_nothing_again_or_says_that_it_does() {
    let batch = BatchFixture::new(3);
    let server = behaving(&[Behaviour::DefersRecipients]).start();
    let url = server.url("smtp");
    let with = batch.mailrun(&["test", "--server", &url, "--shard", "1/1", "--ledger", "l.db", "c.toml"]).run();
    let command = format!("to run it alone:\n    mailrun run --server {url} --ledger l.db --shard 1/1 c.toml\n");
    assert!(with.stdout.contains(&command), "{}", with.stdout);
    assert!(with.stdout.contains("  = row u1@x.example (p.csv:3)\n"), "{}", with.stdout);
    let without = batch.mailrun(&["test", "--server", &url, "c.toml"]).run();
    assert!(without.stdout.contains("alone, which sends all its rows again, since"), "{}", without.stdout);
}

#[test]
fn an_interrupted_batch_counts_the_rows_that_are_left() {
    let batch = BatchFixture::new(200);
    let server = replying_on_release();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    child.signal(Signal::INT);
    server.release();
    let ran = child.wait().exits(130);
    let errors = &ran.stderr;
    let sent = server.accepted_once();
    let expected = format!("{sent} sent, {} pending\n", 200 - sent);
    assert!(errors.contains(&expected), "{expected}{errors}");
}

#[test]
fn an_interrupted_batch_stops_reading_standard_input() {
    let batch = BatchFixture::new(0);
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let server = replying_on_release();
    let (child, mut rows) = batch.command(&server).start_with_input();
    rows.write_all(b"email\na@x.example\nb@x.example\n").expect("it reads");
    server.wait_until_held();
    child.signal(Signal::INT);
    server.release();
    let ran = child.wait().exits(130);
    let errors = &ran.stderr;
    assert!(errors.contains(" sent, ") && errors.contains("the rest not read\n"), "{errors}");
    drop(rows);
}

#[test]
fn a_signal_ends_the_wait_for_a_row_from_standard_input() {
    let batch = BatchFixture::new(0);
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let server = FaultServer::start();
    let (child, mut rows) = batch.command(&server).start_with_input();
    rows.write_all(b"email\na@x.example\n").expect("it reads");
    wait_until("the row to be sent", || server.accepted_once() == 1);
    child.signal(Signal::TERM);
    assert_eq!(child.wait().status, 143);
    drop(rows);
}

#[test]
fn the_event_stream_and_the_report_count_the_same_steps() {
    let batch = BatchFixture::new(5);
    let server = FaultServer::start();
    let url = server.url("smtp");
    let ran = batch.mailrun(&["run", "--server", &url, "--json", "-", "c.toml"]).run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let last = ran.stdout.lines().last().expect("events are printed");
    let last: serde_json::Value = serde_json::from_str(last).expect("it is JSON");
    assert_eq!(batch.mailrun(&["run", "--server", &url, "--json", "r.json", "c.toml"]).run().status, 0);
    let report = batch.read("r.json");
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    assert_eq!(last["totals"], report["totals"]);
    assert!(last["totals"]["steps"].as_u64() > Some(5), "{last}");
}

#[test]
fn a_quiet_batch_prints_nothing_about_retries_if_every_row_was_sent() {
    let batch = BatchFixture::new(4);
    batch.write("c.toml", format!("{SESSION}[retry]\ntimes = 3\nwait = \"10ms\"\n"));
    // Whether a row is tried again on the same connection depends on time, so each is deferred by its address.
    let deferred_once = ["u0@", "u1@", "u2@", "u3@"]
        .map(|address| When::at(Point::Command("RCPT"), Fault::Reply("451 later")).with(address).on_the_first(1));
    let server = behaving(&[Behaviour::GreetsWith421, Behaviour::Accepts]).faults(deferred_once).start();
    let ran = batch.run(&server, &[]);
    assert_eq!((ran.status, server.accepted_once()), (0, 4), "{}", ran.stderr);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn rows_stay_pending_until_a_connection_can_be_opened() {
    let batch = BatchFixture::new(3);
    let open = "[[open]]\nexpect = 220\n[[open]]\nsend = \"NOOP\"\nexpect = 250\n";
    batch.write("c.toml", format!("{SESSION}{open}[retry]\ntimes = 2\nwait = \"10ms\"\n"));
    let refused = When::at(Point::Command("NOOP"), Fault::Reply("450 not now"));
    let failing = FaultServer::builder().fault(refused).start();
    let ran = batch.run(&failing, &["--transcript", "t.log"]);
    // 450 to NOOP is temporary: three connections are tried, and no row is attempted.
    let transcript = batch.read("t.log");
    assert_eq!(transcript.matches("C: NOOP\n").count(), 3, "{transcript}");
    assert_eq!((ran.status, failing.accepted_once()), (75, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n3 pending (450 not now)\n"), "{}", ran.stderr);
    assert_eq!((batch.count("pending"), batch.count("deferred")), (3, 0));
    batch.write("c.toml", SESSION);
    assert_eq!((batch.run(&failing, &[]).status, failing.accepted_once()), (0, 3));
}
