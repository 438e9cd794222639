//! Several messages in one session are one row of the ledger: what was sent is skipped, and the rest is sent, each under
//! the Message-ID that it had.

use super::{Deferral, server};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Three messages; `more` is said of the first.
fn place(more: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let message = |to: &str| {
        format!("[[step]]\nmessage = {{ from = 's@x.example', to = '{to}@x.example', text = 't' }}\nexpect = 250\n")
    };
    let session = format!(
        "client_name = 't'\n[[step]]\nlogin = true\n{}{more}{}{}[[step]]\nquit = true\n",
        message("a"),
        message("b"),
        message("c")
    );
    std::fs::write(folder.path().join("nightly.toml"), session).expect("the folder can be written");
    folder
}

fn start(folder: &Path, port: u16, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--server", &format!("smtp://127.0.0.1:{port}"), "--ledger", "l.db", "nightly.toml"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mailrun starts")
}

fn run(folder: &Path, port: u16, arguments: &[&str]) -> Option<i32> {
    start(folder, port, arguments).wait().expect("it ends").code()
}

/// Whom the server took mail for, by their first letters.
pub fn names(taken: &[(String, String)]) -> String {
    taken.iter().filter_map(|(recipient, _)| recipient["RCPT TO:<".len()..].chars().next()).collect()
}

#[test]
fn each_run_sends_what_the_ones_before_did_not() {
    let none: &[&str] = &[];
    let table = [
        (Deferral::AtRcpt, "", none, 75, "a", "abc"),
        // The first was sent, and what failed is said of it once.
        (Deferral::Never, "assert = ['reply.code == 251']\n", none, 1, "a", "abc"),
        (Deferral::InSilence, "", &["--resend-unknown"], 74, "ab", "abbc"),
    ];
    for (deferral, more, arguments, status, first, all) in table {
        let (folder, (port, taken)) = (place(more), server(deferral));
        let taken = || taken.lock().expect("no one panics with it").clone();
        assert_eq!((run(folder.path(), port, &[]), names(&taken()).as_str()), (Some(status), first), "{more}");
        if deferral == Deferral::InSilence {
            assert_eq!((run(folder.path(), port, &[]), names(&taken()).as_str()), (Some(74), first), "left alone");
        }
        assert_eq!((run(folder.path(), port, arguments), names(&taken()).as_str()), (Some(0), all), "{more}");
        assert_eq!((run(folder.path(), port, arguments), names(&taken()).as_str()), (Some(0), all), "nothing is left");
        let ids: HashSet<_> = taken().into_iter().collect();
        assert_eq!(ids.len(), 3, "a message has one Message-ID in all runs: {ids:?}");
        assert_eq!(ids.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), 3, "and each its own: {ids:?}");
    }
}

#[test]
fn a_kill_in_the_second_message_leaves_the_first_one_sent() {
    let folder = place("");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let mut child = start(folder.path(), port, &[]);
    let (stream, _) = listener.accept().expect("it connects");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket has two ends")).lines();
    let say = |text: &str| (&stream).write_all(text.as_bytes()).expect("it listens");
    say("220 ready\r\n");
    let mut dots = 0;
    while dots < 2 {
        match lines.next().expect("it goes on").expect("it speaks").as_str() {
            "DATA" => say("354 go\r\n"),
            "." if dots == 1 => dots += 1,
            "." => {
                dots += 1;
                say("250 ok\r\n");
            }
            line if ["EHLO", "MAIL", "RCPT"].iter().any(|verb| line.starts_with(verb)) => say("250 ok\r\n"),
            _ => {}
        }
    }
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    drop(listener);

    let (port, taken) = server(Deferral::Never);
    let taken = || names(&taken.lock().expect("no one panics with it"));
    assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(74), ""), "the second is unknown");
    assert_eq!((run(folder.path(), port, &["--resend-unknown"]), taken().as_str()), (Some(0), "bc"));
}

/// `mailrun ledger l.db …`, and what it says.
fn ledger(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    let output = command.args(["ledger", "l.db"]).args(arguments).current_dir(folder).output();
    String::from_utf8(output.expect("mailrun starts").stdout).expect("it is text")
}

#[test]
fn what_was_not_begun_is_sent_once_the_unknown_message_is_resolved() {
    for (to, said, all) in [
        ("sent", "1 row deferred: the next run sends what is left of it\n", "abc"),
        ("pending", "1 row pending\n", "abbc"),
    ] {
        let (folder, (port, taken)) = (place(""), server(Deferral::InSilence));
        let taken = || names(&taken.lock().expect("no one panics with it"));
        assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(74), "ab"));
        assert_eq!(ledger(folder.path(), &["resolve", "-", to]), said);
        if to == "sent" {
            // Saying it twice loses nothing.
            assert_eq!(ledger(folder.path(), &["resolve", "--state", "deferred", to]), said);
        }
        assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(0), all), "{to}");
        assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(0), all), "nothing is left");
        assert_eq!(ledger(folder.path(), &["resolve", "-", "sent"]), "1 row sent\n", "what is sent stays so");
    }
}

#[test]
fn a_resolved_row_is_sent_where_nothing_is_left_of_it() {
    let folder = place("");
    // The last one of the three is unknown.
    let path = folder.path().join("nightly.toml");
    let session = std::fs::read_to_string(&path).expect("it is there");
    std::fs::write(&path, session.replace("'b@", "'d@").replace("'c@", "'b@")).expect("the folder can be written");
    let (port, taken) = server(Deferral::InSilence);
    let taken = || names(&taken.lock().expect("no one panics with it"));
    assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(74), "adb"));
    ledger(folder.path(), &["resolve", "-", "sent"]);
    assert_eq!((run(folder.path(), port, &[]), taken().as_str()), (Some(0), "adb"));
    assert!(ledger(folder.path(), &["list"]).starts_with("- sent"));
}

#[test]
fn a_ledger_shows_each_recipient_with_its_message_s_id() {
    let (folder, (port, taken)) = (place(""), server(Deferral::Never));
    assert_eq!(run(folder.path(), port, &[]), Some(0));
    let list = ledger(folder.path(), &["list"]);
    for (recipient, id) in taken.lock().expect("no one panics with it").iter() {
        // With what stands around it: a Message-ID may end as an address does.
        let address = format!(": {}>", recipient.trim_start_matches("RCPT TO:<").trim_end_matches('>'));
        let line =
            list.lines().find(|line| line.contains(&address)).unwrap_or_else(|| panic!("{address} is not in {list}"));
        assert!(line.contains(id.trim_start_matches("Message-ID: ")), "{line}: {id}");
    }
}
