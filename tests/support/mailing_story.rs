//! A mailing as its operator lives it, in the commands of `docs/batch.md`: written, looked at, rehearsed, interrupted, continued and
//! counted.

use super::{Finished, Folder, Mailrun, Running, StoryPage};
use std::collections::BTreeMap;

/// The command that sends, and that continues.
const SEND: &str = "mailrun run --quiet --ledger news.db news.toml";

/// What the operator fills in.
pub struct MailingPlan {
    /// The server's URL.
    pub server: String,
    /// Changes the starter's text besides the server.
    pub edit: fn(String) -> String,
    /// The addresses of the rows, in their order.
    pub recipients: Vec<String>,
    /// Whom the rehearsal is sent to.
    pub operator: &'static str,
}

/// A mailing, and the page that says how it is done.
pub struct MailingStory {
    pub page: StoryPage,
    plan: MailingPlan,
}

impl MailingStory {
    /// From the starter to the rehearsal: `news.toml` and `people.csv` are written, an invalid address is found and mended, and
    /// three mails are sent to the operator.
    pub fn rehearse(plan: MailingPlan) -> Self {
        let story = Self { page: StoryPage::open("docs/batch.md"), plan };
        // Some servers know the password of the starter's user.
        story.page.set("SMTP_PASSWORD", "secret");
        story.write();
        let page = &story.page;
        let folder = &page.folder;
        let people = folder.read("people.csv");
        let address = &story.plan.recipients[41];
        let (user, _) = address.split_once('@').expect("it is an address");
        folder.write("people.csv", people.replace(address, &format!("{user}@")));
        let check = page.command("mailrun check --rows news.toml");
        let found = page.keep(check.run().exits(65));
        assert!(found.text().contains("people.csv:43: error: "), "the row is named: {found}");
        folder.write("people.csv", people);
        let checked = page.shell("mailrun check --rows news.toml").run().exits(0);
        let rows = format!("  rows         {}\n", story.plan.recipients.len());
        assert!(checked.text().contains(&rows), "{checked}");
        page.run("mailrun run --dry-run --sink box news.toml", 0);
        let mails = page.shell("ls box/*.eml").run().exits(0).stdout.lines().count();
        assert_eq!(mails, story.plan.recipients.len(), "one mail for each row");
        let operator = story.plan.operator;
        let rehearsal = "mailrun run --to me@example.com --limit 3 news.toml";
        let rehearsal = page.changed_command(rehearsal, |text| text.replace("me@example.com", operator));
        let rehearsed = rehearsal.run().exits(0);
        assert!(rehearsed.stderr.contains("3 sent"), "{rehearsed}");
        let names = folder.names();
        assert!(!names.iter().any(|name| name.contains(".db")), "nothing is recorded: {names:?}");
        story
    }

    fn write(&self) {
        let (page, plan) = (&self.page, &self.plan);
        page.run("mailrun new batch news.toml", 0);
        let starter = page.folder.read("news.toml");
        let server = "server = \"smtp://smtp.example.com:587\"";
        assert!(starter.contains(server), "the starter names its server: {starter}");
        let text = starter.replace(server, &format!("server = \"{}\"", plan.server));
        // Whoever waits here is a test.
        let text = text.replace("wait = \"10s\"", "wait = \"10ms\"");
        page.folder.write("news.toml", (plan.edit)(text));
        let rows = plan.recipients.iter().enumerate();
        let rows: String = rows.map(|(index, address)| format!("{address},Member {index},en\n")).collect();
        page.folder.write("people.csv", format!("email,name,language\n{rows}"));
    }

    /// Begins to send.
    pub fn start(&self) -> Running {
        // A signal must reach mailrun and not a shell that waits for it.
        self.page.changed_command(SEND, |text| format!("exec {text}")).start()
    }

    /// The same command again.
    pub fn continue_after_kill(&self) -> Mailrun {
        self.page.shell(&format!("exec {SEND}"))
    }

    /// The command that the summary names, run.
    pub fn follow_summary(&self, stopped: &Finished) -> Finished {
        let command = stopped.stderr.lines().find_map(|line| line.strip_prefix("to send what is left: "));
        let command = command.unwrap_or_else(|| panic!("the summary names the command to go on: {stopped}"));
        self.page.shell(command).run()
    }

    /// How many rows are in each state, by `mailrun ledger`; none before there is a ledger.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let ran = self.page.shell("mailrun ledger news.db").run();
        let lines = ran.stdout.lines().filter_map(|line| line.split_once(' '));
        lines.filter_map(|(word, count)| Some((word.to_owned(), count.trim().replace(',', "").parse().ok()?))).collect()
    }

    /// How many rows are in that state.
    pub fn count(&self, state: &str) -> usize {
        self.counts().get(state).copied().unwrap_or_default()
    }

    /// The keys and Message-IDs of the rows that may have been delivered.
    pub fn unknown(&self) -> Vec<(String, String)> {
        let listed = self.page.shell("mailrun ledger news.db list --state unknown").run().exits(0);
        let words = listed.stdout.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        words.map(|words| (words[0].to_owned(), words[2].to_owned())).collect()
    }

    /// Runs the batch once more after its end: nothing is sent, and refused rows still count.
    pub fn run_again(&self, sent: usize, refused: usize) {
        let page = &self.page;
        page.run("mailrun ledger news.db export --csv --state refused", 0);
        let export = page.folder.read("refused.csv");
        let mut reader = csv::Reader::from_reader(export.as_bytes());
        let rows: Vec<_> = reader.records().map(|row| row.expect("it is CSV")).collect();
        assert_eq!(rows.len(), refused, "{export}");
        assert!(rows.iter().all(|row| &row[3] == "refused" && row[5].starts_with("550 ")), "with the reply: {export}");
        let again = page.keep(page.shell(SEND).run().exits(1));
        let summary = format!("{sent} sent before, {refused} refused before\nnothing is left to send\n");
        assert!(again.stderr.contains(&summary), "{again}");
    }

    /// The folder that the operator works in.
    pub fn folder(&self) -> &Folder {
        &self.page.folder
    }
}
