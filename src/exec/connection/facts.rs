//! What is known of a connection beside its stream.

use crate::exec::ports::ConnectionInfo;
use crate::session::{EhloFacts, ReplyFacts, TlsFacts};
use std::cell::Cell;
use std::sync::Arc;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// There is no stream. `failed`: a failure closed it, and its steps are skipped until `connect = true`.
    Disconnected { failed: bool },
    /// A TLS handshake is due.
    AwaitingTls(TlsStart),
    /// Each reply that comes answers the oldest command.
    Ready,
    /// Content has begun, and its reply has not come.
    InContent,
    /// Bytes were sent that expect nothing: what comes has no command to pair with.
    OutOfSync,
}

/// Which handshake is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsStart {
    /// TLS from the first byte (`smtps://`).
    FirstByte,
    /// STARTTLS was the last command.
    AfterStarttls,
}

/// What is known of the server.
#[derive(Debug, Default)]
pub struct ServerFacts {
    /// `None` if there never was a connection.
    pub info: Option<ConnectionInfo>,
    /// Shared with templates and with messages, which outlive a change of it.
    pub ehlo: Arc<EhloFacts>,
    pub tls: Option<TlsFacts>,
    /// The last reply.
    pub reply: Option<ReplyFacts>,
    /// How many replies have come.
    pub replies: u64,
}

impl ServerFacts {
    /// The last reply's code; 0 if there was none.
    pub fn last_code(&self) -> u16 {
        self.reply.as_ref().map_or(0, |facts| facts.reply.code.get())
    }
}

/// The bytes that all connections of a session have sent and received, before TLS.
#[derive(Debug, Default)]
pub struct ByteCounts {
    pub sent: Cell<u64>,
    pub received: Cell<u64>,
}
