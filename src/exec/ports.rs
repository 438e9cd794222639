//! The executor's doors to the network: streams and connecting.

use crate::event::CertificateProblem;
use crate::prepare::{ConnectOptions, TlsOptions};
use crate::session::{CloseMode, Server, TlsFacts};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A connection. All waiting ends at an absolute deadline, and a connection whose read timed out may be read again.
/// Errors beside those of the system: `ErrorKind::InvalidData` if what came is not TLS or
/// breaks it, `ConnectionRefused` with a [`TlsRefusal`] if the server sent a TLS alert (one that refuses a client's certificate
/// under TLS 1.3 does so at the first read), `NotConnected` after `close`.
pub trait Stream {
    /// Reads what is there, waiting until `deadline`; `Ok(0)` is the end. At the deadline: `ErrorKind::TimedOut`.
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize>;
    /// Reads what has arrived already, in a buffer or in the socket, without waiting; `None` if nothing has.
    fn read_waiting(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>>;
    /// Writes some of `bytes`, one at least. At the deadline: `ErrorKind::TimedOut`; a write after it must begin with
    /// the same bytes, which TLS may have encrypted already.
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize>;
    /// The TLS handshake, from here on everything is inside.
    fn start_tls(&mut self, options: &TlsOptions, deadline: Instant) -> Result<TlsFacts, TlsError>;
    /// What the server sent outside TLS after TLS ended or broke, up to a few kB: what has come, and what comes until
    /// `deadline` or the end. Nothing without TLS.
    fn read_outside_tls(&mut self, _deadline: Instant) -> Vec<u8> {
        Vec::new()
    }
    /// Sends close_notify, drops what comes inside TLS until the server's close_notify, and goes on in plain text. Gives
    /// whether that close_notify came before `deadline`, plain text or the end. Inside TLS only.
    fn end_tls(&mut self, deadline: Instant) -> io::Result<bool>;
    fn close(&mut self, how: CloseMode) -> io::Result<()>;
}

/// Opens connections.
pub trait Network {
    /// Resolves and connects, trying each address in turn until `deadline`.
    fn connect(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError>;
}

/// What a new connection is.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// `127.0.0.1:2525`, `[::1]:25` or a socket's path.
    pub address: String,
    /// Whether it does not leave the machine: a loopback address or a UNIX socket.
    pub local: bool,
    pub resolved: Vec<IpAddr>,
    /// `None` for UNIX sockets.
    pub peer: Option<SocketAddr>,
    /// `None` for UNIX sockets.
    pub local_address: Option<IpAddr>,
    /// Which of a domain's mail exchangers it is.
    pub exchanger: Option<MailExchanger>,
    /// When it was made, if it was used before it was handed over.
    pub since: Option<Instant>,
}

/// A domain's mail exchanger that was connected to.
#[derive(Clone, Debug)]
pub struct MailExchanger {
    pub host: String,
    /// `None`: the domain itself, which has no MX record.
    pub preference: Option<u16>,
    /// Those that come before it and could not be connected to, and why.
    pub unreachable: Vec<(String, String)>,
}

#[derive(Debug)]
pub enum ConnectError {
    CannotResolve {
        host: String,
        why: String,
    },
    /// No address could be connected to: the only one and its error, or the host and the errors of all of them.
    CannotConnect {
        address: String,
        why: String,
    },
}

/// Why a handshake failed.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate is not to be trusted: why in words, and what it says (subject, names, issuer, dates).
    Certificate {
        problem: CertificateProblem,
        why: String,
        details: Vec<String>,
        /// Whether the server was connected to once more, unverified, to read the certificate.
        connected_again: bool,
    },
    TimedOut,
    /// The settings are invalid: the CA, the key or the name.
    Settings(String),
    /// The server sent something else than TLS; how it began.
    NotTls {
        why: String,
        said: Vec<u8>,
    },
    /// The server refused it, by an alert or by ending the connection.
    Refused(TlsRefusal),
    /// This side refused what the server chose or offered: version, cipher, key size.
    RefusedHere {
        why: String,
        /// The version that the server chose, if it is known and what is wrong: `TLSv1.2`.
        chosen_version: Option<String>,
    },
    /// Any other reason.
    Other(String),
}

/// Why a server refuses a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRefusal {
    pub why: String,
    /// It refuses the client's certificate, or its absence.
    pub of_certificate: bool,
}

impl TlsRefusal {
    /// The alert in an error of a [`Stream`].
    pub fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        inner.cloned().unwrap_or_else(|| Self { why: error.to_string(), of_certificate: false })
    }
}

impl fmt::Display for TlsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for TlsRefusal {}
