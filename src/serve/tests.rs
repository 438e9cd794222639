//! The servers over real sockets on loopback, with and without TLS.

mod faults;
mod logs;
mod scripts;

use super::{Behaviour, Config, Listen, ReplyRules, RunningServer, SinkOptions, Summary, run_with_command, start};
use native_tls::{Certificate, TlsConnector, TlsStream};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any test takes; a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(20);

struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

fn connect(server: &RunningServer) -> Client<TcpStream> {
    let socket = TcpStream::connect(&server.address).expect("the server listens");
    socket.set_read_timeout(Some(LONG)).expect("a limit");
    socket.set_nodelay(true).expect("no delay");
    Client { stream: BufReader::new(socket) }
}

impl Client<TcpStream> {
    fn start_tls(self, server: &RunningServer) -> Client<TlsStream<TcpStream>> {
        assert!(self.stream.buffer().is_empty());
        let ca = Certificate::from_pem(server.ca_pem.as_bytes()).expect("PEM");
        let connector = TlsConnector::builder().disable_built_in_roots(true).add_root_certificate(ca).build();
        let stream = connector.expect("a connector").connect("localhost", self.stream.into_inner());
        Client { stream: BufReader::new(stream.expect("the certificate is trusted")) }
    }
}

impl<S: Read + Write> Client<S> {
    fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.stream.get_mut().write_all(bytes).expect("the server reads");
        self
    }

    fn say(&mut self, line: &str) -> &mut Self {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// A reply with all its lines.
    fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let read = self.stream.read_line(&mut reply).expect("a reply");
            assert!(read > 0, "the server closed: {reply}");
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    fn hears(&mut self, start: &str) -> &mut Self {
        let reply = self.reply();
        assert!(reply.starts_with(start), "wanted {start}, got {reply}");
        self
    }

    fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn sink(folder: &Path) -> Config {
    Config::sink(folder.join("box"))
}

/// The mails that are kept, each with its envelope.
fn mails(folder: &Path) -> Vec<(Vec<u8>, serde_json::Value)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("box"))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for file in &files {
        let mode = std::fs::metadata(file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        assert!(!file.to_string_lossy().ends_with(".part"), "{} was left over", file.display());
    }
    let eml = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
    eml.map(|file| {
        let json = std::fs::read(file.with_extension("json")).expect("the envelope stands beside");
        (std::fs::read(file).expect("the mail"), serde_json::from_slice(&json).expect("JSON"))
    })
    .collect()
}

fn passed(summary: &Summary) {
    assert_eq!(summary.problems(), Vec::<String>::new());
}

#[test]
fn a_mail_over_starttls_with_auth_and_bdat_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(sink(folder.path())).expect("it starts");
    let mut client = connect(&server);
    client.hears("220 ").say("EHLO client.example").hears("250-").say("STARTTLS").hears("220 ");
    let mut client = client.start_tls(&server);
    client.say("EHLO client.example").hears("250-").say("AUTH PLAIN AHUAcA==").hears("235 ");
    client.send(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nBDAT 5 LAST\r\n\0\xff\n.\r");
    client
        .hears("250 2.1.0")
        .hears("250 2.1.5")
        .hears("250 2.0.0 queued as ")
        .say("QUIT")
        .hears("221 ")
        .hears_the_end();
    passed(&server.stop(LONG));
    let mails = mails(folder.path());
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].0, b"\0\xff\n.\r");
    let envelope = &mails[0].1;
    assert_eq!(envelope["mail_from"], "a@example.com");
    assert_eq!(envelope["rcpt"][0]["address"], "b@example.com");
    assert_eq!((&envelope["tls"], &envelope["protocol"]), (&"TLSv1.3".into(), &"ESMTPSA".into()));
    assert_eq!(envelope["auth"]["user"], "u");
    assert!(envelope["received"].as_str().is_some_and(|time| time.ends_with('Z')));
}

#[test]
fn tls_may_begin_with_the_first_byte_and_a_proxy_header_before_it() {
    for header in ["", "PROXY TCP4 192.0.2.1 192.0.2.2 4000 465\r\n"] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = start(Config { tls: true, pieces: Some(1), ..sink(folder.path()) }).expect("it starts");
        assert!(server.url.starts_with("smtps://127.0.0.1:"));
        let mut client = connect(&server);
        client.send(header.as_bytes());
        let mut client = client.start_tls(&server);
        client.hears("220 ").say("HELO x").hears("250 ").say("MAIL FROM:<>").hears("250 ");
        client.say("RCPT TO:<a@b.example>").hears("250 ").say("DATA").hears("354 ").say(".").hears("250 ");
        client.say("QUIT").hears("221 ").hears_the_end();
        passed(&server.stop(LONG));
        let proxied = mails(folder.path())[0].1["proxied_for"].clone();
        assert_eq!(proxied.as_str(), (!header.is_empty()).then_some("192.0.2.1:4000"));
    }
}

#[test]
fn a_large_mail_streams_to_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(sink(folder.path())).expect("it starts");
    let mut client = connect(&server);
    client.hears("220 ").say("HELO x").hears("250 ").say("MAIL FROM:<>").hears("250 ");
    client.say("RCPT TO:<a@b.example>").hears("250 ").say("DATA").hears("354 ");
    let block = "x".repeat(998) + "\r\n";
    let blocks = block.repeat(64);
    for _ in 0..128 {
        client.send(blocks.as_bytes());
    }
    // Before its end the mail has no name of its own.
    assert!(
        std::fs::read_dir(folder.path().join("box"))
            .expect("a folder")
            .all(|entry| { entry.expect("an entry").file_name().to_string_lossy().ends_with(".part") })
    );
    client.say(".").hears("250 ").say("QUIT").hears("221 ");
    passed(&server.stop(LONG));
    assert_eq!(mails(folder.path())[0].0.len(), 1000 * 64 * 128);
}

#[test]
fn a_mail_that_was_not_finished_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(sink(folder.path())).expect("it starts");
    let mut client = connect(&server);
    client.hears("220 ").say("HELO x").hears("250 ").say("MAIL FROM:<>").hears("250 ");
    client.say("RCPT TO:<a@b.example>").hears("250 ").say("DATA").hears("354 ").say("half of it");
    drop(client);
    passed(&server.stop(LONG));
    assert!(mails(folder.path()).is_empty());
    assert_eq!(std::fs::read_dir(folder.path().join("box")).expect("a folder").count(), 0);
}

#[test]
fn a_stopped_server_says_421() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(sink(folder.path())).expect("it starts");
    let mut client = connect(&server);
    client.hears("220 ").say("NOOP").hears("250 ");
    server.stop(Duration::ZERO);
    client.hears("421 4.3.2").hears_the_end();
}

#[test]
fn an_idle_client_is_told_so() {
    let config = Config { idle: Duration::from_millis(50), ..Config::new(Behaviour::Sink(SinkOptions::default())) };
    let server = start(config).expect("it starts");
    connect(&server).hears("220 ").hears("421 4.4.2").hears_the_end();
    passed(&server.stop(LONG));
}

#[test]
fn unix_sockets_are_served_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let server =
        start(Config { listen: Listen::Unix(path.clone()), lmtp: true, ..sink(folder.path()) }).expect("it starts");
    assert_eq!(server.url, format!("lmtp+unix://{}", path.display()));
    let socket = UnixStream::connect(&path).expect("the server listens");
    let mut client = Client { stream: BufReader::new(socket) };
    client.hears("220 ").say("LHLO x").hears("250-").say("QUIT").hears("221 ").hears_the_end();
    passed(&server.stop(LONG));
    assert!(!path.exists());
}

#[test]
fn rules_hold_over_sockets() {
    let rules = ReplyRules::read("rules.toml", "[[on]]\nverb = 'EHLO'\nreply = '421 4.3.2 not now'\nclose = true\n")
        .expect("rules");
    let server =
        start(Config::new(Behaviour::Sink(SinkOptions { rules, ..SinkOptions::default() }))).expect("it starts");
    connect(&server).hears("220 ").say("EHLO x").hears("421 4.3.2 not now").hears_the_end();
    passed(&server.stop(LONG));
}

#[test]
fn what_cannot_be_listened_on_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = start(sink(folder.path())).expect("it starts");
    let address = first.address.parse().expect("an address");
    let second = start(Config { listen: Listen::Tcp(address), ..sink(folder.path()) });
    assert!(second.err().is_some_and(|why| why.to_string().contains(&first.address)));
    std::fs::write(folder.path().join("file"), "").expect("a file");
    assert!(start(Config::sink(folder.path().join("file"))).is_err(), "a file is no folder");
}
