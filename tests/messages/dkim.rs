//! Signed messages, verified by a second implementation of RFC 6376 that is as plain as can be.

use crate::MessageFixture;
use crate::support::Folder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Verifier;
use sha2::{Digest, Sha256};

const SESSION: &str = "server = \"smtp://mail.example.com\"\n[dkim]\ndomain = \"example.com\"\nselector = \"s2026\"\n";
const MESSAGE: &str = r#"[message]
from = "Ann <ann@example.com>"
to = ["b@example.com"]
subject = "Grüße, and a subject that is so long that it is folded somewhere on its way"
date = "Mon, 2 Nov 2026 08:00:00 +0000"
text = "two  spaces \n.dot\n\n\n"
"#;
const FILE: &str = "key = { file = \"dkim.pem\" }\n";

fn collapsed(text: &str) -> String {
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The fields of a header: names in lower case, and values with their folds.
fn fields(header: &str) -> Vec<(String, String)> {
    let mut lines: Vec<String> = Vec::new();
    for line in header.split("\r\n") {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => *last += &format!("\r\n{line}"),
            _ => lines.push(line.to_owned()),
        }
    }
    let split = |line: String| line.split_once(':').map(|(name, value)| (name.trim().to_lowercase(), value.to_owned()));
    lines.into_iter().filter_map(split).collect()
}

fn canonical_body(body: &str) -> String {
    let mut lines: Vec<String> = body
        .split("\r\n")
        .map(|line| {
            let is_indented = line.starts_with([' ', '\t']) && !collapsed(line).is_empty();
            format!("{}{}", if is_indented { " " } else { "" }, collapsed(line))
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

/// The tags of the signature, or why it is wrong.
fn verify(mail: &[u8], key: &PKey<Private>) -> Result<Vec<(String, String)>, String> {
    let text = String::from_utf8_lossy(mail).into_owned();
    let (header, body) = text.split_once("\r\n\r\n").ok_or("no body")?;
    let mut left = fields(header);
    let Some((_, signature)) = left.first().filter(|(name, _)| name == "dkim-signature").cloned() else {
        return Err("the first field is no signature".to_owned());
    };
    let tag = |part: &str| {
        part.split_once('=').map(|(name, value)| (name.trim().to_owned(), collapsed(value).replace(' ', "")))
    };
    let tags: Vec<(String, String)> = signature.split(';').filter_map(tag).collect();
    let value = |name: &str| {
        tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).ok_or(format!("no {name}="))
    };
    if STANDARD.encode(Sha256::digest(canonical_body(body))) != value("bh")? {
        return Err("the hash of the body differs".to_owned());
    }
    let mut data = String::new();
    for name in value("h")?.to_lowercase().split(':') {
        if let Some(at) = left.iter().rposition(|(known, _)| known == name) {
            data += &format!("{name}:{}\r\n", collapsed(&left.remove(at).1));
        }
    }
    let unsigned = signature.rfind(" b=").map(|at| &signature[..at + 3]).ok_or("no b=")?;
    data += &format!("dkim-signature:{}", collapsed(unsigned));
    let bytes = STANDARD.decode(value("b")?).map_err(|error| error.to_string())?;
    let verified = match value("a")?.as_str() {
        "rsa-sha256" => Verifier::new(MessageDigest::sha256(), key)
            .and_then(|mut verifier| verifier.verify_oneshot(&bytes, data.as_bytes())),
        "ed25519-sha256" => Verifier::new_without_digest(key)
            .and_then(|mut verifier| verifier.verify_oneshot(&bytes, &Sha256::digest(&data))),
        other => return Err(format!("a={other}")),
    };
    match verified {
        Ok(true) => Ok(tags),
        _ => Err(format!("the signature is wrong over {data:?}")),
    }
}

fn rsa(bits: u32) -> PKey<Private> {
    openssl::rsa::Rsa::generate(bits).and_then(PKey::from_rsa).expect("a key is made")
}

fn ed25519() -> PKey<Private> {
    PKey::generate_ed25519().expect("a key is made")
}

fn pem(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pem_pkcs8().expect("it is written")
}

#[test]
fn signatures_can_be_verified() {
    let (rsa, ed25519) = (rsa(2048), ed25519());
    let eml = b"To: b@example.com\nFrom: ann@example.com\nBcc: c@example.com\nSubject:  a\n\tb\n\nx \n\n";
    let template = "key = \"{{ k }}\"\n[secrets]\nk = { file = \"dkim.pem\" }\n";
    let parts = "html = \"<p>  é </p>\"\nattach = [\"bytes.bin\"]\n";
    let table = [
        (format!("{SESSION}{FILE}{MESSAGE}"), &rsa, "rsa-sha256", "BDAT"),
        (format!("{SESSION}{FILE}{MESSAGE}chunking = false\n"), &rsa, "rsa-sha256", "DATA"),
        (format!("{SESSION}{FILE}{MESSAGE}{parts}"), &ed25519, "ed25519-sha256", "parts"),
        (format!("{SESSION}{FILE}[message]\neml = \"m.eml\"\n"), &ed25519, "ed25519-sha256", "eml"),
        (format!("{SESSION}{template}{MESSAGE}"), &rsa, "rsa-sha256", "a template"),
        (format!("{SESSION}headers = [\"From\", \"Subject\"]\n{FILE}{MESSAGE}"), &rsa, "rsa-sha256", "headers"),
    ];
    for (session, key, algorithm, why) in table {
        let files: [(&str, &[u8]); 3] = [("dkim.pem", &pem(key)), ("m.eml", eml), ("bytes.bin", b"\xff\n")];
        let place = MessageFixture::new(&session, &files);
        let mail = place.mail("case.toml");
        let text = String::from_utf8_lossy(&mail).into_owned();
        let tags = verify(&mail, key).unwrap_or_else(|error| panic!("{why}: {error}\n{text}"));
        let tag = |name: &str| tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let expected = (Some(algorithm), Some("example.com"), Some("s2026"), Some("relaxed/relaxed"), None);
        assert_eq!((tag("a"), tag("d"), tag("s"), tag("c"), tag("l")), expected, "{why}");
        match why {
            "headers" => assert_eq!(tag("h"), Some("From:From:Subject:Subject")),
            "eml" => assert!(!text.contains("Bcc"), "{text}"),
            _ => assert_eq!(tag("t"), Some("1793606400"), "the time of Date, {why}"),
        }
        let changed = text.replacen("\r\nSubject:", "\r\nSubject: x", 1).into_bytes();
        assert!(verify(&changed, key).is_err(), "the second implementation sees changes, {why}");
    }
}

#[test]
fn each_row_can_have_its_own_key() {
    let keys = [rsa(1024), ed25519()];
    let session = format!(
        "{}key = {{ file = \"key-{{{{ row.d }}}}\" }}\n{}[rows]\nfile = \"p.csv\"\n",
        SESSION.replace("\"example.com\"", "\"{{ row.d }}\""),
        MESSAGE.replace("Ann <ann@example.com>", "ann@{{ row.d }}"),
    );
    let files: [(&str, &[u8]); 3] = [
        ("p.csv", b"d\none.example\ntwo.example\n../case.toml\n"),
        ("key-one.example", &pem(&keys[0])),
        ("key-two.example", &pem(&keys[1])),
    ];
    let (place, sink) = (MessageFixture::new(&session, &files), Folder::new());
    place.mailrun(&["run", "--quiet", "--dry-run", "--sink", &sink.argument("."), "case.toml"]).exits(65);
    let mut mails: Vec<_> = sink.names().into_iter().filter(|name| name.ends_with(".eml")).collect();
    mails.sort();
    for (name, key) in mails.iter().zip(&keys) {
        verify(&std::fs::read(sink.path(name)).expect("it can be read"), key).expect("it verifies");
    }
    assert_eq!(mails.len(), 2);
}

#[test]
fn what_is_wrong_with_dkim_is_said_before_anything_is_sent() {
    let (good, short) = (pem(&rsa(1024)), pem(&rsa(768)));
    let large = [good.clone(), vec![b'\n'; 1 << 20]].concat();
    let of_row = "key = \"{{ row.k }}\"\n[rows]\nfile = \"dkim.pem\"\n".to_owned();
    let no_from = format!("{FILE}headers = [\"Subject\"]\n");
    /// Keys, the key's file, status and word of a run, status of a check, why.
    type Row<'a> = (&'a str, &'a [u8], i32, &'a str, i32, &'a str);
    let table: &[Row<'_>] = &[
        (FILE, b"no key", 65, "PEM", 65, "not a key"),
        (FILE, &short, 65, "1024", 65, "too short"),
        (FILE, &large, 65, "1 MiB", 65, "longer than a value's file may be"),
        (&of_row, &good, 65, "case.toml:5:", 65, "a key of a row"),
        ("key = \"{{ reply.text }}\"\n", &good, 65, "case.toml:5:", 65, "a key of a reply"),
        (&no_from, &good, 65, "From", 65, "From must be signed"),
        ("key = \"x\"\n", &good, 65, "PEM", 65, "a literal key that is none"),
        ("key = { env = \"NO_SUCH_KEY_HERE\" }\n", &good, 65, "NO_SUCH_KEY_HERE", 0, "no value"),
        ("key = { file = \"gone.pem\" }\n", &good, 66, "gone.pem", 66, "no file"),
        ("", &good, 65, "\"key\"", 65, "no key at all"),
    ];
    for (keys, file, status, word, checked, why) in table {
        let place = MessageFixture::new(&format!("{SESSION}{keys}{MESSAGE}"), &[("dkim.pem", file)]);
        let output = place.mailrun(&["run", "--server", "smtp://127.0.0.1:1", "case.toml"]);
        assert_eq!(output.status, *status, "{why}: {}", output.stderr);
        assert!(output.stderr.contains(word), "{why}: {}", output.stderr);
        assert_eq!(place.mailrun(&["check", "case.toml"]).status, *checked, "check, {why}");
    }
}

#[test]
fn a_dry_run_goes_without_a_key_and_says_so() {
    for key in [
        "key = { env = \"NO_SUCH_KEY_HERE\" }\n",
        "key = { file = \"gone.pem\" }\n",
        "key = \"{{ pem }}\"\n[secrets]\npem = { env = \"NO_SUCH_KEY_HERE\" }\n",
    ] {
        let place = MessageFixture::new(&format!("{SESSION}{key}{MESSAGE}"), &[]);
        assert!(!String::from_utf8_lossy(&place.mail("case.toml")).contains("DKIM-Signature"));
        let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
        for words in ["[dkim] key", "messages are sent unsigned"] {
            assert!(output.stderr.contains(words), "{key}: {}", output.stderr);
        }
    }
}

#[test]
fn weak_keys_and_foreign_domains_are_warnings_and_keys_are_no_content() {
    let message = MESSAGE.replace("ann@example.com", "ann@example.net");
    let session = format!("{SESSION}{FILE}{message}attach = [\"dkim.pem\"]\n");
    let place = MessageFixture::new(&session, &[("dkim.pem", &pem(&rsa(1024)))]);
    let output = place.mailrun(&["check", "case.toml"]);
    for word in ["1024 bits", "example.net"] {
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
    let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
    assert_eq!(output.status, 65, "{}", output.stderr);
    assert!(output.stderr.contains("or [dkim]"), "{}", output.stderr);
}
