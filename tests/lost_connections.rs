//! What is in flight when a connection ends: a row whose content was complete is unknown or has the state that its reply
//! gave it; the rows after it were not sent.

mod support;

use std::thread::JoinHandle;
use support::{Folder, ManualServer, Running, ServerConnection};

/// Greeting and EHLO.
fn begin(client: &mut ServerConnection, offers: &str) {
    client.send("220 mx\r\n");
    client.read_through("EHLO t\r\n");
    client.send(format!("250-mx\r\n250-PIPELINING\r\n250 {offers}\r\n"));
}

/// Takes the envelope, then content up to its dot.
fn read_mail(client: &mut ServerConnection) {
    client.read_through("DATA\r\n");
    client.send("250 a\r\n250 b\r\n354 go\r\n");
    client.read_through("\r\n.\r\n");
}

/// Accepts whatever is sent, to the end.
fn accept_all(client: &mut ServerConnection) {
    begin(client, "HELP");
    loop {
        read_mail(client);
        client.send("250 ok\r\n");
        assert!(client.has_more(), "the client says QUIT");
        if client.peek().starts_with(b"Q") {
            client.read_through("QUIT\r\n");
            client.send("221 bye\r\n");
            return;
        }
    }
}

/// Serves one connection after another, each with its own function; after that the port is closed.
fn server(connections: Vec<fn(&mut ServerConnection)>) -> (String, JoinHandle<()>) {
    let server = ManualServer::start();
    let url = server.url("smtp");
    let serving = std::thread::spawn(move || connections.into_iter().for_each(|serve| serve(&mut server.accept())));
    (url, serving)
}

fn batch(rows: usize, more: &str) -> Folder {
    let session = format!(
        "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"{{{{ row.email }}}}\"]\nsubject = \"s\"\n\
         text = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n{more}"
    );
    let list: String = (0..rows).map(|number| format!("u{number}@x.example\n")).collect();
    Folder::new().with("c.toml", session).with("p.csv", format!("email\n{list}"))
}

fn start(folder: &Folder, url: &str) -> Running {
    folder.mailrun(["run", "--quiet", "--server", url, "--ledger", "l.db", "--patience", "0", "c.toml"]).start()
}

fn run(folder: &Folder, url: &str) -> i32 {
    start(folder, url).wait().status
}

/// The states of the rows, in their order.
fn states(folder: &Folder) -> Vec<String> {
    let export = folder.mailrun(["ledger", "l.db", "export", "--csv"]).run().stdout;
    let known = ["pending", "sending", "sent", "refused", "deferred", "unknown"];
    let state = |line: &str| line.split(',').find(|cell| known.contains(cell)).map(str::to_owned);
    export.lines().skip(1).filter_map(state).collect()
}

#[test]
fn a_connection_lost_after_a_dot_leaves_one_row_unknown_and_the_next_pending() {
    let folder = batch(4, "");
    let (url, served) = server(vec![|client| {
        begin(client, "HELP");
        read_mail(client);
        assert!(
            client.read_through("DATA\r\n").contains("RCPT TO:<u1@x.example>"),
            "the next row's envelope came with the dot"
        );
    }]);
    assert_eq!(run(&folder, &url), 69, "rows are left");
    served.join().expect("the server saw what it should");
    assert_eq!(states(&folder), ["unknown", "pending", "pending", "pending"]);
    let (url, served) = server(vec![accept_all]);
    assert_eq!(run(&folder, &url), 74);
    served.join().expect("the server saw what it should");
    assert_eq!(states(&folder), ["unknown", "sent", "sent", "sent"]);
}

#[test]
fn rows_after_a_421_are_sent_over_a_new_connection() {
    let folder = batch(3, "");
    let (url, served) = server(vec![
        |client| {
            begin(client, "HELP");
            read_mail(client);
            client.read_through("DATA\r\n");
            client.send("421 enough\r\n");
        },
        accept_all,
    ]);
    assert_eq!(run(&folder, &url), 75);
    served.join().expect("the server saw what it should");
    assert_eq!(states(&folder), ["deferred", "sent", "sent"]);
}

/// Takes the first message. Nothing is in flight before a BDAT was accepted: the server may not know it.
fn begin_with_bdat(client: &mut ServerConnection) {
    begin(client, "CHUNKING");
    client.read_through(" LAST\r\n");
    client.read_through("\r\n\r\nt");
    client.send("250 a\r\n250 b\r\n250 ok\r\n");
}

#[test]
fn messages_in_flight_become_unknown_and_the_others_stay_pending() {
    let folder = batch(6, "in_flight = 3\n");
    let (url, served) = server(vec![|client| {
        begin_with_bdat(client);
        (0..3).for_each(|_| drop(client.read_through(" LAST\r\n")));
        client.read_through("\r\n\r\nt");
        client.send("250 a\r\n250 b\r\n250 ok\r\n");
        client.read_through(" LAST\r\n");
        client.read_through("\r\n\r\nt");
    }]);
    assert_eq!(run(&folder, &url), 69, "rows are left");
    served.join().expect("the server saw what it should");
    assert_eq!(states(&folder), ["sent", "sent", "unknown", "unknown", "unknown", "pending"]);
}

#[test]
fn messages_in_flight_after_a_421_are_sent_over_a_new_connection() {
    let folder = batch(5, "in_flight = 3\n");
    let (url, served) = server(vec![
        |client| {
            begin_with_bdat(client);
            (0..3).for_each(|_| drop(client.read_through(" LAST\r\n")));
            client.read_through("\r\n\r\nt");
            client.send("250 a\r\n250 b\r\n421 enough\r\n");
        },
        accept_all,
    ]);
    assert_eq!(run(&folder, &url), 75);
    served.join().expect("the server saw what it should");
    assert_eq!(states(&folder), ["sent", "deferred", "sent", "sent", "sent"]);
}

#[test]
fn a_run_killed_after_a_dot_leaves_one_row_unknown_and_the_next_pending() {
    let folder = batch(3, "");
    let server = ManualServer::start();
    let running = start(&folder, &server.url("smtp"));
    let mut client = server.accept();
    begin(&mut client, "HELP");
    read_mail(&mut client);
    client.read_through("DATA\r\n");
    running.kill();
    assert_eq!(states(&folder), ["unknown", "pending", "pending"]);
}
