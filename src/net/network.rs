//! Resolving and connecting.

use super::clock::SystemClock;
use super::connection::Connection;
use super::mx::{MxHost, MxResolver, Nameservers};
use super::socket::DeadlineSocket;
use super::tls::ConnectorCache;
use crate::exec::{
    Clock, ConnectError, ConnectOptions, ConnectionInfo, MailExchanger, Network, Server, ServerAddress, Stream,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The least time that an address is tried for, where as much is left.
const MIN_ATTEMPT: Duration = Duration::from_secs(2);

/// How many of a domain's exchangers are tried.
const MAX_EXCHANGERS: usize = 10;

/// The network of this machine. Clones share their TLS connectors, which are dear to build.
#[derive(Clone, Default)]
pub struct SystemNetwork {
    connectors: ConnectorCache,
    mx_resolver: MxResolver,
    clock: SystemClock,
}

impl SystemNetwork {
    pub fn new() -> Self {
        Self::default()
    }

    /// Resolving, connecting and handshakes end at a signal that this clock notices.
    pub fn with_clock(clock: &SystemClock) -> Self {
        Self { clock: clock.clone(), ..Self::default() }
    }

    /// Asks these for mail exchangers.
    pub fn with_nameservers(self, nameservers: Nameservers) -> Self {
        Self { mx_resolver: MxResolver::new(nameservers), ..self }
    }
}

/// Where a connection leads, for one more of its kind.
#[derive(Clone, Debug)]
pub enum Endpoint {
    Tcp { address: SocketAddr, source: Option<IpAddr> },
    Unix(PathBuf),
}

impl Endpoint {
    pub fn connect(&self, deadline: Instant, clock: &SystemClock) -> io::Result<DeadlineSocket> {
        let socket = match self {
            Self::Tcp { address, source } => connect_tcp(*address, *source, deadline, clock)?,
            Self::Unix(path) => connect_unix(path, deadline, clock)?,
        };
        Ok(DeadlineSocket::new(socket, clock.clone()))
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
                (socket, endpoint, ConnectionInfo { address, local: true, resolved, peer, exchanger, since })
            }
            ServerAddress::Tcp { host, port } if options.mx => {
                self.connect_exchanger(host, *port, options, deadline)?
            }
            ServerAddress::Tcp { host, port } => connect_host(host, *port, options, deadline, &self.clock)?,
        };
        Ok((Connection::new(socket, endpoint, server.is_lmtp(), self.connectors.clone()), connected))
    }

    /// The best exchanger of a domain that can be connected to (RFC 5321 §5.1).
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

/// Why none of them could be connected to. That a name has no address is the reason only where it is that of all.
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

/// Until when one of `others` may be tried: one that does not answer leaves the others their share of the time.
fn attempt_deadline(deadline: Instant, others: usize) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    let others = u32::try_from(others).unwrap_or(u32::MAX).max(1);
    Instant::now() + (left / others).max(MIN_ATTEMPT.min(left))
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
    let fitting = |address: &&SocketAddr| source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
    let candidates: Vec<SocketAddr> = addresses.iter().filter(fitting).copied().collect();
    let mut failed = ConnectError::CannotConnect {
        address: addresses.first().map_or_else(|| format!("{host}:{port}"), SocketAddr::to_string),
        why: "no address of the source address's family".to_owned(),
    };
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
                    exchanger: None,
                    since: None,
                };
                return Ok((socket, endpoint, connected));
            }
            Err(error) => failed = cannot_connect(&address.to_string(), &error),
        }
        if clock.interrupted().is_some() {
            break;
        }
    }
    Err(failed)
}

/// The addresses to try, in their order; one at least.
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

/// The system's resolver, which knows no deadline: it runs in a thread that is left behind where it takes too long.
fn look_up(host: &str, port: u16, deadline: Instant, clock: &SystemClock) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let thread = std::thread::Builder::new().name("resolver".to_owned());
    let looked_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more: nothing to do.
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

/// Whether there is time left to wait, and no signal came.
fn check_waiting(deadline: Instant, clock: &SystemClock) -> io::Result<()> {
    clock.call_idle();
    match clock.interrupted() {
        Some(_) => Err(io::Error::other("interrupted")),
        None if Instant::now() >= deadline => Err(io::ErrorKind::TimedOut.into()),
        None => Ok(()),
    }
}

fn connect_tcp(
    address: SocketAddr,
    source: Option<IpAddr>,
    deadline: Instant,
    clock: &SystemClock,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into()).map_err(|error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => io::Error::other(format!("{source} is no address of this machine")),
            _ => error,
        })?;
    }
    check_waiting(deadline, clock)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
            wait_for_connection(&socket, deadline, clock)?;
        }
        result => result?,
    }
    socket.set_nonblocking(false)?;
    // A port of the ephemeral range where nobody listens may be given to the very socket that connects to it.
    if socket.local_addr()?.as_socket() == Some(address) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // What is written is written whole, a turn at a time: Nagle's algorithm would hold its last segment back.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Until the handshake of TCP is done, whichever way it goes.
fn wait_for_connection(socket: &Socket, deadline: Instant, clock: &SystemClock) -> io::Result<()> {
    loop {
        // Rounded up, so that the last wait is not many short ones.
        let slice = clock.wait_slice(deadline) + Duration::from_millis(1);
        let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() };
        match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&slice)) {
            Ok(0) | Err(Errno::INTR) => check_waiting(deadline, clock)?,
            Ok(_) => return socket.take_error()?.map_or(Ok(()), Err),
            Err(error) => return Err(error.into()),
        }
    }
}

fn connect_unix(path: &Path, deadline: Instant, clock: &SystemClock) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path).map_err(|_| io::Error::other("the path is too long for a socket"))?;
    // A UNIX socket connects at once or, where the server's queue is full, not yet; only the latter is waited for.
    socket.set_nonblocking(true)?;
    loop {
        match socket.connect(&address) {
            Ok(()) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        check_waiting(deadline, clock)?;
        std::thread::sleep(clock.wait_slice(deadline).min(Duration::from_millis(10)));
    }
    socket.set_nonblocking(false)?;
    Ok(socket)
}

fn cannot_connect(address: &str, error: &io::Error) -> ConnectError {
    ConnectError::CannotConnect { address: address.to_owned(), why: describe_io_error(error) }
}

/// What the system said, without its number.
pub fn describe_io_error(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable => "no route to the host",
        io::ErrorKind::NetworkUnreachable => "the network is unreachable",
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}

#[cfg(test)]
mod tests;
