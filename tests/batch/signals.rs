//! Ctrl-C and SIGTERM: messages in flight get five seconds to finish; ledger and reports are written.

use crate::fixture::{BatchFixture, Behaviour, behaving, replying_on_release};
use crate::support::{Fault, FaultServer, Point, Signal, When, wait_until};

#[test]
fn a_message_in_flight_is_finished_after_a_signal() {
    for (which, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let batch = BatchFixture::new(5);
        let server = replying_on_release();
        let child = batch.start(&server, &[]);
        server.wait_until_held();
        child.signal(which);
        server.release();
        assert_eq!(child.wait().status, code);
        assert_eq!(batch.count("unknown"), 0);
        assert_eq!(batch.count("sent"), server.accepted_once());
        assert_eq!(batch.run(&server, &[]).status, 0);
        assert_eq!(server.accepted_once(), 5);
    }
}

#[test]
fn a_signal_that_is_sent_twice_at_once_is_one_signal() {
    // `timeout` sends its signal to the program and to the program's group.
    for (which, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        // A busy machine may let more than 50 ms pass between the two, which makes them two signals: then once more.
        let sent_at_once = |_| {
            let batch = BatchFixture::new(5);
            let server = replying_on_release();
            let child = batch.start(&server, &["--limit", "3"]);
            server.wait_until_held();
            child.signal(which);
            child.signal(which);
            server.release();
            let ended = child.wait().exits(code);
            (!ended.stderr.contains("by a second signal")).then_some((batch, ended))
        };
        let (batch, ended) = (0..10).find_map(sent_at_once).expect("two at once are one, in one of ten runs at least");
        let sent = batch.count("sent");
        assert!(ended.stderr.contains(&format!("{sent} sent, {} pending", 3 - sent)), "{ended}");
        assert!(ended.stderr.contains(&format!(" --limit {} ", 3 - sent)), "no more is sent than was allowed: {ended}");
        assert_eq!(batch.count("unknown"), 0);
    }
}

#[test]
fn the_summary_names_the_signal_and_the_command_that_goes_on_as_fast_as_before() {
    for (which, code, name) in
        [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT"), (Signal::HUP, 129, "SIGHUP")]
    {
        for scheme in ["smtp", "lmtp"] {
            let batch = BatchFixture::new(30);
            let server = FaultServer::builder().fault(When::at(Point::ContentReply, Fault::Hold));
            let server = if scheme == "lmtp" { server.lmtp().start() } else { server.start() };
            let arguments = ["run", "--quiet", "--server", &server.url(scheme), "--ledger", "l.db", "--shard", "1/2"];
            let child =
                batch.mailrun(&arguments).args(["--rate", "90/m", "--jobs", "2", "--wait", "1m", "c.toml"]).start();
            server.wait_until_held();
            child.signal(which);
            server.release();
            let ended = child.wait().exits(code);
            let said = format!("c.toml: failed, status {code}: interrupted by {name}\n");
            assert_eq!(ended.stderr.matches(&said).count(), 1, "{ended}");
            assert_eq!(ended.stderr.matches("interrupted").count(), 1, "{ended}");
            assert!(ended.stderr.contains(" pending"), "{ended}");
            let command = format!(
                "to send what is left: mailrun run --server {} --ledger l.db --shard 1/2 --wait 1m --jobs 2 --rate 90/m c.toml\n",
                server.url(scheme)
            );
            assert!(ended.stderr.contains(&command), "{ended}");
        }
    }
}

#[test]
fn a_message_that_takes_longer_becomes_unknown_in_ledger_and_reports() {
    let batch = BatchFixture::new(40);
    let server = replying_on_release();
    let reports = ["--junit", "j.xml", "--json", "r.json", "--html", "r.html", "--tap", "r.tap"];
    let child = batch.start(&server, &reports);
    server.wait_until_held();
    child.signal(Signal::TERM);
    assert_eq!(child.wait().status, 143);
    assert_eq!((batch.count("unknown"), batch.count("sent"), batch.locks()), (1, 0, 0));
    for report in ["j.xml", "r.json", "r.html", "r.tap"] {
        let text = batch.read(report);
        assert!(text.contains("u0@x.example"), "{report}: {text}");
    }
    let json = batch.read("r.json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["status"], 143, "{json}");
    let after = FaultServer::start();
    assert_eq!(batch.run(&after, &[]).status, 74);
    assert_eq!((after.accepted_once(), batch.count("sent")), (39, 39));
}

#[test]
fn a_message_whose_content_was_not_complete_stays_pending() {
    let batch = BatchFixture::new(3);
    let server = FaultServer::builder().fault(When::at(Point::Command("DATA"), Fault::Silence)).start();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    child.signal(Signal::INT);
    assert_eq!(child.wait().status, 130);
    assert_eq!((server.accepted_once(), batch.count("unknown"), batch.count("sending")), (0, 0, 0));
    assert_eq!(batch.count("pending"), 3, "{}", batch.ledger(&["list"]).stdout);
    let after = FaultServer::start();
    assert_eq!(batch.run(&after, &[]).status, 0);
    assert_eq!(after.accepted_once(), 3);
}

#[test]
fn a_second_signal_ends_the_run_at_once_and_loses_nothing() {
    let batch = BatchFixture::new(3);
    let server = replying_on_release();
    let child = batch.start(&server, &[]);
    server.wait_until_held();
    // Signals of two kinds are never taken for one event. Which of them is handled last is the kernel's choice.
    child.signal(Signal::INT);
    child.signal(Signal::TERM);
    let ended = child.wait();
    assert!(matches!(ended.status, 130 | 143), "{ended}");
    assert!(ended.stderr.contains("ended at once by a second signal"), "{ended}");
    assert_eq!(batch.count("unknown"), 1);
}

#[test]
fn a_second_signal_leaves_no_temporary_file() {
    let batch = BatchFixture::new(3);
    let server = replying_on_release();
    let child = batch.start(&server, &["--transcript", "t.log", "--junit", "j.xml", "--html", "r.html"]);
    server.wait_until_held();
    // Two of a kind within 50 ms are one signal.
    child.signal(Signal::INT);
    child.signal(Signal::TERM);
    let status = child.wait().status;
    assert!(matches!(status, 130 | 143), "{status}");
    let mut names = batch.names();
    names.retain(|name| !name.contains(".db"));
    assert_eq!(
        names,
        ["c.toml", "p.csv", "t.log"],
        "the transcript is kept as far as it goes; a report is complete or missing"
    );
}

#[test]
fn a_signal_ends_the_wait_for_a_retry_or_the_rate_at_once() {
    for options in [&["--retry", "5"][..], &["--rate", "1/h"]] {
        let batch = BatchFixture::new(2);
        batch.write("c.toml", format!("{}[retry]\ntimes = 9\nwait = \"1h\"\n", crate::fixture::SESSION));
        let server = behaving(&[Behaviour::DefersRecipients]).start();
        let child = batch.start(&server, &[options, &["--transcript", "t.log"]].concat());
        // Both rows were deferred, or the first one was and the second one waits.
        wait_until("a deferred row", || batch.count_or_none("deferred") > 0);
        child.signal(Signal::TERM);
        assert_eq!(child.wait().status, 143, "{options:?}");
        assert!(batch.count("deferred") >= 1, "{options:?}");
        let transcript = batch.read("t.log");
        assert_eq!(transcript.matches("interrupted by SIGTERM").count(), 1, "{options:?}: {transcript}");
    }
}
