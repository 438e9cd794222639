//! The edge to the network: TCP and UNIX sockets, TLS, deadlines, resolving, signals.

pub mod certificate;
mod certificate_errors;
mod cipher_suites;
mod clock;
mod connection;
mod endpoint;
mod handshake_failure;
mod handshake_replay;
mod mx;
mod network;
mod no_network;
mod openssl_client;
mod openssl_error;
mod peer_certificate;
mod private_key;
mod record_framer;
pub mod server_hello;
mod socket;
mod tls;
mod tls_client;
mod tls_failure;
#[doc(hidden)]
pub(crate) use openssl_error::reason as tls_reason;

pub use clock::{SystemClock, ending_signals};
pub use connection::Connection;
pub use mx::Nameservers;
pub use network::SystemNetwork;
pub use no_network::NoNetwork;
pub use tls::check_tls_input;
