//! What becomes of rows if the server closes the connection at any point, if a resend fails, if the session writes the
//! content itself, and if the disk is full.

use crate::fixture::{BatchFixture, Behaviour, behaving};
use crate::support::{Fault, FaultServer, Point, When};

/// Every point at which a connection can end, and the state of the row after it. After 354 the state depends on timing:
/// a small mail leaves in one write, which may happen before the end is noticed.
const POINTS: [(Behaviour, &str); 9] = [
    (Behaviour::ClosesBeforeGreeting, "pending"),
    (Behaviour::GreetsWith421, "pending"),
    (Behaviour::ClosesAt("EHLO"), "pending"),
    (Behaviour::ClosesAt("MAIL"), "deferred"),
    (Behaviour::ClosesAt("RCPT"), "deferred"),
    (Behaviour::ClosesAt("DATA"), "deferred"),
    (Behaviour::ClosesAfter354, "deferred or unknown"),
    (Behaviour::AcceptsSilently, "unknown"),
    (Behaviour::ClosesAfterFirst, "sent"),
];

#[test]
fn a_lost_connection_leaves_the_row_in_the_state_that_is_known_for_certain() {
    for (point, state) in POINTS {
        for server in [behaving(&[point]).start(), behaving(&[point]).resetting().start()] {
            let batch = BatchFixture::new(1);
            batch.run(&server, &[]);
            let rows: usize = state.split(" or ").map(|state| batch.count(state)).sum();
            assert_eq!(rows, 1, "{point:?}: {}", batch.ledger(&["list"]).stdout);
            assert_eq!(server.accepted_once(), usize::from(matches!(state, "unknown" | "sent")), "{point:?}");
        }
    }
}

#[test]
fn a_batch_whose_server_dies_at_every_point_sends_each_row_once() {
    // The content of a row may have left as a whole although the server read only a part: the row is unknown and was not
    // accepted.
    let points: Vec<_> = POINTS.iter().map(|(point, _)| *point).chain([Behaviour::ClosesInContent]).collect();
    let each: Vec<_> = points.iter().chain(&points).copied().chain([Behaviour::Accepts]).collect();
    for server in [behaving(&each).start(), behaving(&each).resetting().start()] {
        let batch = BatchFixture::new(20);
        let mut runs = 0;
        while batch.count_or_none("sent") + batch.count_or_none("unknown") < 20 {
            batch.run(&server, &[]);
            runs += 1;
            assert!(runs < 40, "{}", batch.ledger(&[]).stdout);
        }
        let (accepted, unknown) = (server.accepted_once(), batch.count("unknown"));
        assert!((2..=6).contains(&unknown), "two accepted without a reply, up to four lost after 354: {unknown}");
        assert!((20 - unknown..=20).contains(&accepted), "{accepted} accepted, {unknown} unknown");
        assert_eq!(batch.run(&server, &[]).status, 74);
        assert_eq!(server.accepted_once(), accepted, "nothing is sent again without being asked to");
    }
}

#[test]
fn a_failed_resend_leaves_the_row_unknown() {
    for fails in [
        &[Behaviour::AcceptsSilently, Behaviour::ClosesAfter354, Behaviour::Accepts],
        &[Behaviour::AcceptsSilently, Behaviour::DefersRecipients, Behaviour::Accepts],
    ] {
        let (batch, server) = (BatchFixture::new(1), behaving(fails).start());
        assert_eq!(batch.run(&server, &[]).status, 74);
        assert_eq!(batch.run(&server, &["--resend-unknown"]).status, 74);
        assert_eq!(batch.count("unknown"), 1);
        assert_eq!(batch.run(&server, &[]).status, 74, "it is not sent again");
        assert_eq!(server.accepted_once(), 1);
        assert_eq!(batch.run(&server, &["--resend-unknown"]).status, 0);
        assert_eq!(batch.count("sent"), 1);
    }
}

#[test]
fn content_that_the_session_writes_itself_is_recorded_too() {
    let ends = [
        "{ send = \"DATA\", expect = 354 }, { raw = \"x\\r\\n\" }, { send = \".\", expect = 250 }",
        "{ send = \"DATA\", expect = 354 }, { raw = \"x\\r\\n.\\r\\n\", expect = 250 }",
        "{ send = \"DATA\", expect = 354 }, { body = \"x\", expect = 250 }",
        "{ pipeline = [{ send = \"DATA\", expect = 354 }, { body = \"x\", expect = 250 }] }",
    ];
    let begin = "open = [{ expect = 220 }, { ehlo = \"t\" }]\nclose = [{ quit = true }]\nstep = [\
                 { send = \"MAIL FROM:<a@x.example>\", expect = 250 }, { send = \"RCPT TO:<b@x.example>\", expect = 250 }";
    for (end, more, state) in
        ends.iter().flat_map(|end| [(end, "", "unknown"), (end, ", { send = \"NOOP\", expect = 250 }", "sent")])
    {
        let batch = BatchFixture::new(0);
        batch.write("c.toml", format!("{begin}, {end}{more}]\n"));
        let end_of_mail = if more.is_empty() { Behaviour::AcceptsSilently } else { Behaviour::Accepts };
        let not_now = When::at(Point::Command("NOOP"), Fault::Reply("450 not now"));
        let server = behaving(&[end_of_mail]).fault(not_now).start();
        assert_ne!(batch.run(&server, &[]).status, 0);
        assert_eq!(batch.count(state), 1, "{end}{more}");
        batch.run(&server, &["--retry", "1"]);
        assert_eq!(server.recipients().len(), 1, "{end}{more}");
    }
}

#[test]
fn no_content_is_ended_on_a_full_disk_whichever_write_fails() {
    // A limit on the size of files, in blocks of 512 bytes, simulates a full disk: from before the tables are created to
    // after the last row.
    let mut stopped = 0;
    for blocks in (0..=400).step_by(25) {
        let (batch, server) = (BatchFixture::new(30), FaultServer::start());
        let limited = ["sh", "-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")];
        let status = batch.command(&server).through(limited).run().status;
        let accepted = server.accepted_once();
        if status != 0 {
            stopped += 1;
            assert_eq!(status, 73, "{blocks} blocks");
        }
        let status = batch.run(&server, &[]).status;
        let (sent, unknown) = (batch.count("sent"), batch.count("unknown"));
        assert!(unknown <= 1, "{blocks} blocks: one connection, and one message in flight");
        assert_eq!(status, if unknown > 0 { 74 } else { 0 }, "{blocks} blocks");
        // If a dot had left before its record was written, the row would be sent again or be missing in the ledger.
        assert_eq!((sent + unknown, server.accepted_once()), (30, 30), "{blocks} blocks, {accepted} accepted before");
    }
    assert!(stopped >= 3, "{stopped}");
}
