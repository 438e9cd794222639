//! What all tests of batches use: a folder with a session, its rows and its ledger, and servers that close connections.

use crate::support::{Fault, FaultServer, FaultServerBuilder, Finished, Folder, Mailrun, Point, Running, When};
use std::path::PathBuf;

/// What a server does with one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Accepts,
    ClosesBeforeGreeting,
    /// In place of the reply to a command with this verb.
    ClosesAt(&'static str),
    /// After 354, before the content is there.
    ClosesAfter354,
    /// At the first line of content.
    ClosesInContent,
    /// Accepts the content and closes without a reply.
    AcceptsSilently,
    /// Closes after the reply to the content.
    ClosesAfterFirst,
    GreetsWith421,
    /// 451 to RCPT.
    DefersRecipients,
}

impl Behaviour {
    fn fault(self) -> Option<When> {
        Some(match self {
            Self::Accepts => return None,
            Self::ClosesBeforeGreeting => When::at(Point::Greeting, Fault::Close),
            Self::ClosesAt(verb) => When::at(Point::Command(verb), Fault::Close),
            Self::ClosesAfter354 => When::at(Point::ContentStart, Fault::Close),
            Self::ClosesInContent => When::at(Point::Content, Fault::Close),
            Self::AcceptsSilently => When::at(Point::ContentReply, Fault::AcceptThenClose),
            Self::ClosesAfterFirst => When::at(Point::ContentEnd, Fault::Close),
            Self::GreetsWith421 => When::at(Point::Greeting, Fault::ReplyThenClose("421 4.3.2 busy")),
            Self::DefersRecipients => When::at(Point::Command("RCPT"), Fault::Reply("451 later")),
        })
    }
}

/// A server that does this with one connection after another; the last behaviour stays.
pub fn behaving(behaviours: &[Behaviour]) -> FaultServerBuilder {
    let last = behaviours.len().saturating_sub(1);
    let faults = behaviours.iter().enumerate().filter_map(|(number, behaviour)| {
        let fault = behaviour.fault()?;
        Some(if number == last { fault.starting_with_connection(number) } else { fault.on_connection(number) })
    });
    FaultServer::builder().faults(faults)
}

/// A server that accepts each mail at once, and replies to its content when it is released.
pub fn replying_on_release() -> FaultServer {
    FaultServer::builder().fault(When::at(Point::ContentReply, Fault::Hold)).start()
}

/// A folder with a session `c.toml`, its rows `p.csv` and its ledger `l.db`.
pub struct BatchFixture(Folder);

impl BatchFixture {
    /// A folder with nothing in it.
    pub fn empty() -> Self {
        Self(Folder::new())
    }

    pub fn new(rows: usize) -> Self {
        let list: String = (0..rows).map(|number| format!("u{number}@x.example\n")).collect();
        Self(Folder::new().with("c.toml", SESSION).with("p.csv", format!("email\n{list}")))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.0.write(name, bytes);
    }

    pub fn read(&self, name: &str) -> String {
        self.0.read(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// mailrun in the folder.
    pub fn mailrun(&self, arguments: &[&str]) -> Mailrun {
        self.0.mailrun(arguments)
    }

    /// `mailrun run` with the ledger.
    pub fn command(&self, server: &FaultServer) -> Mailrun {
        self.without_ledger(server).args(["--ledger", "l.db"])
    }

    pub fn without_ledger(&self, server: &FaultServer) -> Mailrun {
        self.mailrun(&["run", "--quiet", "--server", &server.url("smtp"), "c.toml"])
    }

    /// A run that is not waited for.
    pub fn start(&self, server: &FaultServer, options: &[&str]) -> Running {
        self.command(server).args(options).start()
    }

    pub fn run(&self, server: &FaultServer, options: &[&str]) -> Finished {
        self.command(server).args(options).run()
    }

    /// `mailrun ledger l.db …`.
    pub fn ledger(&self, options: &[&str]) -> Finished {
        self.mailrun(&["ledger", "l.db"]).args(options).run()
    }

    /// How many rows are in that state.
    #[track_caller]
    pub fn count(&self, state: &str) -> usize {
        let ran = self.ledger(&[]).exits(0);
        let line = ran.stdout.lines().find_map(|line| line.strip_prefix(state)?.strip_prefix(' '));
        line.map_or(0, |line| line.trim().replace(',', "").parse().expect("a number"))
    }

    /// Like [`count`](Self::count), and 0 if there is no ledger yet.
    pub fn count_or_none(&self, state: &str) -> usize {
        if self.path("l.db").metadata().is_ok_and(|file| file.len() > 0) { self.count(state) } else { 0 }
    }

    /// How many locks of runs lie beside the ledger.
    pub fn locks(&self) -> usize {
        self.names().iter().filter(|name| name.contains("-run-")).count()
    }
}

pub const SESSION: &str = "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"{{ row.email }}\"]\n\
                           subject = \"s\"\ntext = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n";
