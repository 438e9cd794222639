//! Files that are not a ledger, ledgers of other sessions and ledgers that cannot be written: a clear error, and nothing
//! is sent.

use crate::fixture::{BatchFixture, SESSION};
use crate::support::{FaultServer, PROGRAM, tool};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;

/// What the ledger's file is, how it is prepared, the exit status and the words of the error.
type Case = (&'static str, fn(&BatchFixture), i32, &'static str);

fn sent_before(batch: &BatchFixture) {
    let server = FaultServer::start();
    assert_eq!(batch.run(&server, &[]).status, 0);
}

fn truncated_to(batch: &BatchFixture, part: fn(u64) -> u64) {
    sent_before(batch);
    let file = std::fs::OpenOptions::new().write(true).open(batch.path("l.db")).expect("it is there");
    let length = file.metadata().expect("it is there").len();
    file.set_len(part(length)).expect("it can be cut");
}

fn database(batch: &BatchFixture, words: &str) {
    Connection::open(batch.path("l.db")).and_then(|db| db.execute_batch(words)).expect("a database can be made");
}

const CASES: [Case; 11] = [
    ("a text", |batch| batch.write("l.db", "not a database at all\n".repeat(100)), 73, "not an SQLite database"),
    ("a short text", |batch| batch.write("l.db", "x"), 73, "not an SQLite database"),
    ("a header alone", |batch| batch.write("l.db", "SQLite format 3\0"), 73, "not an SQLite database"),
    ("a ledger cut in half", |batch| truncated_to(batch, |length| length / 2), 73, "damaged"),
    ("a ledger cut within a page", |batch| truncated_to(batch, |length| length - 1000), 73, "damaged"),
    ("a folder", |batch| std::fs::create_dir(batch.path("l.db")).expect("it can be made"), 73, "cannot be opened"),
    ("another program's", |batch| database(batch, "CREATE TABLE x (y)"), 73, "another program's database"),
    (
        "a newer version's",
        |batch| database(batch, "CREATE TABLE x (y); PRAGMA application_id = 1836217710; PRAGMA user_version = 99"),
        73,
        "a newer version of mailrun made it",
    ),
    (
        "another session's",
        |batch| {
            batch.write("other.toml", SESSION);
            let server = FaultServer::start();
            let run = batch.mailrun(&["run", "-q", "--server", &server.url("smtp"), "--ledger", "l.db"]);
            run.args(["other.toml"]).run().exits(0);
        },
        65,
        "it belongs to another session (other.toml)",
    ),
    (
        "one whose key column changed",
        |batch| {
            sent_before(batch);
            batch.write("p.csv", "email,id\nu0@x.example,1\n");
            batch.write("c.toml", SESSION.replace("key = \"email\"", "key = \"id\""));
        },
        65,
        "the key of c.toml changed from \"email\" to \"id\"",
    ),
    (
        "a pipe",
        |batch| {
            let made = tool("mkfifo").arg(batch.path("l.db")).status();
            assert!(made.expect("mkfifo starts").success());
        },
        73,
        "cannot use the ledger l.db",
    ),
];

#[test]
fn a_file_that_is_not_a_ledger_of_this_session_is_refused() {
    for (what, prepare, status, words) in CASES {
        let batch = BatchFixture::new(200);
        prepare(&batch);
        let server = FaultServer::start();
        let ran = batch.run(&server, &[]);
        assert_eq!(ran.status, status, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("ledger l.db"), "{what}: {}", ran.stderr);
        assert_eq!(server.accepted_once(), 0, "{what}: nothing is sent");
    }
}

#[test]
fn a_ledger_that_another_program_locks_is_refused_after_a_wait() {
    let batch = BatchFixture::new(1);
    sent_before(&batch);
    batch.write("p.csv", "email\nnew@x.example\n");
    let other = Connection::open(batch.path("l.db")).expect("it is a database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else has it");
    let server = FaultServer::start();
    let ran = batch.run(&server, &[]);
    assert_eq!((ran.status, server.accepted_once()), (73, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("locked by another program"), "{}", ran.stderr);
    other.execute_batch("COMMIT").expect("it is ours");
    assert_eq!(batch.run(&server, &[]).status, 0);
}

#[test]
fn a_ledger_without_write_permission_is_refused() {
    for (what, mode, folder_mode) in [("a file", 0o444, 0o777), ("a folder", 0o666, 0o555)] {
        let batch = BatchFixture::new(1);
        sent_before(&batch);
        let allow = |name: &str, mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(batch.path(name), permissions).expect("it is ours");
        };
        let copy = batch.path("mailrun");
        std::fs::copy(PROGRAM, &copy).expect("the program can be copied");
        allow("mailrun", 0o755);
        allow("l.db", mode);
        allow(".", folder_mode);
        let server = FaultServer::start();
        let mut run = batch.command(&server);
        // Permissions do not apply to root, so another user runs a copy that it can reach.
        if rustix::process::geteuid().is_root() {
            let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
            run = run.through(user).program(&copy);
        }
        let ran = run.run();
        allow(".", 0o755);
        assert_eq!((ran.status, server.accepted_once()), (73, 0), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot use the ledger l.db"), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("read-only") || ran.stderr.contains("cannot be"), "{what}: {}", ran.stderr);
    }
}

#[test]
fn options_that_do_not_go_with_a_ledger_are_refused_before_anything_is_sent() {
    let server = FaultServer::start();
    let batch = BatchFixture::new(1);
    for (options, status, words) in [
        (&["--repeat", "2"][..], 64, "--repeat"),
        (&["--duration", "1s"], 64, "--duration"),
        (&["--ledger", "no/such/l.db"], 73, "no/such/l.db"),
    ] {
        let ledger: &[&str] = if options[0] == "--ledger" { &[] } else { &["--ledger", "x.db"] };
        let ran = batch.without_ledger(&server).args(ledger).args(options).run();
        assert_eq!(ran.status, status, "{options:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{options:?}: {}", ran.stderr);
    }
    let ran = batch.without_ledger(&server).args(["--resend-unknown"]).run();
    assert_eq!(ran.status, 64, "{}", ran.stderr);
    batch.write("c.toml", SESSION.replace("key = \"email\"\n", ""));
    let ran = batch.run(&server, &[]);
    assert_eq!(ran.status, 65);
    assert!(ran.stderr.contains("\"key\" in [rows]"), "{}", ran.stderr);
}

#[test]
fn a_ledger_of_the_first_version_goes_on() {
    let (batch, server) = (BatchFixture::new(4), FaultServer::start());
    assert_eq!(batch.run(&server, &["--limit", "2"]).status, 0);
    let first = "DROP INDEX row_folded; ALTER TABLE row DROP COLUMN folded; ALTER TABLE recipient DROP COLUMN attempts;
                 ALTER TABLE recipient DROP COLUMN changed; ALTER TABLE session DROP COLUMN key_case; PRAGMA user_version = 1";
    database(&batch, first);
    assert_eq!(batch.run(&server, &[]).status, 0);
    assert_eq!((server.accepted_once(), batch.count("sent")), (4, 4));
}

#[test]
fn a_ledger_that_does_not_say_how_keys_are_compared_learns_it_from_a_merged_one() {
    let of_a_run = || {
        let (batch, server) = (BatchFixture::new(1), FaultServer::start());
        batch.write("c.toml", format!("{SESSION}key_case = \"ignore\"\n"));
        assert_eq!(batch.run(&server, &[]).status, 0);
        batch
    };
    let (older, newer) = (of_a_run(), of_a_run());
    database(&older, "ALTER TABLE session DROP COLUMN key_case; PRAGMA user_version = 2");
    older.ledger(&["resolve", "U0@x.example", "pending"]).exits(65);
    older.ledger(&["merge", newer.path("l.db").to_str().expect("it is text")]).exits(0);
    older.ledger(&["resolve", "U0@x.example", "pending"]).exits(0);
}

#[test]
fn content_is_not_sent_again_and_again_to_another_machine_unless_that_is_wanted() {
    let (batch, server) = (BatchFixture::new(1), FaultServer::start());
    // The run ends before the step that would connect to the other machine.
    let steps =
        "[[step]]\nexpect = 421\n[[step]]\nbody = \"x\"\nexpect = 250\non = \"other\"\nserver = \"smtp://192.0.2.1\"\n";
    batch.write("other.toml", format!("client_name = \"t\"\n{steps}"));
    for load in [["--repeat", "2"], ["--duration", "1s"]] {
        for command in ["run", "test"] {
            let run = |more: &[&str], file: &str| batch.mailrun(&[command]).args(load).args(more).args([file]).run();
            for (file, url) in [("c.toml", "smtp://192.0.2.1"), ("other.toml", &server.url("smtp"))] {
                let refused = run(&["--server", url], file).exits(64);
                assert!(refused.stderr.contains("again and again") && refused.stderr.contains("--yes"), "{refused}");
            }
            run(&["--server", "smtp://192.0.2.1", "--dry-run", "--sink", "box"], "c.toml").exits(0);
            let wanted = run(&["--server", &server.url("smtp"), "--yes"], "other.toml").exits(1);
            assert!(wanted.to_string().contains("expected 421"), "it ran: {wanted}");
        }
    }
}
