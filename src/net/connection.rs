//! A connection, unencrypted or inside TLS.

use super::endpoint::Endpoint;
use super::handshake_replay::HandshakeReplay;
use super::socket::DeadlineSocket;
use super::tls::{self, ConnectorCache};
use super::tls_client::TlsTransport;
use super::tls_failure::{certificate_failure, connection_error, is_tls};
use crate::exec::{Clock, CloseMode, Stream, TlsError, TlsFacts, TlsOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// The most bytes that are read and dropped before closing.
const MAX_DRAINED: usize = 1 << 20;

/// The most bytes outside TLS that are kept.
const MAX_OUTSIDE_TLS: usize = 16 * 1024;

/// The real [`Stream`].
pub struct Connection {
    transport: Transport,
    replay: HandshakeReplay,
    connectors: ConnectorCache,
}

enum Transport {
    Plain(DeadlineSocket),
    Tls(TlsTransport),
    /// Closed by us, or by a failed handshake.
    Closed,
}

impl Connection {
    /// A connection without TLS. A second one, if a handshake fails, would go to `endpoint`, and say LHLO if `lmtp`.
    pub fn new(socket: DeadlineSocket, endpoint: Endpoint, lmtp: bool, connectors: ConnectorCache) -> Self {
        let replay = HandshakeReplay::new(endpoint, lmtp, socket.clock().clone());
        Self { transport: Transport::Plain(socket), replay, connectors }
    }

    /// Waits for the server's first byte, which stays unread. `false` if the server ends the connection instead;
    /// `ErrorKind::TimedOut` at the deadline.
    pub fn wait_for_data(&mut self, deadline: Instant) -> io::Result<bool> {
        match &mut self.transport {
            Transport::Plain(socket) => {
                socket.set_deadline(deadline);
                socket.wait_for_data().map_err(as_timed_out)
            }
            Transport::Tls(_) => Ok(true),
            Transport::Closed => Err(closed_error()),
        }
    }
}

fn closed_error() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

/// The socket below reports its deadline as `WouldBlock`.
fn as_timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "timed out"),
        _ => error,
    }
}

/// An end without close_notify is an end too, wherever in a record it comes. All other errors of TLS get kind
/// `InvalidData`.
fn map_tls_read(result: io::Result<usize>, ended: bool) -> io::Result<usize> {
    result.or_else(|error| match error.kind() {
        _ if error.raw_os_error().is_some() => Err(error),
        io::ErrorKind::WouldBlock => Err(error),
        _ if ended => Ok(0),
        _ => Err(connection_error(&error)),
    })
}

impl Stream for Connection {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => {
                socket.set_deadline(deadline);
                let count = socket.read(buffer).map_err(as_timed_out)?;
                self.replay.note_read();
                Ok(count)
            }
            Transport::Tls(tls) => {
                tls.socket_mut().set_deadline(deadline);
                let result = tls.read(buffer);
                map_tls_read(result, tls.socket().has_ended()).map_err(as_timed_out)
            }
            Transport::Closed => Err(closed_error()),
        }
    }

    fn read_waiting(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let result = match &mut self.transport {
            Transport::Plain(socket) => {
                socket.clear_deadline();
                let result = socket.read(buffer);
                if result.is_ok() {
                    self.replay.note_read();
                }
                result
            }
            // OpenSSL first returns what it has decrypted already. It handles session tickets (RFC 8446 §4.6.1) by
            // itself; `WouldBlock` from below leaves half a record for the next read.
            Transport::Tls(tls) => {
                tls.socket_mut().clear_deadline();
                let result = tls.read(buffer);
                map_tls_read(result, tls.socket().has_ended())
            }
            Transport::Closed => Err(closed_error()),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            other => other.map(Some),
        }
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        let count = match &mut self.transport {
            Transport::Plain(socket) => {
                socket.set_deadline(deadline);
                let count = socket.write(bytes).map_err(as_timed_out)?;
                self.replay.note_write(bytes);
                count
            }
            // OpenSSL encrypts a record before it writes it: after `WouldBlock` it expects the same bytes again.
            Transport::Tls(tls) => {
                tls.socket_mut().set_deadline(deadline);
                tls.write(bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => as_timed_out(error),
                    _ if error.raw_os_error().is_some() => error,
                    _ => connection_error(&error),
                })?
            }
            Transport::Closed => return Err(closed_error()),
        };
        match count {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        }
    }

    fn start_tls(&mut self, options: &TlsOptions, deadline: Instant) -> Result<TlsFacts, TlsError> {
        // Errors in the settings are found while the connection can still be used.
        let name = tls::server_name(&options.server_name)?;
        let connector = self.connectors.get(options)?;
        let socket = match std::mem::replace(&mut self.transport, Transport::Closed) {
            Transport::Plain(socket) => socket,
            Transport::Tls(tls) => {
                self.transport = Transport::Tls(tls);
                return Err(TlsError::Other("TLS has been started already".to_owned()));
            }
            Transport::Closed => return Err(TlsError::Other("the connection is closed".to_owned())),
        };
        let (stream, facts) = tls::handshake(&connector, socket, &name, options.verify, deadline, |reason, known| {
            let (again, chain) = match known.is_empty() {
                true => self.replay.fetch_chain(&self.connectors, options, deadline),
                false => (false, known),
            };
            certificate_failure(reason, &chain, &name, again)
        })?;
        self.transport = Transport::Tls(stream);
        Ok(facts)
    }

    fn read_outside_tls(&mut self, deadline: Instant) -> Vec<u8> {
        let Transport::Tls(tls) = &mut self.transport else { return Vec::new() };
        // A server that closes TLS in order may wait for the answer.
        tls.send_close_notify();
        let socket = tls.socket_mut();
        let mut outside = socket.end_records();
        socket.set_deadline(deadline);
        let mut buffer = [0; 4096];
        while outside.len() < MAX_OUTSIDE_TLS {
            match socket.read(&mut buffer) {
                Ok(count) if count > 0 => outside.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                _ => break,
            }
        }
        // What may be a record that was cut short, or follows a broken one, is no text of the server.
        if is_tls(&outside) { Vec::new() } else { outside }
    }

    fn end_tls(&mut self, deadline: Instant) -> io::Result<bool> {
        let Transport::Tls(tls) = &mut self.transport else { return Err(io::ErrorKind::InvalidInput.into()) };
        tls.socket_mut().set_deadline(deadline);
        tls.shut_down().map_err(as_timed_out)?;
        let clock = tls.socket().clock().clone();
        let mut buffer = vec![0; 16 * 1024];
        let answered = loop {
            tls.socket_mut().set_deadline(Instant::now() + clock.wait_slice(deadline));
            match tls.read(&mut buffer) {
                Ok(0) => break !tls.socket().has_ended(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline || clock.interrupted().is_some() {
                        break false;
                    }
                }
                // Plain text, an alert, or the end without close_notify.
                Err(_) => break false,
            }
        };
        let plain = tls.socket_mut().leave_tls()?;
        self.transport = Transport::Plain(plain);
        Ok(answered)
    }

    fn close(&mut self, how: CloseMode) -> io::Result<()> {
        if let (Transport::Tls(tls), CloseMode::Fin | CloseMode::Write) = (&mut self.transport, how) {
            // close_notify, if there is room for it: nothing is waited for at the end.
            tls.send_close_notify();
        }
        let socket = match &mut self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(tls) => tls.socket_mut(),
            Transport::Closed => return Ok(()),
        };
        match how {
            CloseMode::Write => return shut_down_write(socket),
            CloseMode::Reset => socket.socket().set_linger(Some(Duration::ZERO))?,
            CloseMode::Fin => {
                shut_down_write(socket)?;
                // Closing a socket with unread data sends RST, which may discard what was sent last.
                let mut buffer = [0; 4096];
                socket.clear_deadline();
                for _ in 0..MAX_DRAINED / buffer.len() {
                    match socket.read(&mut buffer) {
                        Ok(count) if count > 0 => {}
                        _ => break,
                    }
                }
            }
        }
        self.transport = Transport::Closed;
        Ok(())
    }
}

/// Sends FIN. If the connection is gone already, there is nothing left to end.
fn shut_down_write(socket: &DeadlineSocket) -> io::Result<()> {
    match socket.socket().shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "end_of_tls_tests.rs"]
mod end_of_tls_tests;
#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
