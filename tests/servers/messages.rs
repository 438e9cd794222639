//! A report with text, HTML and attachments, sent through each server with and without its extensions, and compared part
//! by part after delivery.

use crate::all_servers::STARTS;
use crate::certificates::{Authority, Certificate, Kind};
use crate::fixture::{mailrun, wait_for_file};
use mail_parser::{MessageParser, MimeHeaders};
use std::path::Path;

/// Lines that an incorrect client or server would change.
const TEXT: &str = "Grüße\n.\n..\n.dot\nFrom the first\n\ttab and trailing space \nQUIT\n";
const HTML: &str = "<p>Grüße &amp; <b>Küsse</b></p>\n.\n";
const SUBJECT: &str = "Nächtlicher Bericht ✓";

/// Names and keys: with and without the extensions of a server.
const VARIANTS: &[(&str, &str)] = &[
    ("all that is offered", ""),
    ("no pipelining", "pipelining = false\n"),
    ("no chunking", "chunking = false\n"),
    ("neither", "pipelining = false\nchunking = false\n"),
];

#[test]
#[ignore = "needs real servers: make test-servers"]
fn a_report_arrives_part_by_part_through_every_server_with_and_without_extensions() {
    let certificate = Authority::new().issue(Kind::Good);
    for start in STARTS {
        let server = start(&certificate);
        for (variant, keys) in VARIANTS {
            let url = format!("smtp://localhost:{}", server.port);
            send(&url, &certificate, server.user, "bob@test", keys);
            compare(&server.mail, &format!("{} with {variant}", server.name));
            if let Some((port, mail)) = &server.lmtp {
                let url = format!("lmtp://localhost:{port}");
                send(&url, &certificate, "", "user@test", keys);
                compare(mail, &format!("{} over LMTP with {variant}", server.name));
            }
        }
    }
}

fn send(url: &str, certificate: &Certificate, user: &str, to: &str, keys: &str) {
    let folder = crate::fixture::folder();
    let auth =
        if user.is_empty() { String::new() } else { format!("[auth]\nuser = \"{user}\"\npassword = \"secret\"\n") };
    let session = format!(
        "client_name = \"client.example\"
{auth}
[message]
from = \"Bérichte <user@test>\"
to = [\"{to}\"]
subject = \"{SUBJECT}\"
text = {{ file = \"text.txt\" }}
html = {{ file = \"page.html\" }}
attach = [\"bytes.bin\", {{ file = \"table.csv\", name = \"Übersicht.csv\" }}]
{keys}"
    );
    for (name, bytes) in [
        ("report.toml", session.as_bytes()),
        ("text.txt", TEXT.as_bytes()),
        ("page.html", HTML.as_bytes()),
        ("bytes.bin", &bytes()),
        ("table.csv", b"a,b\n1,2\n"),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("a file can be written");
    }
    let session = folder.path().join("report.toml");
    let path = |path: &Path| path.to_str().expect("temporary folders have plain names").to_owned();
    mailrun(&["run", "--server", url, "--ca", &path(&certificate.ca), &path(&session)]).exits(0);
}

fn bytes() -> Vec<u8> {
    (0..20_000_u32).map(|i| (i * i / 7) as u8).collect()
}

/// Reads the delivered mail, deletes it, and compares each part with what was sent.
fn compare(mail: &Path, variant: &str) {
    let raw = wait_for_file(mail, if variant.starts_with("aiosmtpd") { ".eml" } else { "" });
    for entry in std::fs::read_dir(mail).expect("the folder is there").flatten() {
        std::fs::remove_file(entry.path()).expect("the mail can be taken away");
    }
    let message = MessageParser::default().parse(&raw).unwrap_or_else(|| panic!("{variant}: no mail"));
    assert_eq!(message.subject(), Some(SUBJECT), "{variant}");
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text(message.body_text(0)), TEXT, "{variant}");
    assert_eq!(text(message.body_html(0)), HTML, "{variant}");
    let attachments: Vec<_> =
        message.attachments().map(|part| (part.attachment_name().unwrap_or_default(), part.contents())).collect();
    assert_eq!(attachments.len(), 2, "{variant}");
    assert_eq!(attachments[0], ("bytes.bin", bytes().as_slice()), "{variant}");
    assert_eq!(attachments[1], ("Übersicht.csv", b"a,b\n1,2\n".as_slice()), "{variant}");
}
