//! The retry loop of `docs/reports.md`: a run with the same ledger continues where the last one ended, and nobody gets a
//! mail twice.

#[path = "../support/mod.rs"]
mod support;

mod refusals;
mod several_messages;

use support::{AcceptedMail, Fault, FaultServer, Folder, Point, When};

/// How the server defers the recipient b@ on the first connection.
#[derive(Clone, Copy, PartialEq)]
enum Deferral {
    AtRcpt,
    /// LMTP: each recipient has a reply of its own to the content (RFC 2033 §4.2).
    AtContent,
    /// The same, and the connection ends before the reply for the recipient after b@.
    AtContentOnly,
    /// The content is accepted, and the connection ends without a reply.
    InSilence,
    Never,
}

fn server(deferral: Deferral) -> FaultServer {
    let server = FaultServer::builder();
    let full = When::at(Point::ContentReply, Fault::Reply("452 4.2.2 full")).with("b@").on_connection(0);
    match deferral {
        Deferral::AtRcpt => {
            let later = When::at(Point::Command("RCPT"), Fault::Reply("451 4.2.1 later"));
            server.fault(later.with("b@").on_connection(0))
        }
        Deferral::AtContent => server.offering(&[]).lmtp().fault(full),
        Deferral::AtContentOnly => {
            let close = When::at(Point::ContentReply, Fault::Close).with("c@").on_connection(0);
            server.offering(&[]).lmtp().faults([full, close])
        }
        Deferral::InSilence => {
            server.fault(When::at(Point::ContentReply, Fault::AcceptThenClose).with("b@").on_connection(0))
        }
        Deferral::Never => server,
    }
    .start()
}

/// The recipients of what a server accepted, by their first letters.
fn initials(server: &FaultServer) -> String {
    server.recipients().iter().filter_map(|recipient| recipient.chars().next()).collect()
}

#[test]
fn a_run_with_the_same_ledger_sends_only_to_deferred_recipients() {
    for (deferral, scheme) in [(Deferral::AtContent, "lmtp"), (Deferral::AtRcpt, "smtp")] {
        let text = "client_name = 't'\n[message]\nfrom = 's@x.example'\nsubject = 's'\ntext = 't'\non_refused = 'skip'\n\
                    to = ['a@x.example', 'b@x.example', 'c@x.example']\n";
        let folder = Folder::new().with("nightly.toml", text);
        let server = server(deferral);
        let run = || {
            let run = folder.mailrun(["run", "--quiet", "--server", &server.url(scheme), "--ledger", "l.db"]);
            run.args(["nightly.toml"]).run().status
        };
        let names = || initials(&server);
        assert_eq!(run(), 75, "{scheme}: one was deferred");
        assert_eq!(names(), "ac", "{scheme}");
        assert_eq!(run(), 0, "{scheme}: it is accepted now");
        assert_eq!(names(), "acb", "{scheme}: nobody gets it twice");
        assert_eq!(run(), 0, "{scheme}: nothing is left to send");
        assert_eq!(names().len(), 3, "{scheme}");
        let accepted = server.accepted();
        let same = |mail: &AcceptedMail| mail.message_id == accepted[0].message_id && mail.message_id.len() > 8;
        assert!(accepted.iter().all(same), "{scheme}: one Message-ID: {accepted:?}");
    }
}

#[test]
fn a_session_that_is_run_again_says_so_and_when() {
    let text = "client_name = 't'\n[message]\nfrom = 's@x.example'\ntext = 't'\nto = ['b@x.example']\n\
                [retry]\ntimes = 2\nwait = '10ms'\n";
    let folder = Folder::new().with("nightly.toml", text);
    let server = server(Deferral::AtRcpt);
    let ran = folder.mailrun(["run", "--server", &server.url("smtp"), "nightly.toml"]).run().exits(0);
    let remarks: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("*: ")).collect();
    let retrying: Vec<_> = remarks.iter().filter(|line| line.starts_with("*: retrying: ")).collect();
    assert_eq!(retrying.len(), 1, "{ran}");
    assert!(retrying[0].starts_with("*: retrying: attempt 2 of 3 in "), "{ran}");
    let at = remarks.iter().position(|line| line.starts_with("*: retrying")).expect("it was found");
    let connects: Vec<_> = (0..remarks.len()).filter(|index| remarks[*index].starts_with("*: connected to ")).collect();
    assert!(matches!(connects[..], [first, second] if first < at && at < second), "between the attempts: {ran}");
}

#[test]
fn a_recipient_whose_reply_is_missing_is_unknown_whatever_the_replies_for_the_others() {
    for (on_refused, ledger) in [("abort", false), ("skip", false), ("abort", true), ("skip", true)] {
        let folder = Folder::new();
        let text = format!(
            "client_name = 't'\n[message]\nfrom = 's@x.example'\ntext = 't'\non_refused = '{on_refused}'\n\
             to = ['a@x.example', 'b@x.example', 'c@x.example']\n"
        );
        folder.write("nightly.toml", text);
        let server = server(Deferral::AtContentOnly);
        let run = || {
            let ledger: &[&str] = if ledger { &["--ledger", "l.db"] } else { &[] };
            folder
                .mailrun(["run", "--quiet", "--server", &server.url("lmtp"), "nightly.toml"])
                .args(ledger)
                .run()
                .status
        };
        let taken = || initials(&server);
        assert_eq!((run(), taken().as_str()), (74, "a"), "{on_refused}: to try again may send it twice");
        if !ledger {
            continue;
        }
        assert_eq!((run(), taken().as_str()), (74, "a"), "{on_refused}: it is not sent again");
        let said = folder.mailrun(["ledger", "l.db", "resolve", "-", "sent"]).run().stdout;
        assert_eq!(said, "1 row deferred: the next run sends the rest\n", "{on_refused}");
        assert_eq!((run(), taken().as_str()), (0, "ab"), "{on_refused}: the deferred recipient gets it");
        assert_eq!((run(), taken().as_str()), (0, "ab"), "{on_refused}: nothing is left");
    }
}
