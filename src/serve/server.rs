//! The server: it listens, runs a thread per connection, and joins all threads at its end.

use super::client_connection::ClientConnection;
use super::config::{Behaviour, Config, Listen};
use super::conversation::serve_connection;
use super::listener::{Listener, listen};
use super::maildrop::Maildrop;
use super::shared::SharedServer;
use super::summary::Summary;
use crate::net::certificate::CertificateAuthority;
use anyhow::{Context, bail};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running server. Dropping it stops it.
pub struct RunningServer {
    /// A value for `--server`: `smtp://127.0.0.1:41025`.
    pub url: String,
    /// `127.0.0.1:41025`, or the socket's path.
    pub address: String,
    /// The certificate that a client must trust.
    pub ca_pem: String,
    shared: Arc<SharedServer>,
    listening: Option<JoinHandle<()>>,
}

/// Opens the listener and serves in the background. Errors are those of certificate, address or folder.
pub fn start(config: Config) -> anyhow::Result<RunningServer> {
    if config.tls && (config.lmtp || matches!(config.listen, Listen::Unix(_))) {
        bail!("no URL combines LMTP or a UNIX socket with TLS from the first byte");
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(config.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    let (certificate, authority) = match &config.certificate {
        Some(certificate) => (certificate.clone(), None),
        None => {
            let authority = CertificateAuthority::generate()?;
            (authority.issue(&names)?, Some(authority))
        }
    };
    let maildrop = match &config.behaviour {
        Behaviour::Sink(options) => options.store.as_deref().map(Maildrop::open).transpose()?,
        Behaviour::Script(_) => None,
    };
    let (listener, address, wake) = listen(&config.listen)?;
    let url = url(&config, &address);
    let ca_pem = certificate.ca_pem.clone();
    let shared = Arc::new(SharedServer {
        config,
        certificate,
        names,
        authority,
        acceptor: OnceLock::new(),
        maildrop,
        state: Mutex::default(),
        changed: Condvar::new(),
        wake,
    });
    let listening = spawn("listener", {
        let shared = shared.clone();
        move || accept_all(&shared, &listener)
    })?;
    Ok(RunningServer { url, address, ca_pem, shared, listening: Some(listening) })
}

/// The server's URL. A script implies TLS or LMTP by how it begins.
fn url(config: &Config, address: &str) -> String {
    let (tls, lmtp) = match &config.behaviour {
        Behaviour::Script(script) => (script.begins_with_tls(), script.speaks_lmtp()),
        Behaviour::Sink(_) => (false, false),
    };
    let plain = if config.lmtp || lmtp { "lmtp" } else { "smtp" };
    match &config.listen {
        Listen::Tcp(_) if config.tls || tls => format!("smtps://{address}"),
        Listen::Tcp(_) => format!("{plain}://{address}"),
        Listen::Unix(_) => format!("{plain}+unix://{address}"),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).context("cannot start a thread")
}

impl RunningServer {
    /// Waits until the server ends by itself: after the configured number of connections, or a mismatch.
    pub fn wait(mut self) -> Summary {
        self.join()
    }

    /// Accepts no more connections, waits up to `grace` for open ones, then ends them with 421.
    pub fn stop(mut self, grace: Duration) -> Summary {
        self.shared.stop(grace);
        self.join()
    }

    /// A function that stops the server from another thread, for example a signal handler's, while [`Self::wait`]
    /// waits.
    pub fn stop_handle(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.stop(Duration::ZERO)
    }

    fn join(&mut self) -> Summary {
        if let Some(thread) = self.listening.take() {
            let _ = thread.join();
        }
        let mut state = self.shared.state();
        let mut ends = std::mem::take(&mut state.ends);
        ends.sort_by_key(|end| end.connection);
        let scripts = match &self.shared.config.behaviour {
            Behaviour::Script(script) => script.connections.len(),
            Behaviour::Sink(_) => 0,
        };
        Summary { ends, unused_scripts: scripts.saturating_sub(state.begun) }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if self.listening.is_some() {
            self.shared.stop(Duration::ZERO);
            self.join();
        }
    }
}

/// Accepts connections until the server ends, and runs a thread for each.
fn accept_all(shared: &Arc<SharedServer>, listener: &Listener) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    while shared.config.connections.is_none_or(|most| number < most) {
        let socket = match listener.accept() {
            Ok(socket) => socket,
            // No descriptors are left, or a client left before it was accepted: neither ends the server.
            Err(_) if shared.accepts() => {
                shared.pause(Duration::from_millis(10));
                continue;
            }
            Err(_) => break,
        };
        if !shared.accepts() {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Some(handle) = shared.admit(number + 1, &socket) else {
            if let Ok(mut connection) = ClientConnection::new(socket, Duration::from_secs(1)) {
                let _ = connection.write_all(b"421 4.3.2 too many connections\r\n");
            }
            continue;
        };
        number += 1;
        let shared = shared.clone();
        let begun = spawn("connection", move || {
            let _handle = handle;
            serve_connection(&shared, number, socket);
        });
        threads.extend(begun);
    }
    for thread in threads {
        let _ = thread.join();
    }
}
