//! `mailrun send`: a message without a session file, and the session file that it writes.

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{EmbeddedServer, Finished, Folder};

/// Sends over the server that accepts all mail.
fn send(folder: &Folder, server: &EmbeddedServer, options: &[&str]) -> Finished {
    let fixed = ["send", "--server", &server.url("smtp"), "--ca", &server.ca(), "--from", "Ops <ops@example.com>"];
    folder.mailrun(fixed).args(options).run()
}

const TO_BOB: [&str; 4] = ["--to", "b@example.com", "--subject", "hello"];

#[test]
fn a_message_is_sent_and_its_session_file_sends_it_again() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write("r [1].bin", "\u{1}{{ not }}");
    let options = [
        &TO_BOB[..],
        &["--to", "Ann <c@example.com>", "--text", "Grüße {{ x }}\n", "--attach", "r [1].bin"],
        &["--header", "X-Job: {{ 7 * 7 }}", "--header", "Date: Tue, 03 Nov 2026 08:00:00 +0000"],
        &["--header", "Message-ID: <a@example.com>", "--save", "again.toml"],
    ]
    .concat();
    let first = send(&folder, &server, &options).exits(0).stdout;
    assert_eq!(
        std::fs::metadata(folder.path("again.toml")).expect("it was written").permissions().mode() & 0o777,
        0o600
    );
    let again = folder.mailrun(["run", "--ca", &server.ca(), "again.toml"]).run().exits(0).stdout;
    let client = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.starts_with("C: MAIL"));
        lines.filter(|line| line.starts_with("C: ")).map(str::to_owned).collect()
    };
    assert_eq!(client(&first), client(&again));
    for expected in ["C: RCPT TO:<c@example.com>", "C: X-Job: {{ 7 * 7 }}", "C: Message-ID: <a@example.com>"] {
        assert!(client(&first).iter().any(|line| line == expected), "{expected}\n{first}");
    }
    assert!(first.contains("r [1].bin"), "{first}");
    send(&folder, &server, &options).exits(73);
    server.stop();
}

#[test]
fn standard_input_is_the_text() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    for last in [&["-"][..], &["--body", "-"]] {
        let run = folder.mailrun(["send", "--server", &server.url("smtp"), "--ca", &server.ca()]);
        let run = run.args(["--from", "a@example.com"]).args(TO_BOB).args(last).stdin("from {% a pipe\n");
        let output = run.run().exits(0);
        assert!(output.stdout.contains("C: from {% a pipe\n"), "{output}");
    }
    server.stop();
}

#[test]
fn html_gets_a_plain_part() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write("page.html", "<h1>Report</h1><p>all &amp; well</p>");
    for content in [&["--body", "page.html"][..], &["--text", "<h1>Report</h1><p>all &amp; well</p>"]] {
        let output = send(&folder, &server, &[&TO_BOB[..], &["--html"], content].concat()).exits(0);
        for expected in ["text/plain", "text/html", "<p>all &amp; well</p>", "C: # Report", "C: all & well"] {
            assert!(output.stdout.contains(expected), "{expected}\n{output}");
        }
    }
    server.stop();
}

#[test]
fn the_password_comes_from_a_file_or_the_environment_and_is_hidden() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write("pw", "hunter2-Zaphod\n");
    let login = |extra: &[&str]| {
        let run =
            folder.mailrun(["send", "--server", &server.url("smtp"), "--ca", &server.ca(), "--from", "a@example.com"]);
        run.args(TO_BOB).args(["--text", "x", "--user", "ann"]).args(extra)
    };
    let of_file = login(&["--password-file", "pw", "--save", "s.toml"]).run().exits(0);
    let of_environment = login(&[]).env("MAILRUN_PASSWORD", "hunter2-Zaphod").run().exits(0);
    folder.write("netrc", "machine localhost login ann password hunter2-Zaphod\n");
    let of_netrc = login(&[]).env("NETRC", folder.path("netrc")).run().exits(0);
    for output in [of_file, of_environment, of_netrc] {
        assert!(output.stdout.contains("C: AUTH ") && output.stdout.contains("S: 235 "), "{output}");
        assert!(!output.text().contains("hunter2"), "{output}");
    }
    let saved = folder.read("s.toml");
    assert!(saved.contains("MAILRUN_PASSWORD") && !saved.contains("hunter2") && !saved.contains("pw"), "{saved}");
    let attached = login(&["--password-file", "pw", "--attach", "pw"]).run().exits(65);
    assert!(!attached.stdout.contains("C: DATA") && !attached.stdout.contains("C: BDAT"), "{attached}");
    server.stop();
}

#[test]
fn nothing_leaves_the_machine_in_a_dry_run() {
    let folder = Folder::new();
    let run = folder.mailrun(["send", "--server", "smtp://mail.example.com", "--from", "a@example.com"]).args(TO_BOB);
    run.args(["--text", "x", "--dry-run", "--sink", "box"]).run().exits(0);
    let kept = std::fs::read_dir(folder.path("box")).expect("the folder is there");
    let names = kept.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    assert_eq!(names.filter(|name| name.ends_with(".eml")).count(), 1);
}

#[test]
fn mistakes_of_the_command_line_send_nothing() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    let table: [(&[&str], i32, &str); 13] = [
        (&[], 64, "--text"),
        (&["--text", "x", "--body", "y"], 64, "--body"),
        (&["--text", "x", "-"], 64, "--text"),
        (&["--text", "x", "stray"], 64, "standard input"),
        (&["--text", "x", "--header", "Bcc: x@example.com"], 64, "--to"),
        (&["--text", "x", "--header", "Content-Type: text/html"], 64, "attachments"),
        (&["--text", "x", "--header", "dkim-signature: x"], 64, "[dkim]"),
        (&["--text", "x", "--header", "no colon"], 64, "NAME: VALUE"),
        (&["--text", "x", "--header", "X: a\nBcc: x@example.com"], 64, "line break"),
        (&["--text", "x", "--to", "a@example.com\nx"], 64, "line break"),
        (&["--text", "x", "--to", "nobody"], 65, "nobody"),
        (&["--body", "missing.txt"], 66, "missing.txt"),
        (&["--text", "x", "--junit", "j.xml"], 64, "--junit"),
    ];
    for (options, status, expected) in table {
        let output = send(&folder, &server, &[&TO_BOB[..], options].concat()).exits(status);
        assert!(output.stderr.contains(expected), "{options:?}: {output}");
        assert!(!output.stdout.contains("C: MAIL"), "{options:?}: {output}");
    }
    server.stop();
}
