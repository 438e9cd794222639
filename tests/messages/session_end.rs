//! What is said at the end of a session with mail, and what is left behind.

use super::MessageFixture;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MESSAGE: &str = "[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n";

/// Runs `case.toml`; temporary folders are made below `temporary`.
fn run(place: &MessageFixture, temporary: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    let command = command.arg("run").args(arguments).arg("case.toml").current_dir(place.0.path());
    command.env("TMPDIR", temporary).env("NO_COLOR", "1").stdin(Stdio::null()).output().expect("mailrun starts")
}

/// A server that takes one connection and answers a line with the reply that it has for its verb, with 250 otherwise.
fn serve(replies: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let mut writer = stream.try_clone().expect("a socket has two ends");
        let _ = writer.write_all(b"220 ready\r\n");
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let verb = line.split(' ').next().unwrap_or_default();
            let reply = replies.iter().find(|(own, _)| *own == verb).map_or("250 ok", |(_, reply)| reply);
            if writer.write_all(format!("{reply}\r\n").as_bytes()).is_err() || verb == "QUIT" {
                return;
            }
        }
    });
    url
}

#[test]
fn a_session_that_ended_before_its_message_says_so_in_a_line() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        format!("smtp://{}", listener.local_addr().expect("it is bound"))
    };
    let auth = "[auth]\nuser = \"u\"\npassword = \"wrong-password\"\nallow_plaintext = true\n";
    let size = serve(&[("EHLO", "250-mx\r\n250 SIZE 10"), ("QUIT", "221 bye")]);
    let refused = serve(&[("EHLO", "250-mx\r\n250 AUTH PLAIN"), ("AUTH", "535 5.7.8 no"), ("QUIT", "221 bye")]);
    let table = [
        (closed, "", 69, "not sent: cannot connect to 127.0.0.1:", "connection refused"),
        (size, "", 78, "not sent: the server lacks room for a message of ", "larger than SIZE"),
        (refused, auth, 77, "not sent: authentication with PLAIN was refused: 535 5.7.8 no", "AUTH refused"),
    ];
    for (server, more, status, line, why) in table {
        let place = MessageFixture::new(&format!("{MESSAGE}{more}"), &[]);
        let output = run(&place, place.0.path(), &["--server", &server]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{why}: {errors}");
        assert_eq!(errors.lines().filter(|said| said.starts_with(line)).count(), 1, "{why}: {errors}");
    }
}

#[test]
fn quiet_says_once_what_failed_before_connecting() {
    let place =
        MessageFixture::new(&format!("server = \"smtp://mail.example.com\"\n{MESSAGE}attach = [\"gone.pdf\"]\n"), &[]);
    let output = run(&place, place.0.path(), &["--quiet"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert_eq!(said.matches("no such file").count(), 1, "{said}");
}

#[test]
fn a_dry_run_leaves_its_mail_only_where_it_said_so() {
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let left = || std::fs::read_dir(temporary.path()).expect("it is there").count();
    let place = MessageFixture::new(&format!("server = \"smtp://mail.example.com\"\n{MESSAGE}"), &[]);
    let output = run(&place, temporary.path(), &["--quiet", "--dry-run"]);
    assert!(output.status.success() && output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(left(), 0, "nobody was told of a folder");

    let output = run(&place, temporary.path(), &["--dry-run"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("dry run: the mail is in "), "{output:?}");
    assert_eq!(left(), 1);

    let session = format!(
        "server = \"smtp://mail.example.com\"\n{MESSAGE}[[step]]\nmessage = true\nexpect = 250\nassert = [\"false\"]\n"
    );
    let place = MessageFixture::new(&session, &[]);
    let output = run(&place, temporary.path(), &["--quiet", "--dry-run"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("dry run: the mail is in "), "{output:?}");
    assert_eq!(left(), 2, "what failed is there to look at");
}

#[test]
fn transcript_and_diagnosis_place_a_failed_assert_alike() {
    let steps = "step = [\n  {\n    send = \"NOOP\",\n    expect = 250,\n    assert = [\n      \"reply.code == 251\",\n    ],\n  },\n]\n";
    let place = MessageFixture::new(
        &format!("server = \"smtp://mail.example.com\"\nopen = [{{ login = true }}]\n{steps}"),
        &[],
    );
    let output = run(&place, place.0.path(), &["--dry-run"]);
    let (transcript, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(transcript.contains("(case.toml:8)\n"), "{transcript}");
    assert!(errors.contains("case.toml:8:7: error: assert failed"), "{errors}");
}

#[test]
fn a_mail_by_hand_is_counted_and_never_said_not_to_be_sent() {
    let by_hand = "[[open]]\nlogin = true\n[[step]]\nsend = \"MAIL FROM:<a@example.com>\"\nexpect = 250\n\
        [[step]]\nsend = \"RCPT TO:<b@example.com>\"\nexpect = 250\n[[step]]\nsend = \"DATA\"\nexpect = 354\n\
        [[step]]\nbody = \"Subject: x\\n\\nhello\\n\"\nexpect = 250\n";
    let message = "[[step]]\nmessage = true\nexpect = 250\n";
    let table = [
        (
            format!("{by_hand}{message}{message}"),
            0,
            "sent 2 messages to 2 recipients, ",
            "; accepted by hand: 1 message",
            "both ways",
        ),
        (
            format!("{by_hand}capture = {{ id = 'no such words' }}\n{message}"),
            1,
            "accepted by hand: 1 message; no other message was sent: ",
            "",
            "what was accepted was sent, whatever became of its step",
        ),
    ];
    for (steps, status, line, end, why) in table {
        let place = MessageFixture::new(&format!("server = \"smtp://mail.example.com\"\n{MESSAGE}{steps}"), &[]);
        let output = run(&place, place.0.path(), &["--dry-run"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{why}: {errors}");
        let said = errors.lines().filter(|said| said.starts_with(line) && said.ends_with(end));
        assert_eq!(said.count(), 1, "{why}: {errors}");
    }
}
