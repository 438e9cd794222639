//! The connection of a shell: every line is logged, what the server says unasked too.

use super::error_words::tls_words;
use super::link_state::LinkState;
use super::recording::{RecordedAction, RecordedReply, RecordedStep, session_file};
use super::screen_log::ScreenLog;
use super::unasked_replies::UnaskedReplies;
use crate::event::{Cause, Fact, Note};
use crate::exec::{CloseMode, ConnectError, ConnectOptions, ConnectionInfo, Server, Stream, TlsOptions};
use crate::net::Connection;
use crate::output::{AtomicFile, FileMode};
use crate::session::{Scheme, TlsFacts};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::lines::{LineBuffer, LineTooLong, split_lines};
use crate::smtp::reply::{Reply, ReplyParser};
use crate::transcript::SafeText;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a wait looks whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_millis(100);

/// How many bytes a server may send unasked after a line that was sent, before the connection is closed.
const MAX_UNASKED: usize = 1024 * 1024;

/// How a shell connects.
pub struct LinkOptions {
    pub server: Server,
    pub connect: ConnectOptions,
    pub tls: TlsOptions,
    pub connect_timeout: Duration,
    /// For each reply; `None`: RFC 5321's.
    pub timeout: Option<Duration>,
    /// Set while Ctrl-C was pressed and nobody has noticed it.
    pub interrupted: Arc<AtomicBool>,
}

/// Opens a connection, up to a deadline.
pub type LinkConnector =
    Box<dyn FnMut(&Server, &ConnectOptions, Instant) -> Result<(Connection, ConnectionInfo), ConnectError> + Send>;

/// The connection, and its log.
pub struct ShellLink {
    open: LinkConnector,
    options: LinkOptions,
    stream: Option<Connection>,
    lines: LineBuffer,
    log: ScreenLog,
    steps: Vec<RecordedStep>,
    server: LinkState,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// The connection ended.
    Closed,
    /// Nothing came in time, or Ctrl-C was pressed.
    Nothing,
    /// What came is no reply. What follows it may be one.
    Malformed,
}

impl From<NoReply> for RecordedReply {
    fn from(why: NoReply) -> Self {
        match why {
            NoReply::Closed => Self::Closed,
            NoReply::Nothing => Self::None,
            NoReply::Malformed => Self::Malformed,
        }
    }
}

impl ShellLink {
    pub fn new(open: LinkConnector, options: LinkOptions) -> Self {
        Self {
            open,
            options,
            stream: None,
            lines: LineBuffer::default(),
            log: ScreenLog::default(),
            steps: Vec::new(),
            server: LinkState::default(),
        }
    }

    pub fn record(&mut self, action: RecordedAction, reply: RecordedReply) {
        self.steps.push(RecordedStep { action, reply });
    }

    pub fn log(&mut self) -> &mut ScreenLog {
        &mut self.log
    }

    /// A remark of the shell itself.
    pub fn say(&mut self, text: &str) {
        self.log.say(text);
    }

    /// What the server offered in its last EHLO reply.
    pub fn capabilities(&self) -> &Capabilities {
        &self.server.capabilities
    }

    /// What the last handshake came to.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.server.tls.as_ref()
    }

    /// Whether what is sent cannot be read on the way.
    pub fn is_private(&self) -> bool {
        self.server.tls.is_some() || self.server.is_local
    }

    pub fn server(&self) -> &Server {
        &self.options.server
    }

    /// Opens a connection in place of the last one, with TLS if the URL says so.
    pub fn connect(&mut self) -> Result<(), ConnectError> {
        self.stream = None;
        self.lines = LineBuffer::default();
        self.server = LinkState::default();
        let deadline = Instant::now() + self.options.connect_timeout;
        let (stream, info) = (self.open)(&self.options.server, &self.options.connect, deadline)?;
        self.stream = Some(stream);
        self.server.is_local = info.local;
        if info.local && self.options.tls.ca.is_empty() {
            self.options.tls.verify = false;
        }
        if let Some(exchanger) = &info.exchanger {
            for (host, why) in &exchanger.unreachable {
                let note = Note::MailExchangerUnreachable { host: SafeText::new(host), why: SafeText::new(why) };
                self.log.emit(Fact::Noted(note));
            }
            let (domain, host) = (SafeText::new(self.options.server.host()), SafeText::new(&exchanger.host));
            self.log.emit(Fact::Noted(Note::MailExchanger { domain, host, preference: exchanger.preference }));
            self.options.server = self.options.server.at(&exchanger.host);
            self.options.tls.server_name.clone_from(&exchanger.host);
            self.options.connect.mx = false;
        }
        self.log.emit(Fact::Connected { address: SafeText::new(&info.address) });
        if self.options.server.scheme == Scheme::Smtps {
            self.start_tls();
        }
        Ok(())
    }

    /// The handshake. Gives whether it succeeded; otherwise the connection is closed.
    pub fn start_tls(&mut self) -> bool {
        // What came before the handshake is shown before it, and is no reply inside TLS (CVE-2011-0411).
        self.log_unasked();
        self.flush_partial();
        let deadline = Instant::now() + self.options.connect_timeout;
        let Some(stream) = &mut self.stream else {
            self.say("there is no connection; :connect opens one");
            return false;
        };
        match stream.start_tls(&self.options.tls, deadline) {
            Ok(tls) => {
                self.log.emit(Fact::TlsStarted { tls: &tls, verify: self.options.tls.verify });
                // What the server said before is forgotten (RFC 3207 §4.2), and answers nothing that is asked inside TLS.
                self.server.capabilities = Capabilities::default();
                self.server.unasked = UnaskedReplies::default();
                self.server.tls = Some(tls);
                true
            }
            Err(error) => {
                self.say(&format!("TLS handshake failed: {}", tls_words(&error)));
                self.close(false);
                false
            }
        }
    }

    /// What was sent since the last end of a line: what is sent next goes on with that line.
    pub fn open_line(&self) -> &[u8] {
        if self.stream.is_some() { &self.server.open_line } else { b"" }
    }

    /// What was sent was no line, but octets that have no end.
    pub fn end_octets(&mut self) {
        self.server.open_line.clear();
    }

    /// Logs and writes. `secret`: from this byte of the line on it is hidden.
    pub fn send(&mut self, bytes: &[u8], secret: Option<usize>) -> bool {
        if self.stream.is_none() {
            self.say("there is no connection; :connect opens one");
            return false;
        }
        self.log.sent(bytes, secret);
        self.server.note_sent(bytes);
        let deadline = self.server.deadline(&self.options.server.address, self.options.timeout);
        let mut rest = bytes;
        while let Some(stream) = self.stream.as_mut().filter(|_| !rest.is_empty()) {
            match stream.write(rest, deadline.min(Instant::now() + SLICE)) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if is_pause(&error) => {
                    let was_interrupted = self.options.interrupted.swap(false, Ordering::Relaxed);
                    if was_interrupted || Instant::now() >= deadline {
                        let why = if was_interrupted { "interrupted" } else { "timeout" };
                        self.say(&format!("{why}: the server does not read; {} bytes were not written", rest.len()));
                        // Nothing sensible can follow half a line.
                        self.close(false);
                        return false;
                    }
                }
                Err(error) => {
                    self.ended(&error);
                    return false;
                }
            }
        }
        true
    }

    /// Logs the lines up to a whole reply, and gives it.
    pub fn read_reply(&mut self) -> Result<Reply, NoReply> {
        let mut parser = ReplyParser::default();
        self.server.unasked = UnaskedReplies::default();
        let deadline = self.server.deadline(&self.options.server.address, self.options.timeout);
        let mut buffer = vec![0; 16 * 1024];
        loop {
            loop {
                let line = match self.lines.next_line() {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(LineTooLong) => {
                        self.give_up(&Cause::LineTooLong.to_string());
                        return Err(NoReply::Nothing);
                    }
                };
                self.log.received(line);
                match parser.line(line.bytes) {
                    Ok(Some(reply)) => {
                        self.server.update_capabilities(&reply);
                        return Ok(reply);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.say(&Cause::NotSmtp(error).to_string());
                        return Err(NoReply::Malformed);
                    }
                }
            }
            if self.options.interrupted.swap(false, Ordering::Relaxed) {
                self.say("interrupted: the reply is no longer awaited; :wait waits for it again");
                return Err(NoReply::Nothing);
            }
            let Some(stream) = &mut self.stream else { return Err(NoReply::Closed) };
            // A server that never stops sending has no more time than a silent one.
            if Instant::now() >= deadline {
                self.say(self.server.timeout_words(&self.options.server.address));
                return Err(NoReply::Nothing);
            }
            match stream.read(&mut buffer, deadline.min(Instant::now() + SLICE)) {
                Ok(0) => {
                    self.closed();
                    return Err(NoReply::Closed);
                }
                Ok(count) => self.lines.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if is_pause(&error) => {}
                Err(error) => {
                    self.ended(&error);
                    return Err(NoReply::Closed);
                }
            }
        }
    }

    /// Logs what the server has said without being asked, without waiting. Whole replies, and lines that are none, are steps of
    /// the saved session.
    pub fn show_unasked(&mut self) {
        for reply in self.log_unasked() {
            self.record(RecordedAction::Wait, reply);
        }
    }

    /// The code of a reply that was shown unasked since the last one that was awaited.
    pub fn take_unasked_reply(&mut self) -> Option<u16> {
        self.server.unasked.take()
    }

    /// Logs what the server has said, up to a limit. Gives the replies.
    fn log_unasked(&mut self) -> Vec<RecordedReply> {
        let (mut buffer, mut replies) = (vec![0; 16 * 1024], Vec::new());
        loop {
            while let Ok(Some(line)) = self.lines.next_line() {
                self.log.received(line);
                replies.extend(self.server.unasked.line(line.bytes));
            }
            if self.lines.next_line().is_err() {
                self.give_up(&Cause::LineTooLong.to_string());
            } else if self.server.unasked_bytes > MAX_UNASKED {
                self.give_up("the server sent more than 1 MiB unasked");
            }
            let Some(stream) = &mut self.stream else { return replies };
            match stream.read_waiting(&mut buffer) {
                Ok(None) => return replies,
                Ok(Some(0)) => self.closed(),
                Ok(Some(count)) => {
                    self.server.unasked_bytes += count;
                    self.lines.push(buffer.get(..count).unwrap_or_default());
                }
                Err(error) if is_pause(&error) => return replies,
                Err(error) => self.ended(&error),
            }
        }
    }

    /// Ends the connection because of what the server sends, which is not kept. It is no step of the saved session.
    fn give_up(&mut self, why: &str) {
        self.lines = LineBuffer::default();
        self.server.unasked_bytes = 0;
        self.say(why);
        if let Some(mut stream) = self.stream.take() {
            // The connection is gone either way.
            let _ = stream.close(CloseMode::Fin);
            self.log.emit(Fact::ClosedByClient { how: CloseMode::Fin });
        }
    }

    /// What the server has said unasked, for somebody else to print. It is in the transcript file already.
    pub fn take_unasked(&mut self) -> String {
        self.log.hold();
        self.show_unasked();
        self.log.take_held()
    }

    fn flush_partial(&mut self) {
        let rest = self.lines.take_pending();
        split_lines(&rest).for_each(|line| self.log.received(line));
    }

    fn closed(&mut self) {
        self.flush_partial();
        self.log.emit(Fact::ClosedByServer);
        self.stream = None;
    }

    fn ended(&mut self, error: &io::Error) {
        if error.kind() != ErrorKind::ConnectionReset {
            return self.closed();
        }
        self.flush_partial();
        self.log.emit(Fact::ResetByServer);
        self.stream = None;
    }

    /// Ends the connection.
    pub fn close(&mut self, reset: bool) {
        let how = if reset { CloseMode::Reset } else { CloseMode::Fin };
        if let Some(mut stream) = self.stream.take() {
            // The connection is gone either way.
            let _ = stream.close(how);
            self.log.emit(Fact::ClosedByClient { how });
            self.record(RecordedAction::Close { reset }, RecordedReply::None);
        }
    }

    /// Compares the last reply with a code.
    pub fn expect(&mut self, wanted: &str) {
        let mut replies = self.steps.iter().rev().map(|step| step.reply);
        let got = match replies.find(|reply| *reply != RecordedReply::None) {
            Some(RecordedReply::Code(code)) => format!("{code:03}"),
            Some(RecordedReply::Closed) => "close".to_owned(),
            Some(RecordedReply::Malformed) => "malformed".to_owned(),
            Some(RecordedReply::None) | None => "nothing".to_owned(),
        };
        if got != wanted {
            self.say(&format!("expected {wanted}, got {got}"));
        }
    }

    /// The dialogue as a session file.
    pub fn session_file(&self, clean: bool) -> String {
        let server = self.options.server.to_string();
        session_file(&server, self.options.tls.verify, &self.steps, clean, &self.log.redactor)
    }

    /// Writes a file that only its owner can read. If that fails, an older file stays as it was.
    pub fn save(&mut self, path: &str, text: &str) {
        let written = AtomicFile::create(path, FileMode::Private)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.commit()));
        self.log.saved(path, written);
    }
}

/// Whether the connection is only not ready yet.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
