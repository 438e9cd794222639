//! `--wait`: a server that is still starting is tried again until it is up.

use crate::exec::{Clock, ConnectError, ConnectOptions, Connected, Network, Server, Stream};
use crate::net::{Connection, Sockets, SystemClock};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection is looked at on which the client has the first word, as TLS and PROXY have it.
const LOOK: Duration = Duration::from_secs(1);

/// The network, and the patience of the run. Clones share it: once a server was up, nobody waits any more.
#[derive(Clone)]
pub struct Patient {
    sockets: Sockets,
    until: Option<Instant>,
    up: Arc<AtomicBool>,
    clock: SystemClock,
}

impl Patient {
    /// `wait` begins now.
    pub fn new(sockets: Sockets, wait: Option<Duration>, clock: SystemClock) -> Self {
        let until = wait.and_then(|wait| clock.now().checked_add(wait));
        Self { sockets, until, up: Arc::default(), clock }
    }
}

impl Network for Patient {
    fn connect(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, Connected), ConnectError> {
        let each = deadline.saturating_duration_since(self.clock.now());
        let mut deadline = deadline;
        loop {
            let result = self.sockets.open(server, options, deadline);
            let now = self.clock.now();
            let until = self.until.filter(|until| now < *until && !self.up.load(Ordering::Relaxed));
            let waiting = until.filter(|_| self.clock.interrupted().is_none());
            match (result, waiting) {
                (Ok((mut connection, mut connected)), waiting) => {
                    connected.since = Some(now);
                    let look =
                        if options.greeted { until.map_or(now, |until| until.min(deadline)) } else { now + LOOK };
                    if waiting.is_none() || self.stays(&mut connection, look) {
                        self.up.store(true, Ordering::Relaxed);
                        return Ok((Box::new(connection), connected));
                    }
                }
                (Err(error), None) => return Err(error),
                (Err(_), Some(_)) => {}
            }
            let now = self.clock.now();
            self.clock.sleep_until(self.until.unwrap_or(now).min(now + PAUSE));
            deadline = self.clock.now() + each;
        }
    }
}

impl Patient {
    /// Whether somebody stays behind a connection: they say something, or do not close before `look`. What forwards a port
    /// (docker-proxy) takes connections before there is a server, and ends them at once.
    fn stays(&self, connection: &mut Connection, look: Instant) -> bool {
        loop {
            let now = self.clock.now();
            match connection.has_spoken(look.min(now + PAUSE)) {
                Ok(spoken) => return spoken,
                Err(error)
                    if error.kind() == ErrorKind::TimedOut && now < look && self.clock.interrupted().is_none() => {}
                Err(error) => return error.kind() == ErrorKind::TimedOut,
            }
        }
    }
}
