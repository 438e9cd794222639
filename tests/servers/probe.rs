//! `mailrun probe` against every server: what it finds is what the server is configured to be, and the session that it saves
//! passes.

use crate::all_servers::{STARTS, STARTS_WITH_VERSIONS};
use crate::certificates::{Authority, Kind};
use crate::fixture::{Server, TlsVersions, folder, mailrun};
use serde_json::Value;
use std::path::Path;

/// Probes the server. Returns the result, and runs the session that is saved.
fn probe(server: &Server, url: &str, ca: &Path) -> Value {
    let folder = folder();
    let saved = folder.path().join("s.toml");
    let (saved, ca) = (saved.to_str().expect("a plain name"), ca.to_str().expect("a plain name"));
    let probe = mailrun(&["probe", "--json", "--ca", ca, "--save", saved, url]).exits(0);
    let report = serde_json::from_str(&probe.stdout).unwrap_or_else(|why| panic!("{}: {why}\n{probe}", server.name));
    let run = mailrun(&["run", saved]);
    assert_eq!(run.status, 0, "{}: the saved session fails\n{run}\n{probe}", server.name);
    report
}

/// The versions of TLS with this result, newest first.
fn versions(report: &Value, result: &str) -> Vec<String> {
    let tried = report["tls_versions"].as_array().expect("a list").iter();
    tried.filter(|one| one["result"] == result).map(|one| one["version"].as_str().expect("a word").to_owned()).collect()
}

fn has_warning(report: &Value, kind: &str) -> bool {
    report["warnings"].as_array().expect("a list").iter().any(|one| one["kind"] == kind)
}

#[test]
#[ignore = "needs real servers: make test-servers"]
fn each_server_is_probed_and_passes_the_session_that_is_saved() {
    let certificate = Authority::new().issue(Kind::Good);
    for start in STARTS {
        let server = start(&certificate);
        for (scheme, port) in [("smtp", server.port), ("smtps", server.tls_port)] {
            let report = probe(&server, &format!("{scheme}://localhost:{port}"), &certificate.ca);
            let what = format!("{} at {scheme}: {report:#}", server.name);
            assert_eq!(report["greeting"]["code"], 220, "{what}");
            assert_eq!(report["tls"]["trusted"], true, "{what}");
            assert!(versions(&report, "accepted").contains(&"1.2".to_owned()), "{what}");
            assert_eq!(versions(&report, "not-tried"), [] as [&str; 0], "{what}");
            let offered = report["ehlo_in_tls"]["auth"].as_array().expect("a list");
            for mechanism in server.mechanisms {
                assert!(offered.iter().any(|one| one == mechanism), "{mechanism}: {what}");
            }
        }
    }
}

#[test]
#[ignore = "needs real servers: make test-servers"]
fn old_versions_are_found_where_they_are_accepted() {
    let certificate = Authority::new().issue(Kind::Good);
    for start in STARTS_WITH_VERSIONS {
        for (setting, accepted, refused) in [
            (TlsVersions::Old, vec!["1.3", "1.2", "1.1", "1.0"], vec![]),
            (TlsVersions::New, vec!["1.3", "1.2"], vec!["1.1", "1.0"]),
        ] {
            let server = start(&certificate, setting);
            let report = probe(&server, &format!("smtp://localhost:{}", server.port), &certificate.ca);
            let what = format!("{} {setting:?}: {report:#}", server.name);
            assert_eq!(versions(&report, "accepted"), accepted, "{what}");
            assert_eq!(versions(&report, "not-accepted"), refused, "{what}");
            assert_eq!(has_warning(&report, "tls-old"), setting == TlsVersions::Old, "{what}");
        }
    }
}

#[test]
#[ignore = "needs real servers: make test-servers"]
fn a_certificate_that_is_not_trusted_is_a_warning() {
    let authority = Authority::new();
    for (kind, warning) in [
        (Kind::Expired, "certificate-date"),
        (Kind::WrongName, "certificate-name"),
        (Kind::SelfSigned, "certificate-issuer"),
    ] {
        let certificate = authority.issue(kind);
        let server = crate::exim::start(&certificate);
        let report = probe(&server, &format!("smtp://localhost:{}", server.port), &certificate.ca);
        assert!(has_warning(&report, warning), "{kind:?}: {report:#}");
        assert_eq!(report["tls"]["trusted"], false, "{kind:?}: {report:#}");
    }
}
