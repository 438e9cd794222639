//! Messages to several recipients of which the server takes only a part: what the ledger has of each of them.

use crate::fixture::BatchFixture;
use crate::support::{Fault, FaultServer, Point, When};

const SESSION: &str = "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\n\
                       to = [\"bad@x.example\", \"later@x.example\", \"ok@x.example\"]\n\
                       on_refused = \"skip\"\nsubject = \"s\"\ntext = \"t\"\n";

fn batch() -> BatchFixture {
    let batch = BatchFixture::empty();
    batch.write("c.toml", SESSION);
    batch
}

fn refusing() -> [When; 2] {
    [
        When::at(Point::Command("RCPT"), Fault::Reply("550 5.1.1 no such user")).with("bad@"),
        When::at(Point::Command("RCPT"), Fault::Reply("450 4.2.0 greylisted")).with("later@"),
    ]
}

/// Recipient, state and attempts of each line of the exported ledger.
fn exported(batch: &BatchFixture) -> Vec<(String, String, String)> {
    let export = batch.ledger(&["export", "--csv"]).exits(0).stdout;
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let rows = reader.records().map(|row| row.expect("it is CSV"));
    rows.map(|row| (row[2].to_owned(), row[3].to_owned(), row[7].to_owned())).collect()
}

fn states(expected: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    expected.iter().map(|(name, state, attempts)| ((*name).into(), (*state).into(), (*attempts).into())).collect()
}

#[test]
fn each_recipient_has_its_own_count_of_attempts() {
    let batch = batch();
    let server = FaultServer::builder().faults(refusing()).start();
    for attempt in ["1", "2", "3"] {
        let ran = batch.run(&server, &[]).exits(75);
        let before = "not sent: 1 deferred; 1 sent before, 1 refused before\n";
        assert_eq!(ran.stderr.contains(before), attempt != "1", "{ran}");
        let expected = [
            ("", "deferred", attempt),
            ("bad@x.example", "refused", "1"),
            ("later@x.example", "deferred", attempt),
            ("ok@x.example", "sent", "1"),
        ];
        assert_eq!(exported(&batch), states(&expected), "run {attempt}");
    }
    server.heal();
    let last = batch.run(&server, &[]).exits(1);
    assert!(last.stderr.contains("recipient refused: <bad@x.example>"), "{last}");
    let expected = [
        ("", "refused", "4"),
        ("bad@x.example", "refused", "1"),
        ("later@x.example", "sent", "4"),
        ("ok@x.example", "sent", "1"),
    ];
    assert_eq!(exported(&batch), states(&expected));
    assert_eq!(server.accepted_once(), 2);
}

#[test]
fn a_recipient_that_a_killed_run_was_sending_to_is_recorded_besides_those_that_the_server_did_not_take() {
    let batch = batch();
    let hold = When::at(Point::ContentReply, Fault::Hold);
    let server = FaultServer::builder().faults(refusing()).fault(hold).start();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    child.kill();
    let expected = [
        ("", "unknown", "1"),
        ("bad@x.example", "refused", "1"),
        ("later@x.example", "deferred", "1"),
        ("ok@x.example", "unknown", "1"),
    ];
    assert_eq!(exported(&batch), states(&expected));
    let resolved = batch.ledger(&["resolve", "-", "sent"]).exits(0);
    assert_eq!(resolved.stdout, "1 row deferred: the next run sends the rest\n");
    let after = FaultServer::start();
    batch.run(&after, &[]).exits(1);
    assert_eq!(after.recipients(), ["later@x.example"], "nobody gets it twice, and nobody is forgotten");
}

#[test]
fn the_last_recipient_that_a_killed_run_was_sending_to_is_not_sent_to_again_once_it_is_resolved() {
    let batch = batch();
    let server = FaultServer::builder().faults(refusing()).start();
    batch.run(&server, &[]).exits(75);
    let holding = FaultServer::builder().fault(When::at(Point::ContentReply, Fault::Hold)).start();
    let child = batch.start(&holding, &[]);
    holding.wait_until_held();
    child.kill();
    assert_eq!(holding.recipients(), ["later@x.example"]);
    batch.ledger(&["resolve", "-", "sent"]).exits(0);
    let after = FaultServer::start();
    batch.run(&after, &[]);
    assert_eq!(after.recipients(), [""; 0]);
}
