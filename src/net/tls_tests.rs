//! Handshakes over loopback sockets: facts, versions, and what goes wrong besides certificates.

#[path = "tls_certificate_tests.rs"]
mod certificates;

use crate::exec::*;
use crate::net::SystemNetwork;
use crate::net::certificate::ServerCertificate;
use crate::session::Scheme;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::X509;
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, SanType, date_time_ymd};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn options(name: &str, ca: &str) -> TlsOptions {
    TlsOptions {
        server_name: name.to_owned(),
        verify: true,
        ca: ca.as_bytes().to_vec(),
        system_roots: false,
        limits: TlsLimits::default(),
        client_cert: None,
        alpn: Vec::new(),
        details: false,
    }
}

/// A server for this number of connections.
fn serving(connections: usize, part: impl Fn(TcpStream) + Send + 'static) -> (Box<dyn Stream>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let thread = std::thread::spawn(move || {
        for _ in 0..connections {
            part(listener.accept().expect("a client").0);
        }
    });
    let server = Server { scheme: Scheme::Smtp, address: ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port } };
    let (stream, _) = SystemNetwork::new().connect(&server, &ConnectOptions::default(), soon()).expect("it listens");
    (stream, thread)
}

/// A handshake from the first byte, and then whatever comes: a failed one may be followed by a second look.
fn handshake(
    acceptor: &SslAcceptor,
    connections: usize,
    options: &TlsOptions,
) -> (Result<TlsFacts, TlsError>, Box<dyn Stream>) {
    let acceptor = acceptor.clone();
    let (mut stream, thread) = serving(connections, move |socket| {
        if let Ok(mut tls) = acceptor.accept(socket) {
            let mut said = Vec::new();
            let _ = tls.read_to_end(&mut said);
            assert_eq!(said, b"", "nothing may be said inside");
        }
    });
    let result = stream.start_tls(options, soon());
    stream.close(CloseMode::Fin).expect("closed");
    thread.join().expect("as many connections as there should be");
    (result, stream)
}

/// By OpenSSL itself: what native-tls makes for servers has no TLS 1.3.
pub fn acceptor_of(chain: &str, key: &str, max: Option<SslVersion>) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("an acceptor");
    let chain = X509::stack_from_pem(chain.as_bytes()).expect("PEM");
    builder.set_certificate(chain.first().expect("a certificate")).expect("a certificate");
    builder.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).expect("PEM")).expect("its key");
    builder.set_max_proto_version(max).expect("a version");
    builder.build()
}

/// Made by hand, since no `ServerCertificate` is that bad.
struct Made {
    pem: String,
    key: String,
    ca: String,
}

impl Made {
    fn acceptor(&self, max: Option<SslVersion>) -> SslAcceptor {
        acceptor_of(&self.pem, &self.key, max)
    }
}

fn made(self_signed: bool, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let mut ca_params = CertificateParams::new(Vec::new()).expect("no names");
    ca_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca_params.distinguished_name.push(DnType::CommonName, "Test CA");
    let ca_key = KeyPair::generate().expect("a key");
    let ca = ca_params.self_signed(&ca_key).expect("a CA").pem();
    let mut params = CertificateParams::new(vec!["mail.example".to_owned()]).expect("a name");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
    params.distinguished_name.push(DnType::CommonName, "mail.example");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = match self_signed {
        true => params.self_signed(&key),
        false => params.signed_by(&key, &Issuer::new(ca_params, ca_key)),
    };
    let pem = certificate.expect("a certificate").pem();
    Made { pem, key: key.serialize_pem(), ca }
}

#[test]
fn a_cipher_is_named_as_in_the_list_of_ciphers() {
    let made = made(false, |_| {});
    let openssl = "ECDHE-ECDSA-AES128-GCM-SHA256";
    for (max, ciphers, details, name) in [
        (SslVersion::TLS1_2, Some(openssl), false, openssl),
        (SslVersion::TLS1_2, None, true, "TLS_ECDHE_ECDSA_WITH_"),
        (SslVersion::TLS1_2, None, false, "TLS_ECDHE_ECDSA_WITH_"),
        (SslVersion::TLS1_3, Some(openssl), false, "TLS_"),
    ] {
        let limits = TlsLimits { ciphers: ciphers.map(str::to_owned), ..TlsLimits::default() };
        let options = TlsOptions { limits, details, ..options("mail.example", &made.ca) };
        let facts = handshake(&made.acceptor(Some(max)), 1, &options).0.expect("a good certificate");
        assert!(facts.cipher.as_deref().is_some_and(|cipher| cipher.starts_with(name)), "{:?}", facts.cipher);
    }
}

#[test]
fn the_facts_of_each_version_are_told() {
    let made = made(false, |_| {});
    for (max, version, suite) in
        [(SslVersion::TLS1_2, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_"), (SslVersion::TLS1_3, "TLSv1.3", "TLS_")]
    {
        let facts = handshake(&made.acceptor(Some(max)), 1, &options("mail.example", &made.ca)).0;
        let facts = facts.expect("a good certificate");
        assert_eq!(facts.version.as_deref(), Some(version));
        assert!(facts.cipher.as_deref().is_some_and(|cipher| cipher.starts_with(suite)), "{:?}", facts.cipher);
        assert!(facts.verified);
        let peer = facts.peer.expect("a server has a certificate");
        assert_eq!(peer.subject, "CN=mail.example,O=Example\\, Inc.");
        assert_eq!(peer.issuer, "CN=Test CA");
        assert_eq!(peer.sans, ["mail.example"]);
        assert_eq!(peer.not_after.to_string(), "2099-01-01T00:00:00Z");
        assert_eq!(peer.sha256.len(), 64);
        let end_point = facts.server_end_point.expect("the signature is of SHA-256");
        let hex: String = end_point.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, peer.sha256, "RFC 5929 §4.1");
    }
}

#[test]
fn the_versions_asked_for_are_the_ones_offered() {
    let made = made(false, |_| {});
    let acceptor = made.acceptor(None);
    for (min, max, version) in [
        (None, Some(TlsVersion::Tls12), "TLSv1.2"),
        (Some(TlsVersion::Tls13), None, "TLSv1.3"),
        (Some(TlsVersion::Tls12), Some(TlsVersion::Tls12), "TLSv1.2"),
    ] {
        let asked = TlsOptions {
            limits: TlsLimits { min_version: min, max_version: max, ..TlsLimits::default() },
            ..options("mail.example", &made.ca)
        };
        assert_eq!(handshake(&acceptor, 1, &asked).0.expect("in common").version.as_deref(), Some(version));
    }
}

#[test]
fn whatever_else_goes_wrong_has_its_own_words() {
    let made = made(false, |_| {});
    let tls12 = made.acceptor(Some(SslVersion::TLS1_2));
    let plain = || options("mail.example", &made.ca);
    type Part = Box<dyn Fn(TcpStream) + Send>;
    let parts: [(Part, TlsOptions, &str); 5] = [
        (
            Box::new(|mut socket| socket.write_all(b"554 5.5.1 I speak no TLS at all\r\n").expect("written")),
            plain(),
            "not TLS",
        ),
        (
            Box::new(|mut socket| {
                let _ = socket.read(&mut [0; 4096]);
            }),
            plain(),
            "closed the connection",
        ),
        (
            Box::new(|mut socket| {
                let _ = socket.read(&mut [0; 4096]);
                socket2::Socket::from(socket).set_linger(Some(Duration::ZERO)).expect("an option of sockets");
            }),
            plain(),
            "reset the connection",
        ),
        (
            Box::new(move |socket| {
                let _ = tls12.accept(socket);
            }),
            TlsOptions {
                limits: TlsLimits { min_version: Some(TlsVersion::Tls13), ..TlsLimits::default() },
                ..plain()
            },
            "no TLS version in common",
        ),
        (
            Box::new(|mut socket| {
                let _ = socket.read(&mut [0; 4096]);
                socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).expect("an alert is written");
            }),
            plain(),
            "refused the handshake",
        ),
    ];
    for (part, options, words) in parts {
        let (mut stream, thread) = serving(1, part);
        let failure = stream.start_tls(&options, soon()).expect_err(words);
        let said = match failure {
            TlsError::Refused(TlsRefusal { why, .. }) if !words.contains("not TLS") => why,
            TlsError::NotTls { why, said } if words.contains("not TLS") && !said.is_empty() => why,
            failure => panic!("{words}: {failure:?}"),
        };
        assert!(said.contains(words), "{said}");
        thread.join().expect("it did its part");
    }
}

#[test]
fn a_handshake_ends_at_its_deadline() {
    let (mut stream, thread) = serving(1, |mut socket| {
        // Until the client goes.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let deadline = Instant::now() + Duration::from_millis(50);
    let failure = stream.start_tls(&options("mail.example", ""), deadline).expect_err("nobody answers");
    assert!(matches!(failure, TlsError::TimedOut), "{failure:?}");
    thread.join().expect("the socket was closed");
}

#[test]
fn settings_that_are_of_no_use_are_said_before_anything_is_sent() {
    let plain = || options("mail.example", "");
    let rsa = (include_bytes!("testdata/rsa.crt").to_vec(), include_bytes!("testdata/rsa.pkcs1.key").to_vec());
    let ec = (include_bytes!("testdata/ec.crt").to_vec(), include_bytes!("testdata/ec.sec1.key").to_vec());
    let (mut stream, thread) = serving(1, |mut socket| {
        let mut said = Vec::new();
        socket.read_to_end(&mut said).expect("read to the end");
        assert_eq!(said, b"");
    });
    for (options, words) in [
        (options("", ""), "not a valid server name"),
        (options(&"a".repeat(254), ""), "not a valid server name"),
        (options("a b", ""), "not a valid server name"),
        (options("nul\0.example", ""), "not a valid server name"),
        (options("bücher.example", ""), "xn--"),
        (options("mail.example", "no PEM"), "no PEM certificate"),
        (options("mail.example", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "not PEM"),
        (TlsOptions { client_cert: Some((rsa.0.clone(), ec.1.clone())), ..plain() }, "not this certificate's"),
        (TlsOptions { client_cert: Some((rsa.0.clone(), Vec::new())), ..plain() }, "no private key"),
        (TlsOptions { client_cert: Some((Vec::new(), ec.1.clone())), ..plain() }, "client certificate"),
        (TlsOptions { alpn: vec![String::new()], ..plain() }, "ALPN"),
        (
            TlsOptions {
                limits: TlsLimits {
                    min_version: Some(TlsVersion::Tls13),
                    max_version: Some(TlsVersion::Tls12),
                    ..TlsLimits::default()
                },
                ..plain()
            },
            "above the maximum",
        ),
    ] {
        let failure = stream.start_tls(&options, soon()).expect_err(words);
        let TlsError::Settings(said) = failure else { panic!("{words}: {failure:?}") };
        assert!(said.contains(words), "{words}: {said}");
    }
    stream.close(CloseMode::Fin).expect("still open until now");
    thread.join().expect("nothing was sent");
}

#[test]
fn a_client_certificate_is_taken_in_each_kind_of_key() {
    let made = made(false, |_| {});
    let acceptor = made.acceptor(None);
    for (certificate, key) in [
        (&include_bytes!("testdata/rsa.crt")[..], &include_bytes!("testdata/rsa.pkcs1.key")[..]),
        (include_bytes!("testdata/rsa.crt"), include_bytes!("testdata/rsa.pkcs8.key")),
        (include_bytes!("testdata/ec.crt"), include_bytes!("testdata/ec.sec1.key")),
    ] {
        let client_cert = Some((certificate.to_vec(), key.to_vec()));
        let asked = TlsOptions { client_cert, ..options("mail.example", &made.ca) };
        assert!(handshake(&acceptor, 1, &asked).0.is_ok());
    }
}
