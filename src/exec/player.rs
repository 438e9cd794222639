//! What a running session has at hand: its names, its connections, its deadlines.

use super::Settings;
use super::actions::Ahead;
use super::answer::Answer;
use super::channel::Channel;
use super::judge;
use super::narrate::Narrator;
use super::ports::{ConnectError, Exchanger, Interrupt, Network, TlsOptions};
use super::rows::{Feed, Row, Sealing};
use super::several::Several;
use super::trouble::{Limit, Trouble};
use super::variables::{self, Gathered, Reader, ShortSecrets};
use crate::event::{Cause, Fact, Failure, Note, Status};
use crate::session::{
    Address, Expect, Expression, ReplyFacts, Scheme, Scope, Server, Session, SessionFacts, SourcePath, Sources,
    Template,
};
use crate::smtp::address::Mailbox;
use crate::smtp::limits::Wait;
use crate::smtp::reply::Reply;
use crate::transcript::Shown;
use regex::Regex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The default connection's name.
pub const MAIN: &str = "main";

/// A session at play.
pub struct Player<'a> {
    pub session: &'a Session,
    pub settings: &'a Settings,
    pub sources: &'a dyn Sources,
    pub network: &'a mut dyn Network,
    pub narrator: Narrator<'a>,
    pub scope: Scope,
    pub server: Server,
    /// `--mx`: the server's host is a domain whose mail exchanger is not found yet.
    is_domain: bool,
    pub client_name: String,
    pub tls: TlsOptions,
    /// Those at rest; the one that a step uses is with the step.
    channels: Vec<Channel>,
    short: ShortSecrets,
    /// The names of secrets that are too short to be hidden everywhere.
    pub short_names: Vec<String>,
    /// What templates take for the present.
    moment: Arc<Mutex<jiff::Timestamp>>,
    pub failure: Option<Failure>,
    pub steps_run: usize,
    pub interrupted: Option<Interrupt>,
    /// `on_fail = "quit"` stopped the steps: what runs is `[[close]]`.
    pub quitting: bool,
    /// Whether `requires` was looked at.
    pub requires_seen: bool,
    pub skipped: Option<Shown>,
    /// The Message-ID of the turn's first message, once it is made.
    pub message_id: Option<String>,
    /// Which of the turn's messages is sent, where it has several.
    pub several: Several,
    pub feed: &'a mut dyn Feed,
    /// The row whose turn it is.
    pub row: Row,
    /// The step whose message was the last in this turn, by its address, and in which repetition.
    pub last_message: Option<(usize, Option<u32>)>,
    /// What came of the message of the step that is played.
    pub attempted: Attempted,
    /// The messages of which something left with the end of the one before, in their order.
    pub ahead: VecDeque<Ahead<'a>>,
}

/// What a step's `retry` asks of an attempt to send a message.
#[derive(Debug, Default)]
pub struct Attempted {
    /// The reply that decided: the first that was a failure's. Others follow from it, as 503 does behind a MAIL refused.
    pub decided_by: Option<Reply>,
    /// It was delivered to somebody, or may have been: another attempt would deliver it twice.
    pub reached: bool,
}

/// What a player is made of, besides what runs it.
#[derive(Clone)]
pub struct Prepared {
    pub scope: Scope,
    pub gathered: Gathered,
    pub client_name: String,
    pub tls: TlsOptions,
    pub moment: Arc<Mutex<jiff::Timestamp>>,
}

impl<'a> Player<'a> {
    pub fn new(
        reader: &Reader<'a>,
        prepared: Prepared,
        network: &'a mut dyn Network,
        narrator: Narrator<'a>,
        feed: &'a mut dyn Feed,
    ) -> Self {
        Self {
            session: reader.session,
            settings: reader.settings,
            sources: reader.sources,
            network,
            narrator,
            scope: prepared.scope,
            server: prepared.gathered.server,
            is_domain: reader.settings.mx.is_some(),
            client_name: prepared.client_name,
            tls: prepared.tls,
            channels: Vec::new(),
            short: prepared.gathered.short,
            short_names: prepared.gathered.short_names,
            moment: prepared.moment,
            failure: None,
            steps_run: 0,
            interrupted: None,
            quitting: false,
            requires_seen: reader.session.requires.is_empty(),
            skipped: None,
            message_id: None,
            several: Several::new(reader.session),
            feed,
            row: Row::default(),
            last_message: None,
            attempted: Attempted::default(),
            ahead: VecDeque::new(),
        }
    }

    /// Takes a connection for a step; one that was never used is new and not open.
    pub fn take_channel(&mut self, name: &str) -> Channel {
        match self.channels.iter().position(|channel| channel.name == name) {
            Some(index) => self.channels.remove(index),
            None => Channel::new(name),
        }
    }

    pub fn put_channel(&mut self, channel: Channel) {
        // `main` first: so it is the first to say QUIT.
        let index = if channel.name == MAIN { 0 } else { self.channels.len() };
        self.channels.insert(index, channel);
    }

    pub fn take_channels(&mut self) -> Vec<Channel> {
        std::mem::take(&mut self.channels)
    }

    /// Connects; `greeted` where the next step waits for the greeting. TLS from the first byte waits until the first step
    /// that is no `proxy`.
    pub fn connect(&mut self, channel: &mut Channel, greeted: bool) -> Result<(), Trouble> {
        let mut options = self.settings.connect.clone();
        options.source = options.source.or(self.session.source);
        options.mx = self.is_domain;
        options.greeted = greeted && self.server.scheme != Scheme::Smtps;
        let deadline = self.narrator.now() + self.session.connect_timeout;
        let (stream, connected) = self.network.connect(&self.server, &options, deadline).map_err(|error| {
            if let Some(interrupt) = self.narrator.clock.interrupted() {
                return Trouble::interrupted(interrupt);
            }
            match error {
                ConnectError::CannotResolve { host, why } => Trouble::severing(
                    Status::NoHost,
                    Cause::CannotResolve { host: self.narrator.shown(host), why: self.narrator.shown(why) },
                ),
                ConnectError::CannotConnect { address, why } => Trouble::severing(
                    Status::Unavailable,
                    Cause::CannotConnect { address: self.narrator.shown(address), why: self.narrator.shown(why) },
                ),
            }
        })?;
        self.narrator.start();
        if let Some(exchanger) = &connected.exchanger {
            self.found(&channel.name, exchanger);
        }
        if let Address::Tcp { host, .. } = &self.server.address
            && !connected.resolved.is_empty()
            && host.parse::<std::net::IpAddr>().is_err()
        {
            let (host, addresses) = (self.narrator.shown(host), connected.resolved.clone());
            self.narrator.tell(&channel.name, Fact::HostResolved { host, addresses });
        }
        let address = self.narrator.shown(&connected.address);
        self.narrator.tell(&channel.name, Fact::Connected { address });
        channel.open(stream, connected, self.narrator.now());
        channel.tls_due = self.server.scheme == Scheme::Smtps;
        Ok(())
    }

    /// From here on the server is this mail exchanger of the domain: for names in certificates, and for other connections.
    fn found(&mut self, connection: &str, exchanger: &Exchanger) {
        for (host, why) in &exchanger.unreachable {
            let note = Note::ExchangerUnreachable { host: self.narrator.shown(host), why: self.narrator.shown(why) };
            self.narrator.note(connection, note);
        }
        let (domain, host) = (self.narrator.shown(self.server.host()), self.narrator.shown(&exchanger.host));
        self.narrator.note(connection, Note::Exchanger { domain, host, preference: exchanger.preference });
        self.server = self.server.at(&exchanger.host);
        if self.session.tls.server_name.is_none() {
            self.tls.server_name.clone_from(&exchanger.host);
        }
        self.is_domain = false;
    }

    /// The deadline that begins now: the step's, the session's, or RFC 5321's for what is waited for.
    pub fn limit(&self, step: Option<Duration>, wait: Wait) -> Limit {
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
        let now = self.narrator.now();
        // A duration that no clock can hold never passes: a year stands for it.
        let at = now.checked_add(duration).unwrap_or(now + Duration::from_secs(31_536_000));
        Limit { at, duration, section }
    }

    pub fn render(&self, template: &Template) -> Result<String, Trouble> {
        variables::render(self.session, &self.scope, &self.narrator, template)
    }

    /// As [`Player::render`]; CR, LF and NUL are errors.
    pub fn render_line(&self, template: &Template) -> Result<String, Trouble> {
        variables::render_line(self.session, &self.scope, &self.narrator, template)
    }

    pub fn resolve(&self, path: &SourcePath) -> Result<PathBuf, Trouble> {
        variables::resolve(self.session, &self.scope, &self.narrator, path)
    }

    /// Whether a condition holds.
    pub fn evaluate(&self, condition: &Expression) -> Result<bool, Trouble> {
        condition
            .evaluate(&self.session.templates, &self.scope)
            .map(|evaluation| evaluation.holds)
            .map_err(|error| Trouble::bad_value(&self.narrator, error.message).at(&error.span))
    }

    /// The short secrets that a template's result may hold.
    pub fn secrets_in(&self, template: &Template) -> Vec<String> {
        if self.short.is_empty() { Vec::new() } else { self.short.used(&self.session.templates.names(template)) }
    }

    pub fn judge(
        &self,
        expect: &Expect,
        answer: Answer,
        waiting_for: &str,
        limit: Limit,
    ) -> Result<Option<ReplyFacts>, Trouble> {
        judge::judge(&self.narrator, expect, answer, waiting_for, limit, &mut |pattern| {
            let source = self.render(pattern)?;
            Regex::new(&source).map_err(|error| Trouble::bad_value(&self.narrator, error.to_string()).at(&pattern.span))
        })
    }

    /// Makes templates see what the connection is now.
    pub fn show_facts(&mut self, channel: &Channel) {
        *self.moment.lock().expect("no one panics while holding the moment") = self.narrator.clock.timestamp();
        self.scope.set_reply(channel.reply.clone());
        self.scope.set_ehlo(channel.ehlo.clone());
        self.scope.set_tls(channel.tls.clone());
        let others = self.channels.iter();
        let (sent, received) =
            others.fold((channel.sent, channel.received), |sum, other| (sum.0 + other.sent, sum.1 + other.received));
        self.scope.set_session(SessionFacts {
            name: self.session.name.clone(),
            server: self.server.to_string(),
            elapsed: self.narrator.elapsed(),
            sent,
            received,
        });
    }

    /// Sleeps, and says so; an interruption ends it.
    pub fn pause(&mut self, connection: &str, duration: Duration) -> Result<(), Trouble> {
        self.narrator.tell(connection, Fact::Paused { duration });
        let until = self.limit_of(duration, None).at;
        while self.narrator.now() < until {
            if let Some(interrupt) = self.narrator.clock.interrupted() {
                return Err(Trouble::interrupted(interrupt));
            }
            self.narrator.clock.sleep_until(until);
        }
        Ok(())
    }

    /// The first of `requires` that the server does not offer.
    pub fn lacks_required(&mut self, channel: &Channel) -> bool {
        if std::mem::replace(&mut self.requires_seen, true) {
            return false;
        }
        // Inside TLS it is no longer offered (RFC 3207 §4.2), since it was used.
        let used = |wanted: &str| {
            wanted.eq_ignore_ascii_case("STARTTLS") && channel.encrypted() && self.server.scheme != Scheme::Smtps
        };
        let wanted = self.session.requires.iter().map(String::as_str);
        let missing: Vec<&str> = wanted.filter(|wanted| !channel.ehlo.satisfies(wanted) && !used(wanted)).collect();
        if missing.is_empty() {
            return false;
        }
        self.skipped = Some(self.narrator.shown(format!("the server does not offer {}", missing.join(", "))));
        true
    }

    /// A turn begins: its messages carry the Message-IDs of an earlier attempt at it.
    pub fn begin_message_id(&mut self, row: &Row) {
        self.message_id = row.message_id.clone();
        self.last_message = None;
        self.several.begin_turn();
    }

    /// How a ledger knows a recipient of the message that is being sent.
    pub fn known_as(&self, recipient: &Mailbox) -> String {
        let address = self.narrator.shown(recipient.to_string());
        known_as(self.several.name().as_deref(), address.as_str())
    }

    /// To be called before the last byte of content leaves: a ledger records that the row is being sent, and to whom.
    /// Where that cannot be done, the connection is closed and the message was not sent.
    pub fn seal(&mut self, recipients: &[Mailbox]) -> Result<(), Trouble> {
        let recipients = self.recipients_shown(recipients);
        let sealing = Sealing { ahead: 0, message_id: self.message_id.as_deref(), recipients };
        self.feed.sending(&[sealing]).map_err(|why| {
            let what = self.narrator.shown(why);
            Trouble::severing(Status::CantCreate, Cause::BadValue { what })
        })
    }

    /// Recipients as a ledger knows them.
    pub fn recipients_shown(&self, recipients: &[Mailbox]) -> Vec<String> {
        recipients.iter().map(|recipient| self.known_as(recipient)).collect()
    }

    /// Whether the envelope that left is that of the row behind this one.
    pub fn is_next_row_ahead(&self) -> bool {
        self.ahead.front().is_some_and(|ahead| ahead.in_next_row)
    }

    /// Whether the next message has left as a whole: its turn comes whatever happens.
    pub fn is_in_flight(&self) -> bool {
        self.ahead.front().is_some_and(|ahead| ahead.whole)
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

    pub fn note(&mut self, channel: &Channel, note: Note) {
        self.narrator.note(&channel.name, note);
    }
}

/// How a ledger knows a recipient: by its address, and where a turn has several messages by which of them it is, too.
pub fn known_as(message: Option<&str>, address: &str) -> String {
    match message {
        Some(message) => format!("{message}: {address}"),
        None => address.to_owned(),
    }
}
