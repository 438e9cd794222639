//! What a server's connection is driven by: bytes go in, turns come out. No socket is named here.

use super::script::Pace;
use std::time::Duration;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerAction {
    /// Wait for bytes from the client.
    Read,
    Write {
        bytes: Vec<u8>,
        pace: Option<Pace>,
    },
    /// The handshake. `may_fail`: its failure is part of the script.
    StartTls {
        may_fail: bool,
    },
    Wait(Duration),
    Close,
    Reset,
}

/// One side of a connection, played without I/O.
pub(super) trait Dialogue {
    fn next_action(&mut self) -> ServerAction;
    /// Bytes that the client sent.
    fn received(&mut self, bytes: &[u8]);
    /// Takes what was received and not yet used: what follows is inside TLS.
    fn take_input(&mut self) -> Vec<u8>;
    fn tls_started(&mut self, tls: TlsHandshake);
    /// The client sends no more, or the connection broke.
    fn client_ended(&mut self, how: ClientEnd);
    /// What went wrong, once it is known.
    fn problem(&self) -> Option<String>;
}

/// How the client's side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEnd {
    Closed,
    /// Nothing came for as long as the server waits.
    Idle,
    /// The server is being stopped.
    Stopped,
}

/// What is known of a handshake that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsHandshake {
    /// `TLSv1.3`.
    pub(super) version: Option<String>,
    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub(super) server_end_point: Option<Vec<u8>>,
}
