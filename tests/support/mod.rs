//! What the tests share: one way to run mailrun, servers (with faults, hand-written, or inside mailrun), temporary folders.

// Each test crate uses a part of it.
#![allow(dead_code, unused_imports)]

mod embedded_server;
mod fault_server;
mod folder;
pub mod json_schema;
mod mailing_story;
mod mailrun;
mod manual_server;
mod story_page;
mod terminal;

pub use embedded_server::EmbeddedServer;
pub use fault_server::{AcceptedMail, Fault, FaultServer, FaultServerBuilder, Point, When};
pub use folder::Folder;
pub use mailing_story::{MailingPlan, MailingStory};
pub use mailrun::{Finished, Mailrun, PROGRAM, Running, use_default_signals};
pub use manual_server::{ClosedPort, ManualServer, ServerConnection};
pub use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
pub use story_page::StoryPage;
pub use terminal::Terminal;

/// Longer than anything that a test waits for.
pub const LONG: Duration = Duration::from_secs(60);

/// A file or folder of the project.
pub fn project_path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Polls until there is a value.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < LONG, "waited {LONG:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Polls until a condition holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// A program that a test needs besides mailrun. If it is missing the test fails: a test that is skipped proves nothing.
pub fn tool(name: &str) -> Command {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).any(|folder| folder.join(name).is_file());
    assert!(found, "this test needs the program `{name}`, which is not in PATH: install it, or run `make test`");
    use_default_signals();
    Command::new(name)
}

/// The seed of a random test: `MAILRUN_TEST_SEED`, or a new one. It is printed, so that a failed run can be repeated.
pub fn seed() -> u64 {
    let seed = match std::env::var("MAILRUN_TEST_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("MAILRUN_TEST_SEED={text} is not a number")),
        Err(_) => fastrand::u64(..1_000_000),
    };
    println!("MAILRUN_TEST_SEED={seed} repeats this run");
    seed
}

/// A transcript without the address in `*: connected to …`, which differs from run to run.
pub fn without_address(transcript: &str) -> String {
    transcript
        .lines()
        .map(|line| if line.starts_with("*: connected to ") { "*: connected" } else { line })
        .fold(String::new(), |text, line| text + line + "\n")
}
