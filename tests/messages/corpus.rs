//! A corpus of unusual mails, compared part by part with what two other parsers read.

use super::{HEAD, MessageFixture, TO};
use crate::support::tool;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;
use std::io::Write;
use std::process::Stdio;

/// A mail of the corpus: what is put in, and what must come out.
struct OddMail {
    why: &'static str,
    subject: String,
    text: String,
    html: Option<String>,
    /// Name and content.
    attachments: Vec<(String, Vec<u8>)>,
    /// More lines of `[message]`.
    more: String,
}

impl OddMail {
    fn place(&self) -> MessageFixture {
        let quoted = |text: &str| serde_json::to_string(text).expect("a string").replace('\u{7f}', "\\u007f");
        // From files, so that template syntax in them is not evaluated.
        let mut session =
            format!("{HEAD}{TO}subject = {}\ntext = {{ file = \"text\" }}\n{}", quoted(&self.subject), self.more);
        let place = MessageFixture::new("", &[("text", self.text.as_bytes())]);
        if let Some(html) = &self.html {
            place.write("html", html.as_bytes());
            session += "html = { file = \"html\" }\n";
        }
        let mut attached = Vec::new();
        for (index, (name, bytes)) in self.attachments.iter().enumerate() {
            place.write(&format!("file{index}"), bytes);
            attached.push(format!("{{ file = \"file{index}\", name = {} }}", quoted(name)));
        }
        if !attached.is_empty() {
            session += &format!("attach = [{}]\n", attached.join(", "));
        }
        place.write("case.toml", session.as_bytes());
        place
    }
}

fn corpus() -> Vec<OddMail> {
    let odd = |why, text: &str| OddMail {
        why,
        subject: why.to_owned(),
        text: text.to_owned(),
        html: None,
        attachments: Vec::new(),
        more: String::new(),
    };
    let every_byte: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let recipients: Vec<String> = (0..100).map(|number| format!("\"r{number}@example.com\"")).collect();
    let headers: String = (0..1000).map(|number| format!("X-H{number} = \"value {number}\", ")).collect();
    vec![
        odd("plain", "All is well.\n"),
        odd("nothing at all", ""),
        odd("emoji 🎉👩‍👩‍👧‍👦 in subject and text", "party 🎉\n👩‍👩‍👧‍👦\n"),
        odd("عربي right to left", "مرحبا بالعالم\nשלום עולם\n"),
        odd("lines of 998", &format!("{}\n{}\n", "x".repeat(998), "y".repeat(998))),
        odd("lines of 999 and more", &format!("{}\n{}\n", "x".repeat(999), "y".repeat(100_000))),
        odd("dots", ".\n..\n.a\n\n.\n"),
        odd("no final line end", "the end"),
        odd("a CR alone", "one\rtwo\r\rthree\r\nfour\n"),
        odd("a NUL", "a\0b\n"),
        odd("control characters", "bell \u{7}, escape \u{1b}[31m, delete \u{7f}\n"),
        odd("trailing spaces ü", "ü two  \ntab\t\n \n"),
        odd("what looks encoded =?utf-8?Q?x?=", "=20=\n=?utf-8?B?eA==?=\n"),
        odd("From at a line's start", "From here on\n>From there\n"),
        odd("only line ends", "\n\r\n\n"),
        odd(&"x".repeat(120).leak()[..], "a subject of one long word\n"),
        odd("Grüße ".repeat(60).leak(), "a long subject\n"),
        odd("what looks like a boundary", "--=_\n--=_x\n--\n"),
        OddMail { html: Some("<p>Grüße 🎉 &amp; more</p>\n".into()), ..odd("text and HTML", "Grüße\n") },
        OddMail { html: Some(String::new()), ..odd("empty HTML", "") },
        OddMail { attachments: vec![file("all.bin", &every_byte)], ..odd("every byte attached", "see all.bin\n") },
        OddMail {
            attachments: vec![file("empty.txt", b""), file("one", b"\0"), file("57", &[7; 57]), file("58", &[8; 58])],
            ..odd("lengths around a line", "x")
        },
        OddMail {
            html: Some("<b>all</b>".into()),
            attachments: vec![
                file("Jahresabschluß, 2026.pdf", b"%PDF"),
                file("a \"quoted\" \\ name.txt", b"x\n"),
                file(&format!("{}.csv", "lang".repeat(60)), b"a,b\n"),
                file("sales.csv", "region,total\nSüd,3 €\n".as_bytes()),
                file("отчёт 🎉.tar.gz", b"z"),
                file("inner.eml", b"From: a@b\nSubject: x\n\nhello\n"),
            ],
            ..odd("names of files", "all\n")
        },
        OddMail { more: format!("bcc = [{}]\n", recipients.join(", ")), ..odd("100 blind recipients", "x\n") },
        OddMail { more: format!("cc = [{}]\n", recipients.join(", ")), ..odd("100 recipients", "x\n") },
        OddMail { more: format!("headers = {{ {headers} }}\n"), ..odd("1,000 headers", "x\n") },
    ]
}

/// A text with the line ends normalised; a line end after the last line is dropped, since mail adds one.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
}

#[test]
fn mail_parser_reads_what_was_put_in() {
    for odd in corpus() {
        let why = odd.why;
        let mail = odd.place().mail("case.toml");
        assert!(mail.is_ascii(), "{why}: every server takes it");
        let longest = mail.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
        assert!(longest <= Some(999), "{why}: a line has {longest:?} bytes");
        let lone = |text: &str| text.replace("\r\n", "").contains(['\r', '\n', '\0']);
        assert!(!lone(&String::from_utf8_lossy(&mail)), "{why}: line ends are CRLF, and there is no NUL");

        let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(parsed.subject().unwrap_or_default()), words(&odd.subject), "{why}");
        assert_eq!(lines(&parsed.body_text(0).unwrap_or_default()), lines(&odd.text), "{why}");
        if let Some(html) = &odd.html {
            assert_eq!(lines(&parsed.body_html(0).unwrap_or_default()), lines(html), "{why}");
        }
        let found: Vec<_> = parsed
            .attachments()
            .map(|part| (part.attachment_name().unwrap_or_default().to_owned(), part.contents().to_vec()))
            .collect();
        let names: Vec<_> = odd.attachments.iter().map(|(name, _)| name).collect();
        assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), names, "{why}");
        for ((name, got), (_, put)) in found.iter().zip(&odd.attachments) {
            // A message as an attachment gets the line ends of mail.
            let put = if name.ends_with(".eml") {
                lines(&String::from_utf8_lossy(put)).replace('\n', "\r\n").into()
            } else {
                put.clone()
            };
            let got = if name.ends_with(".eml") { got.trim_ascii_end() } else { got };
            assert!(got == put, "{why}: {name} came back otherwise");
        }
        if odd.more.starts_with("headers") {
            let own: Vec<_> = parsed.headers().iter().filter(|header| header.name().starts_with("X-H")).collect();
            assert_eq!(own.len(), 1000, "{why}");
        }
        let shown = String::from_utf8_lossy(&mail).contains("r42@example.com");
        assert_eq!(shown, odd.more.starts_with("cc"), "{why}: blind recipients stay blind");
    }
}

/// Reads a mail and compares it with what was put in.
const PYTHON: &str = r#"
import base64, email, email.policy, json, sys
def lines(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text[:-1] if text.endswith("\n") else text
for case in json.load(sys.stdin):
    mail = email.message_from_bytes(base64.b64decode(case["mail"]), policy=email.policy.default)
    def same(what, got, put):
        if got != put:
            sys.exit(f"{case['why']}: {what}: {got[:200]!r} is not {put[:200]!r}")
    same("subject", " ".join(str(mail["subject"]).split()), " ".join(case["subject"].split()))
    bodies, files = {}, []
    for part in mail.walk():
        if part.defects:
            sys.exit(f"{case['why']}: {part.get_content_type()}: {part.defects}")
        if part.get_filename() is not None:
            # A text is what a person sees of it, in the charset that it says it has.
            if case["texts"].get(part.get_filename()) is not None:
                same(part.get_filename(), lines(part.get_content()), lines(case["texts"][part.get_filename()]))
            if part.get_content_type() != "message/rfc822":
                files.append([part.get_filename(), base64.b64encode(part.get_payload(decode=True)).decode()])
        elif part.get_content_maintype() == "text" and part.get_content_type() not in bodies:
            bodies[part.get_content_type()] = part.get_payload(decode=True).decode("utf-8")
    same("text", lines(bodies.get("text/plain", "")), lines(case["text"]))
    if case["html"] is not None:
        same("HTML", lines(bodies.get("text/html", "")), lines(case["html"]))
    same("files", files, case["files"])
"#;

#[test]
fn python_reads_what_was_put_in() {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let cases: Vec<_> = corpus()
        .iter()
        .map(|odd| {
            let texts = odd.attachments.iter().filter(|(name, _)| name.ends_with(".csv"));
            let plain = odd.attachments.iter().filter(|(name, _)| !name.ends_with(".eml"));
            json!({
                "why": odd.why,
                "mail": encode(&odd.place().mail("case.toml")),
                "subject": odd.subject,
                "text": odd.text,
                "html": odd.html,
                "texts": texts.map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into())).collect::<serde_json::Map<_, _>>(),
                "files": plain.map(|(name, bytes)| json!([name, encode(bytes)])).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut python = tool("python3")
        .args(["-c", PYTHON])
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = python.stdin.take().expect("it is piped");
    input.write_all(json!(cases).to_string().as_bytes()).expect("python3 reads it");
    drop(input);
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
