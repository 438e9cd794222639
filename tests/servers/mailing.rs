//! The mailing of `docs/batch.md` over Postfix: killed in the middle, continued, stopped by SIGTERM, and counted in the mail folder.

use crate::certificates::{Authority, Kind};
use crate::postfix;
use crate::support::{MailingPlan, MailingStory, Signal, wait_until};
use std::collections::BTreeSet;
use std::path::Path;

const ROWS: usize = 400;
const REFUSED: [usize; 3] = [3, 150, 399];

/// Mail for members and for the operator is kept; nobody else is known.
const MAILBOXES: &str = "virtual_mailbox_maps = regexp:{ {/^(member[0-9]+|operator)@test$$/ bob/} }";

fn edit(starter: String) -> String {
    starter.replace("user = \"news@example.com\"", "user = \"user\"").replace("rate = \"20/s\"", "rate = \"100/s\"")
}

fn recipients() -> Vec<String> {
    let word = |number| if REFUSED.contains(&number) { "gone" } else { "member" };
    (0..ROWS).map(|number| format!("{}{number}@test", word(number))).collect()
}

/// The mails in the folder, as recipient and Message-ID.
fn delivered(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("each mail has this field");
        line.trim_matches(['<', '>']).to_owned()
    };
    texts.map(|text| (field(&text, "X-Original-To: "), field(&text, "Message-ID: "))).collect()
}

#[test]
#[ignore = "needs a real server: make test-servers"]
fn a_mailing_that_is_killed_and_stopped_reaches_everybody_once() {
    let certificate = Authority::new().issue(Kind::Good);
    let server = postfix::start(&certificate, MAILBOXES);
    let plan = MailingPlan {
        server: format!("smtp://127.0.0.1:{}", server.port),
        edit,
        recipients: recipients(),
        operator: "operator@test",
    };
    let story = MailingStory::rehearse(plan);

    let run = story.start();
    wait_until("a part that is sent", || story.count("sent") >= 60);
    run.kill();
    let before = story.count("sent") + story.count("refused") + story.count("unknown");
    assert!(before < ROWS, "it was killed in the middle");
    let run = story.continue_after_kill().start();
    wait_until("another part", || story.count("sent") >= 150);
    run.signal(Signal::TERM);
    let stopped = run.wait().exits(143);

    // The mail folder says what became of the rows that the kill left unknown: at most one for each connection.
    let unknown = story.unknown();
    assert!(unknown.len() <= 2, "{unknown:?}");
    wait_until("the rehearsal and what was accepted", || delivered(&server.mail).len() >= 3 + story.count("sent"));
    let arrived = delivered(&server.mail);
    for (key, id) in unknown {
        let id = id.trim_matches(['<', '>']);
        let to = if arrived.iter().any(|(_, other)| other == id) { "sent" } else { "pending" };
        story.page.shell(&format!("mailrun ledger news.db resolve {key} {to}")).run().exits(0);
    }
    story.follow_summary(&stopped).exits(1);
    story.run_again(ROWS - REFUSED.len(), REFUSED.len());

    wait_until("all mail", || delivered(&server.mail).len() >= 3 + ROWS - REFUSED.len());
    let mails = delivered(&server.mail);
    let (rehearsed, sent): (Vec<_>, Vec<_>) = mails.into_iter().partition(|(to, _)| to == "operator@test");
    assert_eq!((rehearsed.len(), sent.len()), (3, ROWS - REFUSED.len()), "nobody got two");
    let reached: BTreeSet<_> = sent.into_iter().map(|(to, _)| to).collect();
    assert_eq!(reached, recipients().into_iter().filter(|to| to.starts_with("member")).collect());
}
