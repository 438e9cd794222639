//! A network that cannot be reached.

use crate::exec::{ConnectError, ConnectOptions, ConnectionInfo, Network, Stream};
use crate::session::Server;
use std::time::Instant;

/// Always fails with the given reason. Used after the last connection.
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
