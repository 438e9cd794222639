//! Mails as they arrive: sent by the program itself to the server inside it, and what is said where they are not sent.

mod corpus;
mod memory;
mod message_sources;
mod session_end;
mod size_changes;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const HEAD: &str = "server = \"smtp://mail.example.com\"\n[message]\nfrom = \"Reports <reports@example.com>\"\n\
    date = \"Mon, 2 Nov 2026 08:00:00 +0000\"\nmessage_id = \"<1@client.example>\"\n";
const TO: &str = "to = [\"team@example.com\"]\n";

/// A folder with a session and its files.
struct MessageFixture(TempDir);

impl MessageFixture {
    fn new(session: &str, files: &[(&str, &[u8])]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        place.put("case.toml", session.as_bytes());
        for (name, bytes) in files {
            place.put(name, bytes);
        }
        place
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(name), bytes).expect("the folder is ours");
    }

    fn mailrun(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        let command = command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.output().expect("mailrun starts")
    }

    /// The mail that the session sends, as it was kept.
    fn mail(&self, session: &str) -> Vec<u8> {
        let sink = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = sink.path().to_str().expect("it has a plain name");
        let output = self.mailrun(&["run", "--quiet", "--dry-run", "--sink", folder, session]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        the_mail_in(sink.path())
    }
}

fn the_mail_in(folder: &Path) -> Vec<u8> {
    let names = std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let mut mails: Vec<_> = names.filter(|name| name.extension().is_some_and(|ending| ending == "eml")).collect();
    assert_eq!(mails.len(), 1, "one mail was kept");
    std::fs::read(mails.remove(0)).expect("it can be read")
}
