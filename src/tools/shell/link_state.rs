//! What is known of the server that the shell is connected to.

use super::typed_line::line_start;
use super::unasked_replies::UnaskedReplies;
use crate::session::{ServerAddress, TlsFacts};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use crate::smtp::timeouts::Timeout;
use std::time::{Duration, Instant};

/// What the server of a connection said and offered.
#[derive(Default)]
pub struct LinkState {
    /// The connection does not leave the machine.
    pub is_local: bool,
    pub tls: Option<TlsFacts>,
    pub capabilities: Capabilities,
    /// What a reply answers, as it was sent; `None`: the greeting is awaited.
    pub last: Option<Vec<u8>>,
    /// What was sent since the last end of a line.
    pub open_line: Vec<u8>,
    pub unasked: UnaskedReplies,
    /// How many bytes came unasked since the last line was sent.
    pub unasked_bytes: usize,
}

impl LinkState {
    /// When the next reply is too late. `timeout` is for each reply; `None`: RFC 5321's.
    pub fn deadline(&self, address: &ServerAddress, timeout: Option<Duration>) -> Instant {
        let wait = match (&self.last, address) {
            (Some(line), _) => Timeout::of_command(line),
            (None, ServerAddress::Tcp { port, .. }) if self.tls.is_none() => Timeout::of_plain_greeting(*port),
            (None, ServerAddress::Tcp { .. } | ServerAddress::Unix(_)) => Timeout::Greeting,
        };
        Instant::now() + timeout.unwrap_or_else(|| wait.limit())
    }

    /// Bytes are sent; the first of them may go on with a line.
    pub fn note_sent(&mut self, bytes: &[u8]) {
        self.open_line.extend_from_slice(bytes);
        let line = self.open_line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.last = Some(line.to_vec());
        self.open_line.drain(..line_start(&self.open_line));
        self.unasked_bytes = 0;
    }

    /// What is said when no reply came in time.
    pub fn timeout_words(&self, address: &ServerAddress) -> &'static str {
        let is_greeting = self.last.is_none() && self.tls.is_none();
        match is_greeting && matches!(address, ServerAddress::Tcp { .. }) {
            true => {
                "timeout: no greeting; a server that expects TLS from the first byte sends none before it: did you mean \
                 smtps://?"
            }
            false => "timeout: no reply",
        }
    }

    /// EHLO and LHLO tell what the server can do; after HELO nothing is known.
    pub fn update_capabilities(&mut self, reply: &Reply) {
        let line = self.last.get_or_insert_default();
        let verb = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
        if (is(b"EHLO") || is(b"LHLO")) && reply.code.class() == 2 {
            self.capabilities = Capabilities::parse(reply);
        } else if is(b"EHLO") || is(b"LHLO") || is(b"HELO") {
            self.capabilities = Capabilities::default();
        }
    }
}
