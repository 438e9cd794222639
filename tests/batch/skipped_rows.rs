//! Rows whose steps were all skipped by `if`: counted, not recorded, and decided anew in each run.

use crate::fixture::{BatchFixture, SESSION};
use crate::support::FaultServer;

#[test]
fn rows_that_if_skips_are_sent_by_a_later_run() {
    let batch = BatchFixture::empty();
    let steps = "[[step]]\nif = \"row.due == 'yes'\"\nmessage = true\n";
    batch.write("c.toml", format!("{SESSION}{steps}"));
    batch.write("p.csv", "email,due\na@x.example,yes\nb@x.example,no\n");
    let server = FaultServer::start();
    let first = batch.mailrun(&["run", "--server", &server.url("smtp"), "--ledger", "l.db", "c.toml"]).run().exits(0);
    let said = first.stdout + &first.stderr;
    assert!(said.contains("1 sent, 1 skipped"), "{said}");
    assert_eq!((batch.count("sent"), batch.count("pending"), server.accepted().len()), (1, 0, 1), "b is not recorded");
    batch.write("p.csv", "email,due\na@x.example,yes\nb@x.example,yes\n");
    batch.run(&server, &[]).exits(0);
    assert_eq!((batch.count("sent"), server.accepted().len()), (2, 2), "b is sent once");
    batch.write("p.csv", "email,due\nc@x.example,no\nd@x.example,no\n");
    batch.run(&server, &[]).exits(0);
    assert_eq!((batch.count("sent"), server.accepted().len()), (2, 2), "a run that skips all is no failure");
}
