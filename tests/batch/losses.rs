//! A server that dies, at every point of the dialogue; resends; content in a session's own words; a full disk.

use crate::bed::{Bed, Does, Server};
use std::process::{Command, Stdio};

/// Every point at which a connection can end, and what the row is then. Behind 354 it hangs on whether the end was seen
/// before a mail that fits into one write was on its way.
const POINTS: [(Does, &str); 9] = [
    (Does::Vanishes, "pending"),
    (Does::IsBusy, "pending"),
    (Does::LeavesAt("EHLO"), "pending"),
    (Does::LeavesAt("MAIL"), "deferred"),
    (Does::LeavesAt("RCPT"), "deferred"),
    (Does::LeavesAt("DATA"), "deferred"),
    (Does::Leaves, "deferred or unknown"),
    (Does::Swallows, "unknown"),
    (Does::AcceptsOne, "sent"),
];

#[test]
fn a_row_whose_server_dies_is_what_can_be_known_of_it() {
    for (point, state) in POINTS {
        for server in [Server::that(&[point]), Server::that_resets(&[point])] {
            let bed = Bed::new(1);
            bed.run(server.port, &[]);
            let rows: usize = state.split(" or ").map(|state| bed.count(state)).sum();
            assert_eq!(rows, 1, "{point:?}: {}", bed.ledger(&["list"]).output);
            assert_eq!(server.once(), usize::from(matches!(state, "unknown" | "sent")), "{point:?}");
        }
    }
}

#[test]
fn a_batch_whose_server_dies_at_every_point_sends_each_row_once() {
    // A row that is lost in its content may have been complete on the way: it is unknown, and not accepted.
    let points: Vec<_> = POINTS.iter().map(|(point, _)| *point).chain([Does::LeavesInContent]).collect();
    let each: Vec<_> = points.iter().chain(&points).copied().chain([Does::Accepts]).collect();
    for server in [Server::that(&each), Server::that_resets(&each)] {
        let bed = Bed::new(20);
        let mut runs = 0;
        while bed.count_or_none("sent") + bed.count_or_none("unknown") < 20 {
            bed.run(server.port, &[]);
            runs += 1;
            assert!(runs < 40, "{}", bed.ledger(&[]).output);
        }
        let (accepted, unknown) = (server.once(), bed.count("unknown"));
        assert!((2..=6).contains(&unknown), "two were swallowed, four lost behind 354: {unknown}");
        assert!((20 - unknown..=20).contains(&accepted), "{accepted} accepted, {unknown} unknown");
        assert_eq!(bed.run(server.port, &[]).status, 74);
        assert_eq!(server.once(), accepted, "nothing is sent unasked");
    }
}

#[test]
fn a_resend_that_fails_leaves_what_is_unknown_unknown() {
    for fails in [&[Does::Swallows, Does::Leaves, Does::Accepts], &[Does::Swallows, Does::Defers, Does::Accepts]] {
        let (bed, server) = (Bed::new(1), Server::that(fails));
        assert_eq!(bed.run(server.port, &[]).status, 74);
        assert_eq!(bed.run(server.port, &["--resend-unknown"]).status, 74);
        assert_eq!(bed.count("unknown"), 1);
        assert_eq!(bed.run(server.port, &[]).status, 74, "it is left alone");
        assert_eq!(server.once(), 1);
        assert_eq!(bed.run(server.port, &["--resend-unknown"]).status, 0);
        assert_eq!(bed.count("sent"), 1);
    }
}

#[test]
fn content_in_a_session_s_own_words_is_recorded_as_well() {
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
        let bed = Bed::new(0);
        bed.write("c.toml", format!("{begin}, {end}{more}]\n"));
        let server = Server::that(&[if more.is_empty() { Does::Swallows } else { Does::Accepts }]);
        assert_ne!(bed.run(server.port, &[]).status, 0);
        assert_eq!(bed.count(state), 1, "{end}{more}");
        bed.run(server.port, &["--retry", "1"]);
        assert_eq!(server.accepted().len(), 1, "{end}{more}");
    }
}

#[test]
fn a_full_disk_ends_no_content_whichever_write_it_stops() {
    // A file's greatest size, in blocks of 512 bytes, stands for the disk's end: from before the tables are made to
    // behind the last row.
    let mut stopped = 0;
    for blocks in (0..=400).step_by(25) {
        let (bed, server) = (Bed::new(30), Server::start());
        let whole = bed.command(server.port);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(whole.get_program()).args(whole.get_args()).current_dir(bed.path("."));
        let status = limited.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a shell is there");
        let accepted = server.once();
        if status.code() != Some(0) {
            stopped += 1;
            assert_eq!(status.code(), Some(73), "{blocks} blocks");
        }
        let status = bed.run(server.port, &[]).status;
        let (sent, unknown) = (bed.count("sent"), bed.count("unknown"));
        assert!(unknown <= 1, "{blocks} blocks: one connection, and one message in flight");
        assert_eq!(status, if unknown > 0 { 74 } else { 0 }, "{blocks} blocks");
        // A dot that left without its record would have been sent again, or be missing from the ledger.
        assert_eq!((sent + unknown, server.once()), (30, 30), "{blocks} blocks, {accepted} accepted before");
    }
    assert!(stopped >= 3, "{stopped}");
}
