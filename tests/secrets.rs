//! A password is in nothing that a run writes, in whatever form: not in the transcript, the remarks, the errors or any
//! report, though the server says it back in every form.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

const CANARY: &str = "Zaphod/42 B?+eeblebrox";

/// The forms in which the password travels: whole, as a server says them, or of base64 only what depends on nothing before or
/// behind the password.
fn forms(whole: bool) -> Vec<String> {
    let url = ["Zaphod%2F42%20B%3F%2Beeblebrox", "Zaphod%2f42+B%3f%2beeblebrox", "Zaphod+2F42+20B?+2Beeblebrox"];
    let mut forms: Vec<String> =
        url.iter().chain([&CANARY, &"Zaphod\\/42 B?+eeblebrox"]).map(|f| f.to_string()).collect();
    for before in ["", "x", "xy"] {
        let bytes = format!("{before}{CANARY}");
        let end = bytes.len() / 3 * 4;
        let part = |encoded: String| if whole { encoded } else { encoded[4..end].to_owned() };
        forms.extend([STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)].map(part));
    }
    forms
}

/// Gives each reply in turn, with every form of the password and what the client sent last in its text where it is a code alone.
fn echo(listener: &TcpListener, replies: &[&str]) -> std::io::Result<()> {
    let (mut socket, _) = listener.accept()?;
    let mut lines = BufReader::new(socket.try_clone()?);
    let mut heard = String::new();
    for reply in replies {
        let mut said = format!("{reply}\r\n");
        if reply.len() == 3 {
            let texts = forms(true).into_iter().chain([heard.trim_end().to_owned()]);
            said =
                texts.map(|text| format!("{reply}-{text}\r\n")).collect::<String>() + &format!("{reply} {CANARY}\r\n");
        }
        socket.write_all(said.as_bytes())?;
        heard.clear();
        lines.read_line(&mut heard)?;
    }
    Ok(())
}

#[test]
fn nothing_that_a_run_writes_holds_the_password() {
    const STEPS: &str = "step = [{ expect = 220 }, { ehlo = true }, ";
    let auth = |mechanism: &str| {
        format!(
            "{STEPS}{{ auth = true }}]\n[auth]\nuser = \"u\"\npassword = \"{{{{ pw }}}}\"\nmechanism = \"{mechanism}\"\nallow_plaintext = true\n"
        )
    };
    let hello = ["220 mx", "250 mx"];
    let table: Vec<(String, Vec<&str>, &str)> = vec![
        (auth("PLAIN"), [&hello[..], &["535"]].concat(), "a refusal of PLAIN"),
        (auth("LOGIN"), [&hello[..], &["334 VXNlcg==", "334 UGFzcw==", "535"]].concat(), "a refusal of LOGIN"),
        (auth("CRAM-MD5"), [&hello[..], &["334 PDE+", "535"]].concat(), "a refusal of CRAM-MD5"),
        (auth("SCRAM-SHA-256"), [&hello[..], &["535"]].concat(), "a refusal of SCRAM"),
        (auth("PLAIN"), vec!["220", "250", "235", "221"], "each reply"),
        (format!("{STEPS}{{ send = \"NOOP {{{{ pw }}}}\", expect = 250 }}]"), vec!["220", "250", "550"], "a mismatch"),
        (
            format!("{STEPS}{{ send = \"NOOP {{{{ pw }}}}\", expect = 250, chunk = {{ size = 1 }} }}]"),
            vec!["220", "250", "250"],
            "pieces",
        ),
        (
            format!("{STEPS}{{ send = \"NOOP\", expect = 250, assert = [\"reply.text == pw\"] }}]"),
            vec!["220", "250", "250"],
            "an assert",
        ),
        (
            format!("{STEPS}{{ send = \"NOOP\", expect = 250, capture = {{ x = 'never there' }} }}]"),
            vec!["220", "250", "250"],
            "a capture",
        ),
        (
            format!("{STEPS}{{ raw = \"NOOP {{{{ pw | b64encode }}}}\\r\\n\", expect = 250 }}]"),
            vec!["220", "250", "500"],
            "raw bytes",
        ),
        (
            format!("{STEPS}{{ name = \"try {{{{ pw }}}}\", send = \"NOOP\", expect = 250 }}]"),
            vec!["220", "250", "500"],
            "a name",
        ),
    ];
    for (steps, replies, why) in table {
        for command in ["run", "test"] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
            let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let session = folder.path().join("session.toml");
            std::fs::write(&session, format!("{steps}\n[secrets]\npw = {{ env = \"CANARY\" }}\n"))
                .expect("it can be written");
            let mut mailrun = Command::new(env!("CARGO_BIN_EXE_mailrun"));
            mailrun.args([command, "--verbose", "--timeout", "5s", "--server", &url]).env("CANARY", CANARY);
            for (option, file) in [
                ("--transcript", "t.log"),
                ("--json", "r.json"),
                ("--junit", "r.xml"),
                ("--tap", "r.tap"),
                ("--html", "r.html"),
            ] {
                mailrun.arg(option).arg(folder.path().join(file));
            }
            let replies: Vec<&'static str> = replies.iter().map(|reply| &*reply.to_string().leak()).collect();
            let server = std::thread::spawn(move || echo(&listener, &replies));
            let output = mailrun.arg(&session).output().expect("mailrun starts");
            // A client that is gone is no trouble of the server's here.
            drop(server.join().expect("the server did not panic"));
            let mut written = vec![("what it printed".to_owned(), [output.stdout, output.stderr].concat())];
            for file in std::fs::read_dir(folder.path()).expect("the folder is there").flatten() {
                if file.path() != session {
                    let content = std::fs::read(file.path()).expect("it can be read");
                    written.push((file.file_name().to_string_lossy().into_owned(), content));
                }
            }
            assert_eq!(written.len(), 6, "{why}, {command}: all reports were written");
            for (file, content) in written {
                let text = String::from_utf8_lossy(&content).into_owned();
                for form in forms(false).iter().map(String::as_str).chain(["eeblebrox"]) {
                    assert!(!text.contains(form), "{why}, {command}: {form} is in {file}:\n{text}");
                }
            }
        }
    }
}

/// Of a mail each line shows `[secret]` in place of its part.
#[test]
fn nothing_that_a_run_writes_holds_what_a_mail_hides() {
    const WORDS: &str = "correct horse & battery staple";
    const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210QWERTZUIOP";
    const MAIL: &str = r#"
server = "smtp://127.0.0.1:2525"
[secrets]
words = { env = "WORDS" }
key = { env = "KEY" }
pin = { env = "PIN" }
[message]
from = "\"{{ words }}\" <a@example.com>"
to = ["b@example.com"]
subject = "Ihr Schlüssel: {{ words }}, {{ key }}, {{ pin }}"
headers = { X-Pin = "{{ pin }}", X-Key = "licence for the nightly report of the whole company: {{ words }}" }
text = "Ihr Schlüssel ist {{ words }}\nund hier der längere: {{ key }}, {{ key }}, {{ key }}\n"
html = "<p>Ihr Schlüssel ist <b>{{ words }}</b>, und hier der längere: {{ key }}\n"
attach = [{ file = "key.txt", name = "der Schlüssel {{ key }}, {{ words }}.txt" }]
"#;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("key.txt"), format!("{KEY}\n{WORDS}\n")).expect("it can be written");
    for chunking in ["", "chunking = false\n"] {
        let session = folder.path().join("session.toml");
        std::fs::write(&session, format!("{MAIL}{chunking}")).expect("it can be written");
        let mut mailrun = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        mailrun.args(["run", "--dry-run", "--verbose"]).env("WORDS", WORDS).env("KEY", KEY).env("PIN", "z~q");
        for (option, file) in [("--json", "r.json"), ("--html", "r.html"), ("--junit", "r.xml")] {
            mailrun.arg(option).arg(folder.path().join(file));
        }
        let output = mailrun.arg(&session).output().expect("mailrun starts");
        let mut written = vec![("what it printed", [output.stdout, output.stderr].concat())];
        for file in ["r.json", "r.html", "r.xml"] {
            written.push((file, std::fs::read(folder.path().join(file)).expect("it was written")));
        }
        assert!(written[0].1.windows(8).any(|seen| seen == b"[secret]"), "the mail was sent");
        for (file, content) in written {
            let text = String::from_utf8_lossy(&content);
            let encoded = [STANDARD.encode(KEY), STANDARD.encode(WORDS)];
            for part in
                ["horse", "battery", "STUVWX", "ZYXWVU", "QPONML", "z~q", &encoded[0][4..20], &encoded[1][4..20]]
            {
                assert!(!text.contains(part), "{chunking}{part} is in {file}:\n{text}");
            }
        }
    }
}
