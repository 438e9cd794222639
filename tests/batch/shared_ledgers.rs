//! Several runs that share a ledger, and several ledgers of one batch.

use crate::fixture::{BatchFixture, replying_on_release};
use crate::support::FaultServer;

#[test]
fn two_runs_share_a_ledger_and_send_each_row_once() {
    let (batch, server) = (BatchFixture::new(2000), FaultServer::start());
    let runs = [batch.start(&server, &["--jobs", "2"]), batch.start(&server, &["--jobs", "2"])];
    for run in runs {
        assert_eq!(run.wait().status, 0);
    }
    assert_eq!((server.accepted_once(), batch.count("sent"), batch.locks()), (2000, 2000, 0));
}

#[test]
fn runs_that_create_a_ledger_at_the_same_time_share_it() {
    for _ in 0..5 {
        let (batch, server) = (BatchFixture::new(8), FaultServer::start());
        let runs: Vec<_> = (0..8).map(|_| batch.start(&server, &[])).collect();
        for run in runs {
            assert_eq!(run.wait().status, 0);
        }
        assert_eq!(server.accepted_once(), 8);
    }
}

#[test]
fn rows_of_a_run_that_is_still_running_are_left_to_it() {
    let batch = BatchFixture::new(3);
    let slow = replying_on_release();
    let holder = batch.start(&slow, &[]);
    slow.wait_until_held();
    let server = FaultServer::start();
    let ran = batch.run(&server, &[]);
    assert_eq!((ran.status, server.accepted_once()), (0, 0), "{}", ran.stderr);
    slow.release();
    assert_eq!(holder.wait().status, 0);
    assert_eq!(slow.accepted_once(), 3);
}

#[test]
fn rows_of_a_killed_run_are_sent_by_the_run_that_goes_on() {
    let batch = BatchFixture::new(100);
    let slow = replying_on_release();
    let lives = batch.start(&slow, &[]);
    slow.wait_until_held();
    // It claims the rows after the first group, which the other run has claimed.
    let other = replying_on_release();
    let dies = batch.start(&other, &[]);
    other.wait_until_held();
    dies.kill();
    slow.release();
    assert_eq!(lives.wait().status, 74, "what the dead one was sending is unknown");
    assert_eq!((batch.count("unknown"), batch.count("sent")), (1, 99));
    assert_eq!((other.accepted_once(), slow.accepted_once()), (1, 99));
}

#[test]
fn shards_are_disjoint_and_complete_and_merge() {
    let server = FaultServer::start();
    let batches: Vec<_> = (0..3).map(|_| BatchFixture::new(60)).collect();
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(batch.run(&server, &["--shard", &format!("{}/3", index + 1)]).status, 0);
    }
    assert_eq!(server.accepted_once(), 60);
    let others: Vec<_> = batches[1..].iter().map(|batch| batch.path("l.db")).collect();
    let others: Vec<_> = others.iter().map(|path| path.to_str().expect("it is text")).collect();
    assert_eq!(batches[0].ledger(&[&["merge"], &others[..]].concat()).status, 0);
    assert_eq!(batches[0].count("sent"), 60);
    assert_eq!(batches[0].run(&server, &[]).status, 0);
    assert_eq!(server.accepted_once(), 60);
}

#[test]
fn a_shard_without_rows_has_nothing_to_do() {
    let server = FaultServer::start();
    let batch = BatchFixture::new(1);
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        batch.run(&server, &["--shard", shard]).exits(0);
    }
    assert_eq!(server.accepted_once(), 1);
}
