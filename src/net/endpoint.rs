//! Connecting to an address, and what can go wrong there.

use super::clock::SystemClock;
use super::socket::DeadlineSocket;
use crate::exec::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a connection leads. Kept with the connection, so that a second one can be made.
#[derive(Clone, Debug)]
pub enum Endpoint {
    Tcp { address: SocketAddr, source: Option<IpAddr> },
    Unix(PathBuf),
}

impl Endpoint {
    /// Connects until `deadline`, or until `clock` notices a signal.
    pub fn connect(&self, deadline: Instant, clock: &SystemClock) -> io::Result<DeadlineSocket> {
        let socket = match self {
            Self::Tcp { address, source } => connect_tcp(*address, *source, deadline, clock)?,
            Self::Unix(path) => connect_unix(path, deadline, clock)?,
        };
        Ok(DeadlineSocket::new(socket, clock.clone()))
    }
}

/// An error if the deadline has passed or a signal came.
pub fn check_waiting(deadline: Instant, clock: &SystemClock) -> io::Result<()> {
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
            io::ErrorKind::AddrNotAvailable => io::Error::other(format!("{source} is not an address of this machine")),
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
    // If nobody listens on an ephemeral port, the system may give that port to the very socket that connects to it.
    if socket.local_addr()?.as_socket() == Some(address) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // All of a turn is written at once: Nagle's algorithm would only delay its last segment.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Waits until the TCP handshake has succeeded or failed.
fn wait_for_connection(socket: &Socket, deadline: Instant, clock: &SystemClock) -> io::Result<()> {
    loop {
        // Rounded up, so that the last wait is not split into many short ones.
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
    // A UNIX socket connects at once unless the server's queue is full, and nothing tells when it no longer is.
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

/// The error in plain words, without the system's error number.
pub fn describe_io_error(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable => "no route to the host",
        io::ErrorKind::NetworkUnreachable => "the network is unreachable",
        io::ErrorKind::NotFound => "no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}
