//! `docs/batch.md`: a mailing that is killed while two messages are in flight.

use crate::support::{Fault, FaultServer, MailingPlan, MailingStory, Point, StoryPage, When};

const ROWS: usize = 300;
const OPERATOR: &str = "me@example.com";

/// The addresses of the list. A server of the story refuses three of them, defers one and leaves two without a reply.
fn recipients() -> Vec<String> {
    let named = [
        (20, "gone1@example.com"),
        (30, "gone2@example.com"),
        (99, "ann@example.com"),
        (150, "gone3@example.com"),
        (199, "juergen@example.com"),
        (250, "later@example.com"),
    ];
    let mut all: Vec<_> = (0..ROWS).map(|number| format!("member{number}@example.com")).collect();
    for (index, address) in named {
        all[index] = address.to_owned();
    }
    all
}

/// A session for a server without AUTH and STARTTLS, at full speed.
fn edit(starter: String) -> String {
    let sections = ["[secrets]", "[auth]"];
    let mut text = String::new();
    let mut skipped = false;
    for line in starter.lines() {
        if line.starts_with('[') {
            skipped = sections.contains(&line);
        }
        if !skipped && !line.starts_with("rate = ") {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[test]
fn a_mailing_that_is_killed_in_the_middle_reaches_everybody_once() {
    let rcpt = |words, reply| When::at(Point::Command("RCPT"), Fault::Reply(reply)).with(words);
    let server = FaultServer::builder()
        .fault(rcpt("gone", "550 5.1.1 no such user"))
        .fault(rcpt("later", "450 4.2.0 greylisted"))
        .fault(When::at(Point::ContentReply, Fault::Hold).with("ann@"))
        .fault(When::at(Point::ContentReply, Fault::Silence).with("juergen@"))
        .start();
    let plan = MailingPlan { server: server.url("smtp"), edit, recipients: recipients(), operator: OPERATOR };
    let story = MailingStory::rehearse(plan);
    assert_eq!(server.take_recipients(), [OPERATOR; 3]);

    // Each of the two connections waits for the reply to a message when the run is killed.
    let run = story.start();
    server.wait_until_held();
    server.wait_until_held();
    run.kill();
    let page = &story.page;
    let stopped = page.keep(story.continue_after_kill().run().exits(75));
    let said = &stopped.stderr;
    assert!(said.contains("1 deferred (450 4.2.0 greylisted)") && said.contains("2 unknown before"), "{stopped}");
    assert!(!server.recipients().contains(&"juergen@example.com".to_owned()));
    let counted = page.run("mailrun ledger news.db ", 0);
    assert!(counted.stdout.contains("unknown          2\n"), "one for each connection: {counted}");

    // The server's log has Ann's mail and not Jürgen's.
    let listed = page.run("mailrun ledger news.db list --state unknown", 0);
    assert!(listed.stdout.starts_with("ann@example.com unknown <"), "{listed}");
    assert!(listed.stdout.contains("\njuergen@example.com unknown <"), "{listed}");
    page.run("mailrun ledger news.db resolve ann@example.com sent", 0);
    page.run("mailrun ledger news.db resolve juergen@example.com pending", 0);
    server.heal();
    let done = story.follow_summary(&stopped).exits(1);
    assert!(done.stderr.contains("2 sent, 295 sent before, 3 refused before"), "{done}");
    assert_eq!(server.accepted_once(), ROWS - 3);
    let mut reached = server.recipients();
    reached.sort();
    let mut all: Vec<_> = recipients().into_iter().filter(|address| !address.starts_with("gone")).collect();
    all.sort();
    assert_eq!(reached, all);
    story.run_again(ROWS - 3, 3);
    assert_eq!(server.accepted_once(), ROWS - 3, "the last run sends nothing");
    other_commands(page, &server);
    page.assert_complete(&[]);
}

/// The commands of the page that are not part of the story, each with a fresh ledger.
fn other_commands(page: &StoryPage, server: &FaultServer) {
    let rows: String = recipients()[80..200].iter().map(|address| format!("{address},Member,en\n")).collect();
    page.folder.write("people.csv", format!("email,name,language\n{rows}"));
    let remove_ledger = || std::fs::remove_file(page.folder.path("news.db")).expect("the ledger is there");
    remove_ledger();
    server.take_recipients();
    page.run("mailrun run --ledger news.db --limit 100 news.toml", 0);
    assert_eq!(server.take_recipients().len(), 100);
    remove_ledger();
    page.run("mailrun run --ledger news.db --key ann@example.com news.toml", 0);
    assert_eq!(server.take_recipients(), ["ann@example.com"]);
    page.run("mailrun run --shard 1/4 --ledger shard-1.db news.toml", 0);
    for shard in 2..=3 {
        page.shell(&format!("mailrun run --quiet --shard {shard}/4 --ledger shard-{shard}.db news.toml"))
            .run()
            .exits(0);
    }
    page.set("SLURM_ARRAY_TASK_ID", "4");
    page.set("SLURM_ARRAY_TASK_COUNT", "4");
    page.run("#!/bin/sh", 0);
    assert_eq!(server.accepted_once(), 120, "each shard has rows of its own");
    page.run("mailrun ledger all.db merge shard-*.db", 0);
    let merged = page.shell("mailrun ledger all.db").run().exits(0);
    assert_eq!(merged.stdout, "sent           120\nrows           120\n");
}
