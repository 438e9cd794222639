//! What is printed at the end of a session with mail, and which files it leaves.

use super::MessageFixture;
use crate::support::{ClosedPort, Fault, FaultServer, Finished, Folder, Point, When};

const MESSAGE: &str = "[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n";

/// Runs `case.toml`; temporary folders are created below `temporary`.
fn run(place: &MessageFixture, temporary: &Folder, arguments: &[&str]) -> Finished {
    place.0.mailrun(["run"]).args(arguments).args(["case.toml"]).env("TMPDIR", temporary.root()).run()
}

#[test]
fn a_session_that_ends_before_its_message_prints_why_in_one_line() {
    let closed = ClosedPort::new();
    let auth = "[auth]\nuser = \"u\"\npassword = \"wrong-password\"\nallow_plaintext = true\n";
    let small = FaultServer::builder().offering(&["SIZE 10"]).start();
    let wrong = When::at(Point::Command("AUTH"), Fault::Reply("535 5.7.8 no"));
    let refusing = FaultServer::builder().offering(&["AUTH PLAIN"]).fault(wrong).start();
    let table = [
        (closed.url("smtp"), "", 69, "not sent: cannot connect to 127.0.0.1:", "connection refused"),
        (small.url("smtp"), "", 78, "not sent: server lacks room for a message of ", "larger than SIZE"),
        (
            refusing.url("smtp"),
            auth,
            77,
            "not sent: expected authentication with PLAIN to succeed, got 535 5.7.8 no",
            "AUTH refused",
        ),
    ];
    for (server, more, status, line, why) in table {
        let place = MessageFixture::new(&format!("{MESSAGE}{more}"), &[]);
        let output = run(&place, &place.0, &["--server", &server]);
        let errors = &output.stderr;
        assert_eq!(output.status, status, "{why}: {errors}");
        assert_eq!(errors.lines().filter(|said| said.starts_with(line)).count(), 1, "{why}: {errors}");
    }
}

#[test]
fn a_failure_before_connecting_is_printed_once_with_quiet() {
    let place =
        MessageFixture::new(&format!("server = \"smtp://mail.example.com\"\n{MESSAGE}attach = [\"gone.pdf\"]\n"), &[]);
    let output = run(&place, &place.0, &["--quiet"]);
    let said = output.text();
    assert_eq!(output.status, 66, "{said}");
    assert_eq!(said.matches("no such file").count(), 1, "{said}");
}

#[test]
fn a_dry_run_leaves_its_mail_only_in_a_folder_that_it_printed() {
    let temporary = Folder::new();
    let left = || temporary.names().len();
    let place = MessageFixture::new(&format!("server = \"smtp://mail.example.com\"\n{MESSAGE}"), &[]);
    let output = run(&place, &temporary, &["--quiet", "--dry-run"]);
    assert_eq!((output.status, output.text().as_str()), (0, ""));
    assert_eq!(left(), 0, "no folder was printed");

    let output = run(&place, &temporary, &["--dry-run"]);
    assert!(output.stderr.contains("dry run: the mail is in "), "{output:?}");
    assert_eq!(left(), 1);

    let session = format!(
        "server = \"smtp://mail.example.com\"\n{MESSAGE}[[step]]\nmessage = true\nexpect = 250\nassert = [\"false\"]\n"
    );
    let place = MessageFixture::new(&session, &[]);
    let output = run(&place, &temporary, &["--quiet", "--dry-run"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("dry run: the mail is in "), "{output:?}");
    assert_eq!(left(), 2, "what failed is there to look at");
}

#[test]
fn transcript_and_diagnosis_give_a_failed_assert_the_same_line() {
    let steps = "step = [\n  {\n    send = \"NOOP\",\n    expect = 250,\n    assert = [\n      \"reply.code == 251\",\n    ],\n  },\n]\n";
    let place = MessageFixture::new(
        &format!("server = \"smtp://mail.example.com\"\nopen = [{{ login = true }}]\n{steps}"),
        &[],
    );
    let output = run(&place, &place.0, &["--dry-run"]);
    let (transcript, errors) = (&output.stdout, &output.stderr);
    assert!(transcript.contains("(case.toml:8)\n"), "{transcript}");
    assert!(errors.contains("case.toml:8:7: error: assert failed"), "{errors}");
}

#[test]
fn a_raw_message_is_counted_as_sent() {
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
        let output = run(&place, &place.0, &["--dry-run"]);
        let errors = &output.stderr;
        assert_eq!(output.status, status, "{why}: {errors}");
        let said = errors.lines().filter(|said| said.starts_with(line) && said.ends_with(end));
        assert_eq!(said.count(), 1, "{why}: {errors}");
    }
}
