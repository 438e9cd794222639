//! What a running session has at hand: its names, its connections, its deadlines.

use super::RunOptions;
use super::actions::QueuedMessage;
use super::connection::SmtpConnection;
use super::error::{Limit, StepError};
use super::events::EventSink;
use super::judge;
use super::numbering::MessageNumbering;
use super::ports::{ConnectError, Interrupt, MailExchanger, Network, TlsOptions};
use super::read_outcome::ReadOutcome;
use super::row_result::{RawDialogue, RowRecord, RowResult};
use super::rows::{DeliveryIntent, Row, RowSource};
use super::values::{self, GatheredValues, ShortSecrets, ValueReader};
use crate::event::{Cause, Fact, Failure, Note, Outcome, Status};
use crate::message::PartCache;
use crate::session::{
    Expectation, Expression, ReplyFacts, Scheme, Scope, Server, ServerAddress, Session, SessionFacts, SourcePath,
    Sources, Template,
};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;
use regex::Regex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The default connection's name.
pub const MAIN: &str = "main";

/// A session at play.
pub struct Executor<'a> {
    pub session: &'a Session,
    pub settings: &'a RunOptions,
    pub sources: &'a dyn Sources,
    pub network: &'a mut dyn Network,
    pub events: EventSink<'a>,
    pub scope: Scope,
    pub server: Server,
    /// `--mx`: the server's host is a domain whose mail exchanger is not found yet.
    is_domain: bool,
    pub client_name: String,
    pub tls: TlsOptions,
    /// Those at rest; the one that a step uses is with the step.
    connections: Vec<SmtpConnection>,
    short: ShortSecrets,
    /// The names of secrets that are too short to be hidden everywhere.
    pub short_names: Vec<String>,
    pub parts: Arc<PartCache>,
    /// What templates take for the present.
    moment: Arc<Mutex<jiff::Timestamp>>,
    pub failure: Option<Failure>,
    pub steps_run: usize,
    pub interrupted: Option<Interrupt>,
    /// `on_fail = "quit"` stopped the steps: what runs is `[[close]]`.
    pub quitting: bool,
    /// Whether `requires` was looked at.
    pub requires_seen: bool,
    pub skipped: Option<SafeText>,
    /// The Message-ID of the turn's first message, once it is made.
    pub message_id: Option<String>,
    /// Which of the turn's messages is sent, where it has several.
    pub numbering: MessageNumbering,
    pub row_source: &'a mut dyn RowSource,
    /// The row whose turn it is.
    pub row: Row,
    /// The step whose message was the last in this turn, by its address, and in which repetition.
    pub last_message: Option<(usize, Option<u32>)>,
    /// What came of the message of the step that is played.
    pub attempted: MessageAttempt,
    /// The messages of which something left with the end of the one before, in their order.
    pub ahead: VecDeque<QueuedMessage<'a>>,
    /// What is collected of the row whose turn it is.
    pub record: RowRecord,
}

/// What a step's `retry` asks of an attempt to send a message.
#[derive(Debug, Default)]
pub struct MessageAttempt {
    /// The reply that decided: the first that was a failure's. Others follow from it, as 503 does behind a MAIL refused.
    pub decided_by: Option<Reply>,
    /// It was delivered to somebody, or may have been: another attempt would deliver it twice.
    pub maybe_delivered: bool,
}

/// What an executor is made of, besides what runs it.
#[derive(Clone)]
pub struct PreparedValues {
    pub scope: Scope,
    pub gathered: GatheredValues,
    pub client_name: String,
    pub tls: TlsOptions,
    pub moment: Arc<Mutex<jiff::Timestamp>>,
    /// Parts of messages, encoded once for all connections.
    pub parts: Arc<PartCache>,
}

impl<'a> Executor<'a> {
    pub fn new(
        reader: &ValueReader<'a>,
        prepared: PreparedValues,
        network: &'a mut dyn Network,
        events: EventSink<'a>,
        row_source: &'a mut dyn RowSource,
    ) -> Self {
        Self {
            session: reader.session,
            settings: reader.settings,
            sources: reader.sources,
            network,
            events,
            scope: prepared.scope,
            server: prepared.gathered.server,
            is_domain: reader.settings.mx.is_some(),
            client_name: prepared.client_name,
            tls: prepared.tls,
            connections: Vec::new(),
            short: prepared.gathered.short,
            short_names: prepared.gathered.short_names,
            parts: prepared.parts,
            moment: prepared.moment,
            failure: None,
            steps_run: 0,
            interrupted: None,
            quitting: false,
            requires_seen: reader.session.requires.is_empty(),
            skipped: None,
            message_id: None,
            numbering: MessageNumbering::new(reader.session),
            row_source,
            row: Row::default(),
            last_message: None,
            attempted: MessageAttempt::default(),
            ahead: VecDeque::new(),
            record: RowRecord::default(),
        }
    }

    /// Takes a connection for a step; one that was never used is new and not open.
    pub fn take_connection(&mut self, name: &str) -> SmtpConnection {
        match self.connections.iter().position(|connection| connection.name == name) {
            Some(index) => self.connections.remove(index),
            None => SmtpConnection::new(name),
        }
    }

    pub fn put_connection(&mut self, connection: SmtpConnection) {
        // `main` first: so it is the first to say QUIT.
        let index = if connection.name == MAIN { 0 } else { self.connections.len() };
        self.connections.insert(index, connection);
    }

    pub fn take_connections(&mut self) -> Vec<SmtpConnection> {
        std::mem::take(&mut self.connections)
    }

    /// Connects; `expects_greeting` where the next step waits for the greeting. TLS from the first byte waits until the first step
    /// that is no `proxy`.
    pub fn connect(&mut self, connection: &mut SmtpConnection, expects_greeting: bool) -> Result<(), StepError> {
        let mut options = self.settings.connect.clone();
        options.source = options.source.or(self.session.local_address);
        options.mx = self.is_domain;
        options.expects_greeting = expects_greeting && self.server.scheme != Scheme::Smtps;
        let deadline = self.events.now() + self.session.connect_timeout;
        let (stream, connected) = self.network.connect(&self.server, &options, deadline).map_err(|error| {
            if let Some(interrupt) = self.events.clock.interrupted() {
                return StepError::interrupted(interrupt);
            }
            match error {
                ConnectError::CannotResolve { host, why } => StepError::closing(
                    Status::NoHost,
                    Cause::CannotResolve { host: self.events.shown(host), why: self.events.shown(why) },
                ),
                ConnectError::CannotConnect { address, why } => StepError::closing(
                    Status::Unavailable,
                    Cause::CannotConnect { address: self.events.shown(address), why: self.events.shown(why) },
                ),
            }
        })?;
        self.events.start();
        if let Some(exchanger) = &connected.exchanger {
            self.found(&connection.name, exchanger);
        }
        if let ServerAddress::Tcp { host, .. } = &self.server.address
            && !connected.resolved.is_empty()
            && host.parse::<std::net::IpAddr>().is_err()
        {
            let (host, addresses) = (self.events.shown(host), connected.resolved.clone());
            self.events.emit(&connection.name, Fact::HostResolved { host, addresses });
        }
        let address = self.events.shown(&connected.address);
        self.events.emit(&connection.name, Fact::Connected { address });
        connection.open(stream, connected, self.events.now());
        connection.tls_due = self.server.scheme == Scheme::Smtps;
        Ok(())
    }

    /// From here on the server is this mail exchanger of the domain: for names in certificates, and for other connections.
    fn found(&mut self, connection: &str, exchanger: &MailExchanger) {
        for (host, why) in &exchanger.unreachable {
            let note = Note::MailExchangerUnreachable { host: self.events.shown(host), why: self.events.shown(why) };
            self.events.note(connection, note);
        }
        let (domain, host) = (self.events.shown(self.server.host()), self.events.shown(&exchanger.host));
        self.events.note(connection, Note::MailExchanger { domain, host, preference: exchanger.preference });
        self.server = self.server.at(&exchanger.host);
        if self.session.tls.server_name.is_none() {
            self.tls.server_name.clone_from(&exchanger.host);
        }
        self.is_domain = false;
    }

    /// The deadline that begins now: the step's, the session's, or RFC 5321's for what is waited for.
    pub fn limit(&self, step: Option<Duration>, wait: Timeout) -> Limit {
        let (duration, section) = match step.or(self.session.timeout) {
            Some(duration) => (duration, None),
            None => (wait.limit(), wait.section()),
        };
        self.limit_of(duration, section)
    }

    /// The deadline of connecting and of a handshake.
    pub fn connect_limit(&self) -> Limit {
        self.limit_of(self.session.connect_timeout, None)
    }

    fn limit_of(&self, duration: Duration, section: Option<&'static str>) -> Limit {
        let now = self.events.now();
        // A duration that no clock can hold never passes: a year stands for it.
        let at = now.checked_add(duration).unwrap_or(now + Duration::from_secs(31_536_000));
        Limit { at, duration, section }
    }

    pub fn render(&self, template: &Template) -> Result<String, StepError> {
        values::render(self.session, &self.scope, &self.events, template)
    }

    /// As [`Executor::render`]; CR, LF and NUL are errors.
    pub fn render_line(&self, template: &Template) -> Result<String, StepError> {
        values::render_line(self.session, &self.scope, &self.events, template)
    }

    pub fn resolve(&self, path: &SourcePath) -> Result<PathBuf, StepError> {
        values::resolve(self.session, &self.scope, &self.events, path)
    }

    /// Whether a condition holds.
    pub fn evaluate(&self, condition: &Expression) -> Result<bool, StepError> {
        condition
            .evaluate(&self.session.templates, &self.scope)
            .map(|evaluation| evaluation.holds)
            .map_err(|error| StepError::bad_value(&self.events, error.message).at(&error.span))
    }

    /// The short secrets that a template's result may hold.
    pub fn secrets_in(&self, template: &Template) -> Vec<String> {
        if self.short.is_empty() { Vec::new() } else { self.short.used(&self.session.templates.names(template)) }
    }

    pub fn judge(
        &self,
        expect: &Expectation,
        answer: ReadOutcome,
        waiting_for: &str,
        limit: Limit,
    ) -> Result<Option<ReplyFacts>, StepError> {
        judge::judge(&self.events, expect, answer, waiting_for, limit, &mut |pattern| {
            let source = self.render(pattern)?;
            Regex::new(&source).map_err(|error| StepError::bad_value(&self.events, error.to_string()).at(&pattern.span))
        })
    }

    /// Makes templates see what the connection is now.
    pub fn show_facts(&mut self, connection: &SmtpConnection) {
        *self.moment.lock().expect("no one panics while holding the moment") = self.events.clock.timestamp();
        self.scope.set_reply(connection.reply.clone());
        self.scope.set_ehlo(connection.ehlo.clone());
        self.scope.set_tls(connection.tls.clone());
        let others = self.connections.iter();
        let (sent, received) = others
            .fold((connection.sent, connection.received), |sum, other| (sum.0 + other.sent, sum.1 + other.received));
        self.scope.set_session(SessionFacts {
            name: self.session.name.clone(),
            server: self.server.to_string(),
            elapsed: self.events.elapsed(),
            sent,
            received,
        });
    }

    /// Sleeps, and says so; an interruption ends it.
    pub fn pause(&mut self, connection: &str, duration: Duration) -> Result<(), StepError> {
        self.events.emit(connection, Fact::Paused { duration });
        let until = self.limit_of(duration, None).at;
        while self.events.now() < until {
            if let Some(interrupt) = self.events.clock.interrupted() {
                return Err(StepError::interrupted(interrupt));
            }
            self.events.clock.sleep_until(until);
        }
        Ok(())
    }

    /// The first of `requires` that the server does not offer.
    pub fn lacks_required(&mut self, connection: &SmtpConnection) -> bool {
        if std::mem::replace(&mut self.requires_seen, true) {
            return false;
        }
        // Inside TLS it is no longer offered (RFC 3207 §4.2), since it was used.
        let used = |wanted: &str| {
            wanted.eq_ignore_ascii_case("STARTTLS") && connection.encrypted() && self.server.scheme != Scheme::Smtps
        };
        let wanted = self.session.requires.iter().map(String::as_str);
        let missing: Vec<&str> = wanted.filter(|wanted| !connection.ehlo.satisfies(wanted) && !used(wanted)).collect();
        if missing.is_empty() {
            return false;
        }
        self.skipped = Some(self.events.shown(format!("the server does not offer {}", missing.join(", "))));
        true
    }

    /// A turn begins: its messages carry the Message-IDs of an earlier attempt at it.
    pub fn begin_message_id(&mut self, row: &Row) {
        self.message_id = row.message_id.clone();
        self.last_message = None;
        self.numbering.begin_turn();
    }

    /// How a ledger knows a recipient of the message that is being sent.
    pub fn ledger_recipient(&self, recipient: &Mailbox) -> String {
        let address = self.events.shown(recipient.to_string());
        ledger_recipient(self.numbering.name().as_deref(), address.as_str())
    }

    /// To be called before the last byte of content leaves: a ledger records that the row is being sent, and to whom; to
    /// nobody that is known if the session wrote the content itself. If that cannot be done, the connection is closed and
    /// the message was not sent.
    pub fn record_intent(&mut self, connection: &mut SmtpConnection, recipients: &[Mailbox]) -> Result<(), StepError> {
        let intent = DeliveryIntent {
            ahead: 0,
            message_id: self.message_id.as_deref(),
            recipients: self.recipients_shown(recipients),
            earlier: &self.record.recipients,
        };
        let recorded = self.row_source.record_intent(&[intent]);
        recorded.map_err(|why| {
            let what = self.events.shown(why);
            StepError::closing(Status::CantCreate, Cause::BadValue { what })
        })?;
        connection.traffic.begin_content(recipients.is_empty());
        self.record.intent_recorded = true;
        Ok(())
    }

    /// The row's turn begins. `in_flight`: all of its message has left already.
    pub fn begin_row(&mut self, row: Row, in_flight: bool) {
        self.begin_message_id(&row);
        self.scope.set_row(row.value.as_ref());
        self.row = row;
        self.record = RowRecord::default();
        self.record.intent_recorded = in_flight;
        self.connections.iter_mut().for_each(SmtpConnection::begin_row);
    }

    /// What the row's replies said, on all connections, and how many there were.
    pub fn row_traffic(&mut self) -> (RawDialogue, usize) {
        let events = &self.events;
        let text = |reply: &Reply| {
            let last = reply.lines.last().map(Vec::as_slice).unwrap_or_default();
            let line = [reply.code.to_string().as_bytes(), b" ", last].concat();
            events.shown(line.trim_ascii_end()).as_str().to_owned()
        };
        let latest = self.connections.iter().enumerate().max_by_key(|(index, one)| {
            // Of several at the same moment the first one.
            (one.traffic.last_reply_at, std::cmp::Reverse(*index))
        });
        let latest = latest.map(|(index, _)| index);
        let replies: usize = self.connections.iter().map(|one| one.traffic.replies).sum();
        let raw = self.connections.iter_mut().enumerate();
        let raw = raw.map(|(index, one)| one.raw_dialogue(Some(index) == latest, &text));
        (raw.fold(RawDialogue::default(), RawDialogue::and), replies)
    }

    /// Tells the row source how the row ended. `replies` came, and `raw` is what they said.
    pub fn finish_row(&mut self, outcome: Outcome, (raw, replies): (RawDialogue, usize)) {
        let record = std::mem::take(&mut self.record);
        let is_lost = outcome.failure.as_ref().is_some_and(|one| matches!(one.cause, Cause::ConnectionLost { .. }));
        let result = RowResult {
            outcome,
            recipients: record.recipients,
            refused_at: record.refused_at,
            raw,
            started: !is_lost || replies > 0 || record.intent_recorded,
            unsent_messages: record.unsent_messages,
            message_id: self.message_id.clone(),
        };
        self.row_source.finished(&self.row, result);
    }

    /// Recipients as a ledger knows them.
    pub fn recipients_shown(&self, recipients: &[Mailbox]) -> Vec<String> {
        recipients.iter().map(|recipient| self.ledger_recipient(recipient)).collect()
    }

    /// Whether the envelope that left is that of the row behind this one.
    pub fn is_next_row_ahead(&self) -> bool {
        self.ahead.front().is_some_and(|ahead| ahead.in_next_row)
    }

    /// Whether the next message has left as a whole: its turn comes whatever happens.
    pub fn is_in_flight(&self) -> bool {
        self.ahead.front().is_some_and(|ahead| ahead.fully_sent)
    }

    /// The row's turn has come; gives whether its envelope has left.
    pub fn begin_row_ahead(&mut self) -> bool {
        match self.ahead.front_mut() {
            Some(ahead) => {
                ahead.in_next_row = false;
                true
            }
            None => false,
        }
    }

    pub fn note(&mut self, connection: &SmtpConnection, note: Note) {
        self.events.note(&connection.name, note);
    }
}

/// How a ledger knows a recipient: by its address, and where a turn has several messages by which of them it is, too.
pub fn ledger_recipient(message: Option<&str>, address: &str) -> String {
    match message {
        Some(message) => format!("{message}: {address}"),
        None => address.to_owned(),
    }
}
