//! Ledgers that are none, belong to others or cannot be written: a clear error, and nothing is sent.

use crate::bed::{Bed, Ran, SESSION, Server};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What is in the ledger's place, with the status and the words that it is refused with.
type Case = (&'static str, fn(&Bed), i32, &'static str);

fn sent_before(bed: &Bed) {
    let server = Server::start();
    assert_eq!(bed.run(server.port, &[]).status, 0);
}

fn truncated_to(bed: &Bed, part: fn(u64) -> u64) {
    sent_before(bed);
    let file = std::fs::OpenOptions::new().write(true).open(bed.path("l.db")).expect("it is there");
    let length = file.metadata().expect("it is there").len();
    file.set_len(part(length)).expect("it can be cut");
}

fn database(bed: &Bed, words: &str) {
    Connection::open(bed.path("l.db")).and_then(|db| db.execute_batch(words)).expect("a database can be made");
}

const CASES: [Case; 11] = [
    ("a text", |bed| bed.write("l.db", "not a database at all\n".repeat(100)), 73, "no SQLite database"),
    ("a short text", |bed| bed.write("l.db", "x"), 73, "no SQLite database"),
    ("a header alone", |bed| bed.write("l.db", "SQLite format 3\0"), 73, "no SQLite database"),
    ("a ledger cut in half", |bed| truncated_to(bed, |length| length / 2), 73, "damaged"),
    ("a ledger cut within a page", |bed| truncated_to(bed, |length| length - 1000), 73, "damaged"),
    ("a folder", |bed| std::fs::create_dir(bed.path("l.db")).expect("it can be made"), 73, "cannot be opened"),
    ("another program's", |bed| database(bed, "CREATE TABLE x (y)"), 73, "another program's database"),
    (
        "a newer version's",
        |bed| database(bed, "CREATE TABLE x (y); PRAGMA application_id = 1836217710; PRAGMA user_version = 99"),
        73,
        "a newer version of mailrun made it",
    ),
    (
        "another session's",
        |bed| {
            bed.write("other.toml", SESSION);
            let server = Server::start();
            let options = ["run", "-q", "--server", &format!("smtp://127.0.0.1:{}", server.port), "--ledger", "l.db"];
            let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
            let ran = Ran::of(command.args(options).arg("other.toml").current_dir(bed.path(".")));
            assert_eq!(ran.status, 0, "{}", ran.errors);
        },
        65,
        "another session's (other.toml)",
    ),
    (
        "one whose key column changed",
        |bed| {
            sent_before(bed);
            bed.write("p.csv", "email,id\nu0@x.example,1\n");
            bed.write("c.toml", SESSION.replace("key = \"email\"", "key = \"id\""));
        },
        65,
        "the key of c.toml changed from \"email\" to \"id\"",
    ),
    (
        "a pipe",
        |bed| {
            let made = Command::new("mkfifo").arg(bed.path("l.db")).status();
            assert!(made.expect("mkfifo is there").success());
        },
        73,
        "cannot use the ledger l.db",
    ),
];

#[test]
fn what_is_no_ledger_of_this_session_is_refused() {
    for (what, prepare, status, words) in CASES {
        let bed = Bed::new(200);
        prepare(&bed);
        let server = Server::start();
        let ran = bed.run(server.port, &[]);
        assert_eq!(ran.status, status, "{what}: {}", ran.errors);
        assert!(ran.errors.contains(words) && ran.errors.contains("ledger l.db"), "{what}: {}", ran.errors);
        assert_eq!(server.once(), 0, "{what}: nothing is sent");
    }
}

#[test]
fn a_ledger_that_another_program_locks_is_waited_for_and_then_refused() {
    let bed = Bed::new(1);
    sent_before(&bed);
    bed.write("p.csv", "email\nnew@x.example\n");
    let other = Connection::open(bed.path("l.db")).expect("it is a database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else has it");
    let server = Server::start();
    let ran = bed.run(server.port, &[]);
    assert_eq!((ran.status, server.once()), (73, 0), "{}", ran.errors);
    assert!(ran.errors.contains("locked by another program"), "{}", ran.errors);
    other.execute_batch("COMMIT").expect("it is ours");
    assert_eq!(bed.run(server.port, &[]).status, 0);
}

#[test]
fn a_ledger_that_may_not_be_written_is_refused() {
    for (what, mode, folder_mode) in [("a file", 0o444, 0o777), ("a folder", 0o666, 0o555)] {
        let bed = Bed::new(1);
        sent_before(&bed);
        let allow = |name: &str, mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(bed.path(name), permissions).expect("it is ours");
        };
        allow("l.db", mode);
        allow(".", folder_mode);
        let server = Server::start();
        let whole = bed.command(server.port);
        // Nobody forbids root anything.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            command
        } else {
            Command::new("env")
        };
        command.current_dir(bed.path(".")).stdin(Stdio::null());
        let mut probe = Command::new(command.get_program());
        let probed = probe.args(command.get_args()).args([whole.get_program()]).arg("--version").output();
        if !probed.is_ok_and(|output| output.status.success()) {
            println!("skipped: root cannot run mailrun as somebody else here");
            allow(".", 0o755);
            return;
        }
        let ran = Ran::of(command.arg(whole.get_program()).args(whole.get_args()));
        allow(".", 0o755);
        assert_eq!((ran.status, server.once()), (73, 0), "{what}: {}", ran.errors);
        assert!(ran.errors.contains("cannot use the ledger l.db"), "{what}: {}", ran.errors);
        assert!(ran.errors.contains("read-only") || ran.errors.contains("cannot be"), "{what}: {}", ran.errors);
    }
}

#[test]
fn what_a_ledger_forbids_is_refused_before_anything_is_sent() {
    let server = Server::start();
    let bed = Bed::new(1);
    for (options, status, words) in [
        (&["--repeat", "2"][..], 64, "--repeat"),
        (&["--duration", "1s"], 64, "--duration"),
        (&["--ledger", "no/such/l.db"], 73, "no/such/l.db"),
    ] {
        let ran =
            Ran::of(bed.without_ledger(server.port).args(["--ledger", "x.db"]).args(if options[0] == "--ledger" {
                &[][..]
            } else {
                options
            }));
        let ran = if options[0] == "--ledger" { Ran::of(bed.without_ledger(server.port).args(options)) } else { ran };
        assert_eq!(ran.status, status, "{options:?}: {}", ran.errors);
        assert!(ran.errors.contains(words), "{options:?}: {}", ran.errors);
    }
    let ran = Ran::of(bed.without_ledger(server.port).arg("--resend-unknown"));
    assert_eq!(ran.status, 64, "{}", ran.errors);
    bed.write("c.toml", SESSION.replace("key = \"email\"\n", ""));
    let ran = bed.run(server.port, &[]);
    assert_eq!(ran.status, 65);
    assert!(ran.errors.contains("\"key\" in [rows]"), "{}", ran.errors);
}
