//! The edge to the network: TCP and UNIX sockets, TLS, deadlines, resolving, signals.

pub mod certificate;
mod cipher_suites;
mod clock;
mod distrust;
mod keys;
mod peer;
pub mod server_hello;
mod socket;

pub use clock::SystemClock;
