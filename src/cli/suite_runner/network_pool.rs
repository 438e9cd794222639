//! The networks that the connections of one session use.

use crate::exec::{ConnectError, ConnectOptions, ConnectionInfo, Network, Server, Stream};
use crate::net::NoNetwork;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One network for each connection of a session: either each has its own, or all share one.
pub struct NetworkPool<'n> {
    networks: Mutex<Vec<Box<dyn Network + Send + 'n>>>,
}

impl<'n> NetworkPool<'n> {
    /// Each connection takes one of `networks`.
    pub fn new(networks: Vec<Box<dyn Network + Send + 'n>>) -> Self {
        Self { networks: Mutex::new(networks) }
    }

    /// `count` connections share `network`, which connects one of them at a time.
    pub fn shared(count: u32, network: &'n Mutex<&'n mut (dyn Network + Send)>) -> Self {
        Self::new((0..count).map(|_| Box::new(SharedNetwork(network)) as Box<dyn Network + Send>).collect())
    }

    /// Takes the network of the next connection.
    pub fn take(&self) -> Box<dyn Network + '_> {
        match self.networks.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(network) => network,
            // There is a network for each connection. If there were none left, that would be a bug, and nothing is sent.
            None => Box::new(NoNetwork("no network is left for it")),
        }
    }
}

struct SharedNetwork<'n>(&'n Mutex<&'n mut (dyn Network + Send)>);

impl Network for SharedNetwork<'_> {
    fn connect(
        &mut self,
        server: &Server,
        options: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).connect(server, options, deadline)
    }
}
