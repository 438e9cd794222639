//! The options of a server.

use super::connection_log::ServerObservers;
use super::rules::ReplyRules;
use super::script::{MatchMode, Script, ScriptError};
use crate::net::certificate::ServerCertificate;
use crate::transcript::Secret;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Port 0 chooses a free one.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What a server does.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Runs the `S:` side of a transcript. Clients after the last script begin with the first one again.
    Script(Script),
    /// Accepts mail, and stores it if there is a folder.
    Sink(SinkOptions),
}

/// The options of the sink.
#[derive(Clone, Debug, Default)]
pub struct SinkOptions {
    /// The folder where mail is stored. `None`: it is accepted and dropped.
    pub store: Option<PathBuf>,
    /// The password for CRAM-MD5 and SCRAM; without it SCRAM is not offered. Other mechanisms accept anything.
    pub password: Option<Secret>,
    /// Replies that replace the sink's own.
    pub rules: ReplyRules,
}

/// Receives a line for people if a client deviates from its script.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// What to start: see [`super::start`].
#[derive(Clone)]
pub struct Config {
    pub listen: Listen,
    pub behaviour: Behaviour,
    /// TLS from the first byte.
    pub tls: bool,
    /// `None`: one is generated at start.
    pub certificate: Option<ServerCertificate>,
    /// Names in the certificate besides localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
    /// Whether the scheme of the URL is `lmtp`. The sink speaks LMTP to any client that sends LHLO.
    pub lmtp: bool,
    /// The server ends after this number of connections.
    pub connections: Option<usize>,
    /// The server ends after a client that said something else than the script.
    pub ends_at_mismatch: bool,
    /// Everything that the server sends is cut into writes of this number of bytes.
    pub pieces: Option<usize>,
    /// How long the server waits for a client (RFC 5321 §4.5.3.2.7).
    pub idle: Duration,
    pub log: Option<Log>,
    /// Receive everything that happens on connections.
    pub observers: ServerObservers,
}

impl Config {
    /// A server on a free loopback port, without TLS from the first byte.
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            listen: Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            behaviour,
            tls: false,
            certificate: None,
            names: Vec::new(),
            lmtp: false,
            connections: None,
            ends_at_mismatch: false,
            pieces: None,
            idle: Duration::from_secs(300),
            log: None,
            observers: Vec::new(),
        }
    }

    /// A sink that stores mail in `store`.
    pub fn sink(store: impl Into<PathBuf>) -> Self {
        Self::new(Behaviour::Sink(SinkOptions { store: Some(store.into()), ..SinkOptions::default() }))
    }

    /// A server that runs the `S:` side of a transcript, and compares every line of the client.
    pub fn script(transcript: &str) -> Result<Self, Vec<ScriptError>> {
        Ok(Self::new(Behaviour::Script(Script::parse(transcript, MatchMode::Exact)?)))
    }
}
