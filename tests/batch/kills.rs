//! Kills a batch at random moments and at each write of its ledger, and starts it again: no row is accepted twice, and
//! each is accepted unless the ledger calls it unknown.

use crate::fixture::{BatchFixture, SESSION, replying_on_release};
use crate::support::{Fault, FaultServer, Finished, Point, When, seed, tool, wait_until};
use std::collections::BTreeMap;
use std::time::Duration;

/// Runs the batch to its end and compares what was accepted with the ledger.
fn run_to_completion(batch: &BatchFixture, server: &FaultServer, rows: usize, when: &str) {
    server.wait_until_all_left();
    let ran = batch.run(server, &[]);
    let (accepted, sent, unknown) = (server.accepted_once(), batch.count("sent"), batch.count("unknown"));
    assert_eq!(ran.status, if unknown > 0 { 74 } else { 0 }, "{when}: {}", ran.stderr);
    assert_eq!(sent + unknown, rows, "{when}: every row is accounted for");
    assert!((sent..=rows).contains(&accepted), "{when}: {sent} are said to be sent, {accepted} were accepted");
    assert_eq!(batch.locks(), 0, "{when}: no lock of a killed run is left");
    let again = batch.run(server, &[]);
    assert_eq!(
        (again.status, server.accepted_once()),
        (ran.status, accepted),
        "{when}: nothing is sent again without being asked to"
    );
}

/// For each batch, kills `kills` runs one after another, then runs it to its end.
fn kill_and_restart(batches: u64, kills: usize, rows: usize) {
    let first = seed();
    for seed in first..first + batches {
        let (batch, server) = (BatchFixture::new(rows), FaultServer::start());
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..kills {
            let child = batch.start(&server, &["--jobs", &(1 + seed % 4).to_string()]);
            // The moment is random on purpose, so there is no event to wait for.
            std::thread::sleep(Duration::from_millis(random.u64(5..150)));
            child.kill();
        }
        run_to_completion(&batch, &server, rows, &format!("seed {seed}"));
    }
}

#[test]
fn a_batch_killed_at_twenty_moments_sends_nothing_twice() {
    kill_and_restart(5, 4, 60);
}

/// Resolves the rows that a kill left unknown as the server's log says.
fn resolve_by_log(batch: &BatchFixture, server: &FaultServer) {
    let export = batch.ledger(&["export", "--csv", "--state", "unknown"]).exits(0).stdout;
    server.wait_until_all_left();
    let accepted = server.recipients();
    let mut reader = csv::Reader::from_reader(export.as_bytes());
    let mut resolved: BTreeMap<String, bool> = BTreeMap::new();
    for row in reader.records().map(|row| row.expect("it is CSV")).filter(|row| !row[2].is_empty()) {
        let has_arrived = accepted.iter().any(|recipient| *recipient == row[2]);
        let known = resolved.entry(row[1].to_owned()).or_insert(has_arrived);
        assert_eq!(*known, has_arrived, "the unknown recipients of a row have one message: {export}");
    }
    for (key, has_arrived) in resolved {
        batch.ledger(&["resolve", &key, if has_arrived { "sent" } else { "pending" }]).exits(0);
    }
    assert_eq!(batch.count("unknown"), 0, "each unknown row has a recipient that is unknown: {export}");
}

#[test]
fn rows_with_several_recipients_that_are_killed_and_resolved_reach_each_of_them_once() {
    let rows = 40;
    let to = "to = [\"{{ row.email }}\", { address = \"later-{{ row.email }}\" }, { address = \"b-{{ row.email }}\" }]\n\
              on_refused = \"skip\"";
    let session = SESSION.replace("to = [\"{{ row.email }}\"]", to);
    assert_ne!(session, SESSION);
    let first = seed();
    for seed in [first, first + 1] {
        let batch = BatchFixture::new(rows);
        batch.write("c.toml", &session);
        let later = When::at(Point::Command("RCPT"), Fault::Reply("450 4.2.0 later")).with("later-").on_the_first(6);
        let server = FaultServer::builder().fault(later).start();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..8 {
            let child = batch.start(&server, &["--jobs", "2"]);
            // The moment is random on purpose, so there is no event to wait for.
            std::thread::sleep(Duration::from_millis(random.u64(20..150)));
            child.kill();
            if batch.count_or_none("unknown") > 0 {
                resolve_by_log(&batch, &server);
            }
        }
        server.heal();
        batch.run(&server, &[]).exits(0);
        assert_eq!(server.accepted_once(), 3 * rows, "seed {seed}");
    }
}

#[test]
#[ignore = "make soak"]
fn a_batch_killed_at_two_hundred_moments_sends_nothing_twice() {
    kill_and_restart(40, 5, 500);
}

#[test]
fn a_batch_killed_after_each_dot_sends_nothing_twice() {
    let batch = BatchFixture::new(20);
    for before in 0..20 {
        let server = replying_on_release();
        let child = batch.start(&server, &[]);
        server.wait_until_held();
        child.kill();
        assert_eq!(server.accepted_once(), 1);
        assert_eq!(batch.count("unknown"), before + 1);
    }
    let server = FaultServer::start();
    assert_eq!(batch.run(&server, &[]).status, 74);
    assert_eq!(server.accepted_once(), 0, "nothing is sent again without being asked to");
    assert_eq!(batch.run(&server, &["--resend-unknown"]).status, 0);
    assert_eq!(server.accepted_once(), 20);
}

#[test]
fn a_kill_leaves_at_most_the_messages_in_flight_unknown() {
    let rows = 40;
    let batch = BatchFixture::new(rows);
    batch.write("c.toml", format!("{SESSION}in_flight = 8\n"));
    let hold = When::at(Point::ContentReply, Fault::Hold).with("u9@");
    let server = FaultServer::builder().offering(&["PIPELINING", "CHUNKING"]).fault(hold).start();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    // The reply to a message is recorded some time after the server wrote it.
    wait_until("all nine replies to be recorded", || batch.count("sent") == 9);
    child.kill();
    // While replies come together, messages that may leave wait for them: so fewer can be in flight.
    let unknown = batch.count("unknown");
    assert!((1..=8).contains(&unknown), "{unknown} in flight");
    assert_eq!(batch.count("sent"), 9);
    server.heal();
    batch.run(&server, &[]).exits(74);
    assert_eq!((batch.count("unknown"), batch.count("sent")), (unknown, rows - unknown));
    server.accepted_once();
}

/// Runs the batch below strace, which kills it when it is about to do a system call for the n-th time.
fn run_to_syscall(syscall: &str, nth: usize, batch: &BatchFixture, server: &FaultServer) -> Finished {
    let trace = ["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={syscall}")];
    let kill = ["-e", &format!("inject={syscall}:signal=SIGKILL:when={nth}")];
    batch.command(server).through(["strace"].iter().chain(&trace).chain(&kill)).run()
}

/// `strace` ends as what it traces does: with a signal.
fn was_killed(ran: &Finished) -> bool {
    ran.status < 0
}

/// Fails the test if processes cannot be traced here: nothing else kills a batch at an exact system call.
fn require_strace() {
    let tried = tool("strace").args(["-qq", "-o", "/dev/null", "true"]).output().expect("strace starts");
    let errors = String::from_utf8_lossy(&tried.stderr);
    assert!(tried.status.success(), "strace may not trace processes here, which this test needs: {errors}");
}

/// Kills a batch of 20 rows at the n-th such call of a thread, for n = 1, 2, …, until a batch ends before that call.
fn killed_at_each(syscall: &str) {
    require_strace();
    let mut kills = 0;
    for nth in 1..1000 {
        let (batch, server) = (BatchFixture::new(20), FaultServer::start());
        if !was_killed(&run_to_syscall(syscall, nth, &batch, &server)) {
            break;
        }
        kills += 1;
        run_to_completion(&batch, &server, 20, &format!("killed at {syscall} {nth}"));
    }
    // Each message's `sending` is durable before its dot.
    assert!(kills >= 20, "{syscall}: {kills} kills");
}

#[test]
fn a_batch_killed_at_each_commit_of_its_ledger_sends_nothing_twice() {
    killed_at_each("fsync");
}

#[test]
#[ignore = "make soak"]
fn a_batch_killed_at_each_write_of_its_ledger_sends_nothing_twice() {
    killed_at_each("pwrite64");
}

#[test]
fn a_batch_that_is_killed_again_and_again_gets_finished() {
    require_strace();
    let (batch, server) = (BatchFixture::new(20), FaultServer::start());
    let mut kills = 0;
    // Each run commits a few times, and so sends a few more rows, before it is killed.
    while was_killed(&run_to_syscall("fsync", 12, &batch, &server)) {
        kills += 1;
        assert!(kills < 40, "it never ends");
    }
    assert!(kills > 1, "{kills}");
    let ran = batch.run(&server, &[]);
    assert!(matches!(ran.status, 0 | 74), "{ran}");
    run_to_completion(&batch, &server, 20, "killed again and again");
}
