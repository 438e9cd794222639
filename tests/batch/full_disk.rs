//! A disk that is full under a transcript or a report: what the sessions came to decides the status, and 73 replaces only 0.

use crate::fixture::BatchFixture;
use crate::support::{Fault, FaultServer, Point, When};

const ONE: &str = "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"b@x.example\"]\nsubject = \"s\"\n\
                   text = \"t\"\n";

#[test]
fn an_output_that_cannot_be_written_hides_no_failure() {
    let batch = BatchFixture::new(12);
    batch.write("one.toml", ONE);
    // A limit on the size of files, in blocks of 512 bytes, simulates a full disk. Its signal does not end the program.
    let full = ["sh", "-c", "ulimit -f 0; exec \"$0\" \"$@\""];
    for session in ["one.toml", "c.toml"] {
        for (reply, status) in [(None, 73), (Some("550 5.1.1 no"), 1), (Some("450 4.2.0 later"), 75)] {
            for output in [["--transcript", "t.log"], ["--junit", "j.xml"]] {
                for command in ["run", "test"] {
                    let faults = reply.map(|reply| When::at(Point::Command("RCPT"), Fault::Reply(reply)));
                    let server = FaultServer::builder().faults(faults).start();
                    let arguments = [command, "--server", &server.url("smtp"), output[0], output[1], session];
                    let ran = batch.mailrun(&arguments).through(full).run().exits(status);
                    let words = ["cannot write the ", output[1], "the limit on the size of files"];
                    assert!(words.iter().all(|words| ran.stderr.contains(words)), "{arguments:?}: {ran}");
                    let says_sent = ran.stderr.contains("the sessions ran all the same: mail that they sent is sent");
                    assert_eq!(says_sent, output[0] == "--junit", "{arguments:?}: {ran}");
                }
            }
        }
    }
}

#[test]
fn a_standard_output_that_cannot_be_written_hides_no_failure() {
    let batch = BatchFixture::new(2);
    for (reply, status) in [(None, 73), (Some("550 5.1.1 no"), 1)] {
        let faults = reply.map(|reply| When::at(Point::Command("RCPT"), Fault::Reply(reply)));
        let server = FaultServer::builder().faults(faults).start();
        let full = std::path::Path::new("/dev/full");
        let run = batch.mailrun(&["run", "--server", &server.url("smtp"), "c.toml"]).stdout_to(full);
        run.run().exits(status);
    }
}

#[test]
fn a_ledger_beyond_the_limit_on_file_sizes_stops_the_run_before_anything_is_sent() {
    let (batch, server) = (BatchFixture::new(2), FaultServer::start());
    let ran = batch.command(&server).through(["sh", "-c", "ulimit -f 0; exec \"$0\" \"$@\""]).run().exits(73);
    assert!(ran.stderr.contains("cannot use the ledger l.db: ") && ran.stderr.contains("ulimit -f"), "{ran}");
    assert_eq!(server.accepted_once(), 0);
}

#[test]
fn an_older_transcript_stands_if_the_new_one_cannot_be_written() {
    for (command, kilobytes) in [("run", 0), ("test", 0), ("run", 1)] {
        let (batch, server) = (BatchFixture::new(30), FaultServer::start());
        batch.write("t.log", "older");
        let limited = ["sh", "-c", &format!("ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2)];
        let run = batch.mailrun(&[command, "--server", &server.url("smtp"), "--transcript", "t.log", "c.toml"]);
        let ran = run.through(limited).run().exits(73);
        assert_eq!(batch.read("t.log"), "older", "{command}: {ran}");
        let partial = batch.names().iter().any(|name| name == "t.log.interrupted");
        assert_eq!(partial, kilobytes > 0, "{command}: {:?}", batch.names());
        assert_eq!(
            ran.stderr.contains("what was written of it is in ") && ran.stderr.contains("/t.log.interrupted\n"),
            partial,
            "{ran}"
        );
    }
}
