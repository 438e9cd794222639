//! `--wait`: keeps trying to connect until the server is up.

use crate::exec::{Clock, ConnectError, ConnectOptions, ConnectionInfo, Network, Server, Stream};
use crate::net::{Connection, SystemClock, SystemNetwork};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a connection is watched if the client speaks first, as with TLS and PROXY.
const SILENT_SERVER_CHECK: Duration = Duration::from_secs(1);

/// A network that repeats failed attempts until `--wait` is over. Clones share whether a server has been up: after that, none of
/// them repeats anything.
#[derive(Clone)]
pub struct RetryingNetwork {
    sockets: SystemNetwork,
    until: Option<Instant>,
    has_connected: Arc<AtomicBool>,
    clock: SystemClock,
}

impl RetryingNetwork {
    /// `wait` starts now.
    pub fn new(sockets: SystemNetwork, wait: Option<Duration>, clock: SystemClock) -> Self {
        let until = wait.and_then(|wait| clock.now().checked_add(wait));
        Self { sockets, until, has_connected: Arc::default(), clock }
    }
}

impl Network for RetryingNetwork {
    fn connect(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let (connection, connected) = self.open(server, options, deadline)?;
        Ok((Box::new(connection), connected))
    }
}

impl RetryingNetwork {
    /// As [`Network::connect`].
    pub fn open(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Connection, ConnectionInfo), ConnectError> {
        let each = deadline.saturating_duration_since(self.clock.now());
        let mut deadline = deadline;
        loop {
            let result = self.sockets.open(server, options, deadline);
            let now = self.clock.now();
            let until = self.until.filter(|until| now < *until && !self.has_connected.load(Ordering::Relaxed));
            let waiting = until.filter(|_| self.clock.interrupted().is_none());
            match (result, waiting) {
                (Ok((mut connection, mut connected)), waiting) => {
                    connected.since = Some(now);
                    let look = if options.expects_greeting {
                        until.map_or(now, |until| until.min(deadline))
                    } else {
                        now + SILENT_SERVER_CHECK
                    };
                    if waiting.is_none() || self.stays_open(&mut connection, look) {
                        self.has_connected.store(true, Ordering::Relaxed);
                        return Ok((connection, connected));
                    }
                }
                (Err(error), None) => return Err(error),
                (Err(_), Some(_)) => {}
            }
            let now = self.clock.now();
            self.clock.sleep_until(self.until.unwrap_or(now).min(now + RETRY_INTERVAL));
            deadline = self.clock.now() + each;
        }
    }

    /// Whether there is a server on the connection: it sends something, or does not close before `look`. Port forwarders such as
    /// docker-proxy accept connections before there is a server, and close them at once.
    fn stays_open(&self, connection: &mut Connection, look: Instant) -> bool {
        loop {
            let now = self.clock.now();
            match connection.wait_for_data(look.min(now + RETRY_INTERVAL)) {
                Ok(spoken) => return spoken,
                Err(error)
                    if error.kind() == ErrorKind::TimedOut && now < look && self.clock.interrupted().is_none() => {}
                Err(error) => return error.kind() == ErrorKind::TimedOut,
            }
        }
    }
}
