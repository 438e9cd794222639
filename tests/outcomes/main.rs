//! For every kind of fault at every point of the dialogue: the ledger has the state of each recipient, and the next run,
//! against a server without the fault, sends once to those who still need the mail and to nobody else.

#[path = "../support/mod.rs"]
mod support;

mod model;
mod server;

use model::{Case, Recipient, States};
use server::{Fault, Point, ServerKind};
use std::collections::BTreeMap;
use std::sync::Mutex;
use support::{FaultServer, Folder};

/// The ledger: for each row and recipient, its state and the reply that decided it.
fn ledger(folder: &Folder) -> BTreeMap<(String, String), (String, String)> {
    let export = folder.mailrun(["ledger", "l.db", "export", "--csv"]).run().stdout;
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let cells = |row: csv::StringRecord| {
        let cell = |index: usize| row.get(index).unwrap_or_default().to_owned();
        ((cell(1), cell(2)), (cell(3), cell(5)))
    };
    reader.records().map(|row| cells(row.expect("it is CSV"))).collect()
}

fn run(folder: &Folder, case: &Case, server: &FaultServer) -> i32 {
    run_with(folder, case, server, &[])
}

fn run_with(folder: &Folder, case: &Case, server: &FaultServer, options: &[&str]) -> i32 {
    let scheme = if case.kind.lmtp { "lmtp" } else { "smtp" };
    let run = folder.mailrun(["run", "--quiet", "--server", &server.url(scheme), "--ledger", "l.db", "c.toml"]);
    run.args(options).run().status
}

/// The state of a recipient; a row with one recipient has only the state of the row.
fn state(ledger: &BTreeMap<(String, String), (String, String)>, row: &str, recipient: &str) -> String {
    let own = ledger.get(&(row.to_owned(), recipient.to_owned()));
    own.or_else(|| ledger.get(&(row.to_owned(), String::new()))).map_or("pending", |(state, _)| state).to_owned()
}

/// Everything that is wrong about a case.
fn wrong(case: &Case) -> Vec<String> {
    if !matches!(case.fault, Fault::Silence | Fault::Garbage) {
        return wrong_with(case, &[]);
    }
    let wrong = wrong_with(case, &["--timeout", "1s"]);
    // A busy machine may let the client wait longer for a reply that does come: the long wait decides.
    if wrong.is_empty() { wrong } else { wrong_with(case, &["--timeout", "20s"]) }
}

/// The same, with options of the first run.
fn wrong_with(case: &Case, options: &[&str]) -> Vec<String> {
    let folder = case.folder();
    let server = server::start(case.kind, case.point, case.fault);
    let status = run_with(&folder, case, &server, options);
    let (first, book) = (server.take_recipients(), ledger(&folder));
    server.heal();
    run(&folder, case, &server);
    let (second, after) = (server.take_recipients(), ledger(&folder));

    let mut wrong = Vec::new();
    let mut any_left = false;
    for Recipient { row, name, expected } in case.recipients() {
        let (before, later) = (state(&book, &row, &name), state(&after, &row, &name));
        let count = |accepted: &[String]| accepted.iter().filter(|accepted| **accepted == name).count();
        let (times, again) = (count(&first), count(&second));
        let allowed: States = expected;
        if !allowed.contains(&before.as_str()) {
            wrong.push(format!("{name} is {before}, and not {allowed:?}"));
        }
        let whole = state(&book, &row, "");
        let owed =
            matches!(whole.as_str(), "pending" | "deferred") && matches!(before.as_str(), "pending" | "deferred");
        any_left |= before != "sent";
        if times != usize::from(before == "sent") {
            wrong.push(format!("{name} is {before}, and was taken {times} times"));
        }
        if again != usize::from(owed) {
            wrong.push(format!("{name} of a row that is {whole} is {before}, and got {again} in the second run"));
        }
        let stays = if owed { "sent" } else { before.as_str() };
        if later != stays {
            wrong.push(format!("{name} was {before}, and is {later} in the end"));
        }
    }
    if (status == 0) == any_left {
        wrong.push(format!("the first run ended with {status}"));
    }
    // The reply in the ledger is the one that decided.
    for ((row, name), (state, reply)) in &book {
        let follows = ["503", "221", "354"].iter().any(|code| reply.starts_with(code));
        let decided = match state.as_str() {
            "sent" => reply.starts_with('2'),
            "refused" => reply.starts_with('5'),
            "deferred" => reply.is_empty() || !reply.starts_with('2'),
            _ => true,
        };
        if follows || !decided {
            wrong.push(format!("{row} {name} is {state} because of {reply:?}"));
        }
    }
    wrong
}

/// Runs all cases, eight in parallel, since some wait.
fn check_all(cases: Vec<Case>) {
    let (left, wrongs) = (Mutex::new(cases), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = { left.lock().expect("no one panics with it").pop() } {
                    let wrong = wrong(&case);
                    if !wrong.is_empty() {
                        let mut wrongs = wrongs.lock().expect("no one panics with it");
                        wrongs.push(format!("{case:?}:\n    {}", wrong.join("\n    ")));
                    }
                }
            });
        }
    });
    let mut wrongs = wrongs.into_inner().expect("no one panics with it");
    wrongs.sort();
    assert!(wrongs.is_empty(), "{} cases:\n{}", wrongs.len(), wrongs.join("\n"));
}

#[test]
fn a_row_stopped_by_a_refusal_is_sent_to_all_recipients_after_it_is_resolved() {
    let kind = ServerKind { pipelining: true, chunking: true, lmtp: false };
    let (point, fault) = (Point::Rcpt, Fault::No);
    let case = Case { kind, point, fault, rows: true, several: true, skip: false, in_flight: 1 };
    let (folder, server) = (case.folder(), server::start(kind, point, fault));
    assert_eq!(run(&folder, &case, &server), 1);
    let book = ledger(&folder);
    let states = ["", "a.u2@x.example", "b.u2@x.example", "c.u2@x.example"].map(|name| state(&book, "u2", name));
    assert_eq!(states, ["refused", "pending", "refused", "pending"]);
    assert_eq!(server.take_recipients().len(), 6, "the other rows");
    server.heal();
    assert_eq!((run(&folder, &case, &server), server.take_recipients()), (1, vec![]), "nobody gets it");
    folder.mailrun(["ledger", "l.db", "resolve", "u2", "pending"]).run().exits(0);
    assert_eq!(run(&folder, &case, &server), 0);
    assert_eq!(server.take_recipients(), ["a.u2@x.example", "b.u2@x.example", "c.u2@x.example"]);
}

#[test]
fn a_duplicate_key_does_not_change_the_state_of_the_first_row() {
    let kind = ServerKind { pipelining: true, chunking: false, lmtp: false };
    let (point, fault) = (Point::Quit, Fault::Close);
    let case = Case { kind, point, fault, rows: true, several: false, skip: false, in_flight: 1 };
    let (folder, server) = (case.folder(), server::start(kind, point, fault));
    folder.write("p.csv", "user\nu1\nu2\nu1\n");
    assert_eq!(run(&folder, &case, &server), 65);
    assert_eq!(server.take_recipients(), ["b.u1@x.example", "b.u2@x.example"]);
    let sent = ("sent".to_owned(), "250 2.0.0 queued as Q42".to_owned());
    let book = ledger(&folder);
    assert_eq!(book.into_values().collect::<Vec<_>>(), [sent.clone(), sent]);
}

const FAULTS: [Fault; 7] =
    [Fault::Later, Fault::No, Fault::Bye, Fault::Close, Fault::Reset, Fault::Silence, Fault::Garbage];

/// If `alike`, the servers offer both PIPELINING and CHUNKING or neither; else one of them.
fn cases(lmtp: bool, points: &[Point], in_flight: u32, alike: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let both = [false, true];
    for (pipelining, chunking) in both.map(|one| (one, one == alike)) {
        let kind = ServerKind { pipelining, chunking, lmtp };
        for (point, fault) in points.iter().flat_map(|point| FAULTS.map(|fault| (*point, fault))) {
            for (rows, several, skip) in both
                .into_iter()
                .flat_map(|rows| both.map(|several| (rows, several)))
                .flat_map(|(rows, several)| both.map(|skip| (rows, several, skip)))
            {
                let case = Case { kind, point, fault, rows, several, skip, in_flight };
                if case.is_sensible() {
                    cases.push(case);
                }
            }
        }
    }
    cases
}

const PRELUDE: [Point; 4] = [Point::Greeting, Point::Ehlo, Point::Starttls, Point::Auth];
const MESSAGE: [Point; 6] = [Point::Mail, Point::Rcpt, Point::Data, Point::Midway, Point::Content, Point::Quit];

#[test]
fn faults_before_a_message_lose_nothing() {
    check_all([cases(false, &PRELUDE, 1, true), cases(true, &PRELUDE, 1, true)].concat());
}

#[test]
fn faults_within_a_message_give_each_recipient_the_state_of_its_reply() {
    check_all(cases(false, &MESSAGE, 1, true));
}

#[test]
fn faults_within_a_message_over_lmtp_give_each_recipient_the_state_of_its_reply() {
    check_all(cases(true, &MESSAGE, 1, true));
}

#[test]
fn faults_with_messages_in_flight_make_unanswered_ones_unknown() {
    check_all([cases(false, &MESSAGE, 3, true), cases(true, &MESSAGE, 3, true)].concat());
}

#[test]
#[ignore = "make soak"]
fn faults_with_only_one_extension_give_the_same_states() {
    check_all([cases(false, &MESSAGE, 1, false), cases(true, &MESSAGE, 1, false)].concat());
}
