//! The executor: plays a session's steps over a stream, judges the replies, and tells what happens.
//!
//! It knows no socket and no clock but through the traits here: `net/` has the real ones, tests have their own.

mod ports;

/// What the traits speak of, for those who implement them.
pub use crate::session::{Address, CloseHow, PeerFacts, Server, TlsFacts, TlsVersion};
pub use ports::{Clock, ConnectError, ConnectOptions, Connected, Interrupt, Network, Stream, TlsFailure, TlsOptions};

use crate::event::{Observer, Outcome};
use crate::session::{Session, Sources, Value};

/// What a run is given beside the session.
pub struct Settings {
    /// `--server`, in place of the session's.
    pub server: Option<String>,
    /// `--var` and `--vars`, in place of `[vars]`.
    pub variables: Vec<(String, Value)>,
    pub show_secrets: bool,
    pub seed: Option<u64>,
    pub connect: ConnectOptions,
    /// Certificates to trust besides the session's own, as PEM: `--ca`, and the embedded server's under `--dry-run`.
    pub ca: Vec<u8>,
    /// `--dry-run`: secrets without a value get a placeholder. (The embedded server's certificate is in `ca`.)
    pub dry_run: bool,
    /// This machine's name: `client_name`'s default, and `hostname()`.
    pub hostname: String,
    /// In which `now()` and a message's date are shown.
    pub zone: jiff::tz::TimeZone,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            variables: Vec::new(),
            show_secrets: false,
            seed: None,
            connect: ConnectOptions::default(),
            ca: Vec::new(),
            dry_run: false,
            hostname: String::new(),
            zone: jiff::tz::TimeZone::UTC,
        }
    }
}

/// Runs a session to its end. Everything is read and rendered that can be before the first byte is sent.
pub fn run(
    session: &Session,
    settings: &Settings,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let _ = (session, settings, sources, network, clock, observer);
    todo!()
}
