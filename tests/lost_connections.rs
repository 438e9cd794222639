//! What is in flight when a connection ends: the row whose content had left is unknown, or what its reply said, and those
//! behind it were not sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// One connection of a server that a test leads.
struct ServerConnection {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl ServerConnection {
    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("the client reads");
    }

    /// Reads up to and with `end`; gives what came.
    fn read_through(&mut self, end: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = memchr::memmem::find(&self.heard, end.as_bytes()) {
                let heard = self.heard.drain(..at + end.len()).collect();
                return String::from_utf8(heard).expect("it is text");
            }
            let count = self.stream.read(&mut buffer).expect("the client writes");
            assert!(count > 0, "awaited {end:?}, got {:?}", String::from_utf8_lossy(&self.heard));
            self.heard.extend_from_slice(&buffer[..count]);
        }
    }

    /// Greeting and EHLO, then the first row's envelope.
    fn begin(&mut self, offers: &str) {
        self.say("220 mx\r\n");
        self.read_through("EHLO t\r\n");
        self.say(&format!("250-mx\r\n250-PIPELINING\r\n250 {offers}\r\n"));
    }

    /// Takes the envelope, then content up to its dot.
    fn content(&mut self) {
        self.read_through("DATA\r\n");
        self.say("250 a\r\n250 b\r\n354 go\r\n");
        self.read_through("\r\n.\r\n");
    }

    /// Takes whatever is sent, to the end.
    fn accept(&mut self) {
        self.begin("HELP");
        loop {
            self.content();
            self.say("250 ok\r\n");
            let mut next = [0; 1];
            while self.heard.is_empty() {
                let count = self.stream.read(&mut next).expect("the client writes");
                assert!(count > 0, "the client says QUIT");
                self.heard.extend_from_slice(&next);
            }
            if self.heard.starts_with(b"Q") {
                self.read_through("QUIT\r\n");
                self.say("221 bye\r\n");
                return;
            }
        }
    }
}

/// Serves one connection after another, each as it is told; then nobody listens.
fn server(connections: Vec<fn(&mut ServerConnection)>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let served = std::thread::spawn(move || {
        for serve in connections {
            let (stream, _) = listener.accept().expect("the client connects");
            serve(&mut ServerConnection { stream, heard: Vec::new() });
        }
    });
    (port, served)
}

fn batch(folder: &Path, rows: usize, more: &str) {
    let session = format!(
        "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"{{{{ row.email }}}}\"]\nsubject = \"s\"\n\
         text = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n{more}"
    );
    let list: String = (0..rows).map(|number| format!("u{number}@x.example\n")).collect();
    std::fs::write(folder.join("c.toml"), session).expect("the folder can be written");
    std::fs::write(folder.join("p.csv"), format!("email\n{list}")).expect("the folder can be written");
}

fn start(folder: &Path, port: u16) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--quiet", "--server", &format!("smtp://127.0.0.1:{port}"), "--ledger"])
        .args([folder.join("l.db"), folder.join("c.toml")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mailrun starts")
}

fn run(folder: &Path, port: u16) -> Option<i32> {
    start(folder, port).wait().expect("it ends").code()
}

/// The states of the rows, in their order.
fn states(folder: &Path) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    let output = command.arg("ledger").arg(folder.join("l.db")).args(["export", "--csv"]).output();
    let output = String::from_utf8(output.expect("mailrun starts").stdout).expect("it is text");
    let known = ["pending", "sending", "sent", "refused", "deferred", "unknown"];
    let state = |line: &str| line.split(',').find(|cell| known.contains(cell)).map(str::to_owned);
    output.lines().skip(1).filter_map(state).collect()
}

#[test]
fn a_connection_lost_behind_a_dot_leaves_one_row_unknown_and_the_next_pending() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 4, "");
    let (port, served) = server(vec![|client| {
        client.begin("HELP");
        client.content();
        assert!(
            client.read_through("DATA\r\n").contains("RCPT TO:<u1@x.example>"),
            "the next row's envelope came with the dot"
        );
    }]);
    assert_eq!(run(folder.path(), port), Some(74));
    served.join().expect("the server saw what it should");
    assert_eq!(states(folder.path()), ["unknown", "pending", "pending", "pending"]);
    let (port, served) = server(vec![ServerConnection::accept]);
    assert_eq!(run(folder.path(), port), Some(74));
    served.join().expect("the server saw what it should");
    assert_eq!(states(folder.path()), ["unknown", "sent", "sent", "sent"]);
}

#[test]
fn rows_behind_a_421_go_on_over_a_fresh_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 3, "");
    let (port, served) = server(vec![
        |client| {
            client.begin("HELP");
            client.content();
            client.read_through("DATA\r\n");
            client.say("421 enough\r\n");
        },
        ServerConnection::accept,
    ]);
    assert_eq!(run(folder.path(), port), Some(75));
    served.join().expect("the server saw what it should");
    assert_eq!(states(folder.path()), ["deferred", "sent", "sent"]);
}

#[test]
fn what_was_in_flight_is_unknown_and_what_was_not_is_pending() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 5, "in_flight = 3\n");
    let (port, served) = server(vec![|client| {
        client.begin("CHUNKING");
        (0..3).for_each(|_| drop(client.read_through(" LAST\r\n")));
        client.read_through("\r\n\r\nt");
        client.say("250 a\r\n250 b\r\n250 ok\r\n");
        client.read_through(" LAST\r\n");
        client.read_through("\r\n\r\nt");
    }]);
    assert_eq!(run(folder.path(), port), Some(74));
    served.join().expect("the server saw what it should");
    assert_eq!(states(folder.path()), ["sent", "unknown", "unknown", "unknown", "pending"]);
}

#[test]
fn what_was_in_flight_behind_a_421_goes_on_over_a_fresh_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 4, "in_flight = 3\n");
    let (port, served) = server(vec![
        |client| {
            client.begin("CHUNKING");
            (0..3).for_each(|_| drop(client.read_through(" LAST\r\n")));
            client.read_through("\r\n\r\nt");
            client.say("250 a\r\n250 b\r\n421 enough\r\n");
        },
        ServerConnection::accept,
    ]);
    assert_eq!(run(folder.path(), port), Some(75));
    served.join().expect("the server saw what it should");
    assert_eq!(states(folder.path()), ["deferred", "sent", "sent", "sent"]);
}

#[test]
fn a_run_killed_behind_a_dot_leaves_one_row_unknown_and_the_next_pending() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 3, "");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let mut child = start(folder.path(), listener.local_addr().expect("it is bound").port());
    let (stream, _) = listener.accept().expect("the client connects");
    let mut client = ServerConnection { stream, heard: Vec::new() };
    client.begin("HELP");
    client.content();
    client.read_through("DATA\r\n");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    assert_eq!(states(folder.path()), ["unknown", "pending", "pending"]);
}
