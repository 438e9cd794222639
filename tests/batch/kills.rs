//! Kills a batch at random moments, and at each write of its ledger, and starts it again: every row is accepted once, but
//! for those that the ledger calls unknown, and none twice.

use crate::fixture::{BatchFixture, replying_on_release};
use crate::support::{FaultServer, Finished, seed, tool};
use std::time::Duration;

/// Runs until nothing is left to do, and holds what was accepted against the ledger.
fn run_to_completion(batch: &BatchFixture, server: &FaultServer, rows: usize, when: &str) {
    let ran = batch.run(&server, &[]);
    let (accepted, sent, unknown) = (server.accepted_once(), batch.count("sent"), batch.count("unknown"));
    assert_eq!(ran.status, if unknown > 0 { 74 } else { 0 }, "{when}: {}", ran.stderr);
    assert_eq!(sent + unknown, rows, "{when}: every row is accounted for");
    assert!((sent..=rows).contains(&accepted), "{when}: {sent} are said to be sent, {accepted} were accepted");
    assert_eq!(batch.locks(), 0, "{when}: nothing of a dead run is left");
    let again = batch.run(&server, &[]);
    assert_eq!((again.status, server.accepted_once()), (ran.status, accepted), "{when}: nothing is sent unasked");
}

/// Kills so many runs over a batch, one after another, then lets one come to its end.
fn kill_and_restart(batches: u64, kills: usize, rows: usize) {
    let first = seed();
    for seed in first..first + batches {
        let (batch, server) = (BatchFixture::new(rows), FaultServer::start());
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..kills {
            let child = batch.start(&server, &["--jobs", &(1 + seed % 4).to_string()]);
            // The moment itself is what is tested: there is no event to wait for.
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

#[test]
#[ignore = "make soak"]
fn a_batch_killed_at_two_hundred_moments_sends_nothing_twice() {
    kill_and_restart(40, 5, 500);
}

#[test]
fn a_batch_killed_behind_each_dot_sends_nothing_twice() {
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
    assert_eq!(server.accepted_once(), 0, "nothing is sent unasked");
    assert_eq!(batch.run(&server, &["--resend-unknown"]).status, 0);
    assert_eq!(server.accepted_once(), 20);
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

/// Kills a batch of 20 rows at every n-th such call of each of its threads, one batch for each n, until one is not killed.
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
fn one_batch_killed_again_and_again_comes_to_its_end() {
    require_strace();
    let (batch, server) = (BatchFixture::new(20), FaultServer::start());
    let mut kills = 0;
    // Behind the fourth commit or so of its writer each run has sent a few rows more.
    while was_killed(&run_to_syscall("fsync", 12, &batch, &server)) {
        kills += 1;
        assert!(kills < 40, "it never ends");
    }
    assert!(kills > 1, "{kills}");
    let ran = batch.run(&server, &[]);
    assert!(matches!(ran.status, 0 | 74), "{ran}");
    run_to_completion(&batch, &server, 20, "killed again and again");
}
