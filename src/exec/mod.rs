//! The executor: plays a session's steps over a stream, judges the replies, and tells what happens.
//!
//! It knows no socket and no clock but through the traits here: `net/` has the real ones, tests have their own.

mod actions;
mod answer;
mod channel;
mod closer;
mod farewell;
mod judge;
mod narrate;
mod player;
mod ports;
mod prepare;
mod rows;
mod soundness;
mod steps;
#[cfg(test)]
mod tests;
mod trouble;
mod turns;
mod variables;
mod words;

/// What the traits speak of, for those who implement them.
pub use crate::session::{Address, CloseHow, PeerFacts, Server, TlsFacts, TlsVersion};
pub use ports::{Clock, ConnectError, ConnectOptions, Connected, Interrupt, Network, Stream, TlsFailure, TlsOptions};

use crate::event::{Event, Fact, Failure, Note, Observer, Outcome, Status};
use crate::session::{Action, Session, Sources, Step, Value};
use crate::transcript::{Redactor, Shown};
use narrate::Narrator;
use player::{MAIN, Player, Prepared};
pub use rows::{Feed, Once, Row};
use std::time::{Duration, Instant};
use steps::Flow;
use trouble::Trouble;
use variables::Reader;

/// What a run is given beside the session.
pub struct Settings {
    /// `--server`, in place of the session's.
    pub server: Option<String>,
    /// `--var` and `--vars`, in place of `[vars]`.
    pub variables: Vec<(String, Value)>,
    pub show_secrets: bool,
    pub seed: Option<u64>,
    pub connect: ConnectOptions,
    /// Certificates to trust besides the session's own, as PEM: `--ca`, and the embedded server's under `--dry-run`.
    pub ca: Vec<u8>,
    /// `--dry-run`: secrets without a value get a placeholder. (The embedded server's certificate is in `ca`.)
    pub dry_run: bool,
    /// This machine's name: `client_name`'s default, and `hostname()`.
    pub hostname: String,
    /// In which `now()` and a message's date are shown.
    pub zone: jiff::tz::TimeZone,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            variables: Vec::new(),
            show_secrets: false,
            seed: None,
            connect: ConnectOptions::default(),
            ca: Vec::new(),
            dry_run: false,
            hostname: String::new(),
            zone: jiff::tz::TimeZone::UTC,
        }
    }
}

/// Runs a session to its end. Everything is read and rendered that can be before the first byte is sent.
pub fn run(
    session: &Session,
    settings: &Settings,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut lane = Lane::default();
    let outcome = match Ready::new(session, settings, sources, clock, observer) {
        Ok(ready) => ready.connection(&mut lane, &mut Once::default(), network, clock, observer),
        Err(outcome) => outcome,
    };
    lane.tell(clock, observer, Fact::SessionFinished { outcome: &outcome });
    outcome
}

use crate::event::{Event, Fact, Failure, Note, Observer, Outcome, Status};
use crate::session::{Action, Session, Sources, Step, Value};
fn open_main(player: &mut Player<'_>) -> Result<(), Trouble> {
    let session = player.session;
    if begins_with_connect([&session.open, &session.steps, &session.close].into_iter().flatten()) {
        return Ok(());
    }
    let mut main = player.take_channel(MAIN);
    let connected = player.connect(&mut main);
    player.put_channel(main);
    connected
}

fn begins_with_connect<'s>(mut steps: impl Iterator<Item = &'s Step>) -> bool {
    match steps.next().map(|step| &step.action) {
        Some(Action::Connect) => true,
        Some(Action::Steps(members)) => begins_with_connect(members.iter()),
        _ => false,
    }
}

/// Plays all sections and ends all connections.
fn play(player: &mut Player<'_>, flow: Flow) -> Outcome {
    let session = player.session;
    let mut number = 0;
    let flow = player.section(&session.open, &mut number, flow);
    let flow = turns::play(player, &mut number, flow);
    // `on_fail = "quit"` stops the steps, and [[close]] runs as if nothing had happened.
    let closing = if flow == Flow::Quitting { Flow::On } else { flow };
    let flow = player.section(&session.close, &mut number, closing).max(flow);
    if flow == Flow::On {
        let main = player.take_channel(MAIN);
        // A session that is all prelude has come to the point where `requires` is looked at.
        player.lacks_required(&main);
        player.put_channel(main);
    }
    farewell::part(player, flow);
    let mut outcome = match player.failure.take() {
        Some(failure) => failed(failure, player.steps_run),
        None => Outcome {
            status: Status::Passed,
            failure: None,
            steps_run: player.steps_run,
            skipped: player.skipped.take(),
        },
    };
    if let Some(interrupt) = player.interrupted {
        outcome.status = trouble::signal_status(interrupt);
    }
    outcome
}

fn failed(failure: Failure, steps_run: usize) -> Outcome {
    Outcome { status: failure.status, failure: Some(failure), steps_run, skipped: None }
}
