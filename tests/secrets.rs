//! A password appears in nothing that a run writes: not in the transcript, the remarks, the errors or any report, even if
//! the server repeats it in every encoding.

mod support;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use support::{Folder, ManualServer};

const CANARY: &str = "Zaphod/42 B?+eeblebrox";

/// The encodings of the password. For base64: all of it if `whole`, as a server repeats it, or only the part that does not
/// depend on the bytes before and after the password.
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

/// Sends each reply in turn. A reply that is only a code gets a text: every form of the password, and what the client sent
/// last.
fn echo(server: &ManualServer, replies: &[&str]) {
    let mut client = server.accept();
    let mut last = String::new();
    for reply in replies {
        let mut text = format!("{reply}\r\n");
        if reply.len() == 3 {
            let texts = forms(true).into_iter().chain([last]);
            text =
                texts.map(|text| format!("{reply}-{text}\r\n")).collect::<String>() + &format!("{reply} {CANARY}\r\n");
        }
        if !client.try_send(text) {
            return;
        }
        let Some(line) = client.read_line() else { return };
        last = line;
    }
}

#[test]
fn no_output_contains_the_password() {
    const STEPS: &str = "step = [{ expect = 220 }, { ehlo = true }, ";
    let auth = |mechanism: &str| {
        format!(
            "{STEPS}{{ auth = true }}]\n[auth]\nuser = \"u\"\npassword = \"{{{{ pw }}}}\"\nmechanism = \"{mechanism}\"\nallow_plaintext = true\n"
        )
    };
    let hello = ["220 mx", "250 mx"];
    let table: Vec<(String, Vec<&'static str>, &str)> = vec![
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
            let server = ManualServer::start();
            let folder =
                Folder::new().with("session.toml", format!("{steps}\n[secrets]\npw = {{ env = \"CANARY\" }}\n"));
            let run = folder.mailrun([command, "--verbose", "--timeout", "5s", "--server", &server.url("smtp")]);
            let run = run.args(["--transcript", "t.log", "--json", "r.json", "--junit", "r.xml", "--tap", "r.tap"]);
            let replies = replies.clone();
            let serving = std::thread::spawn(move || echo(&server, &replies));
            let ran = run.args(["--html", "r.html", "session.toml"]).env("CANARY", CANARY).run();
            serving.join().expect("the server did not panic");
            let mut written = vec![("what it printed".to_owned(), ran.text().into_bytes())];
            for name in folder.names().into_iter().filter(|name| name != "session.toml") {
                let content = std::fs::read(folder.path(&name)).expect("it can be read");
                written.push((name, content));
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

/// Serves two connections that log in and send NOOP, and repeats each password. Returns the passwords.
fn repeat_passwords(server: &ManualServer) -> Vec<String> {
    let serve_one = |_| {
        let mut client = server.accept();
        client.send("220 mx\r\n");
        client.read_line().expect("EHLO comes");
        client.send("250-mx\r\n250 AUTH PLAIN\r\n");
        let line = client.read_line().expect("AUTH comes");
        let response = line.trim_end().rsplit(' ').next().unwrap_or_default();
        let decoded = STANDARD.decode(response).expect("the response is base64");
        let password = String::from_utf8_lossy(&decoded).rsplit('\0').next().unwrap_or_default().to_owned();
        client.send(format!("235 welcome with {password}\r\n"));
        client.read_line().expect("NOOP comes");
        client.send(format!("250 {line}\r\n"));
        client.read_line().expect("QUIT comes");
        client.try_send("221 bye\r\n");
        password
    };
    (0..2).map(serve_one).collect()
}

#[test]
fn a_token_that_is_too_old_is_fetched_again_and_hidden_as_before() {
    const SESSION: &str = r#"
[vars]
login = "x-{{ token }}"
[auth]
mechanism = "PLAIN"
user = "u"
password = "{{ login }}"
allow_plaintext = true
[rows]
file = "p.csv"
per_connection = 1
[[open]]
expect = 220
[[open]]
ehlo = true
[[open]]
auth = true
[[step]]
send = "NOOP {{ row.n }}"
expect = 250
[[close]]
quit = true
"#;
    const TOKEN: &str = "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo token-number-$n\n";
    for (refresh, is_kept) in [("1ms", false), ("1h", true)] {
        let source = format!("[secrets]\ntoken = {{ command = [\"sh\", \"t.sh\"], refresh = \"{refresh}\" }}\n");
        let folder = Folder::new().with("s.toml", format!("{source}{SESSION}")).with("t.sh", TOKEN);
        folder.write("p.csv", "n\n1\n2\n");
        let server = ManualServer::start();
        let run = folder.mailrun(["run", "--allow-commands", "--verbose", "--json", "r.json", "--server"]);
        let run = run.args([&server.url("smtp"), "s.toml"]);
        let serving = std::thread::spawn(move || repeat_passwords(&server));
        let ran = run.run().exits(0);
        let passwords = serving.join().expect("the server did not panic");
        assert!(passwords[0].starts_with("x-token-number-"), "{passwords:?}");
        assert_eq!(passwords[0] == passwords[1], is_kept, "refresh = {refresh}: {passwords:?}");
        let written = ran.text() + &folder.read("r.json");
        for text in ["token-number".to_owned(), STANDARD.encode(format!("\0u\0{}", passwords[1]))] {
            assert!(!written.contains(&text), "refresh = {refresh}: {text} is in\n{written}");
        }
    }
}

/// In the content of a mail, each line shows `[secret]` in place of its part of a secret.
#[test]
fn no_output_contains_the_secrets_in_a_mail() {
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
    let folder = Folder::new();
    folder.write("key.txt", format!("{KEY}\n{WORDS}\n"));
    for chunking in ["", "chunking = false\n"] {
        folder.write("session.toml", format!("{MAIL}{chunking}"));
        let run = folder.mailrun(["run", "--dry-run", "--verbose", "--json", "r.json", "--html", "r.html"]);
        let run = run.args(["--junit", "r.xml", "session.toml"]);
        let ran = run.env("WORDS", WORDS).env("KEY", KEY).env("PIN", "z~q").run();
        let mut written = vec![("what it printed", ran.text().into_bytes())];
        for file in ["r.json", "r.html", "r.xml"] {
            written.push((file, std::fs::read(folder.path(file)).expect("it was written")));
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
