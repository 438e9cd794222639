//! The servers over real sockets on loopback, with and without TLS.

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
fn the_server_may_end_after_its_connections() {
    let server =
        start(Config { connections: Some(2), ..Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script") });
    let server = server.expect("it starts");
    connect(&server).hears("220 x").say("QUIT").hears("221 x").hears_the_end();
    connect(&server).hears("220 x").say("HELO x").hears("421 script mismatch").hears_the_end();
    let summary = server.wait();
    assert_eq!(summary.problems(), ["connection 2: expected \"QUIT\", got \"HELO x\""]);
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

const STARTTLS: &str = "*: connected to 127.0.0.1:25
S: 220 x
C: EHLO a
S: 250-x
S: 250 STARTTLS
C: STARTTLS
S: 220 go
*: TLS started: TLSv1.3, CN=localhost, verified
C: NOOP
S: 250 inside
C: QUIT
S: 221 bye
*: closed by the server
*: connected to 127.0.0.1:25
S: 554 no
*: reset by the server
";

#[test]
fn a_script_plays_over_sockets_at_every_chunk_size() {
    for pieces in (1..=16).map(Some).chain([None]) {
        let config = Config { pieces, ..Config::script(STARTTLS).expect("a script") };
        let server = start(config).expect("it starts");
        let mut client = connect(&server);
        client.hears("220 x").say("EHLO a").hears("250-x").say("STARTTLS").hears("220 go");
        let mut client = client.start_tls(&server);
        client.send(b"NO").send(b"OP\r\nQUIT\r\n").hears("250 inside").hears("221 bye").hears_the_end();
        let mut client = connect(&server);
        // The reset may take the line with it.
        let mut all = Vec::new();
        let reset = client.stream.read_to_end(&mut all).expect_err("a reset");
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        passed(&server.stop(LONG));
    }
}

#[test]
fn a_script_that_nobody_came_for_is_a_problem() {
    let server = start(Config::script(STARTTLS).expect("a script")).expect("it starts");
    assert_eq!(server.stop(LONG).problems(), ["the scripts of 2 connections were not played: nobody connected"]);
}

#[test]
fn a_mismatch_is_logged_when_it_happens() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = {
        let lines = lines.clone();
        Arc::new(move |line: &str| lines.lock().expect("no thread panicked").push(line.to_owned()))
    };
    let config = Config { log: Some(log), ..Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script") };
    let server = start(config).expect("it starts");
    connect(&server).hears("220 x").say("NOOP").hears("421 script mismatch").hears_the_end();
    assert!(!server.stop(LONG).passed());
    assert_eq!(*lines.lock().expect("no thread panicked"), ["*: expected \"QUIT\", got \"NOOP\""]);
}

#[test]
fn a_paced_line_comes_in_pieces() {
    let server =
        start(Config::script("*: chunk 1 every 5ms\nS: 220 abc\n*: closed by the server\n").expect("a script"));
    let server = server.expect("it starts");
    let mut client = connect(&server);
    let mut byte = [0; 64];
    let read = client.stream.get_mut().read(&mut byte).expect("a piece");
    assert!(read < 9, "the line came in one piece");
    client.hears(&"220 abc"[read..]).hears_the_end();
    passed(&server.stop(LONG));
}

#[test]
fn a_command_finds_the_server_in_its_environment() {
    let run = |script: &str| {
        let server = start(Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script")).expect("it starts");
        let command = ["sh", "-c", script].map(Into::into);
        run_with_command(server, &command, |_| {}).expect("sh is there")
    };
    let (status, summary) = run("test \"${MAILRUN_SERVER#smtp://127.0.0.1:}\" != \"$MAILRUN_SERVER\"");
    assert!(status.success());
    assert!(!summary.passed(), "the script was not played");
    let (status, _) = run("exit 3");
    assert_eq!(status.code(), Some(3));
    let server = start(Config::sink(tempfile::tempdir().expect("a folder").path())).expect("it starts");
    assert!(run_with_command(server, &["/nonexistent/command".into()], |_| {}).is_err());
}

#[test]
fn the_url_says_what_the_client_is_to_speak() {
    for (script, tls, scheme) in [
        ("S: 220 x\nC: EHLO a\nS: 250 x\n", false, "smtp"),
        ("S: 220 x\nC: EHLO a\nS: 250 x\n", true, "smtps"),
        ("*: connected\n*: TLS started: TLSv1.3\nS: 220 x\nC: EHLO a\n", false, "smtps"),
        ("S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO a\n", false, "smtp"),
        ("S: 220 x\nC: LHLO a\nS: 250 x\n", false, "lmtp"),
    ] {
        let server = start(Config { tls, ..Config::script(script).expect(script) }).expect("it starts");
        assert_eq!(server.url, format!("{scheme}://{}", server.address), "{script}");
    }
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

/// What a client with these roots thinks of a server that follows `script` after STARTTLS, and the server's complaints.
fn handshake_with(script: &str) -> (Result<(), String>, Vec<String>) {
    let server = start(Config::script(&format!("S: 220 x\nC: STARTTLS\nS: 220 go\n{script}")).expect("a script"));
    let server = server.expect("it starts");
    let mut client = connect(&server);
    client.hears("220 x").say("STARTTLS").hears("220 go");
    let ca = Certificate::from_pem(server.ca_pem.as_bytes()).expect("PEM");
    let connector = TlsConnector::builder().disable_built_in_roots(true).add_root_certificate(ca).build();
    let shaken = connector.expect("a connector").connect("localhost", client.stream.into_inner());
    let result = shaken.map(drop).map_err(|error| error.to_string());
    (result, server.stop(LONG).problems())
}

#[test]
fn a_client_refuses_each_bad_certificate_and_the_script_passes() {
    for (flaw, why) in [
        ("expired", "expired"),
        ("future", "not yet valid"),
        ("wrong-name", "mismatch"),
        ("unknown-issuer", "issuer"),
        ("self-signed", "self"),
    ] {
        let (shaken, problems) = handshake_with(&format!("*: TLS with {flaw}\n"));
        let error = shaken.expect_err(flaw).to_lowercase();
        assert!(error.contains(why), "{flaw}: {error}");
        assert_eq!(problems, Vec::<String>::new(), "{flaw}");
    }
    assert!(handshake_with("*: TLS started\n").0.is_ok());
}

#[test]
fn a_client_that_takes_a_bad_certificate_deviates_from_the_script() {
    let config = Config { tls: false, ..Config::script("*: TLS with expired\n").expect("a script") };
    let server = start(config).expect("it starts");
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().expect("a connector");
    let socket = TcpStream::connect(&server.address).expect("the server listens");
    let mut stream = connector.connect("localhost", socket).expect("this client takes any certificate");
    stream.write_all(b"EHLO x\r\n").expect("the server reads");
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    assert_eq!(server.stop(LONG).problems(), ["connection 1: expected the end of the connection, got \"EHLO x\""]);
}

#[test]
fn tls_ends_and_the_dialogue_goes_on_in_plain_text() {
    let script = "*: TLS started\nC: NOOP\nS: 250 inside\n*: TLS closed by the client\nC: NOOP\nS: 250 outside\nC: QUIT\nS: 221 x\n";
    let server = start(Config::script(script).expect("a script")).expect("it starts");
    assert!(server.url.starts_with("smtps://"), "{}", server.url);
    let socket = TcpStream::connect(&server.address).expect("the server listens");
    let below = socket.try_clone().expect("a second handle");
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().expect("a connector");
    let mut stream = connector.connect("localhost", socket).expect("a handshake");
    stream.write_all(b"NOOP\r\n").expect("the server reads");
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"250 inside\r\n");
    stream.shutdown().expect("close_notify");
    // The server's close_notify, in TLS 1.3 an encrypted record.
    assert_eq!(stream.read(&mut reply).expect("an end"), 0);
    let mut client = Client { stream: BufReader::new(below) };
    client.say("NOOP").hears("250 outside").say("QUIT").hears("221 x");
    drop((client, stream));
    passed(&server.stop(LONG));
}

#[test]
fn text_outside_tls_arrives_below_it() {
    let script = "*: TLS started\nC: NOOP\n*: outside TLS: 421 4.3.2 too many errors\n*: closed by the server\n";
    let server = start(Config::script(script).expect("a script")).expect("it starts");
    let socket = TcpStream::connect(&server.address).expect("the server listens");
    let mut below = socket.try_clone().expect("a second handle");
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().expect("a connector");
    let mut stream = connector.connect("localhost", socket).expect("a handshake");
    stream.write_all(b"NOOP\r\n").expect("the server reads");
    let mut rest = Vec::new();
    below.read_to_end(&mut rest).expect("an end");
    assert!(rest.ends_with(b"421 4.3.2 too many errors\r\n"), "no close_notify follows: {rest:?}");
    drop(stream);
    passed(&server.stop(LONG));
}

#[test]
fn a_half_closed_server_still_reads() {
    let server = start(Config::script("S: 220 x\n*: half-close\nC: NOOP\n").expect("a script")).expect("it starts");
    let mut client = connect(&server);
    client.hears("220 x").hears_the_end();
    client.say("NOOP");
    drop(client);
    passed(&server.stop(LONG));
}

#[test]
fn a_server_that_stops_reading_stays_until_the_client_leaves() {
    let server =
        start(Config { connections: Some(1), ..Config::script("S: 220 x\n*: stop reading\n").expect("a script") });
    let server = server.expect("it starts");
    let mut client = connect(&server);
    client.hears("220 x").say("NOOP");
    client.stream.get_ref().set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
    let mut byte = [0];
    let waited = client.stream.read(&mut byte).expect_err("neither a reply nor an end");
    assert!(matches!(waited.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{waited}");
    drop(client);
    passed(&server.wait());
}

#[test]
fn the_end_comes_inside_the_content() {
    for (directive, reset) in [("close after 9 bytes", false), ("reset after 9 bytes", true)] {
        let script = format!("S: 220 x\nC: DATA\nS: 354 go\n*: {directive}\nC: one\nC: .\nS: 250 kept\n");
        let server = start(Config::script(&script).expect("a script")).expect("it starts");
        let mut client = connect(&server);
        client.hears("220 x").say("DATA").hears("354 go").say("1234567");
        let mut rest = Vec::new();
        let end = client.stream.read_to_end(&mut rest);
        assert_eq!(end.is_err(), reset, "{directive}: {end:?}");
        assert_eq!(rest, b"", "{directive}");
        passed(&server.stop(LONG));
    }
}

/// Keeps what a server logs.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no thread panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_is_a_script_of_what_happened() {
    let page = Page::default();
    let script = "S: 220-a\nS: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: DATA\nS: 354 go\nC: one\nC: .\nS: 250 \\c\nS: ok\nC: QUIT\nS: 221 x\n";
    let log = super::ServerTranscript::new(page.clone(), false, false);
    let config = Config { observers: vec![Arc::new(Mutex::new(log))], ..Config::script(script).expect("a script") };
    let server = start(config).expect("it starts");
    let mut client = connect(&server);
    client.hears("220-a").say("STARTTLS").hears("220 go");
    let mut client = client.start_tls(&server);
    client.say("DATA").hears("354").send(b"one\r\n.\r\nQU").hears("250 ok").send(b"IT\r\n").hears("221");
    drop(client);
    passed(&server.stop(LONG));
    let text = String::from_utf8(page.0.lock().expect("no thread panicked").clone()).expect("UTF-8");
    let (first, rest) = text.split_once('\n').expect("lines");
    assert!(first.starts_with("*: connected from 127.0.0.1:"), "{first}");
    assert_eq!(
        rest,
        "S: 220-a\nS: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started: TLSv1.3\nC: DATA\nS: 354 go\nC: one\nC: .\n\
         C: QU\\c\nS: 250\\x20\\c\nS: ok\nC: IT\nS: 221 x\n*: closed by the server\n"
    );
    assert!(super::Script::parse(&text, super::MatchMode::Command).is_ok(), "the log can be played");
}

#[test]
fn the_log_shows_lines_without_an_end_and_a_mismatch_of_the_second_connection() {
    let page = Page::default();
    let log = super::ServerTranscript::new(page.clone(), false, true);
    let config = Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script");
    let server = start(Config { observers: vec![Arc::new(Mutex::new(log))], ..config }).expect("it starts");
    connect(&server).hears("220 x").say("QUIT").hears("221 x").hears_the_end();
    let mut client = connect(&server);
    client.hears("220 x").send(b"NO\xff\n").hears("421").hears_the_end();
    assert!(!server.stop(LONG).passed());
    let text = String::from_utf8(page.0.lock().expect("no thread panicked").clone()).expect("UTF-8");
    let rest = text.split_once("*[2]: connected").expect("the second connection").1;
    let lines: Vec<&str> = rest.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "C[2]: NO\\xff\\n",
            "*[2]: 0000  4e 4f ff 0a                                       |NO..|",
            "S[2]: 421 script mismatch",
            "*[2]: 0000  34 32 31 20 73 63 72 69  70 74 20 6d 69 73 6d 61  |421 script misma|",
            "*[2]: 0010  74 63 68 0d 0a                                    |tch..|",
            "*[2]: closed by the server",
            "*[2]: expected \"QUIT\", got \"NO\\xff\\n\"",
        ]
    );
}
