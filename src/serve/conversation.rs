//! One connection of a server: performs the actions of its dialogue, and logs what happens.

use super::client_connection::{ClientConnection, ClientSocket};
use super::config::Behaviour;
use super::connection_log::ConnectionLog;
use super::dialogue::{ClientEnd, Dialogue, ServerAction};
use super::log::ServerEvent;
use super::maildrop::Maildrop;
use super::proxy;
use super::script::Pace;
use super::script_player::ScriptPlayer;
use super::shared::SharedServer;
use super::sink::Sink;
use super::summary::ConnectionResult;
use crate::net::certificate::CertificateFlaw;
use std::io;
use std::time::{Duration, Instant};

const READ_BUFFER: usize = 64 * 1024;
/// How often a server that reads nothing looks whether its client has gone.
const HANGUP_SLICE: Duration = Duration::from_millis(50);

/// Serves one connection to its end. `number` counts from 1.
pub(super) fn serve_connection(shared: &SharedServer, number: usize, socket: ClientSocket) {
    let mut dialogue: Box<dyn Dialogue + '_> = match &shared.config.behaviour {
        Behaviour::Script(script) => match script.connections.get((number - 1) % script.connections.len().max(1)) {
            Some(script) => Box::new(ScriptPlayer::new(script)),
            None => return,
        },
        Behaviour::Sink(options) => {
            Box::new(Sink::new(options, shared.maildrop.as_ref().map(Maildrop::open_writer), nonce()))
        }
    };
    let mut log = ConnectionLog::new(&shared.config.observers, number, shared.started());
    log.event(&ServerEvent::Connected { peer: &socket.peer() });
    let failed = match ClientConnection::new(socket, shared.config.idle) {
        Ok(connection) => {
            let mut conversation = Conversation { shared, number, connection, log: &mut log };
            conversation.run(dialogue.as_mut()).err()
        }
        Err(error) => Some(crate::net::tls_reason(&error.to_string())),
    };
    // The transcript has a failed handshake already.
    let mismatch = dialogue.mismatch().filter(|_| failed.is_none());
    log.flush();
    if let Some(mismatch) = &mismatch {
        log.event(&ServerEvent::Mismatch { problem: &mismatch.text });
    }
    // One that only left, as a port scanner does, said nothing else.
    let deviated = mismatch.as_ref().is_some_and(|mismatch| !mismatch.client_left);
    let problem = failed.or(mismatch.map(|mismatch| mismatch.text));
    if let (Some(problem), Some(print)) = (&problem, &shared.config.log) {
        print(&format!("*: {problem}"));
    }
    shared.state().ends.push(ConnectionResult { connection: number, problem });
    if deviated && shared.config.ends_at_mismatch {
        shared.accept_no_more();
    }
}

/// Random letters and digits, for challenges.
fn nonce() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(24).collect()
}

struct Conversation<'a> {
    shared: &'a SharedServer,
    number: usize,
    connection: ClientConnection,
    log: &'a mut ConnectionLog,
}

impl Conversation<'_> {
    /// Performs the actions of the dialogue until one ends the connection.
    fn run(&mut self, dialogue: &mut dyn Dialogue) -> Result<(), String> {
        if self.shared.config.tls && !dialogue.begins_with_tls() {
            let header = match self.shared.config.behaviour {
                Behaviour::Sink(_) => self.read_proxy_header(dialogue)?,
                Behaviour::Script(_) => Vec::new(),
            };
            self.start_tls(None, header, dialogue).map_err(|why| format!("TLS handshake failed: {why}"))?;
        }
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            match dialogue.next_action() {
                ServerAction::Read => self.read(&mut buffer, dialogue),
                ServerAction::Write { bytes, pace } => {
                    self.log.sent(&bytes);
                    if self.write(&bytes, pace).is_err() {
                        dialogue.client_ended(ClientEnd::Closed);
                        self.close();
                        return Ok(());
                    }
                }
                ServerAction::StartTls { may_fail, flaw } => {
                    let input = dialogue.take_input();
                    self.log.unread(input.len());
                    match self.start_tls(flaw, input, dialogue) {
                        Ok(()) => {}
                        Err(_) if may_fail => dialogue.client_ended(ClientEnd::Closed),
                        Err(why) => return Err(format!("TLS handshake failed: {why}")),
                    }
                }
                ServerAction::EndTls => {
                    self.connection.end_tls()?;
                    self.log.event(&ServerEvent::TlsClosedByClient);
                    dialogue.tls_ended();
                }
                ServerAction::WriteOutsideTls(bytes) => {
                    self.log.event(&ServerEvent::OutsideTls { line: &bytes });
                    if self.connection.write_outside_tls(&bytes).is_err() {
                        dialogue.client_ended(ClientEnd::Closed);
                    }
                }
                ServerAction::HalfClose => {
                    self.log.event(&ServerEvent::HalfClosed);
                    self.connection.half_close();
                }
                ServerAction::Hold => {
                    self.hold();
                    return Ok(());
                }
                ServerAction::Wait(duration) => {
                    self.log.event(&ServerEvent::Paused { duration });
                    self.shared.pause(duration);
                }
                ServerAction::Close => {
                    self.log.event(&ServerEvent::ClosedByServer);
                    self.close();
                    return Ok(());
                }
                ServerAction::Reset => {
                    self.log.event(&ServerEvent::ResetByServer);
                    // The second handle would keep the connection open.
                    self.shared.state().live.remove(&self.number);
                    self.connection.reset();
                    return Ok(());
                }
            }
        }
    }

    /// Reads once. The dialogue gets the bytes, or the end of the client.
    fn read(&mut self, buffer: &mut [u8], dialogue: &mut dyn Dialogue) {
        let end = match self.connection.read(buffer) {
            Ok(read @ 1..) => {
                let bytes = buffer.get(..read).unwrap_or_default();
                self.log.received(bytes);
                return dialogue.received(bytes);
            }
            _ if self.shared.is_stopping() => return dialogue.client_ended(ClientEnd::Stopped),
            Ok(_) => ServerEvent::ClosedByClient,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return dialogue.client_ended(ClientEnd::Idle),
                io::ErrorKind::ConnectionReset => ServerEvent::ResetByClient,
                _ => ServerEvent::ClosedByClient,
            },
        };
        self.log.client_ended(&end);
        dialogue.client_ended(ClientEnd::Closed);
    }

    fn start_tls(
        &mut self,
        flaw: Option<CertificateFlaw>,
        received: Vec<u8>,
        dialogue: &mut dyn Dialogue,
    ) -> Result<(), String> {
        let connection = &mut self.connection;
        let tls = self.shared.with_acceptor(flaw, |acceptor| connection.start_tls(acceptor, received));
        match tls.and_then(|tls| tls) {
            Ok(tls) => {
                self.log.event(&ServerEvent::TlsStarted { version: tls.version.as_deref() });
                dialogue.tls_started(tls);
                Ok(())
            }
            Err(why) => {
                self.log.event(&ServerEvent::TlsFailed { why: &why });
                Err(why)
            }
        }
    }

    /// Reads nothing until the client has gone, has been silent for too long, or the server is stopped.
    fn hold(&mut self) {
        let end = Instant::now() + self.shared.config.idle;
        while !self.shared.is_stopping() && Instant::now() < end && !self.connection.has_hung_up(HANGUP_SLICE) {}
        self.log.event(&ServerEvent::ClosedByServer);
        self.connection.abandon();
    }

    fn close(&mut self) {
        if let Some(open) = self.shared.state().live.get_mut(&self.number) {
            open.finished = true;
        }
        self.shared.changed.notify_all();
        self.connection.close();
    }

    /// Reads the PROXY header that may come before TLS. Returns what was read after it.
    fn read_proxy_header(&mut self, dialogue: &mut dyn Dialogue) -> Result<Vec<u8>, String> {
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            match proxy::detect(&read) {
                proxy::ProxyHeader::Complete { length, .. } => {
                    let rest = read.split_off(length);
                    self.log.received(&read);
                    dialogue.received(&read);
                    return Ok(rest);
                }
                proxy::ProxyHeader::Absent => return Ok(read),
                proxy::ProxyHeader::Incomplete => match self.connection.read(&mut buffer) {
                    Ok(0) => return Err("the connection ended before a TLS handshake".to_owned()),
                    Ok(length) => read.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                    Err(error) => return Err(crate::net::tls_reason(&error.to_string())),
                },
            }
        }
    }

    fn write(&mut self, bytes: &[u8], pace: Option<Pace>) -> io::Result<()> {
        let size = pace.map(|pace| pace.size).or(self.shared.config.pieces).unwrap_or(bytes.len()).max(1);
        for (index, piece) in bytes.chunks(size).enumerate() {
            if let Some(pace) = pace.filter(|pace| index > 0 && !pace.every.is_zero()) {
                self.shared.pause(pace.every);
            }
            if self.shared.is_stopping() && pace.is_some() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.connection.write_all(piece)?;
        }
        Ok(())
    }
}
