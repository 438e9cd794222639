//! The executor: plays a session's steps over a stream, judges the replies, and tells what happens.
//!
//! It knows no socket and no clock but through the traits here: `net/` has the real ones, tests have their own.

mod actions;
mod answer;
mod attempts;
mod channel;
mod closer;
mod farewell;
mod judge;
mod narrate;
mod nowhere;
mod player;
mod ports;
mod prepare;
mod rows;
mod several;
mod soundness;
mod spoken;
mod steps;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;
mod turns;
mod variables;
mod words;

/// What the traits speak of, for those who implement them.
pub use crate::session::{Address, CloseHow, PeerFacts, Server, TlsFacts, TlsVersion};
pub use nowhere::Nowhere;
pub use ports::{
    Clock, ConnectError, ConnectOptions, Connected, Exchanger, Inspect, Interrupt, Network, Stream, TlsFailure,
    TlsFile, TlsOptions,
};

use crate::event::{Cause, Event, Fact, Failure, Note, Observer, Outcome, Status};
use crate::session::{Action, Session, SourceError, SourcePath, Sources, Span, Step, Value};
use crate::transcript::{Redactor, Shown};
use narrate::Narrator;
pub use player::known_as;
use player::{MAIN, Player, Prepared};
pub use rows::{Feed, Once, Row, Sealing};
pub use several::id_of;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use steps::Flow;
use trouble::Trouble;
use variables::Reader;

/// What a run is given beside the session.
pub struct Settings {
    /// `--server`, in place of the session's.
    pub server: Option<String>,
    /// `--mx`: a domain whose mail exchanger stands for the server's host.
    pub mx: Option<String>,
    /// `--var` and `--vars`, in place of `[vars]`.
    pub variables: Vec<(String, Value)>,
    pub show_secrets: bool,
    pub seed: Option<u64>,
    pub connect: ConnectOptions,
    /// Certificates to trust besides the session's own, as PEM: `--ca`, and the embedded server's under `--dry-run`.
    pub ca: Vec<u8>,
    /// Looks at the files of `[tls]` before there is a connection.
    pub inspect: Option<Inspect>,
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
            mx: None,
            variables: Vec::new(),
            show_secrets: false,
            seed: None,
            connect: ConnectOptions::default(),
            ca: Vec::new(),
            inspect: None,
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
        Err(outcome) => *outcome,
    };
    lane.tell(clock, observer, Fact::SessionFinished { outcome: &outcome });
    outcome
}

/// One of the connections that play a session in parallel.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// What the session calls `main` is called so in events; `None` for the first one.
    pub name: Option<String>,
    /// When the session's first connection was made.
    pub started: Option<Instant>,
}

impl Lane {
    /// Tells something of the whole session.
    pub fn tell(&self, clock: &dyn Clock, observer: &mut dyn Observer, fact: Fact<'_>) {
        let at = self.started.map_or(Duration::ZERO, |started| clock.now().saturating_duration_since(started));
        observer.observe(&Event { at, connection: self.name.as_deref().unwrap_or(MAIN), fact });
    }
}

/// A session whose names have their values, and that was looked through: ready for its connections.
pub struct Ready<'a> {
    session: &'a Session,
    settings: &'a Settings,
    sources: &'a dyn Sources,
    prepared: Prepared,
    redactor: Redactor,
}

impl<'a> Ready<'a> {
    /// Reads and renders all that can be before anything is sent, and tells that the session started; the outcome
    /// where it cannot go on.
    pub fn new(
        session: &'a Session,
        settings: &'a Settings,
        sources: &'a dyn Sources,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Result<Self, Box<Outcome>> {
        let redactor = if settings.show_secrets { Redactor::off() } else { Redactor::default() };
        let mut narrator = Narrator::new(observer, clock, redactor);
        let mut reader = Reader { session, settings, sources, host: None };
        let prepared = match prepare::prepare(&mut reader, &mut narrator) {
            Ok(prepared) => prepared,
            Err(trouble) => {
                let started = Fact::SessionStarted { name: narrator.shown(&session.name), server: Shown::default() };
                narrator.tell(MAIN, started);
                return Err(Box::new(failed(prepare::failure(session, settings, trouble), 0)));
            }
        };
        let (mut feed, mut nowhere) = (Once::default(), Nowhere("nothing is sent yet"));
        let mut player = Player::new(&reader, prepared.clone(), &mut nowhere, narrator, &mut feed);
        // Passwords are learnt while the session is looked through, before anything is told.
        let sound = soundness::check(&mut player);
        let name = player.narrator.shown(&session.name);
        let server = player.narrator.shown(player.server.to_string());
        player.narrator.tell(MAIN, Fact::SessionStarted { name, server });
        for name in std::mem::take(&mut player.short_names) {
            let name = player.narrator.shown(name);
            player.narrator.note(MAIN, Note::ShortSecret { name });
        }
        for (name, value) in &settings.variables {
            if !player.narrator.redactor.find(value.to_string().as_bytes()).is_empty() {
                let name = player.narrator.shown(name);
                player.narrator.note(MAIN, Note::GivenSecret { name });
            }
        }
        for (name, why) in &prepared.gathered.placeholders {
            let name = player.narrator.shown(name);
            player.narrator.note(MAIN, Note::Placeholder { name, why: why.clone() });
        }
        for (name, why) in &prepared.gathered.defaults {
            player.narrator.default_taken(name, why);
        }
        let redactor = player.narrator.redactor.clone();
        match sound {
            Ok(()) => Ok(Self { session, settings, sources, prepared, redactor }),
            Err(trouble) => Err(Box::new(failed(prepare::failure(session, settings, trouble), 0))),
        }
    }

    /// Plays one connection: `open`, `step` for each row that `feed` gives, `close`. The failures of rows are told to
    /// `feed`; the outcome is that of the connection, and of the one turn of a session without rows.
    pub fn connection(
        &self,
        lane: &mut Lane,
        feed: &mut dyn Feed,
        network: &mut dyn Network,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let mut narrator = Narrator::new(observer, clock, self.redactor.clone());
        narrator.take_lane(lane);
        let reader = Reader { session: self.session, settings: self.settings, sources: self.sources, host: None };
        let mut player = Player::new(&reader, self.prepared.clone(), network, narrator, feed);
        let outcome = match open_main(&mut player) {
            Ok(()) => play(&mut player, Flow::On),
            Err(trouble) => {
                player.interrupted = trouble.interrupt(clock);
                player.failure = Some(prepare::failure(self.session, self.settings, trouble));
                play(&mut player, Flow::Over)
            }
        };
        lane.started = player.narrator.started;
        outcome
    }

    /// Tells of a row that is none, for which there is no need of a connection.
    pub fn broken_row(&self, lane: &Lane, row: Row, clock: &dyn Clock, observer: &mut dyn Observer) -> Outcome {
        let mut narrator = Narrator::new(observer, clock, self.redactor.clone());
        narrator.take_lane(lane);
        let why = row.broken.unwrap_or_default();
        let trouble = Trouble::bad_value(&narrator, why).in_row(&narrator, &row.place);
        let outcome = failed(turns::row_failure(self.session, trouble), 0);
        if let Some(id) = &row.id {
            narrator.tell(MAIN, Fact::RowStarted { row: id });
            narrator.tell(MAIN, Fact::RowFinished { row: id, outcome: &outcome });
        }
        outcome
    }

    /// Where a file of the session lies.
    pub fn path(&self, path: &SourcePath) -> Result<PathBuf, Box<Outcome>> {
        let rendered = self.session.templates.render(&path.written, &self.prepared.scope);
        let rendered =
            rendered.map_err(|error| Box::new(self.refuse(&SourceError::Refused(error.message), &error.span)))?;
        Ok(path.base.join(rendered))
    }

    /// How the session ends where a file that it names is of no use.
    pub fn refuse(&self, error: &SourceError, at: &Span) -> Outcome {
        let (status, cause) = match error {
            SourceError::Refused(what) => (Status::DataErr, Cause::BadValue { what: self.shown(what) }),
            SourceError::Unreadable(what) => (Status::NoInput, Cause::Unreadable { what: self.shown(what) }),
        };
        failed(Failure::new(status, self.session.sources.place(at), cause), 0)
    }

    /// What `text` is in facts: secrets hidden, and escaped.
    pub fn shown(&self, text: &str) -> Shown {
        self.redactor.shown(text)
    }
}

/// The first connection is opened by itself, but where the first step does it.
fn open_main(player: &mut Player<'_>) -> Result<(), Trouble> {
    let session = player.session;
    let steps = [&session.open, &session.steps, &session.close].into_iter().flatten();
    let greeted = steps.clone().next().is_some_and(|step| words::awaits_greeting(&step.action));
    if begins_with_connect(steps) {
        return Ok(());
    }
    let mut main = player.take_channel(MAIN);
    let connected = player.connect(&mut main, greeted);
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
    let flow = player.section(&session.open, &mut number, flow, None);
    let sound = player.failure.is_none();
    let (flow, row_failed) = turns::play(player, &mut number, flow);
    // `on_fail = "quit"` stops the steps, and [[close]] runs as if nothing had happened.
    player.quitting = flow == Flow::Quitting;
    let closing = if player.quitting { Flow::On } else { flow };
    let flow = player.section(&session.close, &mut number, closing, None).max(flow);
    if flow == Flow::On {
        let main = player.take_channel(MAIN);
        // A session that is all prelude has come to the point where `requires` is looked at.
        player.lacks_required(&main);
        player.put_channel(main);
    }
    farewell::part(player, flow);
    if row_failed && sound {
        // What fails behind a row that failed follows from it, and changes no status.
        player.failure = None;
    }
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
