//! The server: it listens, runs a thread per connection, and joins all threads at its end.

use super::client_connection::{ClientConnection, ClientSocket};
use super::config::{Behaviour, Config, Listen};
use super::dialogue::{ClientEnd, Dialogue, ServerAction};
use super::listener::{Listener, Waker, listen};
use super::maildrop::Maildrop;
use super::proxy;
use super::script::Pace;
use super::script_player::ScriptPlayer;
use super::sink::Sink;
use super::summary::{ConnectionResult, Summary};
use super::tls::Acceptor;
use crate::net::certificate::ServerCertificate;
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most connections at a time; others get a 421.
const MAX_CONNECTIONS: usize = 256;
const READ_BUFFER: usize = 64 * 1024;

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

#[derive(Default)]
struct ServerState {
    stopping: bool,
    live: HashMap<usize, OpenConnection>,
    begun: usize,
    ends: Vec<ConnectionResult>,
}

/// An open connection.
struct OpenConnection {
    socket: ClientSocket,
    /// The server has closed its side and only waits for the client.
    finished: bool,
}

struct SharedServer {
    config: Config,
    certificate: ServerCertificate,
    acceptor: OnceLock<Result<Acceptor, String>>,
    maildrop: Option<Maildrop>,
    state: Mutex<ServerState>,
    changed: Condvar,
    wake: Waker,
}

/// Opens the listener and serves in the background. Errors are those of certificate, address or folder.
pub fn start(config: Config) -> anyhow::Result<RunningServer> {
    if config.tls && (config.lmtp || matches!(config.listen, Listen::Unix(_))) {
        bail!("no URL combines LMTP or a UNIX socket with TLS from the first byte");
    }
    let certificate = match &config.certificate {
        Some(certificate) => certificate.clone(),
        None => {
            let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
            names.extend(config.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
            ServerCertificate::generate(&names)?
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
        acceptor: OnceLock::new(),
        maildrop,
        state: Mutex::default(),
        changed: Condvar::new(),
        wake,
    });
    let listening = spawn("listener", {
        let shared = shared.clone();
        move || shared.listen(&listener)
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
    /// Waits until the server ends by itself: after the configured number of connections.
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

impl SharedServer {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        // The counters are still valid if a connection's thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, grace: Duration) {
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

    fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits, but ends at once if the server is stopped.
    fn pause(&self, duration: Duration) {
        let end = Instant::now() + duration;
        let mut state = self.state();
        while !state.stopping {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn listen(self: &Arc<Self>, listener: &Listener) {
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        let mut number = 0;
        while self.config.connections.is_none_or(|most| number < most) {
            let socket = match listener.accept() {
                Ok(socket) => socket,
                // No descriptors are left, or a client left before it was accepted: neither ends the server.
                Err(_) if !self.is_stopping() => {
                    self.pause(Duration::from_millis(10));
                    continue;
                }
                Err(_) => break,
            };
            if self.is_stopping() {
                break;
            }
            threads.retain(|thread| !thread.is_finished());
            let Some(handle) = self.admit(number + 1, &socket) else {
                if let Ok(mut connection) = ClientConnection::new(socket, Duration::from_secs(1)) {
                    let _ = connection.write_all(b"421 4.3.2 too many connections\r\n");
                }
                continue;
            };
            number += 1;
            let shared = self.clone();
            let begun = spawn("connection", move || {
                let _handle = handle;
                shared.serve_connection(number, socket);
            });
            threads.extend(begun);
        }
        for thread in threads {
            let _ = thread.join();
        }
    }

    /// Registers a connection, if there is room for it.
    fn admit(self: &Arc<Self>, number: usize, socket: &ClientSocket) -> Option<ConnectionGuard> {
        let mut state = self.state();
        if state.stopping || state.live.len() >= MAX_CONNECTIONS {
            return None;
        }
        state.live.insert(number, OpenConnection { socket: socket.try_clone().ok()?, finished: false });
        state.begun += 1;
        Some(ConnectionGuard { shared: self.clone(), number })
    }

    fn serve_connection(&self, number: usize, socket: ClientSocket) {
        let mut dialogue: Box<dyn Dialogue + '_> = match &self.config.behaviour {
            Behaviour::Script(script) => match script.connections.get((number - 1) % script.connections.len().max(1)) {
                Some(script) => Box::new(ScriptPlayer::new(script)),
                None => return,
            },
            Behaviour::Sink(options) => {
                Box::new(Sink::new(options, self.maildrop.as_ref().map(Maildrop::open_writer), nonce()))
            }
        };
        let failed = match ClientConnection::new(socket, self.config.idle) {
            Ok(mut connection) => self.run_dialogue(number, &mut connection, dialogue.as_mut()).err(),
            Err(error) => Some(crate::net::tls_reason(&error.to_string())),
        };
        let problem = failed.or_else(|| dialogue.problem());
        if let (Some(log), Some(problem)) = (&self.config.log, &problem) {
            log(&format!("*: {problem}"));
        }
        self.state().ends.push(ConnectionResult { connection: number, problem });
    }

    fn acceptor(&self) -> Result<&Acceptor, String> {
        self.acceptor.get_or_init(|| Acceptor::new(&self.certificate)).as_ref().map_err(Clone::clone)
    }

    /// Performs the actions of the dialogue until one ends the connection.
    fn run_dialogue(
        &self,
        number: usize,
        connection: &mut ClientConnection,
        dialogue: &mut dyn Dialogue,
    ) -> Result<(), String> {
        if self.config.tls {
            let header = match self.config.behaviour {
                Behaviour::Sink(_) => self.read_proxy_header(connection, dialogue)?,
                Behaviour::Script(_) => Vec::new(),
            };
            let tls = connection.start_tls(self.acceptor()?, header);
            dialogue.tls_started(tls.map_err(|why| format!("the TLS handshake failed: {why}"))?);
        }
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            match dialogue.next_action() {
                ServerAction::Read => match connection.read(&mut buffer) {
                    Ok(0) => {
                        dialogue.client_ended(if self.is_stopping() { ClientEnd::Stopped } else { ClientEnd::Closed })
                    }
                    Ok(read) => dialogue.received(&buffer[..read]),
                    Err(_) if self.is_stopping() => dialogue.client_ended(ClientEnd::Stopped),
                    Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                        dialogue.client_ended(ClientEnd::Idle);
                    }
                    Err(_) => dialogue.client_ended(ClientEnd::Closed),
                },
                ServerAction::Write { bytes, pace } => {
                    if self.write(connection, &bytes, pace).is_err() {
                        dialogue.client_ended(ClientEnd::Closed);
                        self.close(number, connection);
                        return Ok(());
                    }
                }
                ServerAction::StartTls { may_fail } => {
                    match connection.start_tls(self.acceptor()?, dialogue.take_input()) {
                        Ok(tls) => dialogue.tls_started(tls),
                        Err(_) if may_fail => dialogue.client_ended(ClientEnd::Closed),
                        Err(why) => return Err(format!("the TLS handshake failed: {why}")),
                    }
                }
                ServerAction::Wait(duration) => self.pause(duration),
                ServerAction::Close => {
                    self.close(number, connection);
                    return Ok(());
                }
                ServerAction::Reset => {
                    // The second handle would keep the connection open.
                    self.state().live.remove(&number);
                    connection.reset();
                    return Ok(());
                }
            }
        }
    }

    fn close(&self, number: usize, connection: &mut ClientConnection) {
        if let Some(open) = self.state().live.get_mut(&number) {
            open.finished = true;
        }
        self.changed.notify_all();
        connection.close();
    }

    /// Reads the PROXY header that may come before TLS. Returns what was read after it.
    fn read_proxy_header(
        &self,
        connection: &mut ClientConnection,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Vec<u8>, String> {
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            match proxy::detect(&read) {
                proxy::ProxyHeader::Complete { length, .. } => {
                    let rest = read.split_off(length);
                    dialogue.received(&read);
                    return Ok(rest);
                }
                proxy::ProxyHeader::Absent => return Ok(read),
                proxy::ProxyHeader::Incomplete => match connection.read(&mut buffer) {
                    Ok(0) => return Err("the connection ended before a TLS handshake".to_owned()),
                    Ok(length) => read.extend_from_slice(&buffer[..length]),
                    Err(error) => return Err(crate::net::tls_reason(&error.to_string())),
                },
            }
        }
    }

    fn write(&self, connection: &mut ClientConnection, bytes: &[u8], pace: Option<Pace>) -> io::Result<()> {
        let size = pace.map(|pace| pace.size).or(self.config.pieces).unwrap_or(bytes.len()).max(1);
        for (index, piece) in bytes.chunks(size).enumerate() {
            if let Some(pace) = pace.filter(|pace| index > 0 && !pace.every.is_zero()) {
                self.pause(pace.every);
            }
            if self.is_stopping() && pace.is_some() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            connection.write_all(piece)?;
        }
        Ok(())
    }
}

/// Unregisters a connection when its thread ends, however that ends.
struct ConnectionGuard {
    shared: Arc<SharedServer>,
    number: usize,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.shared.state().live.remove(&self.number);
        self.shared.changed.notify_all();
    }
}

/// Random letters and digits, for challenges.
fn nonce() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(24).collect()
}
