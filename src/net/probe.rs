//! The certificate that failed a verification, had by another connection.
//!
//! A TLS library that does not trust a certificate does not show it either, and in TLS 1.3 it does not cross the wire
//! in the clear (up to 1.2 it does, and is taken from there). To say what it names and until when it is valid, the
//! server is connected to once more, unverified and without our certificate, nothing is sent but what leads to the
//! handshake (greeting, EHLO, STARTTLS), the certificate is read, and the connection is closed. The verdict is spoken
//! before that and does not depend on it: where anything is not as expected, this gives up quietly.

use super::clock::SystemClock;
use super::server_hello::FirstFlight;
use super::socket::{DeadlineSocket, Recording};
use super::sockets::Target;
use super::tls::{self, Connectors};
use crate::exec::TlsOptions;
use native_tls::HandshakeError;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// All the time there is for it.
const TIME: Duration = Duration::from_secs(3);

/// The longest reply that is read.
const REPLY: usize = 64 * 1024;

/// How a connection began: what another one needs to come as far as TLS.
#[derive(Debug)]
pub struct Opening {
    target: Target,
    lmtp: bool,
    /// Whether anything was read or written in the clear: then STARTTLS it is, else TLS from the first byte.
    spoken: bool,
    /// The last EHLO, HELO or LHLO line.
    hello: Option<Vec<u8>>,
    /// A PROXY header went first: what stands between would want one again, and we do not forge it twice.
    proxied: bool,
    clock: SystemClock,
}

impl Opening {
    pub fn new(target: Target, lmtp: bool, clock: SystemClock) -> Self {
        Self { target, lmtp, spoken: false, hello: None, proxied: false, clock }
    }

    /// Something was read in the clear.
    pub fn heard(&mut self) {
        self.spoken = true;
    }

    /// Something was written in the clear.
    pub fn said(&mut self, bytes: &[u8]) {
        if !self.spoken {
            self.proxied = bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
        }
        self.spoken = true;
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
    pub fn certificate_anew(
        &self,
        connectors: &Connectors,
        options: &TlsOptions,
        deadline: Instant,
    ) -> (bool, Option<Vec<u8>>) {
        let deadline = deadline.min(Instant::now() + TIME);
        if self.proxied {
            return (false, None);
        }
        match self.target.connect(deadline, &self.clock) {
            Ok(socket) => (true, self.certificate_over(socket, connectors, options, deadline)),
            Err(_) => (false, None),
        }
    }

    fn certificate_over(
        &self,
        mut socket: DeadlineSocket,
        connectors: &Connectors,
        options: &TlsOptions,
        deadline: Instant,
    ) -> Option<Vec<u8>> {
        let options = TlsOptions { verify: false, ca: Vec::new(), client_cert: None, ..options.clone() };
        let connector = connectors.get(&options).ok()?;
        let name = tls::server_name(&options.server_name).ok()?;
        socket.wait_until(deadline);
        if self.spoken {
            self.lead_to_tls(&mut socket)?;
        }
        let recording = Recording::default();
        socket.record(Some(recording.clone()));
        let mut result = connector.connect(&name, socket);
        loop {
            match result {
                Ok(mut stream) => {
                    let certificate = stream.peer_certificate().ok()??.to_der().ok();
                    stream.get_mut().do_not_wait();
                    let _ = stream.shutdown();
                    let _ = stream.get_ref().socket().shutdown(Shutdown::Write);
                    return certificate;
                }
                Err(HandshakeError::WouldBlock(middle)) if Instant::now() < deadline => result = middle.handshake(),
                // A server that insists on a client's certificate has shown its own before.
                Err(_) => return FirstFlight::read(&recording.take().bytes).certificate,
            }
        }
    }

    /// Greeting, EHLO, STARTTLS (RFC 3207 §4), each with its reply.
    fn lead_to_tls(&self, socket: &mut DeadlineSocket) -> Option<()> {
        let hello: &[u8] = match &self.hello {
            Some(hello) => hello,
            None if self.lmtp => b"LHLO localhost\r\n",
            None => b"EHLO localhost\r\n",
        };
        Self::reply(socket).filter(|code| code == b"220")?;
        socket.write_all(hello).ok()?;
        Self::reply(socket).filter(|code| code == b"250")?;
        socket.write_all(b"STARTTLS\r\n").ok()?;
        Self::reply(socket).filter(|code| code == b"220")?;
        Some(())
    }

    /// The code of a whole reply. Nothing may be behind it.
    fn reply(socket: &mut DeadlineSocket) -> Option<[u8; 3]> {
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        while reply.len() < REPLY {
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
