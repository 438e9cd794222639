//! TLS 1.0 and 1.1 with real servers: one that accepts them must fail a test that says they are refused, and one that refuses
//! them must pass it. OpenSSL's servers (Postfix, Dovecot) and GnuTLS's (Exim) refuse in different ways.

use crate::all_servers::STARTS_WITH_VERSIONS;
use crate::certificates::{Authority, Kind};
use crate::fixture::{Server, TlsVersions, folder, mailrun};

/// A session that speaks this version only, and how it says what is expected.
fn session(version: &str, head: &str, step: &str) -> String {
    format!(
        "{head}\n[tls]\nca = 'ca.pem'\nmin_version = '{version}'\nmax_version = '{version}'\n\
         [[step]]\nexpect = 220\n[[step]]\nehlo = 'client.example'\n[[step]]\nstarttls = true\n{step}\n"
    )
}

/// Runs the session, over STARTTLS. Returns the exit status and what was printed.
fn run(server: &Server, ca: &std::path::Path, text: &str) -> (i32, String) {
    let folder = folder();
    let path = folder.path().join("old.toml");
    std::fs::write(&path, text).expect("a session can be written");
    std::fs::copy(ca, folder.path().join("ca.pem")).expect("a certificate can be copied");
    let url = format!("smtp://localhost:{}", server.port);
    mailrun(&["test", "--server", &url, path.to_str().expect("a plain name")]).status_and_text()
}

#[test]
#[ignore = "needs real servers: make test-servers"]
fn a_test_that_old_versions_are_refused_passes_only_if_the_server_refuses_them() {
    let certificate = Authority::new().issue(Kind::Good);
    for start in STARTS_WITH_VERSIONS {
        for (versions, plain, xfail, refused) in [(TlsVersions::Old, 0, 1, 1), (TlsVersions::New, 76, 0, 0)] {
            let server = start(&certificate, versions);
            for version in ["1.0", "1.1"] {
                let is_spoken = format!("assert = [\"tls.version == 'TLSv{version}'\"]");
                let runs = [
                    ("plain", session(version, "", &is_spoken), plain),
                    ("xfail", session(version, "xfail = 'it must be refused'", ""), xfail),
                    ("handshake-failure", session(version, "", "expect = 'handshake-failure'"), refused),
                ];
                for (what, text, expected) in runs {
                    let (status, said) = run(&server, &certificate.ca, &text);
                    assert_eq!(status, expected, "{} {versions:?}, TLS {version}, {what}:\n{said}", server.name);
                }
            }
        }
    }
}

#[test]
#[ignore = "needs real servers: make test-servers"]
fn servers_that_accept_old_versions_also_accept_new_ones() {
    let certificate = Authority::new().issue(Kind::Good);
    for start in STARTS_WITH_VERSIONS {
        let server = start(&certificate, TlsVersions::Old);
        for version in ["1.2", "1.3"] {
            let text = session(version, "", &format!("assert = [\"tls.version == 'TLSv{version}'\"]"));
            let (status, said) = run(&server, &certificate.ca, &text);
            assert_eq!(status, 0, "{}, TLS {version}:\n{said}", server.name);
        }
    }
}
