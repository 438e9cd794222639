//! `mailrun shell`, fed from a pipe and in a terminal.

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod screen;
mod secrets;
mod terminal;

use std::os::unix::fs::PermissionsExt;
use support::{EmbeddedServer, Folder};

const SCRIPT: &str = "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN [secret]\nS: 235 ok\nC: VRFY {{ x\nS: 550 no\nC: :colon\nS: 500 what\n\
    C: DATA\nS: 354 go\nC: Subject: typed\nC:\nC: :help\nC: ..dot\nC: .\nS: 250 kept\nC: BDAT 3 LAST\nC: abc\\c\nS: 250 kept\nC: QUIT\nS: 221 x\n";
const TYPED: &str = "EHLO me\nAUTH PLAIN AGEAaHVudGVyMg==\nVRFY {{ x\n::colon\nDATA\nSubject: typed\n\n:help\n.dot\n.\nBDAT 3 LAST\nabc\nQUIT\n";

#[test]
fn typed_lines_are_sent_in_lockstep_and_the_saved_session_says_the_same() {
    let folder = Folder::new();
    let server = EmbeddedServer::script(SCRIPT);
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(TYPED).run().exits(0);
    for line in ["C: AUTH PLAIN [secret]", "S: 550 no", "C: :colon", "C: :help", "C: ..dot", "S: 221 x"] {
        assert!(shell.stdout.lines().any(|shown| shown == line), "{line} in {shell}");
    }
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    assert!(!saved.contains("AGEAaHVudGVyMg==") && !shell.text().contains("AGEAaHVudGVyMg=="), "{saved}");
    let mode = std::fs::metadata(folder.path("s.toml")).expect("it is saved").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let server = EmbeddedServer::script(SCRIPT);
    let url = server.url("smtp");
    let run = folder.mailrun(["run", "--server", &url, "s.toml"]).env("SMTP_SECRET_1", "AGEAaHVudGVyMg==");
    run.run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn starttls_does_the_handshake_with_a_certificate_that_is_trusted() {
    let server = EmbeddedServer::script(
        "S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO again\nS: 250 x\nC: QUIT\nS: 221 x\n",
    );
    let typed = "STARTTLS\nEHLO again\nQUIT\n";
    let (url, ca) = (server.url("smtp"), server.ca());
    let shell = Folder::new().mailrun(["shell", "--ca", &ca, &url]).stdin(typed).run().exits(0);
    assert!(shell.stdout.contains("*: TLS started: TLSv1.3, CN=localhost, verified\n"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_server_that_is_gone_ends_a_pipe_and_colon_connect_goes_on() {
    let script = "S: 220 x\nC: NOOP\nS: 421 no\n*: closed by the server\n*: connected\nS: 220 y\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let shell = Folder::new().mailrun(["shell", &url]).stdin("NOOP\n:wait\n:connect\nQUIT\n").run().exits(0);
    assert!(shell.stdout.contains("*: closed by the server\n") && shell.stdout.contains("S: 220 y\n"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let gone = Folder::new().mailrun(["shell", "smtp://127.0.0.1:1"]).stdin("NOOP\n").run().exits(69);
    assert!(gone.stderr.contains("cannot connect to"), "{gone}");
}

#[test]
fn colon_commands_do_what_they_say() {
    let script =
        "S: 220 x\nC: NO\\c\nC: OP\nS: 250 ok\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGltc2hhbQ==\nS: 535 no\n";
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let folder = Folder::new();
    let typed = ":raw NO\n:raw OP\\r\\n\n:wait\n:expect 250\n:expect 550\n:unb64 VXNlcm5hbWU6\nAUTH LOGIN\n:b64 timsham\n:sav x\n:save --clean c.toml\n:close\n";
    let shell = folder.mailrun(["shell", &url]).stdin(typed).run().exits(0);
    for part in ["*: expected 550, got 250\n", "*: Username:\n", "C: [secret]\n", "did you mean :save?"] {
        assert!(shell.stdout.contains(part), "{part} in {shell}");
    }
    assert!(!shell.stdout.contains("dGltc2hhbQ"), "{shell}");
    assert!(!folder.read("c.toml").contains("535"), "what got a 5xx is left out");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_body_with_odd_bytes_is_saved_as_it_was_sent() {
    for body in [&b"a\xff no end"[..], b".a\xff\nlf\n", b"a\r\nb\rc\r\n", b""] {
        let sink = EmbeddedServer::sink();
        let folder = Folder::new().with("b.bin", body);
        let typed =
            ":transcript typed.log\nEHLO me\nMAIL FROM:<a@x.example>\nRCPT TO:<b@x.example>\n:body b.bin\nQUIT\n";
        let url = sink.url("smtp");
        folder.mailrun(["shell", "--save", "s.toml", &url]).stdin(typed).run().exits(0);
        folder
            .mailrun(["run", "--timeout", "5s", "--transcript", "run.log", "--server", &url, "s.toml"])
            .run()
            .exits(0);
        let sent = |name: &str| -> Vec<String> {
            folder
                .read(name)
                .lines()
                .filter(|line| line.starts_with("C: ") || *line == "C:")
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(sent("run.log"), sent("typed.log"), "{body:?}");
        drop(sink.stop());
    }
}

#[test]
fn a_file_that_cannot_be_written_ends_with_73_and_an_older_one_stays() {
    let script = "S: 220 x\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 x\n";
    for (typed, options) in [
        (":transcript no/such/t.log\nNOOP\nQUIT\n", &[][..]),
        (":transcript /dev/full\nNOOP\nQUIT\n", &[]),
        ("NOOP\n:save no/such/s.toml\nQUIT\n", &[]),
        ("NOOP\nQUIT\n", &["--save", "no/such/s.toml"]),
        ("NOOP\nQUIT\n", &["--save", "/dev/full"]),
    ] {
        let server = EmbeddedServer::script(script);
        let url = server.url("smtp");
        let shell = Folder::new().mailrun(["shell", &url]).args(options).stdin(typed).run().exits(73);
        assert!(shell.stdout.contains("S: 221 x\n") && shell.stdout.contains("*: cannot "), "{typed}: {shell}");
        assert_eq!(server.stop(), [] as [String; 0]);
    }
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let folder = Folder::new();
    let full = folder.mailrun(["shell", &url]).stdin("NOOP\nQUIT\n").stdout_to("/dev/full".as_ref());
    let shell = full.run().exits(73);
    assert!(shell.stderr.contains("cannot write to standard output"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn content_that_was_sent_with_raw_is_not_asked_for_again() {
    let script = "S: 220 x\n*: match exact\nC: DATA\nS: 354 go\nC: Subject: x\nC:\nC: before\\n\nC: .\\n\nS: 250 one\nC: DATA\nS: 354 go\n\
                  C: after\nC: .\nS: 250 two\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let folder = Folder::new();
    let typed = ":raw DATA\\r\\n\n:raw Subject: x\\r\\n\\r\\nbefore\\n.\\nDATA\\r\\nafter\\r\\n.\\r\\n\n:wait\n:wait\n:wait\n:wait\nQUIT\n";
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    assert!(shell.stdout.contains("S: 250 two\nC: QUIT\nS: 221 x\n"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    assert!(saved.contains("raw = \"Subject: x\\r\\n\\r\\nbefore\\n.\\nDATA\\r\\nafter\\r\\n.\\r\\n\"\n"), "{saved}");
    let server = EmbeddedServer::script(script);
    folder.mailrun(["run", "--server", &server.url("smtp"), "s.toml"]).run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn starttls_and_bdat_are_known_after_octets_that_have_no_line_end() {
    for (script, typed) in [
        (
            "S: 220 x\nC: BDAT 3\nC: abc\\c\nS: 250 ok\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: NOOP\nS: 250 tls\nC: QUIT\nS: 221 x\n",
            ":raw BDAT 3\\r\\nabc\n:wait\nSTARTTLS\nNOOP\nQUIT\n",
        ),
        (
            "S: 220 x\nC: BDAT 3\nC: abc\\c\nS: 250 ok\nC: BDAT 2 LAST\nC: de\\c\nS: 250 done\nC: QUIT\nS: 221 x\n",
            ":raw BDAT 3\\r\\nabc\n:wait\nBDAT 2 LAST\nde\nQUIT\n",
        ),
        (
            "S: 220 x\nC: START\\c\nC: TLS\nS: 220 go\n*: TLS started\nC: NOOP\nS: 250 tls\nC: QUIT\nS: 221 x\n",
            ":raw START\nTLS\nNOOP\nQUIT\n",
        ),
        ("S: 220 x\nC: NOOP STARTTLS\nS: 250 ok\nC: QUIT\nS: 221 x\n", ":raw NOOP\\x20\nSTARTTLS\nQUIT\n"),
    ] {
        let server = EmbeddedServer::script(&format!("*: match exact\n{script}"));
        let folder = Folder::new();
        let url = server.url("smtp");
        let arguments = ["shell", "--timeout", "5s", "--save", "s.toml", &url];
        let shell = folder.mailrun(arguments).stdin(typed).run().exits(0);
        assert!(shell.stdout.contains("C: QUIT\nS: 221 x\n"), "{typed}: {shell}");
        assert_eq!(server.stop(), [] as [String; 0], "{typed}");
        let server = EmbeddedServer::script(&format!("*: match exact\n{script}"));
        folder.mailrun(["run", "--timeout", "5s", "--server", &server.url("smtp"), "s.toml"]).run().exits(0);
        assert_eq!(server.stop(), [] as [String; 0], "{typed}: {}", folder.read("s.toml"));
    }
}

#[test]
fn content_that_was_begun_with_raw_goes_on_up_to_a_lone_dot() {
    for (typed, sent) in [
        (
            ":raw Subject: x\\r\\n\n:wait\nhello\n.dot\n:wait\n.\n",
            "C: Subject: x\nC: hello\nC: ..dot\nC: :wait\nC: .\n",
        ),
        (":raw a\n:wait\n.\n.\n", "C: a.\nC: .\n"),
        (":raw a\n:wait\n.b\n.c\n.\n", "C: a.b\nC: ..c\nC: .\n"),
        (":raw a\\r\\n.\n:wait\n\n", "C: a\nC: .\n"),
    ] {
        let script = format!("*: match exact\nS: 220 x\nC: DATA\nS: 354 go\n{sent}S: 250 kept\nC: QUIT\nS: 221 x\n");
        let server = EmbeddedServer::script(&script);
        let folder = Folder::new();
        let url = server.url("smtp");
        let arguments = ["shell", "--timeout", "5s", "--save", "s.toml", &url];
        let shell = folder.mailrun(arguments).stdin(format!(":raw DATA\\r\\n\n{typed}QUIT\n")).run().exits(0);
        assert!(shell.stdout.contains("S: 250 kept\nC: QUIT\nS: 221 x\n"), "{typed}: {shell}");
        assert_eq!(server.stop(), [] as [String; 0], "{typed}");
        let server = EmbeddedServer::script(&script);
        folder.mailrun(["run", "--timeout", "5s", "--server", &server.url("smtp"), "s.toml"]).run().exits(0);
        assert_eq!(server.stop(), [] as [String; 0], "{typed}: {}", folder.read("s.toml"));
    }
}

#[test]
fn raw_bytes_that_are_no_ascii_are_saved_without_a_warning() {
    let server = EmbeddedServer::script("*: match any\nS: 220 x\nC: a\nS: 250 ok\nC: QUIT\nS: 221 x\n");
    let folder = Folder::new();
    let typed = ":raw NOOP ä\u{202e}\\r\\n\n:wait\nQUIT\n";
    folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    assert!(saved.is_ascii() && saved.contains("raw = { hex = \"4e 4f 4f 50 20 c3 a4 e2 80 ae 0d 0a\" }\n"), "{saved}");
    let check = folder.mailrun(["check", "s.toml"]).run().exits(0);
    assert!(!check.text().contains("warning"), "{check}");
}

#[test]
fn a_file_name_that_was_mistyped_is_forgotten_once_another_file_is_written() {
    let server = EmbeddedServer::script("S: 220 x\nC: QUIT\nS: 221 x\n");
    let folder = Folder::new();
    let typed = ":transcript no/such/t.log\n:transcript t.log\n:save no/such/s.toml\n:save s.toml\nQUIT\n";
    let shell = folder.mailrun(["shell", &server.url("smtp")]).stdin(typed).run().exits(0);
    assert!(shell.stdout.contains("*: cannot write no/such/s.toml: "), "{shell}");
    assert!(folder.path("s.toml").exists() && folder.read("t.log").contains("S: 221 x"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_line_that_is_no_reply_leaves_the_connection_and_the_saved_session_expects_it() {
    let script = "S: 220 x\nC: NOOP\nS: 250-a\nS: what\nS: 250 ok\nC: RSET\nS: oh no\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let folder = Folder::new();
    let typed = "NOOP\n:wait\n:expect 250\nRSET\n:expect malformed\nQUIT\n";
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    assert_eq!(shell.stdout.matches("*: protocol error: ").count(), 2, "{shell}");
    assert!(shell.stdout.contains("S: 221 x") && !shell.stdout.contains("*: expected"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let server = EmbeddedServer::script(script);
    folder.mailrun(["run", "--server", &server.url("smtp"), "s.toml"]).run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_saved_file_that_is_too_large_leaves_the_older_one() {
    let server = EmbeddedServer::script("*: match any\nS: 220 x\nC: a\nS: 250 ok\nC: QUIT\nS: 221 x\n");
    let folder = Folder::new().with("s.toml", "old");
    let typed = format!("NOOP {}\nQUIT\n", "x".repeat(4096));
    let url = server.url("smtp");
    // A limit of a kilobyte stands for a disk that is full.
    let wrapper = ["sh", "-c", "ulimit -f 2; trap '' XFSZ; exec \"$0\" \"$@\""];
    let shell = folder.mailrun(["shell", "--save", "s.toml", &url]).through(wrapper).stdin(typed).run().exits(73);
    assert!(shell.stdout.contains("*: cannot write s.toml: "), "{shell}");
    assert_eq!(folder.read("s.toml"), "old");
    drop(server.stop());
}

#[test]
fn a_session_without_a_greeting_is_saved_so_that_it_can_be_run() {
    let server = EmbeddedServer::script("*: match any\nS: 220 x\nC: a\nC: b\n");
    let folder = Folder::new();
    let url = server.url("smtp");
    let arguments = ["shell", "--timeout", "200ms", "--save", "s.toml", &url];
    folder.mailrun(arguments).stdin(":wait\nNOOP\n").run().exits(0);
    folder.mailrun(["check", "s.toml"]).run().exits(0);
    drop(server.stop());
}
