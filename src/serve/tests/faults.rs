//! Faults of scripts over sockets: bad certificates, text outside TLS, and ends of connections.

use super::*;

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
