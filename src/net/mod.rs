//! The edge to the network: TCP and UNIX sockets, TLS, deadlines, resolving, signals.

pub mod certificate;
mod cipher_suites;
mod clock;
mod connection;
mod distrust;
mod keys;
mod mx;
mod openssl_words;
mod peer;
mod probe;
pub mod server_hello;
mod socket;
mod sockets;
mod tls;
#[doc(hidden)]
pub(crate) use openssl_words::reason as tls_reason;

pub use clock::SystemClock;
pub use connection::Connection;
pub use mx::Nameservers;
pub use sockets::Sockets;
pub use tls::inspect;
