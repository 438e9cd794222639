//! Certificates good and bad on a real server: the exit status and the words of each.

use crate::certificates::{Authority, Kind};
use crate::exim;
use crate::fixture::mailrun;

struct Case {
    kind: Kind,
    host: &'static str,
    status: i32,
    words: &'static [&'static str],
    why: &'static str,
}

const CASES: &[Case] = &[
    Case { kind: Kind::Good, host: "localhost", status: 0, words: &["verified"], why: "it is good" },
    Case {
        kind: Kind::IpAddress,
        host: "127.0.0.1",
        status: 0,
        words: &["verified"],
        why: "an IP address is a name too",
    },
    Case {
        kind: Kind::IpAddress,
        host: "localhost",
        status: 77,
        words: &["wanted localhost"],
        why: "but not this one",
    },
    Case { kind: Kind::Expired, host: "localhost", status: 77, words: &["expired", "2024-02-01"], why: "it is over" },
    Case {
        kind: Kind::NotYetValid,
        host: "localhost",
        status: 77,
        words: &["not yet valid", "2040-01-01"],
        why: "too early",
    },
    Case {
        kind: Kind::WrongName,
        host: "localhost",
        status: 77,
        words: &["other.test", "wanted localhost"],
        why: "it is somebody else's",
    },
    Case {
        kind: Kind::UnknownIssuer,
        host: "localhost",
        status: 77,
        words: &["issuer"],
        why: "nobody knows who signed",
    },
    Case { kind: Kind::SelfSigned, host: "localhost", status: 77, words: &["self-signed"], why: "nobody else signed" },
    Case { kind: Kind::NameOnlyInCn, host: "localhost", status: 77, words: &["CN"], why: "RFC 9525 §2 counts no CN" },
    Case { kind: Kind::NulInName, host: "localhost", status: 77, words: &["wanted localhost"], why: "CVE-2009-2408" },
    Case {
        kind: Kind::Wildcard,
        host: "localhost",
        status: 77,
        words: &["*.localhost.test", "wanted localhost"],
        why: "a wildcard matches exactly one label",
    },
];

#[test]
#[ignore = "needs a real server: make test-servers"]
fn each_certificate_ends_in_its_status_and_words() {
    let authority = Authority::new();
    for case in CASES {
        let certificate = authority.issue(case.kind);
        let server = exim::start(&certificate);
        for (scheme, port) in [("smtp", server.port), ("smtps", server.tls_port)] {
            let url = format!("{scheme}://{}:{port}", case.host);
            eprintln!("{:?} at {url}: {}", case.kind, case.why);
            let output = mailrun(&[
                "run",
                "--server",
                &url,
                "--ca",
                certificate.ca.to_str().expect("temporary folders have plain names"),
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/sessions/greet.toml"),
            ]);
            let said = output.exits(case.status).text();
            for words in case.words {
                assert!(said.contains(words), "{:?}: {words:?} is missing in\n{said}", case.kind);
            }
        }
    }
}
