//! What an action receives: the run, the row, the step and its connection. Nothing here runs steps.

use super::connection::SmtpConnection;
use super::connector::Connector;
use super::error::{Deadline, StepError};
use super::events::EventSink;
use super::row_source::{DeliveryIntent, RowSource};
use crate::event::RowRecord;
use crate::event::{Cause, Failure, Note, Outcome, Status};
use crate::prepare::{
    Interrupt, MessageContext, PartReader, Renderer, RowContext, RunContext, ValueReader, signal_status,
};
use crate::session::{Expectation, Scheme, Server, SessionFacts, Step, Value, Variable};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;
use std::time::Duration;

/// How long `expect = "silence"` waits if the step has no `timeout`.
const SILENCE: Duration = Duration::from_secs(1);

/// What has come of the steps so far.
#[derive(Default)]
pub struct RunProgress {
    /// The first failure.
    pub failure: Option<Failure>,
    pub steps_run: usize,
    pub interrupted: Option<Interrupt>,
    /// `on_fail = "quit"` stopped the steps: what runs is `[[close]]`.
    pub close_only: bool,
    /// Whether `requires` was compared with what the server offers.
    pub requires_checked: bool,
    /// Why the session is skipped.
    pub skipped: Option<SafeText>,
    /// What came of the message of the step that runs.
    pub attempt: MessageAttempt,
    /// What is collected of the row whose turn it is.
    pub record: RowRecord,
}

impl RunProgress {
    /// The outcome of a session or row that ran `steps_run` steps. `failure` is its first failure.
    pub fn outcome(&self, failure: Option<Failure>, steps_run: usize) -> Outcome {
        let status = failure.as_ref().map_or(Status::Passed, |failure| failure.status);
        let status = self.interrupted.map_or(status, signal_status);
        Outcome { status, failure, steps_run, skipped: self.skipped.clone() }
    }
}

/// What a step's `retry` asks of an attempt to send a message.
#[derive(Debug, Default)]
pub struct MessageAttempt {
    /// The reply that decided: the first failure. Others follow from it, as 503 does after a refused MAIL.
    pub decided_by: Option<Reply>,
    /// It was delivered to somebody, or may have been: another attempt would deliver it twice.
    pub maybe_delivered: bool,
}

/// One step, and what its action may use.
pub struct StepContext<'s, 'a> {
    pub run: RunContext<'a>,
    pub step: &'a Step,
    pub events: &'s mut EventSink<'a>,
    pub row: &'s mut RowContext,
    pub connector: &'s mut Connector<'a>,
    pub connection: &'s mut SmtpConnection<'a>,
    pub rows: &'s mut (dyn RowSource + 'a),
    pub progress: &'s mut RunProgress,
}

impl<'a> StepContext<'_, 'a> {
    /// Opens the step's connection.
    pub fn connect(&mut self, expects_greeting: bool) -> Result<(), StepError> {
        let name = &self.connection.name;
        if let Some((_, url)) = self.run.session.named_servers.iter().find(|(known, _)| known == name) {
            let server = Server::parse(&self.renderer().render_line(url)?);
            let server = server.map_err(|why| self.bad_value(why).at(&url.span))?;
            self.connector.set_server(&self.connection.name, server);
        }
        let scope = &mut self.row.scope;
        self.connector.connect(&self.run, self.events, scope, self.connection, expects_greeting)
    }

    /// A row may name another server than the one that its connection is open to.
    pub fn check_server(&self) -> Result<(), StepError> {
        let name = &self.connection.name;
        let Some((_, url)) = self.run.session.named_servers.iter().find(|(known, _)| known == name) else {
            return Ok(());
        };
        if url.is_literal() {
            return Ok(());
        }
        let wanted =
            Server::parse(&self.renderer().render_line(url)?).map_err(|why| self.bad_value(why).at(&url.span))?;
        match wanted == *self.server() {
            true => Ok(()),
            false => {
                let why = format!("the connection {name} is open to {}, not to {wanted}", self.server());
                Err(self.bad_value(why).at(&url.span))
            }
        }
    }

    /// The deadline that begins now: the step's, the session's, or RFC 5321's for what is waited for.
    pub fn deadline(&self, step: Option<Duration>, wait: Timeout) -> Deadline {
        let silent = self.step.expect.as_ref().is_some_and(Expectation::accepts_silence);
        let step = step.or(silent.then_some(SILENCE));
        Deadline::of_reply(self.run.session, self.events.now(), step, wait)
    }

    /// The step's expectation; every action that must have one got it when the file was read.
    pub fn expected(&self) -> Result<&'a Expectation, StepError> {
        let step: &'a Step = self.step;
        step.expect.as_ref().ok_or_else(|| self.bad_value("the step expects nothing"))
    }

    /// The server of the step's connection.
    pub fn server(&self) -> &Server {
        self.connector.server_of(&self.connection.name)
    }

    /// What the step's templates are rendered with.
    pub fn renderer(&self) -> Renderer<'_> {
        Renderer { session: self.run.session, scope: &self.row.scope, secrets: &self.events.secrets }
    }

    /// Opens files and texts for the row whose turn it is.
    pub fn parts(&self) -> PartReader<'_, 'a> {
        PartReader { run: self.run, renderer: self.renderer(), clock: self.events.clock }
    }

    /// What the message of the row whose turn it is is prepared from.
    pub fn message_context(&mut self) -> MessageContext<'_, 'a> {
        MessageContext { run: self.run, row: self.row, secrets: &self.events.secrets, clock: self.events.clock }
    }

    /// The values of a step's own variables. Each may use those before it.
    pub fn own_values(&mut self, variables: &[Variable]) -> Result<Vec<(String, Value)>, StepError> {
        let host = Some(self.server().host().to_owned());
        let mut reader = ValueReader::new(self.run, host, &mut self.events.secrets, self.events.clock);
        let values = reader.own_values(&mut self.row.scope, variables);
        for (name, why) in reader.notices.defaults {
            self.events.note_default_used(&name, &why);
        }
        values
    }

    /// The name for EHLO; without one it is the literal of the connection's own address (RFC 5321 §4.1.3).
    pub fn client_name(&self) -> String {
        let own = self.connection.server.info.as_ref().and_then(|info| info.local_address);
        match (&self.connector.client_name, own.map(|own| own.to_canonical())) {
            (Some(name), _) => name.clone(),
            (None, Some(std::net::IpAddr::V4(own))) => format!("[{own}]"),
            (None, Some(std::net::IpAddr::V6(own))) => format!("[IPv6:{own}]"),
            (None, None) => "[127.0.0.1]".to_owned(),
        }
    }

    pub fn note(&mut self, note: Note) {
        self.events.note(&self.connection.name, note);
    }

    /// A rendered value is not valid, or a source has none.
    pub fn bad_value(&self, what: impl AsRef<[u8]>) -> StepError {
        StepError::bad_value(&self.events.secrets, what)
    }

    /// Makes templates see what the connection is now.
    pub fn update_scope(&mut self) {
        self.events.now();
        *self.row.moment.lock().expect("no one panics while holding the moment") = self.events.clock.timestamp();
        let url = self.server().to_string();
        let (scope, server, bytes) = (&mut self.row.scope, &self.connection.server, self.connection.bytes());
        scope.set_reply(server.reply.clone());
        scope.set_ehlo(server.ehlo.clone());
        scope.set_tls(server.tls.clone());
        scope.set_session(SessionFacts {
            name: self.run.session.name.clone(),
            server: url,
            elapsed: self.events.elapsed(),
            sent: bytes.sent.get(),
            received: bytes.received.get(),
        });
    }

    /// Whether the server lacks something of `requires`: the session is skipped then. Compared once.
    pub fn lacks_required(&mut self) -> bool {
        lacks_required(&self.run, self.connector, self.events, self.connection, self.progress)
    }

    /// To be called before the last byte of content leaves: a ledger records that the row is being sent, and to whom; to
    /// nobody that is known if the session wrote the content itself. If that cannot be done, the connection is closed and
    /// the message was not sent.
    pub fn record_intent(&mut self, recipients: &[Mailbox]) -> Result<(), StepError> {
        let intent = DeliveryIntent {
            ahead: 0,
            message_id: self.row.message_id.as_deref(),
            recipients: self.row.ledger_names(&self.events.secrets, recipients),
            earlier: &self.progress.record.recipients,
        };
        self.rows.record_intent(&[intent]).map_err(|why| {
            let what = self.events.shown(why);
            StepError::closing(Status::CantCreate, Cause::BadValue { what })
        })?;
        self.events.now();
        self.connection.log.row.begin_content(recipients.is_empty());
        self.progress.record.intent_recorded = true;
        Ok(())
    }
}

/// See [`StepContext::lacks_required`].
pub fn lacks_required(
    run: &RunContext<'_>,
    connector: &Connector<'_>,
    events: &EventSink<'_>,
    connection: &SmtpConnection<'_>,
    progress: &mut RunProgress,
) -> bool {
    if std::mem::replace(&mut progress.requires_checked, true) {
        return false;
    }
    // Inside TLS it is no longer offered (RFC 3207 §4.2), since it was used.
    let used_starttls = connection.is_encrypted() && connector.server.scheme != Scheme::Smtps;
    let is_met = |wanted: &str| {
        connection.server.ehlo.satisfies(wanted) || (used_starttls && wanted.eq_ignore_ascii_case("STARTTLS"))
    };
    let wanted = run.session.requires.iter().map(String::as_str);
    let missing: Vec<&str> = wanted.filter(|wanted| !is_met(wanted)).collect();
    if !missing.is_empty() {
        progress.skipped = Some(events.shown(format!("the server does not offer {}", missing.join(", "))));
    }
    !missing.is_empty()
}
