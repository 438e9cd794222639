//! `--wait`: a server that is still starting is tried again until it is up.

use crate::exec::{Clock, ConnectError, ConnectOptions, Connected, Network, Server, Stream};
use crate::net::{Sockets, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

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
            let result = self.sockets.connect(server, options, deadline);
            let until = self.until.filter(|_| !self.up.load(Ordering::Relaxed));
            let now = self.clock.now();
            match (&result, until) {
                (Ok(_), _) => self.up.store(true, Ordering::Relaxed),
                (Err(_), Some(until)) if now < until && self.clock.interrupted().is_none() => {
                    self.clock.sleep_until(until.min(now + PAUSE));
                    deadline = self.clock.now() + each;
                    continue;
                }
                (Err(_), _) => {}
            }
            return result;
        }
    }
}
