//! What a server's connections share: its configuration, certificates, and which connections are open.

use super::client_connection::ClientSocket;
use super::config::Config;
use super::listener::Waker;
use super::maildrop::Maildrop;
use super::summary::ConnectionResult;
use super::tls::Acceptor;
use crate::net::certificate::{CertificateAuthority, CertificateFlaw, ServerCertificate};
use std::collections::HashMap;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The most connections at a time; others get a 421.
const MAX_CONNECTIONS: usize = 256;

#[derive(Default)]
pub(super) struct ServerState {
    pub(super) stopping: bool,
    /// No more clients are served; open connections go on.
    pub(super) closed: bool,
    pub(super) live: HashMap<usize, OpenConnection>,
    pub(super) begun: usize,
    pub(super) ends: Vec<ConnectionResult>,
    /// When the first connection was made.
    pub(super) started: Option<Instant>,
}

/// An open connection.
pub(super) struct OpenConnection {
    socket: ClientSocket,
    /// The server has closed its side and only waits for the client.
    pub(super) finished: bool,
}

pub(super) struct SharedServer {
    pub(super) config: Config,
    pub(super) certificate: ServerCertificate,
    /// The names in certificates.
    pub(super) names: Vec<String>,
    /// The issuer of the generated certificates; `None` if the certificate came from files.
    pub(super) authority: Option<CertificateAuthority>,
    pub(super) acceptor: OnceLock<Result<Acceptor, String>>,
    pub(super) maildrop: Option<Maildrop>,
    pub(super) state: Mutex<ServerState>,
    pub(super) changed: Condvar,
    pub(super) wake: Waker,
}

impl SharedServer {
    pub(super) fn state(&self) -> MutexGuard<'_, ServerState> {
        // The counters are still valid if a connection's thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self, grace: Duration) {
        let end = Instant::now() + grace;
        let mut state = self.state();
        while state.live.values().any(|open| !open.finished) {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.stopping = true;
        for open in state.live.values() {
            open.socket.shutdown(Shutdown::Read);
        }
        drop(state);
        self.changed.notify_all();
        self.wake.wake();
    }

    /// Serves no more clients. Open connections go on to their end.
    pub(super) fn accept_no_more(&self) {
        self.state().closed = true;
        self.wake.wake();
    }

    pub(super) fn accepts(&self) -> bool {
        let state = self.state();
        !state.stopping && !state.closed
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits, but ends at once if the server is stopped.
    pub(super) fn pause(&self, duration: Duration) {
        let end = Instant::now() + duration;
        let mut state = self.state();
        while !state.stopping {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Registers a connection, if there is room for it.
    pub(super) fn admit(self: &Arc<Self>, number: usize, socket: &ClientSocket) -> Option<ConnectionGuard> {
        let mut state = self.state();
        if state.stopping || state.live.len() >= MAX_CONNECTIONS {
            return None;
        }
        state.live.insert(number, OpenConnection { socket: socket.try_clone().ok()?, finished: false });
        state.begun += 1;
        Some(ConnectionGuard { shared: self.clone(), number })
    }

    /// When the server's time began: with its first connection.
    pub(super) fn started(&self) -> Instant {
        *self.state().started.get_or_insert_with(Instant::now)
    }

    /// Calls `run` with the acceptor of handshakes: that of the server's own certificate, or of a bad one.
    pub(super) fn with_acceptor<T>(
        &self,
        flaw: Option<CertificateFlaw>,
        run: impl FnOnce(&Acceptor) -> T,
    ) -> Result<T, String> {
        let Some(flaw) = flaw else {
            let own = self.acceptor.get_or_init(|| Acceptor::new(&self.certificate));
            return own.as_ref().map(run).map_err(Clone::clone);
        };
        let generated;
        let authority = match &self.authority {
            Some(authority) => authority,
            None => {
                generated = CertificateAuthority::generate().map_err(|error| format!("{error:#}"))?;
                &generated
            }
        };
        let certificate = authority.issue_flawed(&self.names, flaw).map_err(|error| format!("{error:#}"))?;
        Acceptor::new(&certificate).map(|acceptor| run(&acceptor))
    }
}

/// Unregisters a connection when its thread ends, however that ends.
pub(super) struct ConnectionGuard {
    shared: Arc<SharedServer>,
    number: usize,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.shared.state().live.remove(&self.number);
        self.shared.changed.notify_all();
    }
}
