//! A network that leads nowhere.

use super::ports::{ConnectError, ConnectOptions, ConnectionInfo, Network, Stream};
use crate::session::Server;
use std::time::Instant;

/// No network, and why: for looking a session through, and where there is none left.
#[derive(Clone, Copy, Debug)]
pub struct NoNetwork(pub &'static str);

impl Network for NoNetwork {
    fn connect(
        &mut self,
        server: &Server,
        _: &ConnectOptions,
        _: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        Err(ConnectError::CannotConnect { address: server.to_string(), why: self.0.to_owned() })
    }
}
