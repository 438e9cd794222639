//! Addresses beyond ASCII (RFC 6531) through each server: delivered where it offers SMTPUTF8, and where it does not the
//! session ends before anything of the mail is sent; the table of it in `docs/servers.md`.

use crate::all_servers::{STARTS, publish};
use crate::certificates::{Authority, Certificate, Kind};
use crate::fixture::{Server, folder, mailrun, wait_for_file};
use crate::support::Finished;
use crate::{aiosmtpd, postfix};
use mail_parser::MessageParser;
use std::fmt::Write as _;
use std::path::Path;

const FROM: &str = "bérichte@test";
const TO: &str = "jürgen@test";
const TEXT: &str = "Grüße an 用户\n";

const HEAD: &str = "Written by `make test-servers`: a mail from `bérichte@test` to `jürgen@test`. Without SMTPUTF8 the session ends with 78 behind EHLO,
and nothing of the mail was sent.

| server | SMTPUTF8 | exit status | the mail |
| --- | --- | --- | --- |
";

#[test]
#[ignore = "needs real servers: make test-servers"]
fn addresses_beyond_ascii_arrive_where_smtputf8_is_offered_and_nothing_is_sent_where_it_is_not() {
    let certificate = Authority::new().issue(Kind::Good);
    let mut rows = Vec::new();
    for start in STARTS {
        let server = start(&certificate);
        rows.push(through(&server, server.name.to_owned(), false, &certificate));
        if server.lmtp.is_some() {
            rows.push(through(&server, format!("{} over LMTP", server.name), true, &certificate));
        }
    }
    let off = postfix::start(&certificate, "smtputf8_enable = no");
    rows.push(through(&off, "Postfix, `smtputf8_enable = no`".to_owned(), false, &certificate));
    let off = aiosmtpd::start_without_smtputf8(&certificate);
    rows.push(through(&off, "aiosmtpd, `enable_SMTPUTF8=False`".to_owned(), false, &certificate));

    let offered = rows.iter().filter(|row| row.offered).count();
    assert!(offered >= 3, "Postfix, Exim and aiosmtpd are built with it");
    assert!(rows.len() - offered >= 2, "and it was turned off");
    let mut table = String::from(HEAD);
    for Row { name, offered, status } in rows {
        let (word, mail) = if offered { ("offered", "as it was sent") } else { ("not offered", "not sent") };
        writeln!(table, "| {name} | {word} | {status} | {mail} |").expect("writing to a string succeeds");
    }
    publish("Addresses beyond ASCII", &table);
}

struct Row {
    name: String,
    offered: bool,
    status: i32,
}

/// Sends the mail, and holds what came of it against what the server offered.
fn through(server: &Server, name: String, over_lmtp: bool, certificate: &Certificate) -> Row {
    let (url, mail, user) = match (&server.lmtp, over_lmtp) {
        (Some((port, mail)), true) => (format!("lmtp://localhost:{port}"), mail.as_path(), ""),
        _ => (format!("smtp://localhost:{}", server.port), server.mail.as_path(), server.user),
    };
    let output = send(&url, certificate, user);
    let (transcript, errors) = (&output.stdout, &output.stderr);
    let status = output.status;
    let offered = transcript.lines().any(|line| matches!(line, "S: 250-SMTPUTF8" | "S: 250 SMTPUTF8"));
    if offered {
        assert_eq!(status, 0, "{name}:\n{transcript}{errors}");
        let mail_line = transcript.lines().find(|line| line.starts_with("C: MAIL FROM:")).unwrap_or_default();
        assert!(mail_line.starts_with(&format!("C: MAIL FROM:<{FROM}>")), "{name}: {mail_line}");
        assert!(mail_line.contains(" BODY=8BITMIME") && mail_line.contains(" SMTPUTF8"), "{name}: {mail_line}");
        compare(mail, &name);
    } else {
        assert_eq!(status, 78, "{name}:\n{transcript}{errors}");
        assert!(!transcript.contains("C: MAIL"), "{name}:\n{transcript}");
        assert!(errors.contains("SMTPUTF8, which the message's addresses or headers need"), "{name}:\n{errors}");
    }
    Row { name, offered, status }
}

fn send(url: &str, certificate: &Certificate, user: &str) -> Finished {
    let folder = folder();
    let auth =
        if user.is_empty() { String::new() } else { format!("[auth]\nuser = \"{user}\"\npassword = \"secret\"\n") };
    let session = format!(
        "client_name = \"client.example\"
{auth}
[message]
from = \"Bérichte <{FROM}>\"
to = [\"{TO}\"]
subject = \"Grüße\"
text = {{ file = \"text.txt\" }}
"
    );
    let file = folder.path().join("report.toml");
    std::fs::write(&file, session).expect("a file can be written");
    std::fs::write(folder.path().join("text.txt"), TEXT).expect("a file can be written");
    let path = |path: &Path| path.to_str().expect("temporary folders have plain names").to_owned();
    mailrun(&["run", "--server", url, "--ca", &path(&certificate.ca), &path(&file)])
}

fn compare(mail: &Path, name: &str) {
    let raw = wait_for_file(mail, if name.starts_with("aiosmtpd") { ".eml" } else { "" });
    let message = MessageParser::default().parse(&raw).unwrap_or_else(|| panic!("{name}: no mail"));
    let address = |list: Option<&mail_parser::Address<'_>>| {
        let first = list.and_then(|list| list.first());
        first.and_then(|one| one.address()).unwrap_or_default().to_owned()
    };
    assert_eq!(address(message.from()), FROM, "{name}");
    assert_eq!(address(message.to()), TO, "{name}");
    assert_eq!(message.subject(), Some("Grüße"), "{name}");
    assert_eq!(message.body_text(0).unwrap_or_default().replace("\r\n", "\n"), TEXT, "{name}");
}
