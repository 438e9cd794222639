//! Fetches the certificates that failed verification, over a second connection.
//!
//! native-tls does not hand out certificates that it does not trust, and TLS 1.3 encrypts them (up to 1.2 they are read
//! from the wire). To report their names and dates, a second connection to the server repeats the commands that lead to
//! the handshake (greeting, EHLO, STARTTLS), unverified and without our certificate, reads the certificates and closes. It
//! uses OpenSSL directly, which tells the whole chain: the fault may be in another certificate than the server's own.
//! The verdict stands before that and does not depend on it: if anything is unexpected, this gives up silently.

use super::clock::SystemClock;
use super::endpoint::Endpoint;
use super::server_hello::FirstFlight;
use super::socket::{DeadlineSocket, HandshakeRecording};
use super::tls::{self, ConnectorCache};
use super::tls_client::HandshakeStage;
use crate::exec::TlsOptions;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// How long all of it may take. Servers that delay their greeting, to deter spam, often do so for 5 or 6 seconds.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The longest reply that is read.
const MAX_REPLY: usize = 64 * 1024;

/// How a connection began: what a second one needs to get as far as TLS.
#[derive(Debug)]
pub struct HandshakeReplay {
    endpoint: Endpoint,
    lmtp: bool,
    /// Whether anything was read or written unencrypted: then TLS began with STARTTLS, else with the first byte.
    used_unencrypted: bool,
    /// The last EHLO, HELO or LHLO line.
    hello: Option<Vec<u8>>,
    /// A PROXY header was sent first: whatever stands between would expect another one, and it is not forged twice.
    sent_proxy_header: bool,
    clock: SystemClock,
}

impl HandshakeReplay {
    /// For a new connection to `endpoint`.
    pub fn new(endpoint: Endpoint, lmtp: bool, clock: SystemClock) -> Self {
        Self { endpoint, lmtp, used_unencrypted: false, hello: None, sent_proxy_header: false, clock }
    }

    /// Notes that something was read unencrypted.
    pub fn note_read(&mut self) {
        self.used_unencrypted = true;
    }

    /// Notes what was written unencrypted.
    pub fn note_write(&mut self, bytes: &[u8]) {
        if !self.used_unencrypted {
            self.sent_proxy_header = bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
        }
        self.used_unencrypted = true;
        let begins = |verb: &[u8]| bytes.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb));
        // The first byte rules out nearly every write.
        if matches!(bytes.first(), Some(b'E' | b'e' | b'H' | b'h' | b'L' | b'l'))
            && (begins(b"EHLO ") || begins(b"HELO ") || begins(b"LHLO "))
        {
            let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            self.hello = (line.ends_with(b"\r\n") && line.len() <= 512).then(|| line.to_vec());
        }
    }

    /// Whether a second connection was made (the transcript says so), and the certificates that the server sent there, in
    /// DER, its own first.
    pub fn fetch_chain(
        &self,
        connectors: &ConnectorCache,
        options: &TlsOptions,
        deadline: Instant,
    ) -> (bool, Vec<Vec<u8>>) {
        let deadline = deadline.min(Instant::now() + TIME_LIMIT);
        if self.sent_proxy_header {
            return (false, Vec::new());
        }
        match self.endpoint.connect(deadline, &self.clock) {
            Ok(socket) => (true, self.fetch_over(socket, connectors, options, deadline).unwrap_or_default()),
            Err(_) => (false, Vec::new()),
        }
    }

    fn fetch_over(
        &self,
        mut socket: DeadlineSocket,
        connectors: &ConnectorCache,
        options: &TlsOptions,
        deadline: Instant,
    ) -> Option<Vec<Vec<u8>>> {
        let options = TlsOptions { verify: false, ca: Vec::new(), client_cert: None, details: true, ..options.clone() };
        let connector = connectors.get(&options).ok()?;
        let name = tls::server_name(&options.server_name).ok()?;
        socket.set_deadline(deadline);
        if self.used_unencrypted {
            self.advance_to_tls(&mut socket)?;
        }
        let recording = HandshakeRecording::default();
        socket.record(Some(recording.clone()));
        let mut stage = connector.connect(&name, socket);
        loop {
            match stage {
                HandshakeStage::Done(mut stream) => {
                    let chain = stream.sent_chain();
                    stream.send_close_notify();
                    let _ = stream.socket().socket().shutdown(Shutdown::Write);
                    return Some(chain);
                }
                HandshakeStage::Waiting(pending) if Instant::now() < deadline => stage = pending.resume(),
                // A server that requires a client's certificate has sent its own before.
                HandshakeStage::Waiting(_) | HandshakeStage::Failed(_) => {
                    return Some(FirstFlight::parse(&recording.take().bytes).certificates);
                }
            }
        }
    }

    /// Greeting, EHLO, STARTTLS (RFC 3207 §4), each with its reply.
    fn advance_to_tls(&self, socket: &mut DeadlineSocket) -> Option<()> {
        let hello: &[u8] = match &self.hello {
            Some(hello) => hello,
            None if self.lmtp => b"LHLO localhost\r\n",
            None => b"EHLO localhost\r\n",
        };
        Self::read_reply_code(socket).filter(|code| code == b"220")?;
        socket.write_all(hello).ok()?;
        Self::read_reply_code(socket).filter(|code| code == b"250")?;
        socket.write_all(b"STARTTLS\r\n").ok()?;
        Self::read_reply_code(socket).filter(|code| code == b"220")?;
        Some(())
    }

    /// Reads one whole reply and returns its code. Nothing may follow it.
    fn read_reply_code(socket: &mut DeadlineSocket) -> Option<[u8; 3]> {
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        while reply.len() < MAX_REPLY {
            let count = socket.read(&mut buffer).ok().filter(|count| *count > 0)?;
            reply.extend_from_slice(buffer.get(..count)?);
            if !reply.ends_with(b"\n") {
                continue;
            }
            let last = reply.split_inclusive(|byte| *byte == b'\n').next_back()?;
            if last.get(3) != Some(&b'-') {
                return last.first_chunk::<3>().copied();
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "certificate_chain_tests.rs"]
mod tests;
