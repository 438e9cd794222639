//! What `mailrun ledger … list` gives as the reason of a row is what decided its state.

use crate::fixture::{BatchFixture, SESSION, replying_on_release};
use crate::support::{Fault, FaultServer, Point, When};

/// The line of `ledger list` for the first row, without its Message-ID.
fn listed(batch: &BatchFixture) -> String {
    let list = batch.ledger(&["list"]).exits(0).stdout;
    let words = list.lines().next().unwrap_or_default().split(' ').filter(|word| !word.starts_with('<'));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_state_has_the_reason_that_decided_it() {
    use Point::{Command, ContentReply, ContentStart};
    for (point, fault, status, line) in [
        (Command("RCPT"), Fault::Reply("550 5.1.1 no"), 1, "refused 550 5.1.1 no"),
        (Command("RCPT"), Fault::Reply("450 later"), 75, "deferred 450 later"),
        (
            Command("RCPT"),
            Fault::Close,
            69,
            "deferred expected an open connection, but the server closed the connection",
        ),
        (Command("DATA"), Fault::Reply("250 ok"), 1, "deferred expected 354, got 250"),
        (ContentStart, Fault::Close, 69, "deferred expected an open connection, but the server closed the connection"),
        (ContentReply, Fault::AcceptThenClose, 74, "unknown message may have been delivered: no reply to its content"),
        (ContentReply, Fault::Reply("452 full"), 75, "deferred 452 full"),
        (ContentReply, Fault::Reply("250 ok id=7"), 0, "sent 250 ok id=7"),
    ] {
        let batch = BatchFixture::new(1);
        let server = FaultServer::builder().fault(When::at(point, fault)).start();
        batch.run(&server, &["--patience", "0"]).exits(status);
        let found = listed(&batch);
        assert!(found.starts_with(&format!("u0@x.example {line}")), "{point:?} {fault:?}: {found}");
    }
}

#[test]
fn a_row_that_stays_pending_has_the_reason_why_it_failed() {
    let batch = BatchFixture::new(1);
    batch.write("c.toml", SESSION.replace("subject = \"s\"", "subject = \"{{ row.email | date }}\""));
    batch.run(&FaultServer::start(), &[]).exits(65);
    let found = listed(&batch);
    assert!(found.starts_with("u0@x.example pending ") && found.contains("not a time"), "{found}");
}

#[test]
fn a_killed_run_and_a_resolved_row_leave_no_older_reason() {
    let batch = BatchFixture::new(1);
    let deferring = FaultServer::builder().fault(When::at(Point::Command("RCPT"), Fault::Reply("450 later"))).start();
    batch.run(&deferring, &[]).exits(75);
    let server = replying_on_release();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    assert_eq!(listed(&batch), "u0@x.example sending");
    child.kill();
    assert_eq!(listed(&batch), "u0@x.example unknown the run ended before the reply was recorded");
    // An attempt that decides nothing does not replace it.
    batch.run(&deferring, &["--resend-unknown"]).exits(74);
    assert_eq!(listed(&batch), "u0@x.example unknown the run ended before the reply was recorded");
    batch.ledger(&["resolve", "u0@x.example", "pending"]).exits(0);
    assert_eq!(listed(&batch), "u0@x.example pending resolved by hand");
    batch.run(&deferring, &[]).exits(75);
    assert_eq!(listed(&batch), "u0@x.example deferred 450 later");
}

#[test]
fn a_reply_of_thousands_of_lines_is_stored_with_its_beginning_and_its_end() {
    let lines: String = (0..5000).map(|n| format!("550-5.7.1 line {n} of a policy\r\n")).collect();
    let reply: &'static str = format!("{lines}550 5.7.1 the end").leak();
    let batch = BatchFixture::new(1);
    batch.write("c.toml", SESSION.replace("[\"{{ row.email }}\"]", "[\"{{ row.email }}\", \"b@x.example\"]"));
    let server = FaultServer::builder().fault(When::at(Point::Command("RCPT"), Fault::Reply(reply))).start();
    batch.run(&server, &[]).exits(1);
    let found = batch.ledger(&["list"]).stdout;
    assert!(found.len() < 8000, "{} bytes", found.len());
    assert!(found.contains("550 5.7.1 line 0 of a policy") && found.contains("5.7.1 the end"), "{found}");
    assert!(found.contains(" characters … "), "{found}");
}

#[test]
fn keys_with_spaces_are_quoted_so_that_no_line_can_be_misread() {
    let batch = BatchFixture::new(0);
    batch.write("c.toml", SESSION.replace("key = \"email\"", "key = \"id\""));
    batch.write("p.csv", "id,email\n7,a@x.example\nx sent,b@x.example\n'7',c@x.example\n");
    batch.run(&FaultServer::start(), &[]).exits(0);
    let list = batch.ledger(&["list"]).stdout;
    let keys: Vec<_> = list.lines().map(|line| line.split_once(" sent <").map_or(line, |(key, _)| key)).collect();
    assert_eq!(keys, ["7", "'x sent'", "''\\''7'\\'''"]);
}
