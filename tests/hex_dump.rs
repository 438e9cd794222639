//! `--hex`: a hex dump below each line of the transcript.

mod support;

use support::{EmbeddedServer, Finished, Folder};

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

fn run(folder: &Folder, options: &[&str]) -> Finished {
    folder.mailrun(["run"]).args(options).args(["case.toml"]).run()
}

#[test]
fn each_line_is_followed_by_its_bytes_except_for_secrets() {
    let folder = Folder::new();
    folder.write("case.toml", SESSION);
    folder.write("text.txt", "a line\n".repeat(60));
    let dry = &["--dry-run", "--sink", "mail", "--hex", "--transcript", "t.txt"];
    let shown = run(&folder, dry).exits(0).stdout;
    let file = folder.read("t.txt");
    assert_eq!(shown, file, "the file has the dumps, too");
    assert!(shown.contains("C: STARTTLS\n*: 0000  53 54 41 52 54 54 4c 53  0d 0a "), "{shown}");
    assert!(shown.contains("C: AUTH PLAIN [secret]\n*: 0000  41 55 54 48 20 50 4c 41  49 4e 20 ** 0d 0a "), "{shown}");
    assert!(shown.contains("*: 0000  51 55 49 54 0d 0a "), "inside TLS what was encrypted: {shown}");
    assert_eq!(shown.matches("|a line..|").count(), 60);

    // Without the dumps the transcript is the same.
    let plain = run(&folder, &dry[..3]).exits(0).stdout;
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("*: 00"));
        // The queue ID differs in each run.
        lines.map(|line| line.split(" queued as ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(bare(&shown), bare(&plain));

    // A transcript with dumps can be served.
    let script: String = file.replace("*: TLS started", "*: TLS started: again, ");
    let server = EmbeddedServer::script(&script);
    let again = run(&folder, &["--server", &server.url("smtp"), "--ca", &server.ca(), "--hex"]).exits(0).stdout;
    assert_eq!(server.stop(), [] as [&str; 0]);
    assert!(again.contains("*: 0000  51 55 49 54 0d 0a "));
}

#[test]
fn the_dump_of_shortened_content_is_shortened() {
    let folder = Folder::new();
    let failing = SESSION.to_owned() + "[[close]]\nsend = \"NOOP\"\nexpect = 500\n";
    folder.write("case.toml", failing);
    folder.write("text.txt", "a line\n".repeat(60));
    let output = run(&folder, &["--dry-run", "--sink", "mail", "--quiet", "--hex"]);
    let shown = &output.stdout;
    assert_eq!(output.status, 1, "{shown}");
    assert!(shown.contains("more lines") && shown.contains("|a line..|"), "{shown}");
    assert!(shown.matches("|a line..|").count() <= 40, "{shown}");
}
