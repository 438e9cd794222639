//! Ctrl-C and SIGTERM: messages in flight may end, or are given up after five seconds; ledger and reports are written.

use crate::fixture::{BatchFixture, Behaviour, Server, signal};
use rustix::process::Signal;

#[test]
fn signals_let_the_message_in_flight_end() {
    for (which, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let batch = BatchFixture::new(5);
        let (server, told, go) = Server::replying_on_demand();
        let mut child = batch.start(server.port, &[]);
        told.recv().expect("a message is sent");
        signal(&child, which);
        go.send(()).expect("the server waits");
        drop(go);
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        assert_eq!(batch.count("unknown"), 0);
        assert_eq!(batch.count("sent"), server.accepted_once());
        assert_eq!(batch.run(server.port, &[]).status, 0);
        assert_eq!(server.accepted_once(), 5);
    }
}

#[test]
fn a_message_that_takes_longer_is_given_up_and_unknown_and_the_reports_say_so() {
    let batch = BatchFixture::new(40);
    let (server, told, _go) = Server::replying_on_demand();
    let reports = ["--junit", "j.xml", "--json", "r.json", "--html", "r.html", "--tap", "r.tap"];
    let mut child = batch.start(server.port, &reports);
    told.recv().expect("a message is sent");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert_eq!((batch.count("unknown"), batch.count("sent"), batch.locks()), (1, 0, 0));
    for report in ["j.xml", "r.json", "r.html", "r.tap"] {
        let text = std::fs::read_to_string(batch.path(report)).unwrap_or_else(|why| panic!("{report}: {why}"));
        assert!(text.contains("u0@x.example"), "{report}: {text}");
    }
    let json = std::fs::read_to_string(batch.path("r.json")).expect("it is there");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["status"], 143, "{json}");
    let after = Server::start();
    assert_eq!(batch.run(after.port, &[]).status, 74);
    assert_eq!((after.accepted_once(), batch.count("sent")), (39, 39));
}

#[test]
fn a_message_whose_content_was_not_complete_is_pending_still() {
    let batch = BatchFixture::new(3);
    let (server, at) = Server::stalling_at("DATA");
    let mut child = batch.start(server.port, &[]);
    at.recv().expect("DATA comes");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!((server.accepted_once(), batch.count("unknown"), batch.count("sending")), (0, 0, 0));
    assert_eq!(batch.count("pending"), 3, "{}", batch.ledger(&["list"]).output);
    let after = Server::start();
    assert_eq!(batch.run(after.port, &[]).status, 0);
    assert_eq!(after.accepted_once(), 3);
}

#[test]
fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let batch = BatchFixture::new(3);
    let (server, told, _go) = Server::replying_on_demand();
    let mut child = batch.start(server.port, &[]);
    told.recv().expect("a message is sent");
    signal(&child, Signal::INT);
    signal(&child, Signal::INT);
    // Two signals of a kind may arrive as one: then it is given up after its five seconds.
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(batch.count("unknown"), 1);
}

#[test]
fn a_second_signal_leaves_no_file_behind_that_has_no_name() {
    let batch = BatchFixture::new(3);
    let (server, told, _go) = Server::replying_on_demand();
    let mut child = batch.start(server.port, &["--transcript", "t.log", "--junit", "j.xml", "--html", "r.html"]);
    told.recv().expect("a message is sent");
    // Two of a kind may arrive as one.
    signal(&child, Signal::INT);
    signal(&child, Signal::TERM);
    let code = child.wait().expect("it ends").code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    let entries = std::fs::read_dir(batch.path(".")).expect("the folder is there");
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.contains(".db"));
    names.sort();
    assert_eq!(
        names,
        ["c.toml", "p.csv", "t.log"],
        "a transcript stands as far as it goes; reports are whole or not there"
    );
}

#[test]
fn waiting_for_a_retry_or_the_rate_ends_at_once() {
    for options in [&["--retry", "5"][..], &["--rate", "1/h"]] {
        let batch = BatchFixture::new(2);
        batch.write("c.toml", format!("{}[retry]\ntimes = 9\nwait = \"1h\"\n", crate::fixture::SESSION));
        let server = Server::behaving(&[Behaviour::DefersRecipients]);
        let mut child = batch.start(server.port, &[options, &["--transcript", "t.log"]].concat());
        // Both rows were put off, or the first one was and the second one waits.
        crate::fixture::wait_until(|| batch.count_or_none("deferred") > 0);
        signal(&child, Signal::TERM);
        assert_eq!(child.wait().expect("it ends").code(), Some(143), "{options:?}");
        assert!(batch.count("deferred") >= 1, "{options:?}");
        let told = std::fs::read_to_string(batch.path("t.log")).expect("it is there");
        assert_eq!(told.matches("interrupted by SIGTERM").count(), 1, "{options:?}: {told}");
    }
}
