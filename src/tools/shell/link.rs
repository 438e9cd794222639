//! The connection of a shell: every line is logged, what the server says unasked too.

use super::recording::{RecordedAction, RecordedStep, session_file};
use crate::event::{Event, Fact, Observer, RedactedLine};
use crate::exec::{CloseMode, ConnectError, ConnectOptions, Network, Server, Stream, TlsOptions};
use crate::net::SystemNetwork;
use crate::output::AtomicFile;
use crate::report::{TranscriptOptions, TranscriptWriter};
use crate::smtp::lines::{LineBuffer, WireLine, split_lines};
use crate::smtp::reply::ReplyParser;
use crate::smtp::timeouts::Timeout;
use crate::transcript::{Redactor, SafeText};
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

/// How a shell connects.
pub struct LinkOptions {
    pub server: Server,
    /// As it was given, for saved sessions.
    pub url: String,
    pub connect: ConnectOptions,
    pub tls: TlsOptions,
    pub connect_timeout: Duration,
    /// For each reply; `None`: RFC 5321's.
    pub timeout: Option<Duration>,
}

/// Where lines are printed: standard output, or above a prompt.
pub type Screen = Box<dyn Write + Send>;

/// The connection, and its log.
pub struct ShellLink {
    network: SystemNetwork,
    options: LinkOptions,
    stream: Option<Box<dyn Stream>>,
    lines: LineBuffer,
    log: ShellLog,
    steps: Vec<RecordedStep>,
    last: Vec<u8>,
}

struct ShellLog {
    screen: TranscriptWriter<Screen>,
    file: Option<TranscriptWriter<AtomicFile>>,
    redactor: Redactor,
    started: Instant,
    hex: bool,
}

impl ShellLog {
    fn emit(&mut self, fact: Fact<'_>) {
        let event = Event { at: self.started.elapsed(), connection: "main", fact };
        self.screen.observe(&event);
        if let Some(file) = &mut self.file {
            file.observe(&event);
        }
    }

    fn line(&mut self, sent: bool, line: WireLine<'_>, secret: Option<usize>) {
        let mut hidden: Vec<Range<usize>> = self.redactor.find(line.bytes);
        if let Some(at) = secret {
            if let Some(bytes) = line.bytes.get(at..) {
                self.redactor.add_response(bytes);
                self.redactor.add(&String::from_utf8_lossy(bytes));
            }
            hidden = vec![Range { start: at.min(line.bytes.len()), end: line.bytes.len() }];
        }
        let line = RedactedLine::new(line, &hidden);
        self.emit(if sent { Fact::LineSent(line) } else { Fact::LineReceived(line) });
    }
}

/// Options of the log on the screen.
fn screen_options(hex: bool) -> TranscriptOptions {
    TranscriptOptions { timestamps: false, full: true, verbose: false, live: true, hex }
}

impl ShellLink {
    pub fn new(options: LinkOptions, screen: Screen) -> Self {
        let log = ShellLog {
            screen: TranscriptWriter::new(screen, screen_options(false)),
            file: None,
            redactor: Redactor::default(),
            started: Instant::now(),
            hex: false,
        };
        let (network, lines) = (SystemNetwork::new(), LineBuffer::default());
        Self { network, options, stream: None, lines, log, steps: Vec::new(), last: Vec::new() }
    }

    pub fn record(&mut self, step: RecordedStep) {
        self.steps.push(step);
    }

    /// Opens a connection in place of the last one, with TLS if the URL says so.
    pub fn connect(&mut self) -> Result<(), ConnectError> {
        self.stream = None;
        self.lines = LineBuffer::default();
        let deadline = Instant::now() + self.options.connect_timeout;
        let (stream, info) =
            Network::connect(&mut self.network, &self.options.server, &self.options.connect, deadline)?;
        self.stream = Some(stream);
        if info.local && self.options.tls.ca.is_empty() {
            self.options.tls.verify = false;
        }
        self.log.emit(Fact::Connected { address: SafeText::new(&info.address) });
        if self.options.server.scheme == crate::session::Scheme::Smtps {
            self.start_tls();
        }
        Ok(())
    }

    /// The handshake. Gives whether it succeeded; otherwise the connection is closed.
    pub fn start_tls(&mut self) -> bool {
        // What came before the handshake is shown before it, and is no reply inside TLS (CVE-2011-0411).
        self.show_unasked();
        self.flush_partial();
        let deadline = Instant::now() + self.options.connect_timeout;
        let Some(stream) = &mut self.stream else {
            self.say("there is no connection; :connect opens one");
            return false;
        };
        match stream.start_tls(&self.options.tls, deadline) {
            Ok(tls) => {
                self.log.emit(Fact::TlsStarted { tls: &tls, verify: self.options.tls.verify });
                true
            }
            Err(error) => {
                self.say(&format!("TLS handshake failed: {}", tls_words(&error)));
                self.close(false);
                false
            }
        }
    }

    /// Logs and writes. `secret`: from this byte of the line on it is hidden.
    pub fn send(&mut self, bytes: &[u8], secret: Option<usize>) -> bool {
        if self.stream.is_none() {
            self.say("there is no connection; :connect opens one");
            return false;
        }
        split_lines(bytes).for_each(|line| self.log.line(true, line, secret));
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.last = line.to_vec();
        let deadline = self.deadline();
        let mut rest = bytes;
        while let Some(stream) = self.stream.as_mut().filter(|_| !rest.is_empty()) {
            match stream.write(rest, deadline) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended(&error);
                    return false;
                }
            }
        }
        true
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout.unwrap_or_else(|| Timeout::of_command(&self.last).limit())
    }

    /// Logs the lines up to a whole reply, and gives its code; 0 if the connection ended instead, `None` if nothing came.
    pub fn read_reply(&mut self) -> Option<u16> {
        let mut parser = ReplyParser::default();
        let deadline = self.deadline();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            while let Ok(Some(line)) = self.lines.next_line() {
                self.log.line(false, line, None);
                match parser.line(line.bytes) {
                    Ok(Some(reply)) => return Some(reply.code.get()),
                    Ok(None) => {}
                    Err(error) => {
                        self.say(&format!("protocol error: {error:?}"));
                        return None;
                    }
                }
            }
            let Some(stream) = &mut self.stream else { return Some(0) };
            match stream.read(&mut buffer, deadline) {
                Ok(0) => {
                    self.flush_partial();
                    self.log.emit(Fact::ClosedByServer);
                    self.stream = None;
                    return Some(0);
                }
                Ok(count) => self.lines.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                    self.say("timeout: no reply");
                    return None;
                }
                Err(error) => {
                    self.ended(&error);
                    return Some(0);
                }
            }
        }
    }

    /// Logs what the server has said without being asked, without waiting.
    pub fn show_unasked(&mut self) {
        let mut buffer = vec![0; 16 * 1024];
        while let Some(stream) = &mut self.stream {
            match stream.read_waiting(&mut buffer) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.flush_partial();
                    self.log.emit(Fact::ClosedByServer);
                    self.stream = None;
                }
                Ok(Some(count)) => self.lines.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
                Err(error) => self.ended(&error),
            }
        }
        while let Ok(Some(line)) = self.lines.next_line() {
            self.log.line(false, line, None);
        }
    }

    fn flush_partial(&mut self) {
        let rest = self.lines.take_pending();
        split_lines(&rest).for_each(|line| self.log.line(false, line, None));
    }

    fn ended(&mut self, error: &io::Error) {
        self.flush_partial();
        let reset = error.kind() == io::ErrorKind::ConnectionReset;
        self.log.emit(if reset { Fact::ResetByServer } else { Fact::ClosedByServer });
        self.stream = None;
    }

    /// Ends the connection.
    pub fn close(&mut self, reset: bool) {
        let how = if reset { CloseMode::Reset } else { CloseMode::Fin };
        if let Some(mut stream) = self.stream.take() {
            // The connection is gone either way.
            let _ = stream.close(how);
            self.log.emit(Fact::ClosedByClient { how });
            self.record(RecordedStep { action: RecordedAction::Close { reset }, code: None });
        }
    }

    /// Compares the last reply with a code.
    pub fn expect(&mut self, wanted: &str) {
        let got = self.steps.iter().rev().find_map(|step| step.code);
        if got.is_none_or(|code| format!("{code:03}") != wanted) {
            let got = got.map_or_else(|| "nothing".to_owned(), |code| format!("{code:03}"));
            self.say(&format!("expected {wanted}, got {got}"));
        }
    }

    /// A remark of the shell itself.
    pub fn say(&mut self, text: &str) {
        let out = self.log.screen.get_mut();
        for line in text.lines() {
            // If the screen is gone nothing can be said.
            let _ = writeln!(out, "*: {}", crate::transcript::escape_unprintable(line.as_bytes()));
        }
        let _ = out.flush();
    }

    pub fn set_hex(&mut self, hex: bool) {
        self.log.hex = hex;
        let screen: Screen = Box::new(io::stdout());
        self.log.screen = TranscriptWriter::new(screen, screen_options(hex));
    }

    /// Logs to a file too, from now on.
    pub fn log_to(&mut self, path: &str) {
        self.finish();
        match AtomicFile::keep_partial(path) {
            Ok(file) => self.log.file = Some(TranscriptWriter::new(file, screen_options(self.log.hex))),
            Err(error) => self.say(&format!("cannot create {path}: {error}")),
        }
    }

    /// Gives the transcript file its name.
    pub fn finish(&mut self) {
        if let Some(mut file) = self.log.file.take() {
            let written = file.finish().and_then(|()| file.get_mut().commit());
            if let Err(error) = written {
                self.say(&format!("cannot write the transcript: {error}"));
            }
        }
    }

    /// The dialogue as a session file.
    pub fn session_file(&self, clean: bool) -> String {
        session_file(&self.options.url, self.options.tls.verify, &self.steps, clean)
    }

    /// Writes a file that only its owner can read. Gives whether that succeeded.
    pub fn save(&mut self, path: &str, text: &str) -> bool {
        let written = AtomicFile::keep_partial(path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.commit()));
        if let Err(error) = &written {
            self.say(&format!("cannot write {path}: {error}"));
        }
        written.is_ok()
    }
}

fn tls_words(error: &crate::exec::TlsError) -> String {
    use crate::exec::TlsError;
    match error {
        TlsError::Certificate { why, .. } => format!("{why}; --ca trusts a certificate, --insecure any"),
        TlsError::TimedOut => "it took too long".to_owned(),
        TlsError::RefusedHere(why) => format!("this side refused the handshake: {why}"),
        TlsError::Settings(why) | TlsError::Refused(why) | TlsError::Other(why) | TlsError::NotTls { why, .. } => {
            why.clone()
        }
    }
}

/// Why a connection could not be opened.
pub fn connect_words(error: &ConnectError) -> String {
    match error {
        ConnectError::CannotResolve { host, why } => {
            format!("cannot connect to {host}: the name does not resolve: {why}")
        }
        ConnectError::CannotConnect { address, why } => format!("cannot connect to {address}: {why}"),
    }
}
