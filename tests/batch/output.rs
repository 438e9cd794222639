//! What a batch says: which row it was, how much is left, what goes on with it, and nothing that is no news.

use crate::fixture::{BatchFixture, Behaviour, CommandResult, SESSION, Server, signal};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// `mailrun` in the batch's folder, without `--quiet`.
fn mailrun(batch: &BatchFixture, words: &[&str]) -> CommandResult {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    CommandResult::of(
        command.args(words).current_dir(batch.path(".")).env_remove("MAILRUN_LEDGER").stdin(Stdio::null()),
    )
}

#[test]
fn every_row_that_failed_is_named_with_its_line() {
    let batch = BatchFixture::new(3);
    let server = Server::behaving(&[Behaviour::DefersRecipients]);
    let ran = batch.run(server.port, &[]);
    assert_eq!(ran.status, 75, "{}", ran.errors);
    for (number, line) in [(0, 2), (1, 3), (2, 4)] {
        let row = format!("  = row u{number}@x.example (p.csv:{line})\n");
        assert_eq!(ran.errors.matches(&row).count(), 1, "{row}{}", ran.errors);
    }
    assert_eq!(ran.errors.matches("error: ").count(), 3, "not for the session once more: {}", ran.errors);
}

#[test]
fn of_many_rows_that_failed_each_is_counted_once() {
    let batch = BatchFixture::new(70);
    let server = Server::behaving(&[Behaviour::DefersRecipients]);
    let ran = batch.run(server.port, &[]);
    assert_eq!(ran.errors.matches("  = row ").count(), 50, "{}", ran.errors);
    assert!(ran.errors.contains("\n… and 20 more failures\n"), "{}", ran.errors);
}

#[test]
fn the_command_for_one_session_sends_nothing_again_or_says_so() {
    let batch = BatchFixture::new(3);
    let server = Server::behaving(&[Behaviour::DefersRecipients]);
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let with = mailrun(&batch, &["test", "--server", &url, "--shard", "1/1", "--ledger", "l.db", "c.toml"]);
    let command = format!("to run it alone:\n    mailrun run --server {url} --ledger l.db --shard 1/1 c.toml\n");
    assert!(with.output.contains(&command), "{}", with.output);
    assert!(with.output.contains("  = row u1@x.example (p.csv:3)\n"), "{}", with.output);
    let without = mailrun(&batch, &["test", "--server", &url, "c.toml"]);
    assert!(without.output.contains("alone, which sends all its rows again, since"), "{}", without.output);
}

#[test]
fn an_interrupted_batch_counts_the_rows_of_its_file_that_are_left() {
    let batch = BatchFixture::new(200);
    let (server, told, go) = Server::replying_on_demand();
    let mut command = batch.command(server.port);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mailrun starts");
    told.recv().expect("a message is sent");
    signal(&child, Signal::INT);
    go.send(()).expect("the server waits");
    drop(go);
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    let sent = server.accepted_once();
    let expected = format!("{sent} sent, {} pending\n", 200 - sent);
    assert!(errors.contains(&expected), "{expected}{errors}");
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn an_interrupted_batch_waits_for_no_more_of_standard_input() {
    let batch = BatchFixture::new(0);
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let (server, told, go) = Server::replying_on_demand();
    let mut command = batch.command(server.port);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("mailrun starts");
    let mut rows = child.stdin.take().expect("it is piped");
    rows.write_all(b"email\na@x.example\nb@x.example\n").expect("it reads");
    told.recv().expect("a message is sent");
    signal(&child, Signal::INT);
    go.send(()).expect("the server waits");
    drop(go);
    let output = child.wait_with_output().expect("it ends, though more rows may come");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(errors.contains(" sent, ") && errors.contains("the rest not read\n"), "{errors}");
    drop(rows);
}

#[test]
fn waiting_for_a_row_on_standard_input_ends_with_a_signal() {
    let batch = BatchFixture::new(0);
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let server = Server::start();
    let mut command = batch.command(server.port);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mailrun starts");
    let mut rows = child.stdin.take().expect("it is piped");
    rows.write_all(b"email\na@x.example\n").expect("it reads");
    crate::fixture::wait_until(|| server.accepted_once() == 1);
    signal(&child, Signal::TERM);
    crate::fixture::wait_until(|| child.try_wait().expect("it is our child").is_some());
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    drop(rows);
}

#[test]
fn the_stream_of_events_ends_with_as_many_steps_as_the_report() {
    let batch = BatchFixture::new(5);
    let server = Server::start();
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let ran = mailrun(&batch, &["run", "--server", &url, "--json", "-", "c.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.errors);
    let last = ran.output.lines().last().expect("events are told");
    let last: serde_json::Value = serde_json::from_str(last).expect("it is JSON");
    assert_eq!(mailrun(&batch, &["run", "--server", &url, "--json", "r.json", "c.toml"]).status, 0);
    let report = std::fs::read_to_string(batch.path("r.json")).expect("it is there");
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    assert_eq!(last["totals"], report["totals"]);
    assert!(last["totals"]["steps"].as_u64() > Some(5), "{last}");
}

#[test]
fn a_quiet_batch_whose_every_row_was_sent_says_nothing_of_what_was_tried_again() {
    let batch = BatchFixture::new(4);
    batch.write("c.toml", format!("{SESSION}[retry]\ntimes = 3\nwait = \"10ms\"\n"));
    let server = Server::behaving(&[Behaviour::GreetsWith421, Behaviour::DefersRecipients, Behaviour::Accepts]);
    let ran = batch.run(server.port, &[]);
    assert_eq!((ran.status, server.accepted_once()), (0, 4), "{}", ran.errors);
    assert_eq!((ran.output.as_str(), ran.errors.as_str()), ("", ""));
}

#[test]
fn a_column_that_is_missing_is_found_without_sending() {
    let batch = BatchFixture::new(1);
    let broken = SESSION.replace("key = \"email\"", "key = \"emial\"");
    assert_ne!(broken, SESSION);
    batch.write("k.toml", broken);
    batch.write("t.toml", SESSION.replace("row.email", "row.emial"));
    for (file, place) in [("k.toml", "k.toml:"), ("t.toml", "t.toml:")] {
        let ran = mailrun(&batch, &["check", "--server", "smtp://127.0.0.1:9", file]);
        assert_eq!(ran.status, 65, "{file}: {}", ran.errors);
        assert!(ran.errors.starts_with(place), "{}", ran.errors);
        assert!(ran.errors.contains("the rows have no column \"emial\": they have email"), "{}", ran.errors);
    }
    assert_eq!(mailrun(&batch, &["check", "--server", "smtp://127.0.0.1:9", "c.toml"]).status, 0);
}

#[test]
fn connections_that_fail_leave_rows_pending_until_one_comes_about() {
    let batch = BatchFixture::new(3);
    let open = "[[open]]\nexpect = 220\n[[open]]\nsend = \"NOOP\"\nexpect = 250\n";
    batch.write("c.toml", format!("{SESSION}{open}[retry]\ntimes = 2\nwait = \"10ms\"\n"));
    let failing = Server::start();
    let ran = batch.run(failing.port, &[]);
    // 450 to NOOP is temporary: three connections, and no row is touched.
    assert_eq!(ran.output.matches("C: NOOP\n").count(), 3, "{}", ran.output);
    assert_eq!((ran.status, failing.accepted_once()), (75, 0), "{}", ran.errors);
    assert!(ran.errors.contains("\n3 pending\n"), "{}", ran.errors);
    assert_eq!((batch.count("pending"), batch.count("deferred")), (3, 0));
    batch.write("c.toml", SESSION);
    assert_eq!((batch.run(failing.port, &[]).status, failing.accepted_once()), (0, 3));
}

/// What the terminal shows while `mailrun test` waits for a server, until `needle` stands there, and then to the end.
fn on_a_terminal(batch: &BatchFixture, files: &str, needle: &str) -> String {
    let (server, told, go) = Server::replying_on_demand();
    let program = env!("CARGO_BIN_EXE_mailrun");
    let command = format!("timeout 60 {program} test --server smtp://127.0.0.1:{} {files}", server.port);
    let mut script = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(batch.path("."))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux, is there");
    told.recv().expect("a message is sent");
    let mut screen = script.stdout.take().expect("it is piped");
    let mut shown = Vec::new();
    let mut piece = [0; 1024];
    while !String::from_utf8_lossy(&shown).contains(needle) {
        let count = screen.read(&mut piece).expect("the screen can be read");
        assert!(count > 0, "{needle} did not come: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&piece[..count]);
    }
    drop(go);
    screen.read_to_end(&mut shown).expect("the screen can be read");
    assert!(script.wait().expect("it ends").success(), "{}", String::from_utf8_lossy(&shown));
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn one_line_on_a_terminal_says_how_far_it_is() {
    let batch = BatchFixture::new(3);
    let alone = on_a_terminal(&batch, "c.toml", " done, ");
    assert!(!alone.contains(" of 1 sessions"), "{alone}");
    batch.write("d.toml", SESSION);
    let several = on_a_terminal(&batch, "c.toml d.toml", " of 2 sessions");
    assert!(!several.contains(" done, "), "{several}");
}
