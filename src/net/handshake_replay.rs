//! The certificate that failed a verification, had by another connection.
//!
//! A TLS library that does not trust a certificate does not show it either, and in TLS 1.3 it does not cross the wire
//! in the clear (up to 1.2 it does, and is taken from there). To say what it names and until when it is valid, the
//! server is connected to once more, unverified and without our certificate, nothing is sent but what leads to the
//! handshake (greeting, EHLO, STARTTLS), the certificate is read, and the connection is closed. The verdict is spoken
//! before that and does not depend on it: where anything is not as expected, this gives up quietly.

use super::clock::SystemClock;
use super::endpoint::Endpoint;
use super::server_hello::FirstFlight;
use super::socket::{DeadlineSocket, HandshakeRecording};
use super::tls::{self, ConnectorCache};
use crate::exec::TlsOptions;
use native_tls::HandshakeError;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// All the time there is for it.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The longest reply that is read.
const MAX_REPLY: usize = 64 * 1024;

/// How a connection began: what another one needs to come as far as TLS.
#[derive(Debug)]
pub struct HandshakeReplay {
    endpoint: Endpoint,
    lmtp: bool,
    /// Whether anything was read or written in the clear: then STARTTLS it is, else TLS from the first byte.
    used_unencrypted: bool,
    /// The last EHLO, HELO or LHLO line.
    hello: Option<Vec<u8>>,
    /// A PROXY header went first: what stands between would want one again, and we do not forge it twice.
    sent_proxy_header: bool,
    clock: SystemClock,
}

impl HandshakeReplay {
    pub fn new(endpoint: Endpoint, lmtp: bool, clock: SystemClock) -> Self {
        Self { endpoint, lmtp, used_unencrypted: false, hello: None, sent_proxy_header: false, clock }
    }

    /// Something was read in the clear.
    pub fn note_read(&mut self) {
        self.used_unencrypted = true;
    }

    /// Something was written in the clear.
    pub fn note_write(&mut self, bytes: &[u8]) {
        if !self.used_unencrypted {
            self.sent_proxy_header = bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
        }
        self.used_unencrypted = true;
        let begins = |verb: &[u8]| bytes.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb));
        // The first byte decides for nearly every write.
        if matches!(bytes.first(), Some(b'E' | b'e' | b'H' | b'h' | b'L' | b'l'))
            && (begins(b"EHLO ") || begins(b"HELO ") || begins(b"LHLO "))
        {
            let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            self.hello = (line.ends_with(b"\r\n") && line.len() <= 512).then(|| line.to_vec());
        }
    }

    /// Whether there was another connection (the transcript says so), and the server's certificate, DER.
    pub fn fetch_certificate(
        &self,
        connectors: &ConnectorCache,
        options: &TlsOptions,
        deadline: Instant,
    ) -> (bool, Option<Vec<u8>>) {
        let deadline = deadline.min(Instant::now() + TIME_LIMIT);
        if self.sent_proxy_header {
            return (false, None);
        }
        match self.endpoint.connect(deadline, &self.clock) {
            Ok(socket) => (true, self.fetch_over(socket, connectors, options, deadline)),
            Err(_) => (false, None),
        }
    }

    fn fetch_over(
        &self,
        mut socket: DeadlineSocket,
        connectors: &ConnectorCache,
        options: &TlsOptions,
        deadline: Instant,
    ) -> Option<Vec<u8>> {
        let options = TlsOptions { verify: false, ca: Vec::new(), client_cert: None, ..options.clone() };
        let connector = connectors.get(&options).ok()?;
        let name = tls::server_name(&options.server_name).ok()?;
        socket.set_deadline(deadline);
        if self.used_unencrypted {
            self.advance_to_tls(&mut socket)?;
        }
        let recording = HandshakeRecording::default();
        socket.record(Some(recording.clone()));
        let mut result = connector.connect(&name, socket);
        loop {
            match result {
                Ok(mut stream) => {
                    let certificate = stream.peer_certificate().ok()??.to_der().ok();
                    stream.get_mut().clear_deadline();
                    let _ = stream.shutdown();
                    let _ = stream.get_ref().socket().shutdown(Shutdown::Write);
                    return certificate;
                }
                Err(HandshakeError::WouldBlock(middle)) if Instant::now() < deadline => result = middle.handshake(),
                // A server that insists on a client's certificate has shown its own before.
                Err(_) => return FirstFlight::parse(&recording.take().bytes).certificate,
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

    /// The code of a whole reply. Nothing may be behind it.
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
