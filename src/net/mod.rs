//! The edge to the network: TCP and UNIX sockets, TLS, deadlines, resolving, signals.

pub mod certificate;
mod keys;
