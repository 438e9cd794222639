//! A socket with absolute deadlines, which a peer cannot extend by sending a byte now and then (RFC 5321 §4.5.3.2).

use super::clock::SystemClock;
use super::record_framer::RecordFramer;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest wait within one system call. It is short, so that nearly every call waits equally long and the socket's
/// timeout is set once, not before every read. A later deadline takes several waits.
const SLICE: Duration = Duration::from_secs(1);

/// The most bytes that are received at once inside TLS: a record and its header.
const RECEIVED_AT_ONCE: usize = 17 * 1024;

/// The most bytes of a server's first flight that are kept: enough for any ServerHello and certificate chain.
const MAX_RECORDED: usize = 128 * 1024;

/// What a server sent in a TLS handshake. Shared, because a failed handshake consumes the socket.
#[derive(Clone, Debug, Default)]
pub struct HandshakeRecording(Arc<Mutex<HandshakeBytes>>);

/// What a server sent in a handshake.
#[derive(Clone, Debug, Default)]
pub struct HandshakeBytes {
    /// The server's bytes, from the first one.
    pub bytes: Vec<u8>,
    /// Whether the server ended the connection.
    pub ended: bool,
}

impl HandshakeRecording {
    /// Takes what was recorded so far.
    pub fn take(&self) -> HandshakeBytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, bytes: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ended |= bytes.is_empty();
        let room = MAX_RECORDED.saturating_sub(seen.bytes.len());
        seen.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// A blocking socket with a deadline for each call. `Read` and `Write` return `WouldBlock` at the deadline, because a
/// TLS stream on top of it can be used again only after that error.
#[derive(Debug)]
pub struct DeadlineSocket {
    socket: Socket,
    /// `None`: calls do not wait.
    deadline: Option<Instant>,
    /// The values of SO_RCVTIMEO and SO_SNDTIMEO; zero if not yet set.
    read_wait: Duration,
    write_wait: Duration,
    ended: bool,
    recording: Option<HandshakeRecording>,
    /// Cuts what is received into records, inside TLS.
    framer: Option<RecordFramer>,
    /// What was received in plain text together with the last record, and not yet read.
    unread: Vec<u8>,
    clock: SystemClock,
}

impl DeadlineSocket {
    /// `clock` notices the signals that end a handshake.
    pub fn new(socket: Socket, clock: SystemClock) -> Self {
        Self {
            socket,
            clock,
            deadline: None,
            read_wait: Duration::ZERO,
            write_wait: Duration::ZERO,
            ended: false,
            recording: None,
            framer: None,
            unread: Vec::new(),
        }
    }

    /// Reads and writes from now on wait until `deadline`.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Reads and writes from now on do not wait.
    pub fn clear_deadline(&mut self) {
        self.deadline = None;
    }

    /// Records what is read from now on, or stops recording.
    pub fn record(&mut self, recording: Option<HandshakeRecording>) {
        self.recording = recording;
    }

    /// Reads give whole TLS records from now on.
    pub fn begin_records(&mut self) {
        self.framer = Some(RecordFramer::new(std::mem::take(&mut self.unread)));
    }

    /// Reads give what is received from now on, as it comes. Gives what has been received after the records.
    pub fn end_records(&mut self) -> Vec<u8> {
        self.framer.take().map(RecordFramer::into_rest_after_records).unwrap_or_default()
    }

    /// The same connection without TLS: it reads on after the last record that was read.
    pub fn leave_tls(&mut self) -> io::Result<Self> {
        let unread = self.framer.take().map(RecordFramer::into_rest).unwrap_or_default();
        Ok(Self { unread, ended: self.ended, ..Self::new(self.socket.try_clone()?, self.clock.clone()) })
    }

    /// Whether the peer has ended its side of the connection.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The clock that the socket was made with.
    pub fn clock(&self) -> &SystemClock {
        &self.clock
    }

    /// The socket without deadlines.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sets how long the next call may wait in the kernel, if that changed. `false` if it must not wait at all;
    /// `WouldBlock` at the deadline.
    fn set_timeout(&mut self, direction: IoDirection) -> io::Result<bool> {
        let Some(deadline) = self.deadline else { return Ok(false) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let set = match direction {
            IoDirection::Read => &mut self.read_wait,
            IoDirection::Write => &mut self.write_wait,
        };
        if let Some(wait) = wait_for(left, *set) {
            match direction {
                IoDirection::Read => self.socket.set_read_timeout(Some(wait))?,
                IoDirection::Write => self.socket.set_write_timeout(Some(wait))?,
            }
            *set = wait;
        }
        Ok(true)
    }
}

#[derive(Clone, Copy)]
enum IoDirection {
    Read,
    Write,
}

/// The timeout to set with `left` until the deadline, or `None` if `set`, the present one, will do: it must not exceed
/// the deadline, nor be so short that it takes many waits to get there.
fn wait_for(left: Duration, set: Duration) -> Option<Duration> {
    // Rounded up: a wait that ends just before the deadline would be followed by another one.
    let left = Duration::from_millis(u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
    let wanted = left.min(SLICE);
    (set > wanted || set * 2 < wanted).then_some(wanted)
}

impl DeadlineSocket {
    /// Waits until the peer has sent something, which stays unread; `false` if it has ended its side instead.
    pub fn wait_for_data(&mut self) -> io::Result<bool> {
        if !self.unread.is_empty() {
            return Ok(true);
        }
        self.receive(&mut [0], RecvFlags::PEEK).map(|count| count > 0)
    }

    fn receive(&mut self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        loop {
            let flags = if self.set_timeout(IoDirection::Read)? { flags } else { flags | RecvFlags::DONTWAIT };
            match rustix::net::recv(&self.socket, &mut *buffer, flags) {
                Ok((_, count)) => return Ok(count),
                // A signal handler ran, or one wait is over: `set_timeout` finds whether time is left.
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.deadline.is_some() => self.clock.call_idle(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receive_recorded(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.receive(buffer, RecvFlags::empty())?;
        self.ended |= count == 0 && !buffer.is_empty();
        if let Some(recording) = &self.recording {
            recording.add(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

impl Read for DeadlineSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let count = self.unread.as_slice().read(buffer)?;
            self.unread.drain(..count);
            return Ok(count);
        }
        if self.framer.is_none() {
            return self.receive_recorded(buffer);
        }
        loop {
            if let Some(count) = self.framer.as_mut().and_then(|framer| framer.read(buffer)) {
                return Ok(count);
            }
            let mut received = [0; RECEIVED_AT_ONCE];
            let count = self.receive_recorded(&mut received)?;
            if let Some(framer) = &mut self.framer {
                framer.push(received.get(..count).unwrap_or_default());
            }
        }
    }
}

impl Write for DeadlineSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            // NOSIGNAL: a peer that is gone is an error here, however the process handles SIGPIPE.
            let waits = self.set_timeout(IoDirection::Write)?;
            let flags = if waits { SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL | SendFlags::DONTWAIT };
            match rustix::net::send(&self.socket, bytes, flags) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.deadline.is_some() => self.clock.call_idle(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_timeout_is_set_only_where_that_helps() {
        let ms = Duration::from_millis;
        for (left, set, wanted, why) in [
            (ms(30_000), ms(0), Some(ms(1000)), "nothing is set yet"),
            (ms(30_000), ms(1000), None, "a hot loop sets nothing"),
            (ms(300_000), ms(1000), None, "nor does a step with another deadline"),
            (ms(1000), ms(1000), None, "a second is still a second"),
            (ms(999), ms(1000), Some(ms(999)), "it would wait too long"),
            (ms(999), ms(998), None, "a little short is another short wait"),
            (ms(30_000), ms(200), Some(ms(1000)), "far too short would wake for nothing"),
            (Duration::from_micros(1), ms(1000), Some(ms(1)), "never zero, which means for ever"),
            (Duration::from_micros(199_001), ms(200), None, "rounded up: the same wait again"),
            (Duration::MAX, ms(0), Some(ms(1000)), "no deadline overflows"),
        ] {
            assert_eq!(wait_for(left, set), wanted, "{why}");
        }
    }
}
