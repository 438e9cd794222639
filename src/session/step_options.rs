//! The choices that steps have.

use std::net::SocketAddr;

/// A PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySettings {
    Addresses {
        version: u8,
        source: SocketAddr,
        destination: SocketAddr,
    },
    /// Version 2's LOCAL: the proxy itself connects, for example for a health check.
    Local,
    /// Version 1's UNKNOWN.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    Ehlo,
    Helo,
    Lhlo,
}

/// The values of a `starttls` step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarttlsMode {
    /// `true`: STARTTLS is sent whether or not it is offered.
    Always,
    Required,
    Opportunistic,
}

/// How the client ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// FIN; inside TLS after close_notify.
    Fin,
    /// RST.
    Reset,
    /// Shuts the sending half only.
    Write,
}
