//! The logic of one server connection, without I/O: bytes go in, actions come out.

use super::script::Pace;
use crate::net::certificate::CertificateFlaw;
use std::time::Duration;

/// What the server does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerAction {
    /// Wait for bytes from the client.
    Read,
    Write {
        bytes: Vec<u8>,
        pace: Option<Pace>,
    },
    /// Run the handshake. `may_fail`: its failure is no error of the script.
    StartTls {
        may_fail: bool,
        flaw: Option<CertificateFlaw>,
    },
    /// Wait for close_notify, answer it, and go on unencrypted.
    EndTls,
    /// Write below TLS.
    WriteOutsideTls(Vec<u8>),
    /// Shut the sending half.
    HalfClose,
    /// Read nothing more, and wait until the client has gone; then close.
    Hold,
    Wait(Duration),
    Close,
    Reset,
}

impl ServerAction {
    /// The handshake that a client asked for.
    pub(super) const START_TLS: Self = Self::StartTls { may_fail: false, flaw: None };
}

/// The server's side of a connection, without I/O.
pub(super) trait Dialogue {
    fn next_action(&mut self) -> ServerAction;
    /// To be called with the bytes that the client sent.
    fn received(&mut self, bytes: &[u8]);
    /// Takes what was received and not used yet: it belongs to the TLS handshake.
    fn take_input(&mut self) -> Vec<u8>;
    /// Whether its first actions are a handshake of its own: then no other one comes before it.
    fn begins_with_tls(&self) -> bool {
        false
    }
    fn tls_started(&mut self, tls: TlsHandshake);
    /// To be called when [`ServerAction::EndTls`] succeeded.
    fn tls_ended(&mut self) {}
    /// To be called when the client sends no more, or the connection is broken.
    fn client_ended(&mut self, how: ClientEnd);
    /// Where the client deviated from the script, if there is one.
    fn mismatch(&self) -> Option<ScriptMismatch> {
        None
    }
}

/// Where a client deviated from a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptMismatch {
    /// What was expected, and what came.
    pub text: String,
    /// The client said nothing else: it left.
    pub client_left: bool,
}

/// How the client's side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEnd {
    Closed,
    /// The client sent nothing for too long.
    Idle,
    /// The server is being stopped.
    Stopped,
}

/// What is known of a completed handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsHandshake {
    /// `TLSv1.3`.
    pub(super) version: Option<String>,
    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub(super) server_end_point: Option<Vec<u8>>,
}
