//! A client's connection, seen from the server: TCP or UNIX, unencrypted or inside TLS.

use super::dialogue::TlsHandshake;
use super::tls::Acceptor;
use openssl::ssl::{HandshakeError, ShutdownState, SslStream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long, and for how many bytes, a closed connection is still read. Closing a socket with unread bytes would
/// discard what the client has not received yet.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// The socket of a client.
#[derive(Debug)]
pub(super) enum ClientSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl ClientSocket {
    /// A second handle of the socket.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    /// The client's address; `a UNIX socket` for those.
    pub(super) fn peer(&self) -> String {
        match self {
            Self::Tcp(socket) => {
                socket.peer_addr().map_or_else(|_| "an unknown address".to_owned(), |at| at.to_string())
            }
            Self::Unix(_) => "a UNIX socket".to_owned(),
        }
    }

    /// Errors are ignored: the peer closed first.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
        };
    }

    /// Waits up to `limit` until the client has closed or reset the connection; reads nothing.
    fn wait_for_hangup(&self, limit: Duration) -> io::Result<bool> {
        let fd = match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        };
        let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::RDHUP)];
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        Ok(poll(&mut polled, Some(&limit))? > 0)
    }

    fn set_timeouts(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_read_timeout(Some(limit))?;
                socket.set_write_timeout(Some(limit))
            }
            Self::Unix(socket) => {
                socket.set_read_timeout(Some(limit))?;
                socket.set_write_timeout(Some(limit))
            }
        }
    }
}

/// A socket that returns given bytes first, and that has a deadline during a handshake.
#[derive(Debug)]
pub(super) struct HandshakeSocket {
    socket: ClientSocket,
    unread: Vec<u8>,
    deadline: Option<Instant>,
}

impl HandshakeSocket {
    /// Applies the deadline to the next call, so that it holds for a whole handshake, however slowly the client sends.
    fn apply_deadline(&self) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => self.socket.set_timeouts(left),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for HandshakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let taken = self.unread.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&self.unread[..taken]);
            self.unread.drain(..taken);
            return Ok(taken);
        }
        self.apply_deadline()?;
        match &mut self.socket {
            ClientSocket::Tcp(socket) => socket.read(buffer),
            ClientSocket::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for HandshakeSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.apply_deadline()?;
        match &mut self.socket {
            ClientSocket::Tcp(socket) => socket.write(bytes),
            ClientSocket::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum TlsLayer {
    Plain(HandshakeSocket),
    Tls(Box<SslStream<HandshakeSocket>>),
    /// Closed, or a handshake failed.
    Closed,
}

/// The connection of a client, with or without TLS.
pub(super) struct ClientConnection {
    layer: TlsLayer,
    idle: Duration,
    /// Bytes were written below TLS: the client's TLS is broken, and no close_notify can follow.
    wrote_outside_tls: bool,
}

fn closed_error() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl ClientConnection {
    /// A connection without TLS, whose reads and writes wait up to `idle`.
    pub(super) fn new(socket: ClientSocket, idle: Duration) -> io::Result<Self> {
        if let ClientSocket::Tcp(socket) = &socket {
            socket.set_nodelay(true)?;
        }
        socket.set_timeouts(idle)?;
        Ok(Self {
            layer: TlsLayer::Plain(HandshakeSocket { socket, unread: Vec::new(), deadline: None }),
            idle,
            wrote_outside_tls: false,
        })
    }

    /// Reads what the client sent; 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match &mut self.layer {
                TlsLayer::Plain(socket) => socket.read(buffer),
                TlsLayer::Tls(stream) => stream.read(buffer),
                TlsLayer::Closed => Err(closed_error()),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Writes all of `bytes`.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.layer {
            TlsLayer::Plain(socket) => socket.write_all(bytes),
            TlsLayer::Tls(stream) => stream.write_all(bytes),
            TlsLayer::Closed => Err(closed_error()),
        }
    }

    /// Runs the server's side of the handshake. `received` was read already and belongs to it.
    pub(super) fn start_tls(&mut self, acceptor: &Acceptor, received: Vec<u8>) -> Result<TlsHandshake, String> {
        let mut socket = match std::mem::replace(&mut self.layer, TlsLayer::Closed) {
            TlsLayer::Plain(socket) => socket,
            other => {
                self.layer = other;
                return Err("TLS has started already".to_owned());
            }
        };
        socket.unread = received;
        socket.deadline = Some(Instant::now() + HANDSHAKE);
        let mut stream = match acceptor.ssl.accept(socket) {
            Ok(stream) => stream,
            // The timeout of a socket is reported as WouldBlock.
            Err(HandshakeError::WouldBlock(_)) => return Err("the handshake took too long".to_owned()),
            Err(HandshakeError::Failure(stream)) => return Err(crate::net::tls_reason(&stream.error().to_string())),
            Err(HandshakeError::SetupFailure(error)) => return Err(crate::net::tls_reason(&error.to_string())),
        };
        let socket = stream.get_mut();
        socket.deadline = None;
        socket.socket.set_timeouts(self.idle).map_err(|error| error.to_string())?;
        let version = Some(stream.ssl().version_str().to_owned());
        let server_end_point = acceptor.server_end_point.clone();
        self.layer = TlsLayer::Tls(Box::new(stream));
        Ok(TlsHandshake { version, server_end_point })
    }

    /// Waits for the client's close_notify, answers it, and goes on unencrypted on the same socket.
    pub(super) fn end_tls(&mut self) -> Result<(), String> {
        let TlsLayer::Tls(stream) = &mut self.layer else { return Err("TLS has not started".to_owned()) };
        let mut byte = [0; 64];
        match stream.read(&mut byte) {
            Ok(0) if stream.get_shutdown().contains(ShutdownState::RECEIVED) => {}
            Ok(0) => return Err("expected the end of TLS, got the end of the connection".to_owned()),
            Ok(_) => return Err("expected the end of TLS, got data inside TLS".to_owned()),
            Err(error) => return Err(format!("expected the end of TLS, got an error: {error}")),
        }
        let _ = stream.shutdown();
        // OpenSSL has read exactly up to the end of close_notify: it reads one record at a time.
        let socket = stream.get_ref().socket.try_clone().map_err(|error| error.to_string())?;
        let unread = std::mem::take(&mut stream.get_mut().unread);
        self.layer = TlsLayer::Plain(HandshakeSocket { socket, unread, deadline: None });
        Ok(())
    }

    /// Writes to the socket below TLS.
    pub(super) fn write_outside_tls(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wrote_outside_tls = true;
        self.socket().ok_or_else(closed_error)?.write_all(bytes)
    }

    /// Sends close_notify inside TLS.
    fn notify_close(&mut self) {
        if let TlsLayer::Tls(stream) = &mut self.layer
            && !self.wrote_outside_tls
        {
            let _ = stream.shutdown();
        }
    }

    /// Shuts the sending half (inside TLS after close_notify).
    pub(super) fn half_close(&mut self) {
        self.notify_close();
        if let Some(socket) = self.socket() {
            socket.socket.shutdown(Shutdown::Write);
        }
    }

    /// Whether the client closes or resets the connection within `limit`; reads nothing.
    pub(super) fn has_hung_up(&mut self, limit: Duration) -> bool {
        self.socket().is_none_or(|socket| socket.socket.wait_for_hangup(limit).unwrap_or(true))
    }

    /// Drops the connection without reading what the client still sent.
    pub(super) fn abandon(&mut self) {
        self.layer = TlsLayer::Closed;
    }

    fn socket(&mut self) -> Option<&mut HandshakeSocket> {
        match &mut self.layer {
            TlsLayer::Plain(socket) => Some(socket),
            TlsLayer::Tls(stream) => Some(stream.get_mut()),
            TlsLayer::Closed => None,
        }
    }

    /// Ends the connection with FIN (inside TLS with close_notify), and waits until the client has seen it.
    pub(super) fn close(&mut self) {
        self.notify_close();
        let Some(socket) = self.socket() else { return };
        socket.socket.shutdown(Shutdown::Write);
        socket.deadline = Some(Instant::now() + LINGER);
        let mut buffer = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
        self.layer = TlsLayer::Closed;
    }

    /// Ends the connection with RST. No other handle of the socket may be open.
    pub(super) fn reset(&mut self) {
        if let Some(HandshakeSocket { socket: ClientSocket::Tcp(socket), .. }) = self.socket() {
            let _ = socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO));
        }
        self.layer = TlsLayer::Closed;
    }
}
