//! Several messages in one session are one row of the ledger: messages that were sent are skipped, and the others keep
//! their Message-IDs.

use super::{Deferral, initials, server};
use crate::support::{Fault, FaultServer, Folder, Point, Running, When};
use std::collections::HashSet;

/// A session with three messages; the step of the first one has the keys `more`.
fn place(more: &str) -> Folder {
    let message = |to: &str| {
        format!("[[step]]\nmessage = {{ from = 's@x.example', to = '{to}@x.example', text = 't' }}\nexpect = 250\n")
    };
    let session = format!(
        "client_name = 't'\n[[step]]\nlogin = true\n{}{more}{}{}[[step]]\nquit = true\n",
        message("a"),
        message("b"),
        message("c")
    );
    Folder::new().with("nightly.toml", session)
}

fn start(folder: &Folder, server: &FaultServer, arguments: &[&str]) -> Running {
    let run = folder.mailrun(["run", "--server", &server.url("smtp"), "--ledger", "l.db", "nightly.toml"]);
    run.args(arguments).start()
}

/// The exit status, and the initials of all whom the server accepted mail for.
fn run(folder: &Folder, server: &FaultServer, arguments: &[&str]) -> (i32, String) {
    let status = start(folder, server, arguments).wait().status;
    (status, initials(server))
}

/// Status and initials, as they are expected.
fn expected(status: i32, initials: &str) -> (i32, String) {
    (status, initials.to_owned())
}

#[test]
fn each_run_sends_what_the_ones_before_did_not() {
    let none: &[&str] = &[];
    let table = [
        (Deferral::AtRcpt, "", none, 75, "a", "abc"),
        // The first was sent; its failed assert is reported once.
        (Deferral::Never, "assert = ['reply.code == 251']\n", none, 1, "a", "abc"),
        (Deferral::InSilence, "", &["--resend-unknown"], 74, "ab", "abbc"),
    ];
    for (deferral, more, arguments, status, first, all) in table {
        let (folder, server) = (place(more), server(deferral));
        assert_eq!(run(&folder, &server, &[]), expected(status, first), "{more}");
        if deferral == Deferral::InSilence {
            assert_eq!(run(&folder, &server, &[]), expected(74, first), "not sent again");
        }
        assert_eq!(run(&folder, &server, arguments), expected(0, all), "{more}");
        assert_eq!(run(&folder, &server, arguments), expected(0, all), "nothing is left");
        let ids: HashSet<_> = server.accepted().into_iter().collect();
        assert_eq!(ids.len(), 3, "a message has one Message-ID in all runs: {ids:?}");
        assert_eq!(
            ids.iter().map(|mail| &mail.message_id).collect::<HashSet<_>>().len(),
            3,
            "and each its own: {ids:?}"
        );
    }
}

#[test]
fn a_kill_in_the_second_message_leaves_the_first_one_sent() {
    let folder = place("");
    let held = FaultServer::builder().fault(When::at(Point::ContentReply, Fault::Hold).with("b@")).start();
    let running = start(&folder, &held, &[]);
    held.wait_until_held();
    running.kill();

    let server = server(Deferral::Never);
    assert_eq!(run(&folder, &server, &[]), expected(74, ""), "the second is unknown");
    assert_eq!(run(&folder, &server, &["--resend-unknown"]), expected(0, "bc"));
}

/// The output of `mailrun ledger l.db …`.
fn ledger(folder: &Folder, arguments: &[&str]) -> String {
    folder.mailrun(["ledger", "l.db"]).args(arguments).run().stdout
}

#[test]
fn what_was_not_begun_is_sent_once_the_unknown_message_is_resolved() {
    for (to, said, all) in
        [("sent", "1 row deferred: the next run sends the rest\n", "abc"), ("pending", "1 row pending\n", "abbc")]
    {
        let (folder, server) = (place(""), server(Deferral::InSilence));
        assert_eq!(run(&folder, &server, &[]), expected(74, "ab"));
        assert_eq!(ledger(&folder, &["resolve", "-", to]), said);
        if to == "sent" {
            // Resolving it twice changes nothing.
            assert_eq!(ledger(&folder, &["resolve", "--state", "deferred", to]), said);
        }
        assert_eq!(run(&folder, &server, &[]), expected(0, all), "{to}");
        assert_eq!(run(&folder, &server, &[]), expected(0, all), "nothing is left");
        assert_eq!(ledger(&folder, &["resolve", "-", "sent"]), "1 row sent\n", "what is sent stays so");
    }
}

#[test]
fn a_resolved_row_of_which_nothing_is_left_is_sent() {
    let folder = place("");
    // The last one of the three is unknown.
    let session = folder.read("nightly.toml");
    folder.write("nightly.toml", session.replace("'b@", "'d@").replace("'c@", "'b@"));
    let server = server(Deferral::InSilence);
    assert_eq!(run(&folder, &server, &[]), expected(74, "adb"));
    ledger(&folder, &["resolve", "-", "sent"]);
    assert_eq!(run(&folder, &server, &[]), expected(0, "adb"));
    assert!(ledger(&folder, &["list"]).starts_with("- sent"));
}

#[test]
fn a_ledger_shows_each_recipient_with_its_message_s_id() {
    let (folder, server) = (place(""), server(Deferral::Never));
    assert_eq!(run(&folder, &server, &[]), expected(0, "abc"));
    let list = ledger(&folder, &["list"]);
    for mail in server.accepted() {
        // With the characters around it: a Message-ID may end like an address.
        let address = format!(": {}>", mail.recipient);
        let line =
            list.lines().find(|line| line.contains(&address)).unwrap_or_else(|| panic!("{address} is not in {list}"));
        assert!(mail.message_id.len() > 8 && line.contains(&mail.message_id), "{line}: {}", mail.message_id);
    }
}
