//! A server whose side of the dialogue is written out in the test.

use super::LONG;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A listener on a free loopback port.
pub struct ManualServer {
    listener: TcpListener,
    pub port: u16,
}

impl ManualServer {
    pub fn start() -> Self {
        Self::at("127.0.0.1", 0)
    }

    /// A listener on a loopback address; port 0 takes a free one.
    pub fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        Self { listener, port }
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The next connection. It fails the test if none comes.
    pub fn accept(&self) -> ServerConnection {
        let listener = socket2::SockRef::from(&self.listener);
        listener.set_read_timeout(Some(LONG)).expect("a listener can have a timeout");
        let (stream, _) = match self.listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no client connected in {LONG:?}"),
            accepted => accepted.expect("a connection"),
        };
        stream.set_read_timeout(Some(LONG)).expect("a socket can have a timeout");
        stream.set_nodelay(true).expect("TCP has this option");
        ServerConnection { stream, received: Vec::new() }
    }
}

/// A loopback port on which nothing listens. It is bound, so that nobody else gets it while this exists.
pub struct ClosedPort {
    _bound: Socket,
    pub port: u16,
}

impl ClosedPort {
    pub fn new() -> Self {
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a loopback port is free");
        let address = bound.local_addr().expect("it is bound").as_socket().expect("it is TCP");
        Self { _bound: bound, port: address.port() }
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

impl Default for ClosedPort {
    fn default() -> Self {
        Self::new()
    }
}

/// One connection, seen from the server.
pub struct ServerConnection {
    stream: TcpStream,
    /// Bytes that were received and not read.
    received: Vec<u8>,
}

impl ServerConnection {
    /// Sends bytes as they are.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).expect("the client reads");
    }

    /// Sends bytes to a client that may be gone; returns whether it was there.
    pub fn try_send(&mut self, text: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(text.as_ref()).is_ok()
    }

    /// Reads up to and with `end`; returns all of it.
    pub fn read_through(&mut self, end: &str) -> String {
        self.try_read_through(end).unwrap_or_else(|got| panic!("expected {end:?}, got {got:?} and the end"))
    }

    /// The same; returns what came instead if the connection ends before.
    pub fn try_read_through(&mut self, end: &str) -> Result<String, String> {
        let mut from = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.received[from..], end.as_bytes()) {
                let bytes: Vec<u8> = self.received.drain(..from + at + end.len()).collect();
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            from = self.received.len().saturating_sub(end.len());
            if !self.receive() {
                return Err(String::from_utf8_lossy(&self.received).into_owned());
            }
        }
    }

    /// The next line without its end; `None` at the end of the connection.
    pub fn read_line(&mut self) -> Option<String> {
        self.try_read_through("\n").ok().map(|line| line.trim_end().to_owned())
    }

    /// Reads exactly `count` bytes.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.receive(), "the connection ended after {} of {count} bytes", self.received.len());
        }
        self.received.drain(..count).collect()
    }

    /// Reads `count` bytes, or up to the end of the connection.
    pub fn read_up_to(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count && self.receive() {}
        let count = count.min(self.received.len());
        self.received.drain(..count).collect()
    }

    /// Reads exactly `count` bytes and discards them.
    pub fn skip(&mut self, count: u64) {
        let mut left = count;
        while left > 0 {
            assert!(self.has_more(), "the connection ended with {left} of {count} bytes missing");
            let part = left.min(self.received.len() as u64);
            self.received.drain(..part as usize);
            left -= part;
        }
    }

    /// Reads content up to its dot and discards it; returns the number of octets.
    pub fn skip_content(&mut self) -> u64 {
        const DOT: &[u8] = b"\r\n.\r\n";
        let mut octets = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.received, DOT) {
                self.received.drain(..at + DOT.len());
                return octets + at as u64 + 2;
            }
            let part = self.received.len().saturating_sub(DOT.len());
            self.received.drain(..part);
            octets += part as u64;
            assert!(self.receive(), "the connection ended within the content");
        }
    }

    /// Whether something can be read before the end of the connection.
    pub fn has_more(&mut self) -> bool {
        !self.received.is_empty() || self.receive()
    }

    /// The bytes that were received and not read.
    pub fn peek(&self) -> &[u8] {
        &self.received
    }

    /// Reads everything up to the end of the connection, which may be a reset.
    pub fn read_to_end(mut self) -> Vec<u8> {
        while self.receive() {}
        self.received
    }

    /// Greets, and answers each command with 250 and EHLO with `offers`, until a command with one of these verbs comes,
    /// which is returned. DATA and BDAT are never answered here.
    pub fn answer_until(&mut self, offers: &[&str], verbs: &[&str]) -> String {
        loop {
            let line = self.read_line().unwrap_or_else(|| panic!("the connection ended before {verbs:?}"));
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            if verbs.contains(&verb) {
                return line;
            }
            match verb {
                "EHLO" | "LHLO" => {
                    let offers: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                    self.send(format!("250-mx\r\n{offers}250 HELP\r\n"));
                }
                "MAIL" | "RCPT" | "RSET" | "NOOP" => self.send("250 ok\r\n"),
                _ => panic!("unexpected command: {line}"),
            }
        }
    }

    /// The socket, after everything that came was read.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.received.is_empty(), "not read yet: {:?}", String::from_utf8_lossy(&self.received));
        self.stream
    }

    /// Whether more came before the end.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the client sent nothing for {LONG:?}; before: {:?}", String::from_utf8_lossy(&self.received))
            }
            // A connection that is reset has ended, too.
            Err(_) => false,
        }
    }
}
