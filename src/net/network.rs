//! The network of this machine: resolves names and mail exchangers, and tries their addresses in order.

use super::clock::SystemClock;
use super::connection::Connection;
use super::endpoint::{Endpoint, check_waiting, describe_io_error};
use super::mx::{MxHost, MxResolver, Nameservers};
use super::socket::DeadlineSocket;
use super::tls::ConnectorCache;
use crate::exec::{
    Clock, ConnectError, ConnectOptions, ConnectionInfo, MailExchanger, Network, Server, ServerAddress, Stream,
};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The shortest time that is spent on one address, if that much is left.
const MIN_ATTEMPT: Duration = Duration::from_secs(2);

/// The most mail exchangers of a domain that are tried.
const MAX_EXCHANGERS: usize = 10;

/// The real [`Network`]. Clones share their TLS connectors, which are expensive to build, and what they resolved.
#[derive(Clone, Default)]
pub struct SystemNetwork {
    connectors: ConnectorCache,
    mx_resolver: MxResolver,
    clock: SystemClock,
}

impl SystemNetwork {
    /// A network that no signal interrupts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that `clock` notices ends resolving, connecting and handshakes.
    pub fn with_clock(clock: &SystemClock) -> Self {
        Self { clock: clock.clone(), ..Self::default() }
    }

    /// Uses these name servers to look up mail exchangers.
    pub fn with_nameservers(self, nameservers: Nameservers) -> Self {
        Self { mx_resolver: MxResolver::new(nameservers), ..self }
    }
}

impl Network for SystemNetwork {
    fn connect(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let (connection, connected) = self.open(server, options, deadline)?;
        Ok((Box::new(connection), connected))
    }
}

impl SystemNetwork {
    /// As [`Network::connect`].
    pub fn open(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Connection, ConnectionInfo), ConnectError> {
        let (socket, endpoint, connected) = match &server.address {
            ServerAddress::Unix(path) => {
                let endpoint = Endpoint::Unix(path.clone());
                let address = path.display().to_string();
                let socket =
                    endpoint.connect(deadline, &self.clock).map_err(|error| cannot_connect(&address, &error))?;
                let (resolved, peer, exchanger, since) = (Vec::new(), None, None, None);
                (
                    socket,
                    endpoint,
                    ConnectionInfo { address, local: true, resolved, peer, local_address: None, exchanger, since },
                )
            }
            ServerAddress::Tcp { host, port } if options.mx => {
                self.connect_exchanger(host, *port, options, deadline)?
            }
            ServerAddress::Tcp { host, port } => connect_host(host, *port, options, deadline, &self.clock)?,
        };
        Ok((Connection::new(socket, endpoint, server.is_lmtp(), self.connectors.clone()), connected))
    }

    /// Connects to the best mail exchanger of a domain that is reachable (RFC 5321 §5.1).
    fn connect_exchanger(
        &self,
        domain: &str,
        port: u16,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(DeadlineSocket, Endpoint, ConnectionInfo), ConnectError> {
        let looked_up = self.mx_resolver.look_up(domain, deadline, &self.clock);
        let mut exchanges = looked_up.map_err(|why| ConnectError::CannotResolve { host: domain.to_owned(), why })?;
        exchanges.truncate(MAX_EXCHANGERS);
        let mut errors: Vec<ConnectError> = Vec::new();
        for (tried, exchange) in exchanges.iter().enumerate() {
            let until = attempt_deadline(deadline, exchanges.len() - tried);
            match connect_host(&exchange.host, port, options, until, &self.clock) {
                Ok((socket, endpoint, connected)) => {
                    let failed = exchanges.iter().zip(&errors);
                    let unreachable = failed.map(|(exchange, error)| (exchange.host.clone(), reason(error).to_owned()));
                    let exchanger = MailExchanger {
                        host: exchange.host.clone(),
                        preference: exchange.preference,
                        unreachable: unreachable.collect(),
                    };
                    return Ok((socket, endpoint, ConnectionInfo { exchanger: Some(exchanger), ..connected }));
                }
                Err(error) => errors.push(error),
            }
            if self.clock.interrupted().is_some() {
                break;
            }
        }
        Err(all_exchangers_failed(domain, &exchanges, errors))
    }
}

/// Why no mail exchanger could be connected to. "Cannot resolve" only if that is the reason for each of them.
fn all_exchangers_failed(domain: &str, exchanges: &[MxHost], mut errors: Vec<ConnectError>) -> ConnectError {
    if errors.len() == 1
        && let Some(only) = errors.pop()
    {
        return only;
    }
    let each: Vec<_> = exchanges
        .iter()
        .zip(&errors)
        .map(|(exchange, error)| format!("{}: {}", exchange.host, reason(error)))
        .collect();
    let (all, why) = (format!("the mail exchangers of {domain}"), each.join("; "));
    match errors.iter().all(|error| matches!(error, ConnectError::CannotResolve { .. })) {
        true => ConnectError::CannotResolve { host: all, why },
        false => ConnectError::CannotConnect { address: all, why },
    }
}

fn reason(error: &ConnectError) -> &str {
    match error {
        ConnectError::CannotResolve { why, .. } | ConnectError::CannotConnect { why, .. } => why,
    }
}

/// Until when the first of `remaining` addresses may be tried, so that each gets its share of the time.
fn attempt_deadline(deadline: Instant, remaining: usize) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    let shares = u32::try_from(remaining).unwrap_or(u32::MAX).max(1);
    Instant::now() + (left / shares).max(MIN_ATTEMPT.min(left))
}

fn connect_host(
    host: &str,
    port: u16,
    options: &ConnectOptions,
    deadline: Instant,
    clock: &SystemClock,
) -> Result<(DeadlineSocket, Endpoint, ConnectionInfo), ConnectError> {
    let addresses = resolve(host, port, options, deadline, clock)
        .map_err(|why| ConnectError::CannotResolve { host: host.to_owned(), why })?;
    let resolved: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let source = options.source;
    let has_family = |address: &&SocketAddr| source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
    let candidates: Vec<SocketAddr> = addresses.iter().filter(has_family).copied().collect();
    let mut failed = Vec::new();
    for (tried, address) in candidates.iter().enumerate() {
        let until = attempt_deadline(deadline, candidates.len() - tried);
        let endpoint = Endpoint::Tcp { address: *address, source };
        match endpoint.connect(until, clock) {
            Ok(socket) => {
                let connected = ConnectionInfo {
                    address: address.to_string(),
                    local: address.ip().to_canonical().is_loopback(),
                    resolved,
                    peer: Some(*address),
                    local_address: socket
                        .socket()
                        .local_addr()
                        .ok()
                        .and_then(|own| own.as_socket())
                        .map(|own| own.ip()),
                    exchanger: None,
                    since: None,
                };
                return Ok((socket, endpoint, connected));
            }
            Err(error) => failed.push((*address, describe_io_error(&error))),
        }
        if clock.interrupted().is_some() {
            break;
        }
    }
    if failed.is_empty() {
        let address = addresses.first().map_or_else(|| format!("{host}:{port}"), SocketAddr::to_string);
        let why = "no address of the source address's family".to_owned();
        return Err(ConnectError::CannotConnect { address, why });
    }
    Err(all_addresses_failed(host, port, &failed))
}

/// Why none of a host's addresses could be connected to: each with its reason, in the order in which they were tried.
fn all_addresses_failed(host: &str, port: u16, failed: &[(SocketAddr, String)]) -> ConnectError {
    let (address, why) = match failed {
        [(address, why)] => (address.to_string(), why.clone()),
        _ => {
            let each: Vec<_> = failed.iter().map(|(address, why)| format!("{}: {why}", address.ip())).collect();
            (format!("{host}:{port}"), each.join("; "))
        }
    };
    ConnectError::CannotConnect { address, why }
}

/// The addresses to try, in order; at least one.
fn resolve(
    host: &str,
    port: u16,
    options: &ConnectOptions,
    deadline: Instant,
    clock: &SystemClock,
) -> Result<Vec<SocketAddr>, String> {
    let overrides = options.resolve.iter();
    let given = overrides.filter(|(name, at, _)| name.eq_ignore_ascii_case(host) && *at == port);
    let mut addresses: Vec<SocketAddr> = given.map(|(_, _, ip)| SocketAddr::new(*ip, port)).collect();
    if addresses.is_empty() {
        addresses = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => look_up(host, port, deadline, clock)?,
        };
    }
    let mut seen = Vec::new();
    for address in addresses {
        let wanted = !(options.ipv4_only && address.is_ipv6() || options.ipv6_only && address.is_ipv4());
        if wanted && !seen.contains(&address) {
            seen.push(address);
        }
    }
    match seen.is_empty() {
        false => Ok(seen),
        true if options.ipv4_only => Err("it has no IPv4 address".to_owned()),
        true if options.ipv6_only => Err("it has no IPv6 address".to_owned()),
        true => Err("it has no address".to_owned()),
    }
}

/// Asks the system's resolver. It knows no deadline, so it runs in a thread, which is abandoned if it takes too long.
fn look_up(host: &str, port: u16, deadline: Instant, clock: &SystemClock) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let thread = std::thread::Builder::new().name("resolver".to_owned());
    let looked_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Fails if nobody waits any more, and then nothing is left to do.
        let _ = sender.send(found);
    };
    thread.spawn(looked_up).map_err(|error| error.to_string())?;
    loop {
        return match receiver.recv_timeout(clock.wait_slice(deadline)) {
            Ok(found) => found.map_err(|error| {
                let text = error.to_string();
                text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
            }),
            Err(mpsc::RecvTimeoutError::Timeout) => match check_waiting(deadline, clock) {
                Ok(()) => continue,
                Err(why) => Err(describe_io_error(&why)),
            },
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("the system's resolver failed".to_owned()),
        };
    }
}

fn cannot_connect(address: &str, error: &io::Error) -> ConnectError {
    ConnectError::CannotConnect { address: address.to_owned(), why: describe_io_error(error) }
}

#[cfg(test)]
mod tests;
