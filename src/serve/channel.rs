//! A client's connection as the server has it: TCP or UNIX, in clear or inside TLS.

use super::dialogue::TlsSeen;
use super::tls::Acceptor;
use openssl::ssl::{HandshakeError, SslStream};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long, and for how many bytes, a closed connection is still read, so that what was written last arrives: a
/// socket that is closed with bytes unread takes back what it has not delivered.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    /// Errors mean that the other side was faster.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
        };
    }

    fn timeouts(&self, limit: Duration) -> io::Result<()> {
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

/// A socket with bytes put back in front of it, and with a deadline while there is one.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    back: Vec<u8>,
    deadline: Option<Instant>,
}

impl Wire {
    /// Holds a whole handshake to its deadline, however the client drips.
    fn limit(&self) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => self.socket.timeouts(left),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.back.is_empty() {
            let taken = self.back.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&self.back[..taken]);
            self.back.drain(..taken);
            return Ok(taken);
        }
        self.limit()?;
        match &mut self.socket {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Layer {
    Plain(Wire),
    Tls(Box<SslStream<Wire>>),
    /// A handshake failed, or the connection was given up.
    Gone,
}

pub(super) struct Channel {
    layer: Layer,
    idle: Duration,
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Channel {
    pub(super) fn new(socket: Socket, idle: Duration) -> io::Result<Self> {
        if let Socket::Tcp(socket) = &socket {
            socket.set_nodelay(true)?;
        }
        socket.timeouts(idle)?;
        Ok(Self { layer: Layer::Plain(Wire { socket, back: Vec::new(), deadline: None }), idle })
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match &mut self.layer {
                Layer::Plain(wire) => wire.read(buffer),
                Layer::Tls(stream) => stream.read(buffer),
                Layer::Gone => Err(gone()),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.layer {
            Layer::Plain(wire) => wire.write_all(bytes),
            Layer::Tls(stream) => stream.write_all(bytes),
            Layer::Gone => Err(gone()),
        }
    }

    /// The server's side of the handshake. `received`: what was read already and belongs to it.
    pub(super) fn start_tls(&mut self, acceptor: &Acceptor, received: Vec<u8>) -> Result<TlsSeen, String> {
        let mut wire = match std::mem::replace(&mut self.layer, Layer::Gone) {
            Layer::Plain(wire) => wire,
            other => {
                self.layer = other;
                return Err("TLS has started already".to_owned());
            }
        };
        wire.back = received;
        wire.deadline = Some(Instant::now() + HANDSHAKE);
        let mut stream = match acceptor.ssl.accept(wire) {
            Ok(stream) => stream,
            // A socket's timeout shows as WouldBlock.
            Err(HandshakeError::WouldBlock(_)) => return Err("the handshake took too long".to_owned()),
            Err(HandshakeError::Failure(stream)) => return Err(crate::net::tls_reason(&stream.error().to_string())),
            Err(HandshakeError::SetupFailure(error)) => return Err(crate::net::tls_reason(&error.to_string())),
        };
        let wire = stream.get_mut();
        wire.deadline = None;
        wire.socket.timeouts(self.idle).map_err(|error| error.to_string())?;
        let version = Some(stream.ssl().version_str().to_owned());
        let server_end_point = acceptor.server_end_point.clone();
        self.layer = Layer::Tls(Box::new(stream));
        Ok(TlsSeen { version, server_end_point })
    }

    fn wire(&mut self) -> Option<&mut Wire> {
        match &mut self.layer {
            Layer::Plain(wire) => Some(wire),
            Layer::Tls(stream) => Some(stream.get_mut()),
            Layer::Gone => None,
        }
    }

    /// Ends the connection with FIN (inside TLS with close_notify), and stays until the client has seen it.
    pub(super) fn close(&mut self) {
        if let Layer::Tls(stream) = &mut self.layer {
            let _ = stream.shutdown();
        }
        let Some(wire) = self.wire() else { return };
        wire.socket.shutdown(Shutdown::Write);
        wire.deadline = Some(Instant::now() + LINGER);
        let mut buffer = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match wire.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
        self.layer = Layer::Gone;
    }

    /// Ends the connection with RST. No other handle on the socket may be open.
    pub(super) fn reset(&mut self) {
        if let Some(Wire { socket: Socket::Tcp(socket), .. }) = self.wire() {
            let _ = socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO));
        }
        self.layer = Layer::Gone;
    }
}
