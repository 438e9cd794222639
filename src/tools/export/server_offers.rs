//! What the server in memory offers, and where the session's server is.

use crate::session::{Server, ServerAddress};
use std::net::IpAddr;

/// What the server in memory offers after EHLO.
#[derive(Clone, Debug, Default)]
pub struct ServerOffers {
    pub starttls: bool,
    /// The session uses STARTTLS only if it is offered.
    pub optional_starttls: bool,
    /// The mechanisms that the session names.
    pub mechanisms: Vec<&'static str>,
}

/// Whether a server is on this machine, as far as its name says so.
pub fn is_local(server: &Server) -> bool {
    match &server.address {
        ServerAddress::Unix(_) => true,
        ServerAddress::Tcp { host, .. } => {
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}
