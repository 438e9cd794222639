//! Resolving and connecting, on loopback.

use super::*;
use crate::session::Scheme;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn tcp(host: &str, port: u16) -> Server {
    Server { scheme: Scheme::Smtp, address: ServerAddress::Tcp { host: host.to_owned(), port } }
}

fn connect(server: &Server, options: &ConnectOptions) -> Result<ConnectionInfo, ConnectError> {
    SystemNetwork::new().connect(server, options, soon()).map(|(_, connected)| connected)
}

fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

#[test]
fn a_literal_and_a_name_of_the_loopback_address_connect() {
    let (_listener, port) = listening();
    for host in ["127.0.0.1", "localhost"] {
        let connected = connect(&tcp(host, port), &ConnectOptions::default()).expect("somebody listens");
        assert!(connected.local);
        assert_eq!(connected.address, format!("127.0.0.1:{port}"));
        assert!(connected.resolved.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}

#[test]
fn names_can_be_given_addresses() {
    let (_listener, port) = listening();
    let closed = "::1".parse().expect("an address");
    let resolve = vec![
        ("mx.example".to_owned(), port, closed),
        ("mx.example".to_owned(), port, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ("mx.example".to_owned(), port.wrapping_add(1), closed),
    ];
    let options = ConnectOptions { resolve, ..ConnectOptions::default() };
    let connected = connect(&tcp("MX.example", port), &options).expect("the second address answers");
    assert_eq!(connected.resolved.len(), 2);
    assert_eq!(connected.address, format!("127.0.0.1:{port}"));
}

#[test]
fn a_source_address_is_bound() {
    let (listener, port) = listening();
    let source = Some("127.0.0.9".parse().expect("an address"));
    let options = ConnectOptions { source, ..ConnectOptions::default() };
    let _connected = connect(&tcp("127.0.0.1", port), &options).expect("all of 127/8 is this machine's");
    let (_, peer) = listener.accept().expect("it connected");
    assert_eq!(Some(peer.ip()), source);
}

/// A port on which nothing listens, and what keeps others from getting it.
fn closed() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("it is TCP");
    (socket, address.port())
}

#[test]
fn why_nothing_connects_is_said_in_words() {
    let (_bound, port) = closed();
    let ip = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
    let plain = ConnectOptions::default;
    for (host, options, words) in [
        ("127.0.0.1", plain(), "connection refused"),
        ("127.0.0.1", ConnectOptions { source: ip("::1"), ..plain() }, "family"),
        (
            "127.0.0.1",
            ConnectOptions { source: ip("192.0.2.1"), ..plain() },
            "192.0.2.1 is not an address of this machine",
        ),
        ("127.0.0.1", ConnectOptions { ipv6_only: true, ..plain() }, "no IPv6 address"),
        ("::1", ConnectOptions { ipv4_only: true, ..plain() }, "no IPv4 address"),
    ] {
        let why = match connect(&tcp(host, port), &options).expect_err(words) {
            ConnectError::CannotConnect { address, why } => {
                assert_eq!(address, format!("127.0.0.1:{port}"));
                why
            }
            ConnectError::CannotResolve { why, .. } => why,
        };
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn each_address_that_was_tried_is_named_with_its_error() {
    let (_bound, port) = closed();
    let ips = ["127.0.0.1", "127.0.0.2", "::1"].map(|text| text.parse::<IpAddr>().expect("an address"));
    let resolve = ips.iter().map(|ip| ("mx.example".to_owned(), port, *ip)).collect();
    let options = ConnectOptions { resolve, ..ConnectOptions::default() };
    let Err(ConnectError::CannotConnect { address, why }) = connect(&tcp("mx.example", port), &options) else {
        panic!("nobody listens");
    };
    assert_eq!(address, format!("mx.example:{port}"));
    let parts: Vec<_> = why.split("; ").collect();
    assert_eq!(parts.len(), 3, "{why}");
    for (part, ip) in parts.iter().zip(ips) {
        let reason = part.strip_prefix(&format!("{ip}: "));
        assert!(reason.is_some_and(|reason| !reason.is_empty()), "{why}");
    }
    assert!(why.starts_with("127.0.0.1: connection refused; 127.0.0.2: connection refused; "), "{why}");
}

#[test]
fn names_that_are_none_do_not_resolve() {
    for host in ["", "a b", "nul\0in.name", &"x".repeat(300)] {
        let error = connect(&tcp(host, 25), &ConnectOptions::default()).expect_err(host);
        assert!(matches!(error, ConnectError::CannotResolve { .. }), "{host:?}: {error:?}");
    }
}

#[test]
fn a_unix_socket_connects_and_says_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lmtp");
    let server = |path: &Path| Server { scheme: Scheme::Lmtp, address: ServerAddress::Unix(path.to_owned()) };
    let _listener = UnixListener::bind(&path).expect("a socket in an empty folder");
    let connected = connect(&server(&path), &ConnectOptions::default()).expect("somebody listens");
    assert!(connected.local && connected.peer.is_none());
    assert_eq!(connected.address, path.display().to_string());
    let long = folder.path().join("x".repeat(200));
    for (path, words) in [(folder.path().join("none"), "no such socket"), (long, "too long")] {
        let Err(ConnectError::CannotConnect { why, .. }) = connect(&server(&path), &ConnectOptions::default()) else {
            panic!("{} connected", path.display());
        };
        assert!(why.contains(words), "{why}");
    }
}
