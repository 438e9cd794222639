//! Messages as they arrive at the server inside mailrun, and what is printed if one is not sent.

#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod dkim;
mod memory;
mod message_sources;
mod session_end;
mod size_changes;

use support::{Finished, Folder};

const HEAD: &str = "server = \"smtp://mail.example.com\"\n[message]\nfrom = \"Reports <reports@example.com>\"\n\
    date = \"Mon, 2 Nov 2026 08:00:00 +0000\"\nmessage_id = \"<1@client.example>\"\n";
const TO: &str = "to = [\"team@example.com\"]\n";

/// A folder with the session `case.toml` and its files.
struct MessageFixture(Folder);

impl MessageFixture {
    fn new(session: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = Folder::new().with("case.toml", session);
        Self(files.iter().fold(folder, |folder, (name, bytes)| folder.with(name, bytes)))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.0.write(name, bytes);
    }

    fn mailrun(&self, arguments: &[&str]) -> Finished {
        self.0.mailrun(arguments).run()
    }

    /// Writes a file in a folder that may not be there yet.
    fn write_below(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(path, bytes).expect("a file can be written");
    }

    fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target, self.0.path(name)).expect("a link can be made");
    }

    /// Sets the length of a file: a hole, which takes no place on the disk.
    fn resize(&self, name: &str, length: u64) {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(self.0.path(name));
        file.and_then(|file| file.set_len(length)).expect("a file with a hole can be written");
    }

    /// The mail that the session sends, as the sink kept it.
    fn mail(&self, session: &str) -> Vec<u8> {
        let sink = Folder::new();
        self.mailrun(&["run", "--quiet", "--dry-run", "--sink", &sink.argument("."), session]).exits(0);
        let mut mails: Vec<_> = sink.names().into_iter().filter(|name| name.ends_with(".eml")).collect();
        assert_eq!(mails.len(), 1, "one mail was kept");
        std::fs::read(sink.path(&mails.remove(0))).expect("it can be read")
    }
}
