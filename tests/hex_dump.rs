//! `--hex`: the bytes of both sides below the transcript's lines.

use mailrun::serve::{self, Config};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const SESSION: &str = r#"
server = "smtp://mx.example"
[tls]
starttls = "required"
[auth]
user = "ann"
password = "correct horse"
mechanism = "PLAIN"
[message]
from = "ann@example.com"
to = "bob@example.com"
date = "2026-11-20T10:00:00Z"
message_id = "<1@example.com>"
text = { file = "text.txt" }
"#;

fn run(folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    command.args(["run"]).args(options).arg("case.toml").current_dir(folder);
    command.env("NO_COLOR", "1").stdin(Stdio::null()).output().expect("mailrun starts")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("a transcript is text")
}

#[test]
fn the_bytes_of_both_sides_stand_below_the_lines_and_secrets_do_not() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it can be written");
    write("case.toml", SESSION);
    write("text.txt", &"a line\n".repeat(60));
    let dry = &["--dry-run", "--sink", "mail", "--hex", "--transcript", "t.txt"];
    let shown = text(&run(folder.path(), dry));
    let file = std::fs::read_to_string(folder.path().join("t.txt")).expect("the transcript stands");
    assert_eq!(shown, file, "the file has the dumps, too");
    assert!(shown.contains("C: STARTTLS\n*: 0000  53 54 41 52 54 54 4c 53  0d 0a "), "{shown}");
    assert!(shown.contains("C: AUTH PLAIN [secret]\n*: 0000  41 55 54 48 20 50 4c 41  49 4e 20 ** 0d 0a "), "{shown}");
    assert!(shown.contains("*: 0000  51 55 49 54 0d 0a "), "inside TLS what was encrypted: {shown}");
    assert_eq!(shown.matches("|a line..|").count(), 60);

    // Without the dumps it is the transcript that it always was.
    let plain = text(&run(folder.path(), &dry[..3]));
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("*: 00"));
        // The queue's name for the mail is another each time.
        lines.map(|line| line.split(" queued as ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(bare(&shown), bare(&plain));

    // And with them it can be served.
    let script: String = file.replace("*: TLS started", "*: TLS started: made anew, ");
    let config = Config::script(&script).expect("it is a transcript");
    let server = serve::start(config).expect("a loopback port is free");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &server.ca_pem).expect("the certificate can be written");
    let url = format!("smtp://localhost:{}", server.address.rsplit(':').next().expect("an address has a port"));
    let again = run(folder.path(), &["--server", &url, "--ca", "ca.pem", "--hex"]);
    assert!(server.stop(Duration::from_secs(5)).problems().is_empty());
    assert!(text(&again).contains("*: 0000  51 55 49 54 0d 0a "));
}

#[test]
fn where_content_is_cut_its_dump_is_cut() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let failing = SESSION.to_owned() + "[[close]]\nsend = \"NOOP\"\nexpect = 500\n";
    std::fs::write(folder.path().join("case.toml"), failing).expect("it can be written");
    std::fs::write(folder.path().join("text.txt"), "a line\n".repeat(60)).expect("it can be written");
    let output = run(folder.path(), &["--dry-run", "--sink", "mail", "--quiet", "--hex"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("more lines") && shown.contains("|a line..|"), "{shown}");
    assert!(shown.matches("|a line..|").count() <= 40, "{shown}");
}
