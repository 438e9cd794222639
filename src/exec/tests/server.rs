//! A scripted server in memory, over virtual time: waiting moves the clock to what is waited for.

use crate::exec::{
    Clock, CloseMode, ConnectError, ConnectOptions, ConnectionInfo, Interrupt, Network, Server, Stream, TlsError,
    TlsFacts, TlsOptions,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the server does.
#[derive(Clone, Debug)]
pub enum ServerAct {
    /// Bytes, as they are.
    Say(&'static str),
    /// Awaits a line that begins so.
    Hear(&'static str),
    /// Awaits so many bytes of content, and forgets them.
    Heard(usize),
    /// Awaits content up to its dot.
    Content,
    /// Awaits BDAT with the octets that it announces, and forgets them.
    Bdat,
    /// Lets time pass.
    After(Duration),
    /// A byte, each so long after the one before.
    Drip(&'static str, Duration),
    /// Ends the connection.
    Fin,
    Reset,
    /// Takes no more bytes.
    Stall,
    /// Takes so many bytes more.
    StallAfter(usize),
    /// From here on what is written is lost, and fails after so many bytes.
    BreakAfter(usize),
    /// A signal comes now.
    Signal,
}

/// Time that passes only where someone waits.
pub struct VirtualClock {
    start: Instant,
    now: Cell<Instant>,
    signal: Cell<Option<Instant>>,
}

impl VirtualClock {
    pub fn new() -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self { start: now, now: Cell::new(now), signal: Cell::new(None) })
    }

    pub fn elapsed(&self) -> Duration {
        self.now.get() - self.start
    }

    fn reach(&self, at: Instant) {
        self.now.set(self.now.get().max(at));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn timestamp(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn sleep_until(&self, until: Instant) {
        self.reach(until);
    }

    fn interrupted(&self) -> Option<Interrupt> {
        let at = self.signal.get().filter(|at| *at <= self.now.get())?;
        Some(Interrupt { name: "SIGINT", at })
    }
}

/// Gives each connection its script.
pub struct ScriptedNetwork {
    pub scripts: VecDeque<Vec<ServerAct>>,
    pub time: Rc<VirtualClock>,
    /// The most bytes that one read gives.
    pub piece: usize,
    /// All that clients wrote, and in which pieces.
    pub wire: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Network for ScriptedNetwork {
    fn connect(
        &mut self,
        server: &Server,
        _: &ConnectOptions,
        _: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let Some(acts) = self.scripts.pop_front() else {
            return Err(ConnectError::CannotConnect { address: server.to_string(), why: "connection refused".into() });
        };
        let stream = ScriptedStream {
            acts: acts.into(),
            time: self.time.clone(),
            piece: self.piece,
            wire: self.wire.clone(),
            heard: Vec::new(),
            said: VecDeque::new(),
            next_at: None,
            breaks: None,
            room: None,
        };
        let connected = ConnectionInfo {
            address: "127.0.0.1:25".into(),
            local: true,
            resolved: Vec::new(),
            peer: None,
            local_address: Some(std::net::Ipv6Addr::LOCALHOST.into()),
            exchanger: None,
            since: None,
        };
        Ok((Box::new(stream), connected))
    }
}

struct ScriptedStream {
    acts: VecDeque<ServerAct>,
    time: Rc<VirtualClock>,
    piece: usize,
    wire: Rc<RefCell<Vec<Vec<u8>>>>,
    heard: Vec<u8>,
    said: VecDeque<u8>,
    /// When the act in front is due.
    next_at: Option<Instant>,
    breaks: Option<usize>,
    /// How many bytes are still taken.
    room: Option<usize>,
}

enum ScriptState {
    Bytes,
    End(io::Result<usize>),
    /// Nothing before then; `None`: nothing until the client speaks.
    Later(Option<Instant>),
}

impl ScriptedStream {
    /// Plays on as far as time and what was heard allow.
    fn advance(&mut self) -> ScriptState {
        loop {
            if !self.said.is_empty() {
                return ScriptState::Bytes;
            }
            let Some(act) = self.acts.front().cloned() else { return ScriptState::Later(None) };
            match act {
                ServerAct::Say(text) => self.said.extend(text.bytes()),
                ServerAct::Hear(start) => match self.heard.iter().position(|byte| *byte == b'\n') {
                    Some(lf) => {
                        let line: Vec<u8> = self.heard.drain(..=lf).collect();
                        assert!(
                            line.starts_with(start.as_bytes()),
                            "wanted {start}, got {}",
                            String::from_utf8_lossy(&line)
                        );
                    }
                    None => return ScriptState::Later(None),
                },
                ServerAct::Heard(count) if self.heard.len() < count => return ScriptState::Later(None),
                ServerAct::Heard(count) => drop(self.heard.drain(..count)),
                ServerAct::Bdat => match bdat(&self.heard) {
                    Some(length) if self.heard.len() >= length => drop(self.heard.drain(..length)),
                    _ => return ScriptState::Later(None),
                },
                ServerAct::Content => match memchr::memmem::find(&self.heard, b"\r\n.\r\n") {
                    Some(at) => drop(self.heard.drain(..at + 5)),
                    None if self.heard.starts_with(b".\r\n") => drop(self.heard.drain(..3)),
                    None => return ScriptState::Later(None),
                },
                ServerAct::After(wait) => {
                    if let Some(at) = self.due(wait) {
                        return ScriptState::Later(Some(at));
                    }
                }
                ServerAct::Drip(text, every) => {
                    if let Some(at) = self.due(every) {
                        return ScriptState::Later(Some(at));
                    }
                    self.next_at = None;
                    self.said.extend(text.bytes().next());
                    let rest = text.get(1..).unwrap_or_default();
                    if !rest.is_empty() {
                        self.acts[0] = ServerAct::Drip(rest, every);
                        continue;
                    }
                }
                ServerAct::Fin => return ScriptState::End(Ok(0)),
                ServerAct::Reset => return ScriptState::End(Err(ErrorKind::ConnectionReset.into())),
                ServerAct::Stall => self.room = Some(0),
                ServerAct::StallAfter(count) => self.room = Some(count),
                ServerAct::BreakAfter(count) => self.breaks = Some(count),
                ServerAct::Signal => self.time.signal.set(Some(self.time.now())),
            }
            self.next_at = None;
            self.acts.pop_front();
        }
    }

    /// When the act in front is due, if it is not yet.
    fn due(&mut self, wait: Duration) -> Option<Instant> {
        let now = self.time.now();
        let at = *self.next_at.get_or_insert(now + wait);
        (at > now).then_some(at)
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.piece.min(buffer.len()).min(self.said.len());
        for (slot, byte) in buffer.iter_mut().zip(self.said.drain(..count)) {
            *slot = byte;
        }
        count
    }
}

impl Stream for ScriptedStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.advance() {
                ScriptState::Bytes => return Ok(self.take(buffer)),
                ScriptState::End(end) => return end,
                ScriptState::Later(Some(at)) if at <= deadline => self.time.reach(at),
                ScriptState::Later(_) => {
                    self.time.reach(deadline);
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
    }

    fn read_waiting(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.advance() {
            ScriptState::Bytes => Ok(Some(self.take(buffer))),
            ScriptState::End(end) => end.map(Some),
            ScriptState::Later(_) => Ok(None),
        }
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.advance();
        if self.room == Some(0) {
            self.time.reach(deadline);
            return Err(ErrorKind::TimedOut.into());
        }
        let bytes = bytes.get(..self.room.unwrap_or(usize::MAX)).unwrap_or(bytes);
        self.room = self.room.map(|room| room - bytes.len());
        let count = match &mut self.breaks {
            Some(0) => return Err(ErrorKind::BrokenPipe.into()),
            Some(left) => {
                let count = bytes.len().min(*left);
                *left -= count;
                count
            }
            None => bytes.len(),
        };
        self.heard.extend_from_slice(&bytes[..count]);
        self.wire.borrow_mut().push(bytes[..count].to_vec());
        Ok(count)
    }

    fn start_tls(&mut self, _: &TlsOptions, deadline: Instant) -> Result<TlsFacts, TlsError> {
        self.advance();
        if self.room == Some(0) {
            self.time.reach(deadline);
            return Err(TlsError::TimedOut);
        }
        Ok(TlsFacts { version: Some("TLSv1.3".into()), ..TlsFacts::default() })
    }

    fn end_tls(&mut self, _: Instant) -> io::Result<bool> {
        Ok(true)
    }

    fn close(&mut self, _: CloseMode) -> io::Result<()> {
        Ok(())
    }
}

/// The length of a BDAT command and its octets, once the command is there.
fn bdat(heard: &[u8]) -> Option<usize> {
    let lf = memchr::memchr(b'\n', heard)?;
    let line = String::from_utf8_lossy(&heard[..lf]);
    let octets = line.strip_prefix("BDAT ").and_then(|rest| rest.split([' ', '\r']).next()?.parse::<usize>().ok());
    Some(lf + 1 + octets.unwrap_or_else(|| panic!("wanted BDAT, got {line}")))
}
