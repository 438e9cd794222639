//! Cuts what crosses one connection into lines, in the order of the wire, for the server's observers.

use super::log::{ServerEvent, ServerObserver};
use crate::smtp::lines::{LineBuffer, WireLine, split_lines};
use crate::transcript::Mark;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The observers of a server.
pub type ServerObservers = Vec<Arc<Mutex<dyn ServerObserver>>>;

/// The type of a TLS handshake record (RFC 8446 §5.1): no line of a client begins with it.
const HANDSHAKE: u8 = 0x16;

/// Logs one connection.
pub(super) struct ConnectionLog {
    observers: ServerObservers,
    number: usize,
    started: Instant,
    /// What the client sent and is no whole line yet.
    client: LineBuffer,
    /// What may belong to a handshake, which is not logged.
    held: Vec<u8>,
    /// The client's end is logged once.
    ended: bool,
}

impl ConnectionLog {
    pub(super) fn new(observers: &ServerObservers, number: usize, started: Instant) -> Self {
        let (client, held) = (LineBuffer::default(), Vec::new());
        Self { observers: observers.clone(), number, started, client, held, ended: false }
    }

    /// Logs an event, after all that the client said before it.
    pub(super) fn event(&mut self, event: &ServerEvent<'_>) {
        self.flush();
        self.emit(event);
    }

    fn emit(&self, event: &ServerEvent<'_>) {
        let at = self.started.elapsed();
        for observer in &self.observers {
            observer.lock().unwrap_or_else(PoisonError::into_inner).observe(self.number, at, event);
        }
    }

    /// Logs the end of the client's side.
    pub(super) fn client_ended(&mut self, event: &ServerEvent<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.event(event);
        }
    }

    /// The client sent these bytes. Whole lines are logged.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.observers.is_empty() {
            return;
        }
        if !self.held.is_empty() || (bytes.first() == Some(&HANDSHAKE) && self.client.pending().is_empty()) {
            self.held.extend_from_slice(bytes);
            return;
        }
        // A handshake that was sent together with STARTTLS begins after a line.
        let begins = |pair: &[u8]| pair == [b'\n', HANDSHAKE];
        let (lines, held) = match bytes.windows(2).position(begins) {
            Some(at) => bytes.split_at(at + 1),
            None => (bytes, &[][..]),
        };
        self.held.extend_from_slice(held);
        self.client.push(lines);
        self.log_lines();
    }

    fn log_lines(&mut self) {
        let mut client = std::mem::take(&mut self.client);
        loop {
            match client.next_line() {
                Ok(Some(found)) => self.emit(&client_line(found)),
                Ok(None) => break,
                // Logged in pieces, so that memory stays bounded.
                Err(_) => {
                    let pending = client.take_pending();
                    split_lines(&pending).for_each(|piece| self.emit(&client_line(piece)));
                    break;
                }
            }
        }
        self.client = client;
    }

    /// The last `count` bytes belong to a handshake.
    pub(super) fn unread(&mut self, count: usize) {
        self.held.truncate(self.held.len().saturating_sub(count));
    }

    /// Logs what is left without a line end.
    pub(super) fn flush(&mut self) {
        let mut rest = self.client.take_pending();
        rest.append(&mut self.held);
        split_lines(&rest).for_each(|line| self.emit(&client_line(line)));
    }

    /// The server is about to send these bytes.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let held = std::mem::take(&mut self.held);
        self.flush();
        self.held = held;
        split_lines(bytes).for_each(|line| self.emit(&ServerEvent::Line { mark: Mark::Server, line }));
    }
}

fn client_line(line: WireLine<'_>) -> ServerEvent<'_> {
    ServerEvent::Line { mark: Mark::Client, line }
}
