//! The sessions in `sessions/documents/`, each against the server of the document that it is from. A fixture is both the
//! script of the server and the expected transcript.

mod support;

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::Config;
use support::{EmbeddedServer, Finished, Mailrun, project_path, without_address};

/// The password that the sessions read from `SMTP_PASSWORD`.
const PASSWORD: &str = "correct horse";

/// Every document's session with its fixture's name, and whether its server has a self-signed certificate.
const DOCUMENTS: &[(&str, bool)] = &[
    ("gmail-587-starttls-login", false),
    ("gmail-465-tls-plain", false),
    ("gmail-587-starttls-plain", false),
    ("msa-465-lower-case", false),
    ("stunnel-25-plaintext", false),
    ("atmail-25-plaintext", false),
    ("atmail-465-tls", false),
    ("atmail-25-starttls-unverified", true),
    ("atmail-25-auth-login", false),
    ("atmail-25-auth-plain-334", false),
    ("atmail-25-auth-plain-authzid", false),
    ("atmail-25-two-recipients", false),
    ("atmail-25-complete", true),
    ("icloud-587-plain-334", false),
];

fn fixture(name: &str) -> String {
    let path = project_path(&format!("fixtures/documents/{name}.txt"));
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a document's session against its server, which writes up to `pieces` bytes at a time. Also returns what the
/// server reported about the client.
fn run(name: &str, self_signed: bool, pieces: Option<usize>, options: &[&str]) -> (Finished, Vec<String>) {
    let mut config = Config::script(&fixture(name)).expect("the fixture is a transcript");
    config.pieces = pieces;
    config.certificate = self_signed.then(self_signed_certificate);
    let server = EmbeddedServer::start(config);
    // The session's own URL says whether TLS starts with the first byte.
    let session = project_path(&format!("sessions/documents/{name}.toml"));
    let text = std::fs::read_to_string(&session).expect("the session can be read");
    let url = server.url(if text.contains("\"smtps://") { "smtps" } else { "smtp" });
    let mut run = Mailrun::new(["run", "--server", &url]).args(options).env("SMTP_PASSWORD", PASSWORD);
    if !self_signed {
        run = run.args(["--ca", &server.ca()]);
    }
    let ran = run.args([session]).run();
    (ran, server.stop())
}

fn self_signed_certificate() -> ServerCertificate {
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).expect("the name is valid");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "self-signed.example");
    let certificate = params.self_signed(&key).expect("it signs itself");
    ServerCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("rcgen makes PEM")
}

#[test]
fn each_document_passes_however_the_bytes_of_the_server_are_split() {
    for (name, self_signed) in DOCUMENTS {
        let golden = without_address(&fixture(name));
        for pieces in std::iter::once(None).chain((1..=16).map(Some)) {
            let (ran, problems) = run(name, *self_signed, pieces, &[]);
            assert_eq!(without_address(&ran.exits(0).stdout), golden, "{name} in pieces of {pieces:?}");
            assert!(problems.is_empty(), "{name} in pieces of {pieces:?}: {problems:?}");
        }
    }
}

#[test]
fn a_self_signed_certificate_is_refused_with_a_reason_and_nothing_is_sent_after_it() {
    let name = "atmail-25-starttls-refused";
    let ran = run(name, true, None, &[]).0.exits(77);
    let errors = &ran.stderr;
    for word in ["self-signed", "CN=self-signed.example", &format!("sessions/documents/{name}.toml:16")] {
        assert!(errors.contains(word), "{word:?} is missing in\n{errors}");
    }
    let transcript = without_address(&ran.stdout);
    let (_, after) = transcript.split_once("S: 220 TLS go ahead\n").expect("STARTTLS was answered");
    assert!(!after.contains("C: "), "something was sent after the handshake:\n{transcript}");
}

#[test]
fn a_run_never_prints_the_password() {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(PASSWORD);
    for (name, self_signed) in DOCUMENTS {
        let ran = run(name, *self_signed, None, &["--verbose"]).0.exits(0);
        for text in [ran.stdout, ran.stderr] {
            assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{name} shows the password:\n{text}");
        }
    }
}

#[test]
fn every_session_of_a_document_is_tested() {
    let mut files: Vec<_> = std::fs::read_dir(project_path("sessions/documents"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "atmail-25-starttls-refused")
        .collect();
    files.sort();
    let mut tested: Vec<_> = DOCUMENTS.iter().map(|(name, _)| (*name).to_string()).collect();
    tested.sort();
    assert_eq!(files, tested);
}
