//! The executor: plays a session's steps over a stream, judges the replies, and tells what happens.
//!
//! It knows no socket and no clock but through the traits here: `net/` has the real ones, tests have their own.

mod action_info;
mod actions;
mod attempts;
mod checks;
mod connection;
mod disconnect;
mod error;
mod events;
mod executor;
mod judge;
mod no_network;
mod numbering;
mod ports;
mod preflight;
mod prepare;
mod read_outcome;
mod row_loop;
mod row_result;
mod row_traffic;
mod rows;
mod steps;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod values;

/// What the traits speak of, for those who implement them.
pub use crate::session::{CloseMode, PeerFacts, Server, ServerAddress, TlsFacts, TlsVersion};
pub use no_network::NoNetwork;
pub use ports::{
    CheckTlsFile, Clock, ConnectError, ConnectOptions, ConnectionInfo, Interrupt, MailExchanger, Network, Stream,
    TlsError, TlsFile, TlsOptions,
};

use crate::event::{Cause, Event, Fact, Failure, Note, Observer, Outcome, Status};
use crate::session::{Action, Session, SourceError, SourcePath, Sources, Span, Step, Value};
use crate::transcript::{Redactor, SafeText};
use error::StepError;
use events::EventSink;
pub use executor::ledger_recipient;
use executor::{Executor, MAIN, PreparedValues};
pub use numbering::message_id_of;
pub use row_result::{ContentAnswer, RawContent, RawDialogue, RecipientResult, Rejection, RowResult};
pub use rows::{DeliveryIntent, Row, RowSource, SingleRun};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use steps::Flow;
use values::ValueReader;

/// What a run is given beside the session.
pub struct RunOptions {
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
    pub check_tls_file: Option<CheckTlsFile>,
    /// `--dry-run`: secrets without a value get a placeholder. (The embedded server's certificate is in `ca`.)
    pub dry_run: bool,
    /// This machine's name: `client_name`'s default, and `hostname()`.
    pub hostname: String,
    /// In which `now()` and a message's date are shown.
    pub zone: jiff::tz::TimeZone,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            server: None,
            mx: None,
            variables: Vec::new(),
            show_secrets: false,
            seed: None,
            connect: ConnectOptions::default(),
            ca: Vec::new(),
            check_tls_file: None,
            dry_run: false,
            hostname: String::new(),
            zone: jiff::tz::TimeZone::UTC,
        }
    }
}

/// Runs a session to its end. Everything is read and rendered that can be before the first byte is sent.
pub fn run(
    session: &Session,
    settings: &RunOptions,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut label = ConnectionLabel::default();
    let outcome = match PreparedSession::new(session, settings, sources, clock, observer) {
        Ok(ready) => ready.connection(&mut label, &mut SingleRun::default(), network, clock, observer),
        Err(outcome) => *outcome,
    };
    label.emit(clock, observer, Fact::SessionFinished { outcome: &outcome });
    outcome
}

/// One of the connections that play a session in parallel.
#[derive(Clone, Debug, Default)]
pub struct ConnectionLabel {
    /// What the session calls `main` is called so in events; `None` for the first one.
    pub name: Option<String>,
    /// When the session's first connection was made.
    pub started: Option<Instant>,
}

impl ConnectionLabel {
    /// Tells something of the whole session.
    pub fn emit(&self, clock: &dyn Clock, observer: &mut dyn Observer, fact: Fact<'_>) {
        let at = self.started.map_or(Duration::ZERO, |started| clock.now().saturating_duration_since(started));
        observer.observe(&Event { at, connection: self.name.as_deref().unwrap_or(MAIN), fact });
    }
}

/// A session whose names have their values, and that was looked through: ready for its connections.
pub struct PreparedSession<'a> {
    session: &'a Session,
    settings: &'a RunOptions,
    sources: &'a dyn Sources,
    prepared: PreparedValues,
    redactor: Redactor,
}

impl<'a> PreparedSession<'a> {
    /// Reads and renders all that can be before anything is sent, and tells that the session started; the outcome
    /// where it cannot go on.
    pub fn new(
        session: &'a Session,
        settings: &'a RunOptions,
        sources: &'a dyn Sources,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Result<Self, Box<Outcome>> {
        let redactor = if settings.show_secrets { Redactor::off() } else { Redactor::default() };
        let mut events = EventSink::new(observer, clock, redactor);
        let mut reader = ValueReader { session, settings, sources, host: None };
        let prepared = match prepare::prepare(&mut reader, &mut events) {
            Ok(prepared) => prepared,
            Err(error) => {
                let started = Fact::SessionStarted { name: events.shown(&session.name), server: SafeText::default() };
                events.emit(MAIN, started);
                return Err(Box::new(failed(prepare::failure(session, settings, error), 0)));
            }
        };
        let (mut row_source, mut nowhere) = (SingleRun::default(), NoNetwork("nothing is sent yet"));
        let mut executor = Executor::new(&reader, prepared.clone(), &mut nowhere, events, &mut row_source);
        // Passwords are learnt while the session is looked through, before anything is told.
        let sound = preflight::check(&mut executor);
        let name = executor.events.shown(&session.name);
        let server = executor.events.shown(executor.server.to_string());
        executor.events.emit(MAIN, Fact::SessionStarted { name, server });
        for name in std::mem::take(&mut executor.short_names) {
            let name = executor.events.shown(name);
            executor.events.note(MAIN, Note::ShortSecret { name });
        }
        for (name, value) in &settings.variables {
            if !executor.events.redactor.find(value.to_string().as_bytes()).is_empty() {
                let name = executor.events.shown(name);
                executor.events.note(MAIN, Note::SecretInArguments { name });
            }
        }
        for (name, why) in &prepared.gathered.placeholders {
            let name = executor.events.shown(name);
            executor.events.note(MAIN, Note::PlaceholderUsed { name, why: why.clone() });
        }
        for (name, why) in &prepared.gathered.defaults {
            executor.events.note_default_used(name, why);
        }
        let redactor = executor.events.redactor.clone();
        match sound {
            Ok(()) => Ok(Self { session, settings, sources, prepared, redactor }),
            Err(error) => Err(Box::new(failed(prepare::failure(session, settings, error), 0))),
        }
    }

    /// Plays one connection: `open`, `step` for each row that `row_source` gives, `close`. The failures of rows are told to
    /// `row_source`; the outcome is that of the connection, and of the one turn of a session without rows.
    pub fn connection(
        &self,
        label: &mut ConnectionLabel,
        row_source: &mut dyn RowSource,
        network: &mut dyn Network,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let mut events = EventSink::new(observer, clock, self.redactor.clone());
        events.set_label(label);
        let reader = ValueReader { session: self.session, settings: self.settings, sources: self.sources, host: None };
        let mut executor = Executor::new(&reader, self.prepared.clone(), network, events, row_source);
        let outcome = match open_main(&mut executor) {
            Ok(()) => play(&mut executor, Flow::Continue),
            Err(error) => {
                executor.interrupted = error.interrupt(clock);
                executor.failure = Some(prepare::failure(self.session, self.settings, error));
                play(&mut executor, Flow::Abort)
            }
        };
        label.started = executor.events.started;
        outcome
    }

    /// Tells of a row that is none, for which there is no need of a connection.
    pub fn broken_row(
        &self,
        label: &ConnectionLabel,
        row: Row,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let mut events = EventSink::new(observer, clock, self.redactor.clone());
        events.set_label(label);
        let why = row.error.unwrap_or_default();
        let error = StepError::bad_value(&events, why).in_row(&events, &row.place);
        let outcome = failed(row_loop::row_failure(self.session, error), 0);
        if let Some(id) = &row.id {
            events.emit(MAIN, Fact::RowStarted { row: id });
            events.emit(MAIN, Fact::RowFinished { row: id, outcome: &outcome });
        }
        outcome
    }

    /// Where a file of the session lies.
    pub fn path(&self, path: &SourcePath) -> Result<PathBuf, Box<Outcome>> {
        let rendered = self.session.templates.render(&path.template, &self.prepared.scope);
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
        failed(Failure::new(status, self.session.source_map.place(at), cause), 0)
    }

    /// What `text` is in facts: secrets hidden, and escaped.
    pub fn shown(&self, text: &str) -> SafeText {
        self.redactor.redact(text)
    }
}

/// The first connection is opened by itself, but where the first step does it.
fn open_main(executor: &mut Executor<'_>) -> Result<(), StepError> {
    let session = executor.session;
    let steps = [&session.open, &session.steps, &session.close].into_iter().flatten();
    let expects_greeting = steps.clone().next().is_some_and(|step| action_info::awaits_greeting(&step.action));
    if begins_with_connect(steps) {
        return Ok(());
    }
    let mut main = executor.take_connection(MAIN);
    let connected = executor.connect(&mut main, expects_greeting);
    executor.put_connection(main);
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
fn play(executor: &mut Executor<'_>, flow: Flow) -> Outcome {
    let session = executor.session;
    let mut number = 0;
    let flow = executor.section(&session.open, &mut number, flow, None);
    let sound = executor.failure.is_none();
    let (flow, row_failed) = row_loop::play(executor, &mut number, flow);
    // `on_fail = "quit"` stops the steps, and [[close]] runs as if nothing had happened.
    executor.quitting = flow == Flow::CloseOnly;
    let closing = if executor.quitting { Flow::Continue } else { flow };
    let flow = executor.section(&session.close, &mut number, closing, None).max(flow);
    if flow == Flow::Continue {
        let main = executor.take_connection(MAIN);
        // A session that is all prelude has come to the point where `requires` is looked at.
        executor.lacks_required(&main);
        executor.put_connection(main);
    }
    let traffic = executor.row_traffic();
    disconnect::disconnect_all(executor, flow);
    if row_failed && sound {
        // What fails behind a row that failed follows from it, and changes no status.
        executor.failure = None;
    }
    let mut outcome = match executor.failure.take() {
        Some(failure) => failed(failure, executor.steps_run),
        None => Outcome {
            status: Status::Passed,
            failure: None,
            steps_run: executor.steps_run,
            skipped: executor.skipped.take(),
        },
    };
    if let Some(interrupt) = executor.interrupted {
        outcome.status = error::signal_status(interrupt);
    }
    if session.rows.is_none() {
        executor.finish_row(outcome.clone(), traffic);
    }
    outcome
}

fn failed(failure: Failure, steps_run: usize) -> Outcome {
    Outcome { status: failure.status, failure: Some(failure), steps_run, skipped: None }
}
