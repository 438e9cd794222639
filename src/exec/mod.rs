//! The executor: runs a session's steps over a stream, judges the replies, and emits what happens.
//!
//! It knows sockets and clocks only through traits (`ports`, `prepare::Clock`): `net/` has the real ones, tests have their
//! own. What needs no connection is in `prepare/`. `tests/house` has the order in which modules import each other.

mod actions;
mod attempts;
mod checks;
mod connection;
mod context;
mod disconnect;
mod error;
mod events;
mod exchange;
mod flow;
mod message;
mod outbox;
mod ports;
mod read_outcome;
mod row_source;
mod rows;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::event::{
    CertificateProblem, ContentAnswer, RawContent, RawDialogue, RecipientResult, Rejection, RowResult,
};
/// What a run is given, and the time.
pub use crate::prepare::{
    CheckTlsFile, Clock, ConnectOptions, Interrupt, LocalHost, Row, RunOptions, ServerTarget, TlsFile, TlsOptions,
    TlsTrust,
};
/// What the traits speak of, for those who implement them.
pub use crate::session::{CloseMode, PeerFacts, Server, ServerAddress, TlsFacts, TlsVersion};
pub use crate::session::{ledger_recipient, message_id_of};
pub use events::ConnectionLabel;
pub use ports::{ConnectError, ConnectionInfo, MailExchanger, Network, Stream, TlsError};
pub use row_source::{DeliveryIntent, RowSource, SingleRun};

use crate::event::{Cause, Fact, Failure, Note, Observer, Outcome, Status};
use crate::message::PartCache;
use crate::prepare::{PreparedValues, RowContext, RunContext, outside_failure, preflight, prepare, signal_status};
use crate::session::{Action, Session, SourceError, SourcePath, Sources, Span, Step};
use crate::session::{MessageNumbering, count_messages};
use crate::transcript::{SafeText, Secrets};
use context::Connector;
use error::StepError;
use events::{EventSink, MAIN};
use flow::{Flow, StepPosition};
use std::path::PathBuf;
use std::sync::Arc;
use steps::StepRunner;

/// Runs a session to its end. Everything is read and rendered that can be before the first byte is sent.
pub fn run(
    session: &Session,
    options: &RunOptions,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut label = ConnectionLabel::default();
    let outcome = match PreparedSession::new(session, options, sources, clock, observer) {
        Ok(prepared) => prepared.run_connection(&mut label, &mut SingleRun::default(), network, clock, observer),
        Err(outcome) => *outcome,
    };
    label.emit(clock, observer, Fact::SessionFinished { outcome: &outcome });
    outcome
}

/// A session whose names have their values, and that was checked: ready for its connections.
pub struct PreparedSession<'a> {
    session: &'a Session,
    options: &'a RunOptions,
    sources: &'a dyn Sources,
    parts: Arc<PartCache>,
    values: PreparedValues,
    secrets: Secrets,
}

impl<'a> PreparedSession<'a> {
    /// Reads and renders all that can be before anything is sent, and emits that the session started; the outcome if it
    /// cannot go on.
    pub fn new(
        session: &'a Session,
        options: &'a RunOptions,
        sources: &'a dyn Sources,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Result<Self, Box<Outcome>> {
        let parts = Arc::default();
        let run = RunContext { session, options, sources, parts: &parts };
        let mut events = EventSink::new(observer, clock, Secrets::new(options.show_secrets));
        let mut values = match prepare(run, &mut events.secrets, clock) {
            Ok(values) => values,
            Err(error) => {
                let started = Fact::SessionStarted { name: events.shown(&session.name), server: SafeText::default() };
                events.emit(MAIN, started);
                return Err(Box::new(failed(outside_failure(run, error), 0)));
            }
        };
        // Passwords are learnt in the preflight, before anything is shown.
        let checked = preflight::check(run, &mut values, &mut events.secrets, clock);
        let (name, server) = (events.shown(&session.name), events.shown(values.server.to_string()));
        events.emit(MAIN, Fact::SessionStarted { name, server });
        emit_notices(run, &values, &mut events);
        let secrets = events.secrets;
        match checked {
            Ok(()) => Ok(Self { session, options, sources, parts, values, secrets }),
            Err(error) => Err(Box::new(failed(outside_failure(run, error), 0))),
        }
    }

    fn run(&self) -> RunContext<'_> {
        RunContext { session: self.session, options: self.options, sources: self.sources, parts: &self.parts }
    }

    /// Runs one connection: `open`, `step` for each row that `rows` gives, `close`. The failures of rows are reported to
    /// `rows`; the outcome is that of the connection, and of the one run of a session without rows.
    pub fn run_connection(
        &self,
        label: &mut ConnectionLabel,
        rows: &mut dyn RowSource,
        network: &mut dyn Network,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let (session, values) = (self.session, self.values.clone());
        let mut events = EventSink::new(observer, clock, self.secrets.clone());
        events.set_label(label);
        let is_domain = self.options.target.mx.is_some();
        let row = RowContext {
            row: Row::default(),
            scope: values.scope,
            moment: values.moment,
            message_id: None,
            numbering: MessageNumbering::new(session),
            last_message: None,
        };
        let connector = Connector::new(network, values.server, is_domain, values.client_name, values.tls);
        let mut runner = StepRunner::new(self.run(), events, row, connector, rows);
        let mut flow = Flow::Continue;
        if let Err(error) = open_main(&mut runner) {
            runner.progress.interrupted = error.interrupt(clock);
            runner.progress.failure = Some(outside_failure(self.run(), error));
            flow = Flow::Abort;
        }
        let open = StepPosition::section(0, 0);
        let steps = StepPosition::section(session.open.len(), count_messages(&session.open));
        let close =
            StepPosition::section(steps.number + session.steps.len(), steps.index + count_messages(&session.steps));
        flow = runner.run_list(&session.open, open, true, flow);
        let opened = runner.progress.failure.is_none();
        let mut row_failed = false;
        if session.rows.is_some() {
            (flow, row_failed) = rows::run_rows(&mut runner, steps, flow);
        } else if let Some(row) = runner.rows.next() {
            // The one run comes after a failure of `open` too, for what is `always`. It ends with the session.
            runner.begin_row(row, false);
            flow = runner.run_list(&session.steps, steps, true, flow);
        }
        // `on_fail = "quit"` stops the steps, and [[close]] runs as if nothing had happened.
        runner.progress.close_only = flow == Flow::CloseOnly;
        let closing = if runner.progress.close_only { Flow::Continue } else { flow };
        flow = flow.max(runner.run_list(&session.close, close, true, closing));
        let outcome = end_session(&mut runner, flow, row_failed && opened);
        label.started = runner.events.started;
        outcome
    }

    /// Reports an invalid row without connecting.
    pub fn report_invalid_row(
        &self,
        label: &ConnectionLabel,
        row: Row,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let mut events = EventSink::new(observer, clock, self.secrets.clone());
        events.set_label(label);
        let why = row.error.unwrap_or_default();
        let outcome = failed(rows::invalid_row(self.session, &self.secrets, &row.place, &why), 0);
        if let Some(id) = &row.id {
            events.emit(MAIN, Fact::RowStarted { row: id });
            events.emit(MAIN, Fact::RowFinished { row: id, outcome: &outcome });
        }
        outcome
    }

    /// Where a file of the session lies.
    pub fn path(&self, path: &SourcePath) -> Result<PathBuf, Box<Outcome>> {
        let rendered = self.session.templates.render(&path.template, &self.values.scope);
        let rendered =
            rendered.map_err(|error| Box::new(self.refuse(&SourceError::Refused(error.message), &error.span)))?;
        Ok(path.base.join(rendered))
    }

    /// How the session ends if a file that it names cannot be used.
    pub fn refuse(&self, error: &SourceError, at: &Span) -> Outcome {
        let (status, cause) = match error {
            SourceError::Refused(what) => (Status::DataErr, Cause::BadValue { what: self.shown(what) }),
            SourceError::Unreadable(what) => (Status::NoInput, Cause::Unreadable { what: self.shown(what) }),
        };
        failed(Failure::new(status, self.session.source_map.place(at), cause), 0)
    }

    /// What `text` is in facts: secrets hidden, and escaped.
    pub fn shown(&self, text: &str) -> SafeText {
        self.secrets.shown(text)
    }
}

/// What is to be said of the values before the first connection.
fn emit_notices(run: RunContext<'_>, values: &PreparedValues, events: &mut EventSink<'_>) {
    for name in &values.notices.short_names {
        let name = events.shown(name);
        events.note(MAIN, Note::ShortSecret { name });
    }
    for (name, value) in &run.options.variables {
        if !events.secrets.redactor.find(value.to_string().as_bytes()).is_empty() {
            let name = events.shown(name);
            events.note(MAIN, Note::SecretInArguments { name });
        }
    }
    for (name, why) in &values.notices.placeholders {
        let name = events.shown(name);
        events.note(MAIN, Note::PlaceholderUsed { name, why: why.clone() });
    }
    for (name, why) in &values.notices.defaults {
        events.note_default_used(name, why);
    }
}

/// The first connection is opened by itself, unless the first step does it.
fn open_main(runner: &mut StepRunner<'_>) -> Result<(), StepError> {
    let session = runner.run.session;
    let mut steps = [&session.open, &session.steps, &session.close].into_iter().flatten();
    let Some(first) = steps.next() else { return runner.connect_main(false) };
    if begins_with_connect(first) {
        return Ok(());
    }
    runner.connect_main(first.action.awaits_greeting())
}

fn begins_with_connect(step: &Step) -> bool {
    match &step.action {
        Action::Connect => true,
        Action::Steps(members) => members.first().is_some_and(begins_with_connect),
        _ => false,
    }
}

/// Ends all connections, and says how the session ended. `row_failed`: what failed after a row follows from it, and
/// changes no status.
fn end_session(runner: &mut StepRunner<'_>, flow: Flow, row_failed: bool) -> Outcome {
    if flow == Flow::Continue {
        // A session without a step that needs them has come to the point where `requires` is checked.
        runner.check_required();
    }
    let traffic = runner.row_traffic();
    let connections = runner.take_connections();
    let interrupted = runner.progress.interrupted;
    disconnect::disconnect_all(connections, &mut runner.events, flow, interrupted.is_some());
    let progress = &mut runner.progress;
    let failure = progress.failure.take().filter(|_| !row_failed);
    let (steps_run, skipped) = (progress.steps_run, progress.skipped.take());
    let mut outcome = match failure {
        Some(failure) => failed(failure, steps_run),
        None => Outcome { status: Status::Passed, failure: None, steps_run, skipped },
    };
    if let Some(interrupt) = interrupted {
        outcome.status = signal_status(interrupt);
    }
    if runner.run.session.rows.is_none() {
        runner.finish_row(outcome.clone(), traffic);
    }
    outcome
}

fn failed(failure: Failure, steps_run: usize) -> Outcome {
    Outcome { status: failure.status, failure: Some(failure), steps_run, skipped: None }
}
