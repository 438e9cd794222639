//! One connection: its stream, and the state of the dialogue.

use super::facts::{ByteCounts, ConnectionState, ServerFacts, TlsStart};
use super::reply_reader::ReplyReader;
use super::slice::{may_try_again, next_slice};
use crate::event::{Fact, TransactionLog};
use crate::exec::events::EventSink;
use crate::exec::outbox::Outbox;
use crate::exec::ports::{ConnectionInfo, Stream, TlsRefusal};
use crate::exec::read_outcome::{StreamEnd, TransferError};
use crate::session::{Chunk, CloseMode, TlsFacts};
use crate::smtp::reply::ReplyParser;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a server has to say something in plain text after TLS ended or broke, unless it ends the connection before.
const OUTSIDE_TLS_WAIT: Duration = Duration::from_secs(1);

/// How bytes are written.
#[derive(Clone, Copy)]
pub struct WriteOptions {
    /// In pieces with pauses between them.
    pub chunk: Option<Chunk>,
    pub until: Instant,
    /// Whether nothing more is written once the server has said something, as within content: it refuses the rest.
    pub stops_at_reply: bool,
}

impl WriteOptions {
    /// All of it, up to a deadline.
    pub fn until(until: Instant) -> Self {
        Self { chunk: None, until, stops_at_reply: false }
    }
}

/// A connection to the server, by the name that the session's steps know it by.
pub struct SmtpConnection<'a> {
    pub name: String,
    pub state: ConnectionState,
    pub server: ServerFacts,
    pub outbox: Outbox<'a>,
    pub(super) stream: Option<Box<dyn Stream>>,
    pub(super) reader: ReplyReader,
    /// What was sent, and what replies answer.
    pub log: TransactionLog,
    /// Of all connections of the session.
    pub(super) bytes: Rc<ByteCounts>,
}

impl SmtpConnection<'_> {
    pub fn new(name: &str, bytes: Rc<ByteCounts>) -> Self {
        Self {
            name: name.to_owned(),
            state: ConnectionState::Disconnected { failed: false },
            server: ServerFacts::default(),
            outbox: Outbox::default(),
            stream: None,
            reader: ReplyReader::default(),
            log: TransactionLog::default(),
            bytes,
        }
    }

    /// Takes a new stream; all that was known of an earlier one is forgotten. The greeting's time counts from now on.
    pub fn open(&mut self, stream: Box<dyn Stream>, info: ConnectionInfo, now: Instant) {
        let mut new = Self::new(&std::mem::take(&mut self.name), self.bytes.clone());
        self.log.reset_tracker();
        new.log = std::mem::take(&mut self.log);
        new.state = ConnectionState::Ready;
        new.reader.waits_since = Some(info.since.unwrap_or(now));
        new.server.info = Some(info);
        new.stream = Some(stream);
        new.reader.buffer = vec![0; 16 * 1024];
        *self = new;
    }

    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether a failure closed the connection.
    pub fn has_failed(&self) -> bool {
        self.state == ConnectionState::Disconnected { failed: true }
    }

    pub fn is_encrypted(&self) -> bool {
        self.server.tls.is_some()
    }

    pub fn bytes(&self) -> &ByteCounts {
        &self.bytes
    }

    /// Whether QUIT may be sent: not inside content (354) or SASL (334), not after 421 (RFC 5321 §3.8), and not if replies
    /// would be taken for those of other commands.
    pub fn may_quit(&self) -> bool {
        let in_sync =
            matches!(self.state, ConnectionState::Ready | ConnectionState::AwaitingTls(TlsStart::AfterStarttls));
        let code = self.server.last_code();
        self.is_open() && in_sync && !self.outbox.write_failed && !matches!(code, 0 | 334 | 354 | 421)
    }

    /// The stream, for a handshake.
    pub fn stream(&mut self) -> Option<&mut dyn Stream> {
        match &mut self.stream {
            Some(stream) => Some(stream.as_mut()),
            None => None,
        }
    }

    /// TLS runs: what the server said before is forgotten (RFC 3207 §4.2).
    pub fn begin_tls(&mut self, facts: TlsFacts) {
        self.server.tls = Some(facts);
        self.server.ehlo = Arc::default();
        if matches!(self.state, ConnectionState::AwaitingTls(_)) {
            self.state = ConnectionState::Ready;
        }
    }

    /// Ends TLS by `deadline` and goes on in plain text. What the server said inside TLS, and was not read, is dropped. Gives
    /// whether the server sent close_notify.
    pub fn end_tls(&mut self, events: &mut EventSink<'_>, deadline: Instant) -> Result<bool, TransferError> {
        let Some(stream) = &mut self.stream else { return Err(TransferError::Ended(StreamEnd::Absent)) };
        events.emit(&self.name, Fact::TlsClosedByClient);
        let ended = stream.end_tls(deadline);
        events.now();
        match ended {
            Ok(answered) => {
                self.server.tls = None;
                self.server.ehlo = Arc::default();
                self.reader.lines.take_pending();
                self.reader.parser = ReplyParser::default();
                self.reader.in_long_line = false;
                self.log.forget_replies();
                Ok(answered)
            }
            Err(error) if may_try_again(&error) => Err(TransferError::TimedOut),
            Err(error) => {
                let end = self.end_of(&error);
                Err(TransferError::Ended(self.end(events, end)))
            }
        }
    }

    /// Content begins, or ends. A connection that was closed meanwhile stays closed.
    pub fn set_in_content(&mut self, in_content: bool) {
        match in_content {
            true if self.is_open() => self.state = ConnectionState::InContent,
            false if self.state == ConnectionState::InContent => self.state = ConnectionState::Ready,
            _ => {}
        }
    }

    /// Writes all of `bytes`, and keeps what arrives meanwhile. Gives how many bytes were written.
    pub fn write(
        &mut self,
        events: &mut EventSink<'_>,
        bytes: &[u8],
        options: WriteOptions,
    ) -> (usize, Result<(), TransferError>) {
        let WriteOptions { chunk, until, stops_at_reply } = options;
        let piece = chunk.map_or(usize::MAX, |chunk| chunk.size.max(1));
        let (mut written, mut pause_at) = (0, piece);
        while written < bytes.len() {
            if let Some(chunk) = chunk.filter(|_| written == pause_at) {
                events.clock.sleep_until((events.last_now() + chunk.every).min(until));
                events.now();
                pause_at += piece;
            }
            let Some(stream) = &mut self.stream else { return (written, Err(TransferError::Ended(StreamEnd::Absent))) };
            let slice = match next_slice(events, self.state == ConnectionState::InContent, until) {
                Ok(slice) => slice,
                Err(stop) => return (written, Err(stop)),
            };
            let result = stream.write(&bytes[written..bytes.len().min(pause_at)], slice);
            let now = events.now();
            match result {
                Ok(count) => {
                    let ends = self.log.sent(bytes.get(written..written + count).unwrap_or_default());
                    written += count;
                    let sent = &self.bytes.sent;
                    sent.set(sent.get() + count as u64);
                    self.reader.waits_since = Some(now);
                    (0..ends).for_each(|_| events.emit(&self.name, Fact::ContentSent));
                }
                // The server may be waiting for its own reply to be read.
                Err(error) if may_try_again(&error) => match self.read_arrived() {
                    Ok(true) if stops_at_reply => return (written, Err(TransferError::Early)),
                    // Emitted now: the next look would take it for an orderly end.
                    Err(StreamEnd::Reset) => {
                        return (written, Err(TransferError::Ended(self.end(events, StreamEnd::Reset))));
                    }
                    _ => {}
                },
                Err(error) => return (written, Err(TransferError::Ended(self.end_of(&error)))),
            }
        }
        (written, Ok(()))
    }

    /// Ends the connection, or its sending half.
    pub fn close(&mut self, events: &mut EventSink<'_>, how: CloseMode) {
        let Some(mut stream) = self.stream.take() else { return };
        self.emit_partial_line(events);
        events.emit(&self.name, Fact::ClosedByClient { how });
        // The peer may have ended it first: there is nothing left to do then.
        let _ = stream.close(how);
        match how {
            CloseMode::Write => {
                self.stream = Some(stream);
                self.outbox.write_failed = true;
            }
            CloseMode::Fin | CloseMode::Reset => self.state = ConnectionState::Disconnected { failed: false },
        }
    }

    /// Ends the connection after a failure: steps on it are skipped until `connect = true`.
    pub fn fail(&mut self, events: &mut EventSink<'_>) {
        self.close(events, CloseMode::Fin);
        self.state = ConnectionState::Disconnected { failed: true };
    }

    /// Emits the server's end, with what it left of a line, and drops the stream.
    pub fn end(&mut self, events: &mut EventSink<'_>, end: StreamEnd) -> StreamEnd {
        self.emit_partial_line(events);
        if let Some(mut stream) = self.stream.take() {
            if self.is_encrypted() {
                let outside = stream.read_outside_tls(events.now() + OUTSIDE_TLS_WAIT);
                events.note_outside_tls(&self.name, &outside);
            }
            let fact = match end {
                StreamEnd::Fin => Fact::ClosedByServer,
                StreamEnd::Reset => Fact::ResetByServer,
                StreamEnd::Failed(_) | StreamEnd::Alert(_) | StreamEnd::Garbled(_) | StreamEnd::Absent => {
                    Fact::ClosedByClient { how: CloseMode::Fin }
                }
            };
            events.emit(&self.name, fact);
            let _ = stream.close(CloseMode::Fin);
            self.state = ConnectionState::Disconnected { failed: false };
        }
        end
    }

    pub(super) fn end_of(&self, error: &io::Error) -> StreamEnd {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => StreamEnd::Reset,
            ErrorKind::UnexpectedEof | ErrorKind::NotConnected => StreamEnd::Fin,
            ErrorKind::ConnectionRefused if self.is_encrypted() => StreamEnd::Alert(TlsRefusal::of(error)),
            _ if self.is_encrypted() => StreamEnd::Garbled(error.to_string()),
            _ => StreamEnd::Failed(error.to_string()),
        }
    }
}
