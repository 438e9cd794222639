//! Chains whose fault is not in the server's own certificate.

use crate::exec::*;
use crate::net::SystemNetwork;
use crate::session::Scheme;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A root, a certificate below it that ends in that year, and the server's own below that one, as PEM.
struct Chain {
    root: String,
    middle: String,
    own: String,
    key: String,
}

fn authority(name: &str, last_year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params
}

fn chain(root: &str, last_year_of_middle: i32) -> Chain {
    let [root_key, middle_key, key] = [(); 3].map(|()| KeyPair::generate().expect("a key"));
    let root_params = authority(root, 2099);
    let root = root_params.self_signed(&root_key).expect("a root").pem();
    let root_issuer = Issuer::new(root_params, root_key);
    let middle_params = authority("Middle", last_year_of_middle);
    let middle = middle_params.signed_by(&middle_key, &root_issuer).expect("an intermediate").pem();
    let mut params = CertificateParams::new(vec!["mail.example".to_owned()]).expect("a name");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "mail.example");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2098, 1, 1);
    let own = params.signed_by(&key, &Issuer::new(middle_params, middle_key)).expect("a certificate").pem();
    Chain { root, middle, own, key: key.serialize_pem() }
}

/// What a client that trusts `trusted` says of a server that sends `sent`, the server's own certificate first.
/// With a security level OpenSSL is used directly.
fn refusal(
    sent: &[&str],
    key: &str,
    trusted: &str,
    (max, security_level): (SslVersion, Option<u8>),
) -> (CertificateProblem, String) {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("an acceptor");
    let parsed = |pem: &&str| X509::from_pem(pem.as_bytes()).expect("PEM");
    builder.set_certificate(&parsed(&sent[0])).expect("a certificate");
    sent[1..].iter().for_each(|pem| builder.add_extra_chain_cert(parsed(pem)).expect("another one"));
    builder.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).expect("PEM")).expect("its key");
    builder.set_max_proto_version(Some(max)).expect("a version");
    let acceptor = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    // In TLS 1.2 the certificates are sent unencrypted, and OpenSSL tells them; else they are asked for once more.
    let connections = if max == SslVersion::TLS1_2 || security_level.is_some() { 1 } else { 2 };
    let thread = std::thread::spawn(move || {
        for _ in 0..connections {
            if let Ok(mut tls) = acceptor.accept(listener.accept().expect("a client").0) {
                let _ = tls.read_to_end(&mut Vec::new());
            }
        }
    });
    let server = Server { scheme: Scheme::Smtp, address: ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port } };
    let soon = Instant::now() + Duration::from_secs(20);
    let (mut stream, _) = SystemNetwork::new().connect(&server, &ConnectOptions::default(), soon).expect("it listens");
    let options = TlsOptions {
        server_name: "mail.example".to_owned(),
        verify: true,
        ca: trusted.as_bytes().to_vec(),
        system_roots: false,
        limits: TlsLimits { security_level, ..TlsLimits::default() },
        client_cert: None,
        alpn: Vec::new(),
        details: false,
    };
    let result = stream.start_tls(&options, soon);
    stream.close(CloseMode::Fin).expect("closed");
    thread.join().expect("as many connections as there should be");
    match result {
        Err(TlsError::Certificate { problem, why, .. }) => (problem, why),
        other => panic!("the certificate is not refused: {other:?}"),
    }
}

#[test]
fn the_certificate_that_is_missing_expired_or_untrusted_is_named() {
    let (good, dead, foreign) = (chain("Root", 2099), chain("Root", 2021), chain("Another", 2099));
    use CertificateProblem as Problem;
    let both = [SslVersion::TLS1_2, SslVersion::TLS1_3];
    for max in both.into_iter().flat_map(|version| [(version, None), (version, Some(1))]) {
        assert_eq!(
            refusal(&[&good.own], &good.key, &good.root, max),
            (
                Problem::Chain,
                "issuer unknown: the server sent 1 certificate; its issuer CN=Middle is missing".to_owned()
            )
        );
        assert_eq!(
            refusal(&[&dead.own, &dead.middle], &dead.key, &dead.root, max),
            (Problem::Date, "certificate 2 of the server's chain, CN=Middle, expired on 2021-01-01".to_owned())
        );
        let (problem, why) = refusal(&[&good.own, &good.middle, &good.root], &good.key, &foreign.root, max);
        assert_eq!(problem, Problem::Issuer, "{why}");
        assert!(why.ends_with("(CN=Root)"), "{why}");
    }
}
