//! A session with STARTTLS and AUTH delivers its mail byte for byte.

use crate::certificates::{Authority, Certificate, Kind};
use crate::fixture::{mailrun, wait_for_file};
use crate::support::Finished;
use crate::{aiosmtpd, postfix};

const SESSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/sessions/starttls-auth.toml");
/// The body of the session with CRLF line ends.
const SENT: &str = concat!(
    "From: user@test\r\nTo: bob@test\r\nSubject: =?UTF-8?Q?odd_lines?=\r\nMessage-ID: <odd@client.example>\r\n",
    "Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\n",
    "QUIT\r\nRCPT TO:<nobody@test>\r\n.\r\n..\r\n.dot\r\n\r\n\ttab and trailing space \r\nlast\r\n\r\n"
);

fn send(port: u16, certificate: &Certificate, arguments: &[&str]) -> Finished {
    send_to(&format!("smtp://localhost:{port}"), certificate, arguments)
}

fn send_to(server: &str, certificate: &Certificate, arguments: &[&str]) -> Finished {
    let ca = certificate.ca.to_str().expect("temporary folders have plain names");
    mailrun(&[&["run", "--server", server, "--ca", ca, SESSION], arguments].concat())
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn aiosmtpd_receives_the_mail_byte_for_byte() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = aiosmtpd::start(&certificate);
    send(server.port, &certificate, &[]).exits(0);
    assert_eq!(String::from_utf8_lossy(&wait_for_file(&server.mail, ".eml")), SENT);
    let envelope = String::from_utf8(wait_for_file(&server.mail, ".json")).expect("JSON is UTF-8");
    for part in [r#""from": "user@test""#, r#""to": ["bob@test"]"#, r#""tls": true"#, r#""user": "user""#] {
        assert!(envelope.contains(part), "{envelope} lacks {part}");
    }
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn aiosmtpd_refuses_a_wrong_password() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = aiosmtpd::start(&certificate);
    send(server.port, &certificate, &["--var", "user=nobody"]).exits(77);
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn postfix_receives_the_mail_byte_for_byte_after_the_headers_that_it_adds() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = postfix::start(&certificate, "");
    send(server.port, &certificate, &[]).exits(0);
    let arrived = String::from_utf8(wait_for_file(&server.mail, "")).expect("the mail is ASCII");
    // Postfix stores mail with LF line ends, after its own Received header.
    let sent = SENT.replace("\r\n", "\n");
    let (added, kept) = arrived.split_at(arrived.find("From: user@test\n").expect("the mail's first header is there"));
    assert_eq!(kept, sent);
    assert!(added.contains("(Authenticated sender: user)") || added.contains("with ESMTPSA"), "{added}");
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn postfix_accepts_the_same_session_with_tls_from_the_first_byte() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = postfix::start(&certificate, "");
    let url = format!("smtps://localhost:{}", server.tls_port);
    send_to(&url, &certificate, &[]).exits(0);
    let arrived = wait_for_file(&server.mail, "");
    assert!(arrived.ends_with(SENT.replace("\r\n", "\n").as_bytes()), "{}", String::from_utf8_lossy(&arrived));
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn postfix_refuses_a_wrong_password() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = postfix::start(&certificate, "");
    send(server.port, &certificate, &["--var", "user=nobody"]).exits(77);
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn postfix_with_a_certificate_of_an_unknown_authority_is_refused() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = postfix::start(&certificate, "");
    let stranger = Authority::new().issue(Kind::Good);
    send(server.port, &stranger, &[]).exits(77);
}
