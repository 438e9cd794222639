//! A connection, in the clear or inside TLS.

use super::probe::Opening;
use super::socket::DeadlineSocket;
use super::sockets::Target;
use super::tls::{self, Connectors};
use crate::exec::{CloseHow, Stream, TlsFacts, TlsFailure, TlsOptions};
use native_tls::TlsStream;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// How much of what the server has sent is read away before closing.
const DRAINED: usize = 1 << 20;

/// The real [`Stream`].
pub struct Connection {
    state: State,
    opening: Opening,
    connectors: Connectors,
}

enum State {
    Clear(DeadlineSocket),
    Tls(Box<TlsStream<DeadlineSocket>>),
    /// By us, or by a failed handshake.
    Closed,
}

impl Connection {
    pub fn new(socket: DeadlineSocket, target: Target, lmtp: bool, connectors: Connectors) -> Self {
        let opening = Opening::new(target, lmtp, socket.clock().clone());
        Self { state: State::Clear(socket), opening, connectors }
    }

    /// Waits for the server's first byte, which stays unread. False where the server ends the connection instead; at the
    /// deadline: `ErrorKind::TimedOut`.
    pub fn has_spoken(&mut self, deadline: Instant) -> io::Result<bool> {
        match &mut self.state {
            State::Clear(socket) => {
                socket.wait_until(deadline);
                socket.has_spoken().map_err(at_deadline)
            }
            State::Tls(_) => Ok(true),
            State::Closed => Err(closed()),
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

/// The deadline shows as `WouldBlock` below.
fn at_deadline(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "timed out"),
        _ => error,
    }
}

/// An end without close_notify is an end all the same, wherever in a record it came; what else TLS complains of has
/// kind `InvalidData`.
fn read_of_tls(result: io::Result<usize>, ended: bool) -> io::Result<usize> {
    result.or_else(|error| match error.kind() {
        _ if error.raw_os_error().is_some() => Err(error),
        io::ErrorKind::WouldBlock => Err(error),
        _ if ended => Ok(0),
        _ => Err(tls::broken(&error)),
    })
}

impl Stream for Connection {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        match &mut self.state {
            State::Clear(socket) => {
                socket.wait_until(deadline);
                let count = socket.read(buffer).map_err(at_deadline)?;
                self.opening.heard();
                Ok(count)
            }
            State::Tls(tls) => {
                tls.get_mut().wait_until(deadline);
                let result = tls.read(buffer);
                read_of_tls(result, tls.get_ref().has_ended()).map_err(at_deadline)
            }
            State::Closed => Err(closed()),
        }
    }

    fn read_waiting(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let result = match &mut self.state {
            State::Clear(socket) => {
                socket.do_not_wait();
                let result = socket.read(buffer);
                if result.is_ok() {
                    self.opening.heard();
                }
                result
            }
            // OpenSSL first gives what it has decrypted already. A session ticket (RFC 8446 §4.6.1) is taken in on the
            // way and is no data; `WouldBlock` from below leaves half a record for the next read.
            State::Tls(tls) => {
                tls.get_mut().do_not_wait();
                let result = tls.read(buffer);
                read_of_tls(result, tls.get_ref().has_ended())
            }
            State::Closed => Err(closed()),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            other => other.map(Some),
        }
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        let count = match &mut self.state {
            State::Clear(socket) => {
                socket.wait_until(deadline);
                let count = socket.write(bytes).map_err(at_deadline)?;
                self.opening.said(bytes);
                count
            }
            // OpenSSL encrypts a record before it writes it: behind `WouldBlock` it wants the same bytes again.
            State::Tls(tls) => {
                tls.get_mut().wait_until(deadline);
                tls.write(bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => at_deadline(error),
                    _ if error.raw_os_error().is_some() => error,
                    _ => tls::broken(&error),
                })?
            }
            State::Closed => return Err(closed()),
        };
        match count {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        }
    }

    fn start_tls(&mut self, options: &TlsOptions, deadline: Instant) -> Result<TlsFacts, TlsFailure> {
        // What is wrong with the settings is found while the connection is still of use.
        let name = tls::server_name(&options.server_name)?;
        let connector = self.connectors.get(options)?;
        let socket = match std::mem::replace(&mut self.state, State::Closed) {
            State::Clear(socket) => socket,
            State::Tls(tls) => {
                self.state = State::Tls(tls);
                return Err(TlsFailure::Other("TLS has been started already".to_owned()));
            }
            State::Closed => return Err(TlsFailure::Other("the connection is closed".to_owned())),
        };
        let (stream, facts) =
            tls::handshake(&connector, socket, &name, options.verify, deadline, |reason, from_flight| {
                let (again, certificate) = match from_flight {
                    Some(certificate) => (false, Some(certificate)),
                    None => self.opening.certificate_anew(&self.connectors, options, deadline),
                };
                tls::distrusted(reason, certificate.as_deref(), &name, again)
            })?;
        self.state = State::Tls(Box::new(stream));
        Ok(facts)
    }

    fn close(&mut self, how: CloseHow) -> io::Result<()> {
        if let (State::Tls(tls), CloseHow::Fin | CloseHow::Write) = (&mut self.state, how) {
            // close_notify, where there is room for it: nobody is waited for at the end.
            tls.get_mut().do_not_wait();
            let _ = tls.shutdown();
        }
        let socket = match &mut self.state {
            State::Clear(socket) => socket,
            State::Tls(tls) => tls.get_mut(),
            State::Closed => return Ok(()),
        };
        match how {
            CloseHow::Write => return shut(socket),
            CloseHow::Reset => socket.socket().set_linger(Some(Duration::ZERO))?,
            CloseHow::Fin => {
                shut(socket)?;
                // A socket that is closed with something unread says RST, and may take back what was sent last.
                let mut buffer = [0; 4096];
                socket.do_not_wait();
                for _ in 0..DRAINED / buffer.len() {
                    match socket.read(&mut buffer) {
                        Ok(count) if count > 0 => {}
                        _ => break,
                    }
                }
            }
        }
        self.state = State::Closed;
        Ok(())
    }
}

/// A FIN; where the connection is gone already there is nothing left to say.
fn shut(socket: &DeadlineSocket) -> io::Result<()> {
    match socket.socket().shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
