//! Kills a batch at seeded moments, and at each write of its ledger, and starts it again: every row is accepted once, but
//! for those that the ledger calls unknown, and none twice.

use crate::fixture::{BatchFixture, CommandResult, Server, kill};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs until nothing is left to do, and holds what was accepted against the ledger.
fn run_to_completion(batch: &BatchFixture, server: &Server, rows: usize, when: &str) {
    let ran = batch.run(server.port, &[]);
    let (accepted, sent, unknown) = (server.accepted_once(), batch.count("sent"), batch.count("unknown"));
    assert_eq!(ran.status, if unknown > 0 { 74 } else { 0 }, "{when}: {}", ran.errors);
    assert_eq!(sent + unknown, rows, "{when}: every row is accounted for");
    assert!((sent..=rows).contains(&accepted), "{when}: {sent} are said to be sent, {accepted} were accepted");
    assert_eq!(batch.locks(), 0, "{when}: nothing of a dead run is left");
    let again = batch.run(server.port, &[]);
    assert_eq!((again.status, server.accepted_once()), (ran.status, accepted), "{when}: nothing is sent unasked");
}

/// Kills so many runs over a batch, one after another, then lets one come to its end.
fn kill_and_restart(batches: u64, kills: usize, rows: usize) {
    for seed in 0..batches {
        let (batch, server) = (BatchFixture::new(rows), Server::start());
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..kills {
            let mut child = batch.start(server.port, &["--jobs", &(1 + seed % 4).to_string()]);
            // The moment itself is what is tested: there is no event to wait for.
            std::thread::sleep(Duration::from_millis(random.u64(5..150)));
            kill(&mut child);
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
        let (server, told, _go) = Server::replying_on_demand();
        let mut child = batch.start(server.port, &[]);
        told.recv().expect("a message is sent");
        kill(&mut child);
        assert_eq!(server.accepted_once(), 1);
        assert_eq!(batch.count("unknown"), before + 1);
    }
    let server = Server::start();
    assert_eq!(batch.run(server.port, &[]).status, 74);
    assert_eq!(server.accepted_once(), 0, "nothing is sent unasked");
    assert_eq!(batch.run(server.port, &["--resend-unknown"]).status, 0);
    assert_eq!(server.accepted_once(), 20);
}

/// `strace`, which ends a process as it is about to do what is asked for the n-th time.
fn strace(syscall: &str, nth: usize, batch: &BatchFixture, port: u16) -> Command {
    let command = batch.command(port);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={syscall}")])
        .args(["-e", &format!("inject={syscall}:signal=SIGKILL:when={nth}")])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(batch.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    traced
}

/// `strace` ends as what it traces does.
fn was_killed(traced: &mut Command) -> bool {
    traced.status().expect("strace is there").code().is_none()
}

/// Whether processes can be traced here.
fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: strace is not there, or not allowed to trace");
    }
    can
}

/// Kills a batch of 20 rows at every n-th such call of each of its threads, one batch for each n, until one is not killed.
fn killed_at_each(syscall: &str) {
    if !can_trace() {
        return;
    }
    let mut kills = 0;
    for nth in 1..1000 {
        let (batch, server) = (BatchFixture::new(20), Server::start());
        if !was_killed(&mut strace(syscall, nth, &batch, server.port)) {
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
    if !can_trace() {
        return;
    }
    let (batch, server) = (BatchFixture::new(20), Server::start());
    let mut kills = 0;
    // Behind the fourth commit or so of its writer each run has sent a few rows more.
    while was_killed(&mut strace("fsync", 12, &batch, server.port)) {
        kills += 1;
        assert!(kills < 40, "it never ends");
    }
    assert!(kills > 1, "{kills}");
    let CommandResult { status, errors, .. } = batch.run(server.port, &[]);
    assert!(matches!(status, 0 | 74), "{errors}");
    run_to_completion(&batch, &server, 20, "killed again and again");
}
