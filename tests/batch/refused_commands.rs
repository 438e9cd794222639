//! Refusals that say nothing about the recipients: of BDAT, of the sender.

use crate::fixture::BatchFixture;
use crate::support::{Fault, FaultServer, Point, When};

fn refusing(verb: &'static str, reply: &'static str, offers: &[&'static str]) -> FaultServer {
    FaultServer::builder().offering(offers).fault(When::at(Point::Command(verb), Fault::Reply(reply))).start()
}

#[test]
fn a_batch_goes_on_with_data_in_the_order_of_its_rows_if_the_server_refuses_bdat() {
    for offers in [&["CHUNKING"][..], &["PIPELINING", "CHUNKING"]] {
        for reply in ["500 5.5.1 what", "502 5.5.1 what", "503 5.5.1 not now", "504 5.5.4 what"] {
            let (batch, server) = (BatchFixture::new(4), refusing("BDAT", reply, offers));
            let run = batch.run(&server, &["--transcript", "t.txt"]);
            assert_eq!((run.status, batch.count("sent")), (0, 4), "{reply}: {}", run.stderr);
            assert_eq!(server.accepted_once(), 4);
            let recipients = server.recipients();
            let mut sorted = recipients.clone();
            sorted.sort();
            assert_eq!(recipients, sorted, "the refused row goes first");
            let transcript = batch.read("t.txt");
            assert_eq!(transcript.matches("C: BDAT").count(), 1, "{transcript}");
            assert_eq!(transcript.matches("*: chunking:").count(), 1, "{transcript}");
        }
    }
}

#[test]
fn rows_are_deferred_if_the_server_takes_neither_bdat_nor_data() {
    let server = FaultServer::builder()
        .offering(&["CHUNKING"])
        .fault(When::at(Point::Command("BDAT"), Fault::Reply("502 what")))
        .fault(When::at(Point::Command("DATA"), Fault::Reply("502 what")))
        .start();
    let batch = BatchFixture::new(2);
    let run = batch.run(&server, &[]);
    assert_eq!((run.status, batch.count("deferred")), (78, 2), "{}", run.stderr);
    assert!(run.stderr.contains("chunking = false"), "{}", run.stderr);
    server.heal();
    assert_eq!((batch.run(&server, &[]).status, server.accepted_once()), (0, 2), "the next run sends them");
}

#[test]
fn a_batch_stops_after_three_refused_senders_in_a_row() {
    let (batch, server) = (BatchFixture::new(5), refusing("MAIL", "550 5.1.8 who are you", &["PIPELINING"]));
    let run = batch.run(&server, &[]);
    assert_eq!((run.status, batch.count("deferred"), batch.count("refused")), (1, 3, 0), "{}", run.stderr);
    server.heal();
    assert_eq!((batch.run(&server, &[]).status, server.accepted_once()), (0, 5), "the next run sends them");
}

#[test]
fn a_message_that_is_too_large_for_mail_is_refused_and_stops_nothing() {
    let (batch, server) = (BatchFixture::new(5), refusing("MAIL", "552 5.3.4 too large", &["PIPELINING"]));
    let run = batch.run(&server, &[]);
    assert_eq!((run.status, batch.count("refused")), (1, 5), "{}", run.stderr);
}
