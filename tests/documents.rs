//! The sessions of `sessions/documents/` against servers that say what the documents' servers say. Each fixture is the
//! scripted server and the golden transcript at once.

mod support;

use support::{PASSWORD, read, session, without_address};

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

fn run(name: &str, self_signed: bool) -> support::Run {
    let run = session(&format!("sessions/documents/{name}.toml")).against(&format!("fixtures/documents/{name}.txt"));
    if self_signed { run.with_a_self_signed_certificate() } else { run }
}

#[test]
fn each_document_is_played_to_its_end_however_the_servers_bytes_are_cut() {
    for (name, self_signed) in DOCUMENTS {
        let golden = without_address(&read(&format!("fixtures/documents/{name}.txt")));
        for pieces in std::iter::once(None).chain((1..=16).map(Some)) {
            let ran = run(name, *self_signed).in_pieces(pieces).exits(0);
            assert_eq!(without_address(&ran.transcript()), golden, "{name} in pieces of {pieces:?}");
            assert!(ran.problems.is_empty(), "{name} in pieces of {pieces:?}: {:?}", ran.problems);
        }
    }
}

#[test]
fn a_self_signed_certificate_is_refused_with_the_reason_and_nothing_is_sent_behind_it() {
    let name = "atmail-25-starttls-refused";
    let ran = run(name, true).exits(77);
    let errors = ran.errors();
    for word in ["self-signed", "CN=self-signed.example", &format!("sessions/documents/{name}.toml:13")] {
        assert!(errors.contains(word), "{word:?} is missing in\n{errors}");
    }
    let transcript = without_address(&ran.transcript());
    let (_, behind) = transcript.split_once("S: 220 TLS go ahead\n").expect("STARTTLS was answered");
    assert!(!behind.contains("C: "), "something was sent behind the handshake:\n{transcript}");
}

#[test]
fn the_password_is_in_nothing_that_a_run_shows() {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(PASSWORD);
    for (name, self_signed) in DOCUMENTS {
        let ran = run(name, *self_signed).option("--verbose").exits(0);
        for text in [ran.transcript(), ran.errors()] {
            assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{name} shows the password:\n{text}");
        }
    }
}

#[test]
fn every_session_of_the_documents_is_tested() {
    let mut files: Vec<_> = std::fs::read_dir(support::path("sessions/documents"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "atmail-25-starttls-refused")
        .collect();
    files.sort();
    let mut tested: Vec<_> = DOCUMENTS.iter().map(|(name, _)| (*name).to_string()).collect();
    tested.sort();
    assert_eq!(files, tested);
}
