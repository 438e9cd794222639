//! Ledgers that are none, belong to others or cannot be written: a clear error, and nothing is sent.

use crate::fixture::{BatchFixture, CommandResult, SESSION, Server};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What is in the ledger's place, with the status and the words that it is refused with.
type Case = (&'static str, fn(&BatchFixture), i32, &'static str);

fn sent_before(batch: &BatchFixture) {
    let server = Server::start();
    assert_eq!(batch.run(server.port, &[]).status, 0);
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
    ("a text", |batch| batch.write("l.db", "not a database at all\n".repeat(100)), 73, "no SQLite database"),
    ("a short text", |batch| batch.write("l.db", "x"), 73, "no SQLite database"),
    ("a header alone", |batch| batch.write("l.db", "SQLite format 3\0"), 73, "no SQLite database"),
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
            let server = Server::start();
            let options = ["run", "-q", "--server", &format!("smtp://127.0.0.1:{}", server.port), "--ledger", "l.db"];
            let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
            let ran = CommandResult::of(command.args(options).arg("other.toml").current_dir(batch.path(".")));
            assert_eq!(ran.status, 0, "{}", ran.errors);
        },
        65,
        "another session's (other.toml)",
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
            let made = Command::new("mkfifo").arg(batch.path("l.db")).status();
            assert!(made.expect("mkfifo is there").success());
        },
        73,
        "cannot use the ledger l.db",
    ),
];

#[test]
fn what_is_no_ledger_of_this_session_is_refused() {
    for (what, prepare, status, words) in CASES {
        let batch = BatchFixture::new(200);
        prepare(&batch);
        let server = Server::start();
        let ran = batch.run(server.port, &[]);
        assert_eq!(ran.status, status, "{what}: {}", ran.errors);
        assert!(ran.errors.contains(words) && ran.errors.contains("ledger l.db"), "{what}: {}", ran.errors);
        assert_eq!(server.accepted_once(), 0, "{what}: nothing is sent");
    }
}

#[test]
fn a_ledger_that_another_program_locks_is_waited_for_and_then_refused() {
    let batch = BatchFixture::new(1);
    sent_before(&batch);
    batch.write("p.csv", "email\nnew@x.example\n");
    let other = Connection::open(batch.path("l.db")).expect("it is a database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else has it");
    let server = Server::start();
    let ran = batch.run(server.port, &[]);
    assert_eq!((ran.status, server.accepted_once()), (73, 0), "{}", ran.errors);
    assert!(ran.errors.contains("locked by another program"), "{}", ran.errors);
    other.execute_batch("COMMIT").expect("it is ours");
    assert_eq!(batch.run(server.port, &[]).status, 0);
}

#[test]
fn a_ledger_that_may_not_be_written_is_refused() {
    for (what, mode, folder_mode) in [("a file", 0o444, 0o777), ("a folder", 0o666, 0o555)] {
        let batch = BatchFixture::new(1);
        sent_before(&batch);
        let allow = |name: &str, mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(batch.path(name), permissions).expect("it is ours");
        };
        allow("l.db", mode);
        allow(".", folder_mode);
        let server = Server::start();
        let whole = batch.command(server.port);
        // Nobody forbids root anything.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            command
        } else {
            Command::new("env")
        };
        command.current_dir(batch.path(".")).stdin(Stdio::null());
        let mut probe = Command::new(command.get_program());
        let probed = probe.args(command.get_args()).args([whole.get_program()]).arg("--version").output();
        if !probed.is_ok_and(|output| output.status.success()) {
            println!("skipped: root cannot run mailrun as somebody else here");
            allow(".", 0o755);
            return;
        }
        let ran = CommandResult::of(command.arg(whole.get_program()).args(whole.get_args()));
        allow(".", 0o755);
        assert_eq!((ran.status, server.accepted_once()), (73, 0), "{what}: {}", ran.errors);
        assert!(ran.errors.contains("cannot use the ledger l.db"), "{what}: {}", ran.errors);
        assert!(ran.errors.contains("read-only") || ran.errors.contains("cannot be"), "{what}: {}", ran.errors);
    }
}

#[test]
fn what_a_ledger_forbids_is_refused_before_anything_is_sent() {
    let server = Server::start();
    let batch = BatchFixture::new(1);
    for (options, status, words) in [
        (&["--repeat", "2"][..], 64, "--repeat"),
        (&["--duration", "1s"], 64, "--duration"),
        (&["--ledger", "no/such/l.db"], 73, "no/such/l.db"),
    ] {
        let ran = CommandResult::of(
            batch.without_ledger(server.port).args(["--ledger", "x.db"]).args(if options[0] == "--ledger" {
                &[][..]
            } else {
                options
            }),
        );
        let ran = if options[0] == "--ledger" {
            CommandResult::of(batch.without_ledger(server.port).args(options))
        } else {
            ran
        };
        assert_eq!(ran.status, status, "{options:?}: {}", ran.errors);
        assert!(ran.errors.contains(words), "{options:?}: {}", ran.errors);
    }
    let ran = CommandResult::of(batch.without_ledger(server.port).arg("--resend-unknown"));
    assert_eq!(ran.status, 64, "{}", ran.errors);
    batch.write("c.toml", SESSION.replace("key = \"email\"\n", ""));
    let ran = batch.run(server.port, &[]);
    assert_eq!(ran.status, 65);
    assert!(ran.errors.contains("\"key\" in [rows]"), "{}", ran.errors);
}
