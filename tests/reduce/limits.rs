//! How long the runs of `mailrun reduce` may take, what ends them, where they may go, and what becomes of files.

use crate::support::{Folder, Signal, wait_until};
use crate::{FaultyServer, Reaction, blocks, last, long_session, reduce, second_recipient_after_reset, serve};
use std::net::TcpListener;
use std::sync::atomic::Ordering;

#[test]
fn a_shorter_session_does_not_wait_for_minutes() {
    // Without RSET there is no reply to NOOP. Each step has five minutes (RFC 5321 §4.5.3.2.7).
    let server = FaultyServer::start(|said| match last(said) {
        "NOOP" if said.iter().any(|line| line == "RSET") => Some(Reaction::Reply("500 5.5.0 never heard of it")),
        "NOOP" => Some(Reaction::Silence),
        _ => None,
    });
    let step = |line: &str| format!("[[step]]\nsend = \"{line}\"\nexpect = 250\n");
    let session =
        format!("server = \"smtp://unused.example\"\n[[step]]\nexpect = 220\n{}{}", step("RSET"), step("NOOP"));
    let folder = Folder::new().with("x.toml", session);
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 500", &[]).exits(0);
    assert!(ran.stdout.contains("RSET") && ran.stdout.contains("NOOP"), "{ran}");
}

#[test]
fn content_goes_to_a_name_that_resolve_leads_to_this_machine() {
    let server = FaultyServer::start(|said| (last(said) == ".").then_some(Reaction::Reply("554 5.6.0 no")));
    let session = format!(
        "server = \"smtp://mx.example:{}\"\n[[step]]\nexpect = 220\n[[step]]\nsend = \"DATA\"\nexpect = 354\n[[step]]\nbody = \"x\"\nexpect = 250\n",
        server.port
    );
    let folder = Folder::new().with("x.toml", session);
    let resolve = format!("mx.example:{}:127.0.0.1", server.port);
    let reduce = ["reduce", "x.toml", "--while", "reply.code == 554"];
    folder.mailrun(reduce).args(["--resolve", &resolve]).run().exits(0);
    let refused = folder.mailrun(reduce).run().exits(64);
    assert!(refused.stderr.contains("would send content to smtp://mx.example"), "{refused}");
}

#[test]
fn a_message_that_is_a_file_stays_one() {
    let server = FaultyServer::start(|said| {
        let is_second = said.iter().filter(|line| line.starts_with("RCPT")).count() == 2;
        (is_second && last(said).starts_with("RCPT")).then_some(Reaction::Reply("452 4.5.3 too many recipients"))
    });
    for message in ["eml = \"mail.eml\"", "subject = \"s\"\ntext = \"t\"\nattach = [\"a.bin\", \"b.bin\"]"] {
        let session = format!(
            "server = \"smtp://unused.example\"\n[message]\nfrom = \"a@example.com\"\nto = [\"b@example.com\", \"c@example.com\", \"d@example.com\"]\n{message}\n"
        );
        let folder = Folder::new()
            .with("x.toml", session)
            .with("mail.eml", "From: a@example.com\nTo: b@example.com\n\nx\n")
            .with("a.bin", "a")
            .with("b.bin", "b");
        let ran = reduce(&folder, &server, "x.toml", "reply.code == 452", &[]).exits(0);
        folder.write("small.toml", &ran.stdout);
        let again = folder.mailrun(["run", "--server", &server.url(), "small.toml"]).run();
        assert!(again.stdout.contains("S: 452 4.5.3 too many recipients\n"), "{ran}{again}");
        assert!(!ran.stdout.contains("attach") && ran.stdout.matches("@example").count() <= 3, "{ran}");
    }
}

#[test]
fn an_interruption_prints_the_smallest_session_so_far() {
    // From the tenth connection on there is no reply to what is said.
    let server = FaultyServer::start(|said| {
        let number: usize = said[0].trim_start_matches("connection ").parse().unwrap_or(0);
        match number {
            0..10 => second_recipient_after_reset(said),
            _ => Some(Reaction::Silence),
        }
    });
    let folder = Folder::new().with("x.toml", long_session());
    let url = server.url();
    let run = folder.mailrun(["reduce", "x.toml", "--while", "reply.code == 503", "--server", &url]).start();
    wait_until("the tenth connection", || server.connections.load(Ordering::SeqCst) > 10);
    run.signal(Signal::INT);
    let ran = run.wait().exits(130);
    assert!(ran.stdout.contains("# Interrupted: a smaller session may show it too.\n"), "{ran}");
    assert!(ran.stdout.contains("RSET") && blocks(&ran.stdout).1.len() < 40, "{ran}");
}

#[test]
fn a_server_that_dies_ends_the_search_with_the_status_of_a_run_without_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || {
        for number in 0..5 {
            let (stream, _) = listener.accept().expect("a client connects");
            // A client that is gone ends its dialogue.
            let _ = serve(stream, number, second_recipient_after_reset);
        }
    });
    let folder = Folder::new().with("x.toml", long_session());
    let reduce = ["reduce", "x.toml", "--while", "reply.code == 503", "--server", &url];
    let ran = folder.mailrun(reduce).run().exits(69);
    server.join().expect("it served five clients");
    assert!(
        ran.stdout.contains("# Not confirmed: in a last run of the smallest session the fault did not show: "),
        "{ran}"
    );
    assert!(ran.stdout.contains("RSET"), "{ran}");
    assert!(ran.stderr.contains("the fault did not show: cannot connect to 127.0.0.1"), "{ran}");
}

#[test]
fn a_secret_does_not_leave_tls() {
    // The check is about steps: this server offers no STARTTLS, so that the session continues unencrypted.
    let server = FaultyServer::start(|said| {
        last(said).starts_with("AUTH").then_some(Reaction::Reply("535 5.7.8 authentication failed"))
    });
    let session = "server = \"smtp://unused.example\"\n[secrets]\npw = \"x\"\n[[step]]\nexpect = 220\n[[step]]\nehlo = \"c.example\"\n[[step]]\nstarttls = \"opportunistic\"\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n[[step]]\nsend = \"AUTH PLAIN {{ pw }}\"\nexpect = 235\n";
    let folder = Folder::new().with("x.toml", session);
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 535", &[]).exits(0);
    assert!(ran.stdout.contains("starttls") && ran.stdout.contains("ehlo"), "{ran}");
    assert!(!ran.stdout.contains("NOOP"), "{ran}");
}
