//! `docs/reports.md`: a report every night, sent by cron, by a script that tries again, and by a systemd timer.

use crate::support::{Fault, FaultServer, Point, StoryPage, When};

/// The page's session for this server, with these recipients, in the folder that its reader makes.
fn begin(server: &FaultServer, recipients: &str) -> StoryPage {
    let page = StoryPage::open("docs/reports.md");
    page.program("type-password", "echo hunter2-secret >\"$1\"");
    // The script need not wait between its tries.
    page.program("sleep", "echo slept >>\"$HOME/pauses\"");
    page.set("EDITOR", "type-password");
    page.block("install -d -m 700 ~/reports").run().exits(0);
    page.enter("reports");
    assert_eq!(page.folder.read("reports/smtp-password"), "hunter2-secret\n");
    let starter = page.folder.read("reports/nightly.toml");
    assert!(starter.contains("[message]"), "{starter}");
    page.script(
        "reports/make-report",
        "mkdir -p out && echo PDF >out/report.pdf && printf 'region,total\\nnorth,7\\n' >out/sales.csv",
    );
    page.shell("./make-report").run().exits(0);
    let mut text = page.session().to_owned();
    for (shown, filled_in) in [
        ("smtp://smtp.example.com:587", server.url("smtp")),
        ("[\"team@example.com\"]", recipients.to_owned()),
        // The test's server speaks no TLS.
        ("[auth]\n", "[auth]\nallow_plaintext = true\n".to_owned()),
        ("[message]\n", "[message]\non_refused = \"skip\"\n".to_owned()),
    ] {
        assert!(text.contains(shown), "the page's session has {shown:?}");
        text = text.replace(shown, &filled_in);
    }
    page.folder.write("reports/nightly.toml", text);
    page
}

fn server() -> crate::support::FaultServerBuilder {
    let gone = When::at(Point::Command("RCPT"), Fault::Reply("550 5.1.1 no such user")).with("gone@");
    FaultServer::builder().offering(&["PIPELINING", "AUTH PLAIN"]).fault(gone)
}

#[test]
fn a_report_is_looked_at_and_sent_once_a_day() {
    let server = server().start();
    let page = begin(&server, "[\"team@example.com\", \"boss@example.com\"]");
    let checked = page.run("mailrun check nightly.toml", 0);
    assert!(checked.text().contains("out/report.pdf"), "{checked}");
    page.run("mailrun run --dry-run --sink box nightly.toml", 0);
    assert_eq!(page.shell("ls box/*.eml").run().exits(0).stdout.lines().count(), 1);
    assert_eq!(server.recipients(), [""; 0], "nothing is sent yet");
    page.enter("");
    let sent = page.run("cd ~/reports && ./make-report && mailrun", 0);
    assert_eq!(sent.text(), "", "cron has nothing to mail");
    assert_eq!(server.take_recipients(), ["team@example.com", "boss@example.com"]);
    let again = page.shell("cd ~/reports && mailrun run --quiet --ledger nightly-$(date +%F).db nightly.toml").run();
    assert_eq!(again.exits(0).text(), "");
    assert_eq!(server.recipients(), [""; 0], "it was sent today");
}

#[test]
fn the_script_tries_again_until_nobody_is_deferred() {
    for (recipients, status, accepted) in [
        ("[\"team@example.com\", \"later@example.com\"]", 0, &["team@example.com", "later@example.com"][..]),
        ("[\"gone@example.com\", \"later@example.com\"]", 1, &["later@example.com"]),
    ] {
        let later =
            When::at(Point::Command("RCPT"), Fault::Reply("450 4.2.0 greylisted")).with("later@").on_the_first(1);
        let server = server().fault(later).start();
        let page = begin(&server, recipients);
        let ran = page.keep(page.block("#!/bin/sh").run().exits(status));
        assert_eq!(server.recipients(), accepted, "{ran}");
        assert_eq!(page.folder.read("pauses"), "slept\n", "it tried twice");
        assert_eq!(ran.text().contains("<gone@example.com>"), status == 1, "who was refused is named: {ran}");
        assert_eq!(ran.text().is_empty(), status == 0, "{ran}");
    }
}

#[test]
fn the_service_reads_its_password_from_a_credential() {
    let server = server().start();
    let page = begin(&server, "[\"team@example.com\"]");
    let folder = page.folder.root().join("credentials");
    std::fs::create_dir(&folder).expect("a folder can be made");
    let moved = std::fs::rename(page.folder.path("reports/smtp-password"), folder.join("smtp-password"));
    moved.expect("the password is there");
    std::fs::create_dir(page.folder.path("state")).expect("a folder can be made");
    page.set("CREDENTIALS_DIRECTORY", folder.display().to_string());
    page.set("STATE_DIRECTORY", page.folder.argument("state"));
    page.run("/bin/sh -c 'exec mailrun", 0);
    assert_eq!(server.recipients(), ["team@example.com"]);
}

#[test]
fn each_command_of_the_page_is_run() {
    let server = server().start();
    let page = begin(&server, "[\"gone@example.com\"]");
    for (command, status) in [
        ("mailrun check nightly.toml", 0),
        ("mailrun run --dry-run --sink box nightly.toml", 0),
        ("cd ~/reports && ./make-report && mailrun", 1),
    ] {
        page.run(command, status);
    }
    page.keep(page.block("#!/bin/sh").run().exits(1));
    page.set("CREDENTIALS_DIRECTORY", page.folder.argument("reports"));
    page.set("STATE_DIRECTORY", page.folder.argument("reports"));
    page.run("/bin/sh -c 'exec mailrun", 1);
    // These change the system, and have no option of mailrun.
    let system = ["install -d -m 700 /etc/", "systemd-ask-password ", "systemctl ", "journalctl "];
    page.assert_complete(&system);
}
