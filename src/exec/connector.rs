//! Opens connections.

use super::connection::{ConnectionState, SmtpConnection, TlsStart};
use super::error::StepError;
use super::events::{EventSink, MAIN};
use super::ports::{ConnectError, MailExchanger, Network};
use crate::event::{Cause, Fact, Note, Status};
use crate::prepare::{RunContext, TlsOptions, ValueReader};
use crate::session::{Scheme, Scope, Server, ServerAddress};

/// Opens connections, and what it takes for one.
pub struct Connector<'a> {
    network: &'a mut dyn Network,
    /// The session's server.
    pub server: Server,
    /// The servers of connections that have their own, by name, as far as they were used.
    named: Vec<(String, Server)>,
    /// `--mx`: the server's host is a domain whose mail exchanger is not known yet.
    is_domain: bool,
    /// `None`: an address literal of the connection.
    pub client_name: Option<String>,
    pub tls: TlsOptions,
}

impl<'a> Connector<'a> {
    pub fn new(
        network: &'a mut dyn Network,
        server: Server,
        is_domain: bool,
        client_name: Option<String>,
        tls: TlsOptions,
    ) -> Self {
        Self { network, server, named: Vec::new(), is_domain, client_name, tls }
    }

    /// The server of a connection.
    pub fn server_of(&self, connection: &str) -> &Server {
        self.named.iter().find_map(|(name, server)| (name == connection).then_some(server)).unwrap_or(&self.server)
    }

    /// What handshakes on a connection need.
    pub fn tls_of(&self, run: &RunContext<'_>, connection: &str) -> TlsOptions {
        let mut options = self.tls.clone();
        if run.session.tls.server_name.is_none()
            && let Some((_, server)) = self.named.iter().find(|(name, _)| name == connection)
        {
            server.host().clone_into(&mut options.server_name);
        }
        options
    }

    /// A connection has a server of its own.
    pub fn set_server(&mut self, connection: &str, server: Server) {
        self.named.retain(|(name, _)| name != connection);
        self.named.push((connection.to_owned(), server));
    }

    /// Connects, after `scope` got the newest values of secrets that age. `expects_greeting`: the next step waits for the greeting. TLS from the first byte waits until the first
    /// step that is not `proxy`.
    pub fn connect(
        &mut self,
        run: &RunContext<'_>,
        events: &mut EventSink<'_>,
        scope: &mut Scope,
        connection: &mut SmtpConnection<'_>,
        expects_greeting: bool,
    ) -> Result<(), StepError> {
        refresh_secrets(run, events, scope)?;
        let mut options = run.options.connect.clone();
        options.source = options.source.or(run.session.local_address);
        let server = self.server_of(&connection.name).clone();
        let is_own = self.named.iter().any(|(name, _)| *name == connection.name);
        options.mx = self.is_domain && !is_own;
        options.expects_greeting = expects_greeting && server.scheme != Scheme::Smtps;
        let deadline = events.now() + run.session.connect_timeout;
        let connected = self.network.connect(&server, &options, deadline);
        events.now();
        let (stream, info) = connected.map_err(|error| connect_error(events, &error))?;
        events.start();
        if let Some(exchanger) = &info.exchanger {
            self.use_exchanger(run, events, &connection.name, exchanger);
        }
        if let ServerAddress::Tcp { host, .. } = &server.address
            && !info.resolved.is_empty()
            && host.parse::<std::net::IpAddr>().is_err()
        {
            let (host, addresses) = (events.shown(host), info.resolved.clone());
            events.emit(&connection.name, Fact::HostResolved { host, addresses });
        }
        let address = events.shown(&info.address);
        events.emit(&connection.name, Fact::Connected { address });
        connection.open(stream, info, events.last_now());
        if server.scheme == Scheme::Smtps {
            connection.state = ConnectionState::AwaitingTls(TlsStart::FirstByte);
        }
        Ok(())
    }

    /// From now on the server is this mail exchanger of the domain: for names in certificates, and for other connections.
    fn use_exchanger(
        &mut self,
        run: &RunContext<'_>,
        events: &mut EventSink<'_>,
        connection: &str,
        exchanger: &MailExchanger,
    ) {
        for (host, why) in &exchanger.unreachable {
            let note = Note::MailExchangerUnreachable { host: events.shown(host), why: events.shown(why) };
            events.note(connection, note);
        }
        let (domain, host) = (events.shown(self.server.host()), events.shown(&exchanger.host));
        events.note(connection, Note::MailExchanger { domain, host, preference: exchanger.preference });
        self.server = self.server.at(&exchanger.host);
        if run.session.tls.server_name.is_none() {
            self.tls.server_name.clone_from(&exchanger.host);
        }
        self.is_domain = false;
    }
}

/// Fetches the secrets again that are too old for a new connection.
fn refresh_secrets(run: &RunContext<'_>, events: &mut EventSink<'_>, scope: &mut Scope) -> Result<(), StepError> {
    let mut reader = ValueReader::new(*run, None, &mut events.secrets, events.clock);
    let refreshed = reader.refresh(scope);
    let notices = reader.notices;
    for (name, why) in &notices.defaults {
        events.note_default_used(name, why);
    }
    for name in &notices.short_names {
        let name = events.shown(name);
        events.note(MAIN, Note::ShortSecret { name });
    }
    refreshed
}

fn connect_error(events: &EventSink<'_>, error: &ConnectError) -> StepError {
    if let Some(interrupt) = events.clock.interrupted() {
        return StepError::interrupted(interrupt);
    }
    match error {
        ConnectError::CannotResolve { host, why } => StepError::closing(
            Status::NoHost,
            Cause::CannotResolve { host: events.shown(host), why: events.shown(why) },
        ),
        ConnectError::CannotConnect { address, why } => StepError::closing(
            Status::Unavailable,
            Cause::CannotConnect { address: events.shown(address), why: events.shown(why) },
        ),
    }
}
