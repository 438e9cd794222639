//! `mailrun ledger`: count, list, export, resolve and merge rows.

use crate::fixture::{BatchFixture, Behaviour, SESSION, behaving, replying_on_release};
use crate::support::FaultServer;

/// A key that a terminal would interpret, and that CSV must quote.
const AWKWARD: &str = "a,\"b\" \u{1b}[2J";

/// A row that was sent, one that is unknown and one that was deferred.
fn one_row_in_each_state() -> BatchFixture {
    let batch = BatchFixture::new(3);
    let server =
        behaving(&[Behaviour::ClosesAfterFirst, Behaviour::AcceptsSilently, Behaviour::ClosesAt("RCPT")]).start();
    assert_eq!(batch.run(&server, &[]).status, 69);
    batch
}

#[test]
fn counts_lists_and_exports_show_the_state_of_each_row() {
    let batch = one_row_in_each_state();
    let counts = batch.ledger(&[]);
    let counted: Vec<Vec<_>> = counts.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(counted, [["sent", "1"], ["deferred", "1"], ["unknown", "1"], ["rows", "3"]]);
    let list = batch.ledger(&["list", "--state", "unknown"]).stdout;
    assert!(list.starts_with("u1@x.example unknown <") && list.lines().count() == 1, "{list}");
    assert_eq!(batch.ledger(&["list"]).stdout.lines().count(), 3);
    let export = batch.ledger(&["export", "--csv"]).stdout;
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let rows: Vec<_> = reader.records().map(|row| row.expect("it is CSV")).collect();
    let first: Vec<_> = rows[0].iter().collect();
    assert_eq!(first[..4], ["c.toml", "u0@x.example", "", "sent"]);
    assert_eq!((first[6], first[7]), ("Q42", "1"));
    assert_eq!(rows.iter().map(|row| row[3].to_owned()).collect::<Vec<_>>(), ["sent", "unknown", "deferred"]);
    let some = batch.ledger(&["export", "--csv", "--state", "deferred"]).stdout;
    assert_eq!(some.lines().count(), 2, "{some}");
}

#[test]
fn rows_are_resolved_by_their_key_or_state() {
    let batch = one_row_in_each_state();
    assert_eq!(batch.ledger(&["resolve", "u1@x.example", "sent"]).stdout, "1 row sent\n");
    assert_eq!((batch.count("sent"), batch.count("unknown")), (2, 0));
    assert_eq!(batch.ledger(&["resolve", "--state", "deferred", "pending"]).stdout, "1 row pending\n");
    assert_eq!(batch.ledger(&["resolve", "--state", "unknown", "sent"]).stdout, "0 rows sent\n");
    let before = batch.ledger(&["list", "--state", "sent"]).stdout;
    assert!(before.contains("Q42") && before.contains("resolved by hand"), "{before}");
    assert_eq!(batch.ledger(&["resolve", "u0@x.example", "sent"]).stdout, "1 row sent\n");
    assert_eq!(batch.ledger(&["list", "--state", "sent"]).stdout, before, "what a server said stays");
    let server = FaultServer::start();
    assert_eq!(batch.run(&server, &[]).status, 0);
    assert_eq!(server.recipients(), ["u2@x.example"]);
}

#[test]
fn a_key_is_found_in_any_case_if_the_session_ignores_case() {
    for (key_case, status, said) in [("ignore", 0, "1 row sent\n"), ("exact", 65, "")] {
        let (batch, server) = (BatchFixture::new(0), behaving(&[Behaviour::AcceptsSilently]).start());
        batch.write("c.toml", format!("{SESSION}key_case = \"{key_case}\"\n"));
        batch.write("p.csv", "email\nAnn@x.example\n");
        assert_eq!(batch.run(&server, &[]).status, 74);
        let ran = batch.ledger(&["resolve", "ann@X.example", "sent"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (status, said), "{key_case}: {}", ran.stderr);
        assert_eq!(batch.count("sent"), usize::from(status == 0), "{key_case}");
    }
}

#[test]
fn invalid_arguments_are_refused_and_change_nothing() {
    let batch = one_row_in_each_state();
    let before = batch.ledger(&["export", "--csv"]).stdout;
    for (arguments, status, words) in [
        (&["resolve", "nobody@x.example", "sent"][..], 65, "nobody@x.example"),
        (&["resolve", "u1@x.example", "gone"], 64, "gone"),
        (&["resolve", "u1@x.example", "unknown"], 64, "sent, deferred or pending"),
        (&["resolve", "--state", "lost", "sent"], 64, "pending"),
        (&["resolve", "--state", "unknown"], 64, "sent, deferred or pending"),
        (&["resolve", "u1@x.example"], 64, "sent, deferred or pending"),
        (&["resolve"], 64, "sent, deferred or pending"),
        (&["list", "--state", "lost"], 64, "pending"),
        (&["merge"], 64, "required"),
        (&["merge", "none.db"], 66, "none.db"),
        (&["merge", "p.csv"], 73, "p.csv"),
        (&["merge", "l.db"], 64, "itself"),
        (&["merge", "./l.db"], 64, "itself"),
    ] {
        let ran = batch.ledger(arguments);
        assert_eq!(ran.status, status, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(batch.ledger(&["export", "--csv"]).stdout, before);
    std::fs::remove_file(batch.path("l.db")).expect("it is there");
    let ran = batch.ledger(&[]);
    assert_eq!((ran.status, ran.stderr.contains("no ledger l.db")), (66, true), "{}", ran.stderr);
    assert!(!batch.path("l.db").exists(), "reading a ledger does not create one");
}

#[test]
fn keys_are_escaped_for_a_terminal_and_exact_in_csv() {
    let batch = BatchFixture::new(0);
    let rows = serde_json::json!({ "email": "u@x.example", "id": AWKWARD });
    batch.write("p.jsonl", rows.to_string());
    batch.write(
        "c.toml",
        crate::fixture::SESSION.replace("p.csv", "p.jsonl").replace("key = \"email\"", "key = \"id\""),
    );
    let server = FaultServer::start();
    let ran = batch.run(&server, &[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let list = batch.ledger(&["list"]).stdout;
    assert!(!list.contains('\u{1b}') && list.starts_with("$'a,\"b\" \\x1b[2J' sent"), "{list:?}");
    let export = batch.ledger(&["export", "--csv"]).stdout;
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    assert_eq!(&reader.records().next().expect("a row").expect("it is CSV")[1], AWKWARD);
    assert_eq!(batch.ledger(&["resolve", AWKWARD, "pending"]).stdout, "1 row pending\n");
    // A line that begins with two colons is a command to some CI systems.
    let db = rusqlite::Connection::open(batch.path("l.db")).expect("it is a database");
    db.execute("UPDATE row SET key = '::error::x'", []).expect("it is a row");
    let list = batch.ledger(&["list"]).stdout;
    assert!(list.starts_with("\\x3a:error::x pending"), "{list:?}");
}

#[test]
fn merging_keeps_the_more_certain_state() {
    // For each pair of states the more certain one is kept, whichever ledger is merged into the other.
    let states = ["sent", "refused", "unknown", "deferred", "pending"];
    for (mine, theirs) in states.iter().flat_map(|mine| states.iter().map(move |theirs| (mine, theirs))) {
        let (a, b) = (with_state(mine), with_state(theirs));
        let path = b.path("l.db");
        let merged = a.ledger(&["merge", path.to_str().expect("it is text")]);
        assert_eq!(merged.status, 0, "{mine} and {theirs}: {}", merged.stderr);
        let place = |state: &str| states.iter().position(|known| *known == state);
        let certain = if place(mine) < place(theirs) { mine } else { theirs };
        assert_eq!(a.count(certain), 1, "{mine} and {theirs}: {}", a.ledger(&[]).stdout);
    }
}

fn with_state(state: &str) -> BatchFixture {
    let batch = BatchFixture::new(1);
    let server = FaultServer::start();
    assert_eq!(batch.run(&server, &[]).status, 0);
    let db = rusqlite::Connection::open(batch.path("l.db")).expect("it is a database");
    db.execute("UPDATE row SET state = ?1", [state]).expect("it is a row");
    batch
}

#[test]
fn shards_are_merged_into_a_new_ledger_that_only_its_owner_reads() {
    let (a, b) = (with_state("sent"), with_state("unknown"));
    let paths = [&a, &b].map(|batch| batch.path("l.db").to_str().expect("it is text").to_owned());
    let new = BatchFixture::new(0);
    let merged = new.ledger(&["merge", &paths[0], &paths[1]]);
    assert_eq!((merged.status, new.count("sent")), (0, 1), "{}", merged.stderr);
    for path in [new.path("l.db"), a.path("l.db")] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_ledger_that_is_missing_is_found_before_a_new_one_is_created() {
    let batch = with_state("sent");
    let merged = batch.mailrun(&["ledger", "all.db", "merge", "l.db", "none.db"]).run().exits(66);
    assert!(merged.stderr.contains("no ledger none.db"), "{merged}");
    assert!(!batch.names().contains(&"all.db".to_owned()));
    let merged = batch.mailrun(&["ledger", "all.db", "merge", "l.db"]).run().exits(0);
    assert_eq!(merged.stdout, "1 row of l.db\n");
}

#[test]
fn another_session_s_ledger_is_not_merged() {
    let (mine, theirs) = (with_state("sent"), with_state("unknown"));
    let db = rusqlite::Connection::open(theirs.path("l.db")).expect("it is a database");
    db.execute_batch("UPDATE session SET name = 'd.toml'; UPDATE row SET session = 'd.toml'").expect("it is a ledger");
    let merged = mine.ledger(&["merge", theirs.path("l.db").to_str().expect("it is text")]);
    assert_eq!(merged.status, 65, "{}", merged.stderr);
    assert!(merged.stderr.contains("it belongs to d.toml, not to c.toml"), "{}", merged.stderr);
    assert_eq!(mine.ledger(&[]).stdout.lines().last(), Some("rows             1"));
}

#[test]
fn rows_of_a_run_that_is_still_running_are_neither_resolved_nor_merged_over() {
    let batch = BatchFixture::new(2);
    let server = replying_on_release();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    assert_eq!(batch.count("sending"), 1);
    let resolved = batch.ledger(&["resolve", "u0@x.example", "pending"]);
    assert_eq!((resolved.status, resolved.stderr.contains("a running batch holds it")), (65, true), "{resolved:?}");
    assert_eq!(batch.ledger(&["resolve", "--state", "sending", "pending"]).stdout, "0 rows pending\n");
    let other = with_state("refused");
    let path = other.path("l.db");
    assert_eq!(batch.ledger(&["merge", path.to_str().expect("it is text")]).status, 0);
    assert_eq!(batch.count("refused"), 0);
    server.release();
    assert_eq!(child.wait().status, 0);
    assert_eq!((batch.count("sent"), server.accepted_once()), (2, 2));
}
