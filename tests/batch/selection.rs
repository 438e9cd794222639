//! A part of a batch, a rehearsal, and the ledger that a session file names.

use crate::fixture::{BatchFixture, SESSION};
use crate::support::{Fault, FaultServer, Point, When};

#[test]
fn a_limit_counts_only_rows_that_are_started() {
    let batch = BatchFixture::new(7);
    let conditional = "[[step]]\nmessage = true\nif = \"row.email != 'u1@x.example'\"\n";
    batch.write("c.toml", format!("{SESSION}{conditional}"));
    let server = FaultServer::start();
    let first = batch.run(&server, &["--limit", "2"]).exits(0);
    assert_eq!((batch.count("sent"), first.text().as_str()), (2, ""), "u1 is skipped");
    batch.run(&server, &["--limit", "2"]).exits(0);
    assert_eq!(batch.count("sent"), 4, "those that were sent do not count");
    assert_eq!(batch.count("pending"), 0, "rows that are not selected are not recorded");
    batch.run(&server, &[]).exits(0);
    assert_eq!((batch.count("sent"), server.accepted_once()), (6, 6));
}

#[test]
fn a_key_selects_its_row_and_must_be_in_the_file() {
    let batch = BatchFixture::new(5);
    let server = FaultServer::start();
    let missing = batch.run(&server, &["--key", "u1@x.example", "--key", "nobody@x.example"]).exits(65);
    assert!(missing.stderr.contains("--key nobody@x.example: no row has this key"), "{missing}");
    assert_eq!(server.accepted_once(), 0, "nothing is sent");
    batch.run(&server, &["--key", "u3@X.EXAMPLE", "--key", " u1@x.example"]).exits(0);
    assert_eq!((batch.count("sent"), batch.count("pending"), server.accepted_once()), (2, 0, 2));
}

#[test]
fn a_key_selects_its_row_of_standard_input_which_is_read_once() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let feed = |key: &str| batch.command(&server).args(["--key", key]).stdin("email\na@x.example\nb@x.example\n").run();
    feed("b@x.example").exits(0);
    assert_eq!(server.take_recipients(), ["b@x.example"]);
    let missing = feed("nobody@x.example").exits(65);
    assert!(missing.stderr.contains("--key nobody@x.example: no row has this key"), "{missing}");
    assert_eq!(server.take_recipients(), [""; 0]);
}

#[test]
fn a_rehearsal_asks_for_no_notifications() {
    let batch = BatchFixture::new(1);
    let params = "params = { rcpt = \"NOTIFY=FAILURE ORCPT=rfc822;u0@x.example X-KEPT=1\" }\n[rows]\n";
    batch.write("c.toml", SESSION.replace("[rows]\n", params));
    let server = FaultServer::builder().offering(&["DSN"]).start();
    for (options, line) in [
        (&["--to", "me@x.example"][..], "C: RCPT TO:<me@x.example> X-KEPT=1\n"),
        (&[], "C: RCPT TO:<u0@x.example> NOTIFY=FAILURE ORCPT=rfc822;u0@x.example X-KEPT=1\n"),
    ] {
        batch.without_ledger(&server).args(["--transcript", "t.log"]).args(options).run().exits(0);
        let transcript = batch.read("t.log");
        assert!(transcript.contains(line), "{options:?}: {transcript}");
    }
}

#[test]
fn options_for_rows_and_recipients_are_refused_where_they_cannot_hold() {
    let batch = BatchFixture::new(1);
    let plain = "[message]\nfrom = \"a@x.example\"\nto = \"b@x.example\"\ntext = \"t\"\n";
    batch.write("plain.toml", plain);
    batch.write("raw.toml", "[[step]]\nexpect = 220\n[[step]]\nsend = \"rcpt TO:<b@x.example>\"\nexpect = 250\n");
    let by_hand = [
        ("parts.toml", "raw = [\"RCPT TO:<b@x.example>\\r\\n\"]"),
        ("half.toml", "raw = \"{{ c }}T TO:<b@x.example>\\r\\n\""),
        ("verb.toml", "send = \"RC{{ c }} TO:<b@x.example>\""),
        ("bdat.toml", "bdat = \"RCPT\""),
    ];
    for (name, step) in by_hand {
        batch.write(name, format!("vars = {{ c = \"RCP\" }}\n[[step]]\n{step}\nexpect = 250\n"));
    }
    let server = FaultServer::start();
    let ledger = SESSION.replace("[rows]\n", "[rows]\nledger = \"own.db\"\n");
    assert!(ledger.contains("own.db"));
    batch.write("ledger.toml", ledger);
    let table = [
        (&["--to", "me@x.example", "parts.toml"][..], "writes RCPT", "RCPT in a part of raw bytes"),
        (&["--to", "me@x.example", "half.toml"], "writes RCPT", "RCPT that a value completes"),
        (&["--to", "me@x.example", "verb.toml"], "writes RCPT", "a verb that a value completes"),
        (&["--to", "me@x.example", "bdat.toml"], "writes RCPT", "content by hand"),
        (&["--to-step", "1", "ledger.toml"], "--to-step", "a part of the steps is no row"),
        (&["--limit", "1", "plain.toml"], "has no [rows]", "rows are needed"),
        (&["--key", "a", "plain.toml"], "has no [rows]", "rows are needed"),
        (&["--to", "me@x.example", "raw.toml"], "writes RCPT", "RCPT by hand"),
        (&["--to", "me@x.example", "--ledger", "l.db", "c.toml"], "--ledger", "a rehearsal has no ledger"),
        (&["--to", "me", "c.toml"], "--to", "no address"),
        (&["--limit", "0", "c.toml"], "--limit", "no row"),
    ];
    for (options, words, why) in table {
        let ran = batch.mailrun(&["run", "--server", &server.url("smtp")]).args(options).run().exits(64);
        assert!(ran.stderr.contains(words), "{why}: {ran}");
    }
    assert_eq!(server.accepted_once(), 0);
}

#[test]
fn a_rehearsal_sends_everything_to_one_address_and_records_nothing() {
    let batch = BatchFixture::new(2);
    batch.write("c.toml", format!("{SESSION}ledger = \"named.db\"\n"));
    let server = FaultServer::start();
    let run = |options: &[&str]| batch.without_ledger(&server).args(options).run().exits(0);
    run(&["--to", "me@x.example"]);
    assert_eq!(server.take_recipients(), ["me@x.example", "me@x.example"]);
    assert!(!batch.names().contains(&"named.db".to_owned()));
    run(&[]);
    assert_eq!(server.take_recipients(), ["u0@x.example", "u1@x.example"]);
    run(&[]);
    assert_eq!(server.take_recipients(), [""; 0], "the ledger of the session file is used");
}

#[test]
fn the_ledger_of_a_session_file_lies_below_its_folder() {
    let batch = BatchFixture::new(1);
    std::os::unix::fs::symlink("elsewhere.db", batch.path("link.db")).expect("a link can be made");
    let server = FaultServer::start();
    for (path, words) in [("../l.db", "not beneath"), ("/tmp/l.db", "not beneath"), ("link.db", "is a link")] {
        batch.write("c.toml", format!("{SESSION}ledger = \"{path}\"\n"));
        let ran = batch.without_ledger(&server).run().exits(65);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("c.toml:10:"), "{path}: {ran}");
    }
    assert_eq!(server.accepted_once(), 0);
}

#[test]
fn a_batch_without_a_ledger_says_so() {
    let batch = BatchFixture::new(1);
    let server = FaultServer::start();
    let run = |options: &[&str]| batch.mailrun(&["run", "--server", &server.url("smtp"), "c.toml"]).args(options).run();
    assert!(run(&[]).stderr.contains("warning: no ledger"));
    for options in [&["--ledger", "l.db"][..], &["--dry-run"], &["--to", "me@x.example"]] {
        let ran = run(options).exits(0);
        assert!(!ran.stderr.contains("no ledger"), "{options:?}: {ran}");
    }
}

#[test]
fn a_batch_without_a_ledger_warns_and_with_quiet_only_if_a_row_failed() {
    let batch = BatchFixture::new(2);
    let warning = "c.toml: warning: no ledger: another run sends all rows again";
    let server = FaultServer::start();
    let url = server.url("smtp");
    let loud = batch.mailrun(&["run", "--server", &url, "c.toml"]).run().exits(0);
    assert!(loud.stderr.contains(warning) && !loud.stdout.contains(warning), "{loud}");
    let quiet = batch.without_ledger(&server).run().exits(0);
    assert_eq!(quiet.text(), "");
    let parallel = batch.mailrun(&["run", "--server", &url, "--jobs", "2", "c.toml"]).run().exits(0);
    assert!(parallel.stderr.contains(warning), "{parallel}");
    batch.write("d.toml", SESSION);
    let two = batch.mailrun(&["run", "--server", &url, "--jobs", "2", "c.toml", "d.toml"]).run().exits(0);
    assert_eq!(two.stderr.matches("warning: no ledger").count(), 2, "{two}");
    let rehearsal = batch.mailrun(&["run", "--server", &url, "--to", "me@x.example", "c.toml"]).run().exits(0);
    assert!(!rehearsal.stderr.contains("warning"), "{rehearsal}");
    let refusing = FaultServer::builder().fault(When::at(Point::Command("RCPT"), Fault::Reply("550 no"))).start();
    let failed = batch.without_ledger(&refusing).run().exits(1);
    assert_eq!(failed.stderr.matches(warning).count(), 1, "{failed}");
}
