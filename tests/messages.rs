//! Mails as they arrive: sent by the program itself to the server inside it, and read back by two parsers that are not
//! ours, part by part.

use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const HEAD: &str = "server = \"smtp://mail.example.com\"\n[message]\nfrom = \"Reports <reports@example.com>\"\n\
    date = \"Mon, 2 Nov 2026 08:00:00 +0000\"\nmessage_id = \"<1@client.example>\"\n";
const TO: &str = "to = [\"team@example.com\"]\n";

/// A folder with a session and its files.
struct Place(TempDir);

impl Place {
    fn new(session: &str, files: &[(&str, &[u8])]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        place.put("case.toml", session.as_bytes());
        for (name, bytes) in files {
            place.put(name, bytes);
        }
        place
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(name), bytes).expect("the folder is ours");
    }

    fn mailrun(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        let command = command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.output().expect("mailrun starts")
    }

    /// The mail that the session sends, as it was kept.
    fn mail(&self, session: &str) -> Vec<u8> {
        let sink = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = sink.path().to_str().expect("it has a plain name");
        let output = self.mailrun(&["run", "--quiet", "--dry-run", "--sink", folder, session]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        the_mail_in(sink.path())
    }
}

fn the_mail_in(folder: &Path) -> Vec<u8> {
    let names = std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let mut mails: Vec<_> = names.filter(|name| name.extension().is_some_and(|ending| ending == "eml")).collect();
    assert_eq!(mails.len(), 1, "one mail was kept");
    std::fs::read(mails.remove(0)).expect("it can be read")
}

/// A mail of the corpus: what is put in, and what must come out.
struct Odd {
    why: &'static str,
    subject: String,
    text: String,
    html: Option<String>,
    /// Name and content.
    attachments: Vec<(String, Vec<u8>)>,
    /// More lines of `[message]`.
    more: String,
}

impl Odd {
    fn place(&self) -> Place {
        let quoted = |text: &str| serde_json::to_string(text).expect("a string").replace('\u{7f}', "\\u007f");
        // Out of files, so that no markup in them is looked at.
        let mut session =
            format!("{HEAD}{TO}subject = {}\ntext = {{ file = \"text\" }}\n{}", quoted(&self.subject), self.more);
        let place = Place::new("", &[("text", self.text.as_bytes())]);
        if let Some(html) = &self.html {
            place.put("html", html.as_bytes());
            session += "html = { file = \"html\" }\n";
        }
        let mut attached = Vec::new();
        for (index, (name, bytes)) in self.attachments.iter().enumerate() {
            place.put(&format!("file{index}"), bytes);
            attached.push(format!("{{ file = \"file{index}\", name = {} }}", quoted(name)));
        }
        if !attached.is_empty() {
            session += &format!("attach = [{}]\n", attached.join(", "));
        }
        place.put("case.toml", session.as_bytes());
        place
    }
}

fn corpus() -> Vec<Odd> {
    let odd = |why, text: &str| Odd {
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
        Odd { html: Some("<p>Grüße 🎉 &amp; more</p>\n".into()), ..odd("text and HTML", "Grüße\n") },
        Odd { html: Some(String::new()), ..odd("empty HTML", "") },
        Odd { attachments: vec![file("all.bin", &every_byte)], ..odd("every byte attached", "see all.bin\n") },
        Odd {
            attachments: vec![file("empty.txt", b""), file("one", b"\0"), file("57", &[7; 57]), file("58", &[8; 58])],
            ..odd("lengths around a line", "x")
        },
        Odd {
            html: Some("<b>all</b>".into()),
            attachments: vec![
                file("Jahresabschluß, 2026.pdf", b"%PDF"),
                file("a \"quoted\" \\ name.txt", b"x\n"),
                file(&format!("{}.csv", "lang".repeat(60)), b"a,b\n"),
                file("отчёт 🎉.tar.gz", b"z"),
                file("inner.eml", b"From: a@b\nSubject: x\n\nhello\n"),
            ],
            ..odd("names of files", "all\n")
        },
        Odd { more: format!("bcc = [{}]\n", recipients.join(", ")), ..odd("100 blind recipients", "x\n") },
        Odd { more: format!("cc = [{}]\n", recipients.join(", ")), ..odd("100 recipients", "x\n") },
        Odd { more: format!("headers = {{ {headers} }}\n"), ..odd("1,000 headers", "x\n") },
    ]
}

/// What a text is once its lines end as lines of mail do. Behind the last one a line end may have come.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
}

#[test]
fn odd_mails_come_back_part_by_part() {
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
            // A message is a part like any other: its line ends are a mail's.
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
fn python_reads_the_same() {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let cases: Vec<_> = corpus()
        .iter()
        .map(|odd| {
            let plain = odd.attachments.iter().filter(|(name, _)| !name.ends_with(".eml"));
            json!({
                "why": odd.why,
                "mail": encode(&odd.place().mail("case.toml")),
                "subject": odd.subject,
                "text": odd.text,
                "html": odd.html,
                "files": plain.map(|(name, bytes)| json!([name, encode(bytes)])).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 reads mail in this test: install it");
    let mut input = python.stdin.take().expect("it is piped");
    input.write_all(json!(cases).to_string().as_bytes()).expect("python3 reads it");
    drop(input);
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tables_of_csv_and_json_files_fill_text_and_html() {
    let session = "server = \"smtp://mail.example.com\"\n[vars]\nsales = { csv = \"sales.csv\" }\nhosts = { json = \"hosts.json\" }\n\
        [message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\nsubject = \"{{ sales | length }} rows\"\n\
        text = \"{% for row in sales %}{{ row.region }}={{ row.total }};{% endfor %}{% for name, up in hosts|items %}{{ name }}:{{ up.up }};{% endfor %}\"\n\
        html = \"{% for row in sales %}<td>{{ row.region }}</td>{% endfor %}<img src='cid:logo'>\"\n\
        attach = [\"sales.csv\", { file = \"logo.png\", inline = \"logo\" }]\n";
    let sales = "region,total\nNord & <Süd>,3\n\"a, b\",4\n";
    let files: [(&str, &[u8]); 3] = [
        ("sales.csv", sales.as_bytes()),
        ("hosts.json", br#"{"z": {"up": true}, "a": {"up": 1.5}}"#),
        ("logo.png", b"png"),
    ];
    let mail = Place::new(session, &files).mail("case.toml");
    let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
    assert_eq!(parsed.subject(), Some("2 rows"));
    assert_eq!(parsed.body_text(0).as_deref(), Some("Nord & <Süd>=3;a, b=4;z:True;a:1.5;"));
    let html = "<td>Nord &amp; &lt;Süd&gt;</td><td>a, b</td><img src='cid:logo'>";
    assert_eq!(parsed.body_html(0).as_deref(), Some(html), "values are escaped, what the file says is not");
    let logo = parsed.attachments().find(|part| part.content_id() == Some("logo")).expect("it is there");
    let (kind, disposition) = (logo.content_type(), logo.content_disposition());
    assert_eq!(kind.map(|kind| (kind.ctype(), kind.subtype())), Some(("image", Some("png"))));
    assert_eq!(disposition.map(|how| how.ctype()), Some("inline"));
}

#[test]
fn what_show_prints_sends_the_same_bytes() {
    let more = "html = \"<p>{{ 1 + 1 }} ü</p>\"\nattach = [\"a.csv\", { file = \"l.png\", inline = \"logo\", type = \"image/x-own\" }]\n";
    let session = format!(
        "{HEAD}{TO}cc = ['\"Doe, Ann\" <ann@example.com>', \"Grp: c@example.com;\"]\nsubject = \"ü\"\ntext = \"a\\nb\\n\"\n{more}"
    );
    let place = Place::new(&session, &[("a.csv", b"a,b\n1,2\n"), ("l.png", b"png")]);
    let shown = place.mailrun(&["show", "case.toml"]);
    place.put("shown.toml", &shown.stdout);
    assert_eq!(String::from_utf8_lossy(&place.mail("shown.toml")), String::from_utf8_lossy(&place.mail("case.toml")));
}

#[test]
fn a_mail_that_is_ready_goes_as_it_is_to_whom_its_headers_name() {
    let eml = b"From: \"Doe, Ann\" <ann@example.com>\nTo: Team: b@example.com,\n  c@example.com;, d@example.com (Dan)\nBcc: e@example.com\nSubject: {{ x }}\n\n.dot\rCR alone, \xc3\xbc";
    let place = Place::new("server = \"smtp://mail.example.com\"\n[message]\neml = \"m.eml\"\n", &[("m.eml", eml)]);
    let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
    let transcript = String::from_utf8_lossy(&output.stdout);
    assert!(transcript.contains("C: MAIL FROM:<ann@example.com> SIZE=161 BODY=8BITMIME"), "{transcript}");
    let rcpt: Vec<_> = transcript.lines().filter_map(|line| line.strip_prefix("C: RCPT TO:")).collect();
    assert_eq!(rcpt, ["<b@example.com>", "<c@example.com>", "<d@example.com>", "<e@example.com>"]);
    let expected = String::from_utf8_lossy(eml).replace('\r', "\n").replace('\n', "\r\n") + "\r\n";
    assert_eq!(String::from_utf8_lossy(&place.mail("case.toml")), expected);
}

#[test]
fn what_cannot_be_sent_is_an_error_before_anything_is_sent() {
    let table: &[(&str, i32, &str, &str)] = &[
        ("to = []\n", 65, "no recipient", "no recipient"),
        ("to = [\"\"]\n", 65, "", "an empty address"),
        ("to = [\"a b@c\"]\n", 65, "not an address", "no address"),
        ("to = \"{{ 'a@b\\\\r\\\\nRCPT TO:<x@y>' }}\"\n", 65, "case.toml:6", "a line break in an address"),
        ("to = \"a@b\"\nsubject = \"{{ 'a\\\\nBcc: x@y' }}\"\n", 65, "case.toml:7", "a line break in the subject"),
        ("to = \"a@b\"\nheaders = { X-A = \"{{ 'a\\\\nb' }}\" }\n", 65, "case.toml:7", "a line break in a header"),
        ("to = \"a@b\"\nattach = [\"gone.pdf\"]\n", 66, "gone.pdf", "a missing attachment"),
        ("to = \"a@b\"\nattach = [\".\"]\n", 66, "folder", "a folder"),
        ("to = \"a@b\"\nattach = [\"/etc/hostname\"]\n", 65, "--file-root", "a file from elsewhere"),
        ("to = \"a@b\"\nattach = [{ file = \"case.toml\", type = \"csv\" }]\n", 65, "type/subtype", "no type"),
        (
            "to = \"a@b\"\nattach = [{ file = \"case.toml\", name = \"{{ 'a\\\\nb' }}\" }]\n",
            65,
            "LF",
            "a name's line break",
        ),
        ("to = \"a@b\"\nattach = [{ file = \"case.toml\", inline = \"a b\" }]\n", 65, "Content-ID", "a bad Content-ID"),
        ("to = \"a@b\"\nhtml = \"<p>\"\n", 65, "text = ", "HTML without text"),
        ("to = \"a@b\"\ntext = \"fine so far {{ 1 / 0 }}\"\n", 65, "case.toml:7", "a template fails in its middle"),
        ("to = \"a@b\"\ntext = { file = \"t\", template = true }\n", 65, "t:2", "a file's template fails"),
        ("to = \"a@b\"\ntext = { file = \"latin\" }\n", 65, "UTF-8", "Latin-1"),
        ("to = \"a@b\"\neml = \"latin\"\nsubject = \"x\"\n", 65, "beside", "eml and subject"),
        ("to = \"a@b\"\n[vars]\nx = { csv = \"bad.csv\" }\n", 65, "bad.csv:2", "a short row"),
        ("to = \"a@b\"\n[vars]\nx = { json = \"bad.csv\" }\n", 65, "bad.csv:1", "no JSON"),
        ("to = \"a@b\"\n[vars]\nx = { csv = \"gone.csv\" }\n", 66, "gone.csv", "no file"),
    ];
    let head = "server = \"smtp://mail.example.com\"\n# more\n# lines\n[message]\nfrom = \"a@example.com\"\n";
    for (more, status, words, why) in table {
        let files: [(&str, &[u8]); 3] =
            [("t", b"one\n{{ nothing_defines_this }}\n"), ("latin", b"caf\xe9\n"), ("bad.csv", b"a,b\n1\n")];
        let place = Place::new(&format!("{head}{more}"), &files);
        let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
        let (sent, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(*status), "{why}:\n{sent}{errors}");
        assert!(!sent.contains("C: "), "{why}: something was sent:\n{sent}");
        assert!(errors.contains(words), "{why}: {words:?} is missing in\n{errors}");
    }
}

#[test]
fn the_starter_of_a_report_works_as_it_is_and_overwrites_nothing() {
    let place = Place::new("", &[]);
    let run = |arguments: &[&str], status| {
        let output = place.mailrun(arguments);
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}:\n{text}");
        text
    };
    run(&["new", "report", "nightly.toml"], 0);
    run(&["check", "nightly.toml"], 0);
    let mail = place.mail("nightly.toml");
    let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
    assert!(
        parsed.subject().is_some_and(|subject| subject.starts_with("Nightly report, 20")),
        "{:?}",
        parsed.subject()
    );
    assert!(parsed.body_text(0).is_some_and(|text| text.contains("All is well.")));
    assert!(parsed.body_html(0).is_some_and(|html| html.contains("<h1>Nightly report</h1>")));

    place.put("kept.toml", b"mine");
    assert!(run(&["new", "report", "kept.toml"], 73).contains("kept.toml"));
    assert_eq!(std::fs::read(place.0.path().join("kept.toml")).expect("it is there"), b"mine");
    assert!(run(&["new", "report", "no/such/folder.toml"], 73).contains("folder.toml"));
    assert!(run(&["new", "report"], 0).contains("[message]"));
}

/// How much memory a process has had at its peak, in kB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Plays a server that takes one mail. Gives the peaks before the first command and behind the last byte of content, and
/// the octets of the content.
fn take_a_big_mail(extensions: &str) -> (u64, u64, u64) {
    const LENGTH: u64 = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    let session = format!(
        "server = \"smtp://{address}\"\n[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\ntext = \"see\"\nattach = [\"big\"]\n"
    );
    let place = Place::new(&session, &[]);
    // A file with a hole: long, and not on the disk.
    let file = std::fs::File::create(place.0.path().join("big")).expect("the folder is ours");
    file.set_len(LENGTH).expect("a hole costs nothing");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--quiet", "case.toml"])
        .current_dir(place.0.path())
        .spawn()
        .expect("mailrun starts");
    let (stream, _) = listener.accept().expect("it connects");
    let before = peak(child.id());
    let mut writer = stream.try_clone().expect("a socket has two ends");
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut say = |line: &str| writer.write_all(format!("{line}\r\n").as_bytes()).expect("it listens");
    say("220 ready");
    let (mut line, mut octets, mut announced, mut after) = (Vec::new(), 0, 0, 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).expect("it speaks") == 0 {
            break;
        }
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        let word = command.split(' ').next().unwrap_or_default().to_owned();
        match word.as_str() {
            "EHLO" => say(&format!("250-hello\r\n{extensions}250 SIZE")),
            "MAIL" => {
                announced = command.rsplit('=').next().and_then(|size| size.parse().ok()).expect("SIZE comes last");
                say("250 ok");
            }
            "DATA" => {
                say("354 go");
                loop {
                    line.clear();
                    reader.read_until(b'\n', &mut line).expect("it speaks");
                    if line == b".\r\n" {
                        break;
                    }
                    octets += line.len() as u64;
                }
                after = peak(child.id());
                say("250 kept");
            }
            "BDAT" => {
                let size = command.split(' ').nth(1).and_then(|size| size.parse().ok()).expect("BDAT has a size");
                octets += std::io::copy(&mut reader.by_ref().take(size), &mut std::io::sink()).expect("it comes");
                after = peak(child.id());
                say("250 chunk");
            }
            "QUIT" => say("221 bye"),
            _ => say("250 ok"),
        }
    }
    assert!(child.wait().expect("it ends").success());
    assert_eq!(octets, announced, "as long as it was said to be");
    (before, after, octets)
}

#[test]
fn a_big_attachment_costs_little_memory() {
    for extensions in ["", "250-PIPELINING\r\n250-CHUNKING\r\n"] {
        let (before, after, octets) = take_a_big_mail(extensions);
        assert!(octets > 64 << 20, "{octets}");
        let more = after.saturating_sub(before);
        assert!(more < 16 << 10, "with {extensions:?} it took {more} kB more than the {before} kB at its start");
    }
}
