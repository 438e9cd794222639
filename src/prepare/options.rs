//! What a run is given beside the session.

use super::tls::CheckTlsInput;
use crate::session::Value;
use crate::smtp::address::Mailbox;
use std::net::IpAddr;

/// What a run is given beside the session.
#[derive(Default)]
pub struct RunOptions {
    pub target: ServerTarget,
    /// `--var` and `--vars`, in place of `[vars]`.
    pub variables: Vec<(String, Value)>,
    pub show_secrets: bool,
    pub seed: Option<u64>,
    pub connect: ConnectOptions,
    pub trust: TlsTrust,
    /// `--dry-run`: secrets without a value get a placeholder. (The embedded server's certificate is in `trust`.)
    pub dry_run: bool,
    pub host: LocalHost,
}

/// The server and the recipient, if they are not the session's.
#[derive(Clone, Debug, Default)]
pub struct ServerTarget {
    /// `--server`, in place of the session's.
    pub url: Option<String>,
    /// `--mx`: a domain whose mail exchanger replaces the server's host.
    pub mx: Option<String>,
    /// `--to`: gets each message instead of its recipients.
    pub recipient: Option<Mailbox>,
}

/// What TLS trusts besides the session's own settings.
#[derive(Clone, Debug, Default)]
pub struct TlsTrust {
    /// Certificates as PEM: `--ca`, and the embedded server's under `--dry-run`.
    pub ca: Vec<u8>,
    /// Whether the certificate chain of each connection is to be known, also if the session does not ask for it.
    pub details: bool,
    /// Checks the files and the cipher list of `[tls]` before there is a connection.
    pub check_input: Option<CheckTlsInput>,
}

/// This machine.
#[derive(Clone, Debug)]
pub struct LocalHost {
    /// Its name: the default of `client_name`, and `hostname()`.
    pub name: String,
    /// In which `now()` and a message's date are shown.
    pub zone: jiff::tz::TimeZone,
}

impl Default for LocalHost {
    fn default() -> Self {
        Self { name: String::new(), zone: jiff::tz::TimeZone::UTC }
    }
}

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    pub source: Option<IpAddr>,
    pub ipv4_only: bool,
    pub ipv6_only: bool,
    /// `--resolve HOST:PORT:ADDR`.
    pub resolve: Vec<(String, u16, IpAddr)>,
    /// `--mx`: the server's host is a domain, and its mail exchanger is meant.
    pub mx: bool,
    /// The session begins with waiting for the server's greeting: nothing is lost by waiting for its first byte here.
    pub expects_greeting: bool,
}
