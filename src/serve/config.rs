//! What a server is started with.

use super::rules::ReplyRules;
use super::script::{Script, ScriptError};
use crate::net::certificate::ServerCertificate;
use crate::transcript::Secret;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Port 0 takes a free one.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What a server does.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Plays the S: side of a transcript. Clients beyond the last script begin with the first one again.
    Script(Script),
    /// Accepts mail, and keeps it where it is told where.
    Sink(SinkOptions),
}

/// What the sink is to do.
#[derive(Clone, Debug, Default)]
pub struct SinkOptions {
    /// Where mail is kept; it is accepted and dropped where this is `None`.
    pub store: Option<PathBuf>,
    /// What CRAM-MD5 is checked with, and without which SCRAM is not offered. Other mechanisms accept anything.
    pub password: Option<Secret>,
    /// Replies in place of the sink's own.
    pub rules: ReplyRules,
}

/// Takes a line for people: a client that says something else than its script.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// A server to be started.
#[derive(Clone)]
pub struct Config {
    pub listen: Listen,
    pub behaviour: Behaviour,
    /// TLS from the first byte.
    pub tls: bool,
    /// One is made at start where there is none.
    pub certificate: Option<ServerCertificate>,
    /// Names in the certificate beside localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
    /// Whether the URL is an `lmtp` one. The sink speaks LMTP to whoever says LHLO.
    pub lmtp: bool,
    /// Ends after so many connections.
    pub connections: Option<usize>,
    /// Cuts everything that the server writes into pieces of so many bytes, a write each.
    pub pieces: Option<usize>,
    /// How long the server waits for a client (RFC 5321 §4.5.3.2.7).
    pub idle: Duration,
    pub log: Option<Log>,
}

impl Config {
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            listen: Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            behaviour,
            tls: false,
            certificate: None,
            names: Vec::new(),
            lmtp: false,
            connections: None,
            pieces: None,
            idle: Duration::from_secs(300),
            log: None,
        }
    }

    /// A sink that keeps mail in `store`.
    pub fn sink(store: impl Into<PathBuf>) -> Self {
        Self::new(Behaviour::Sink(SinkOptions { store: Some(store.into()), ..SinkOptions::default() }))
    }

    /// A server that plays a transcript.
    pub fn script(transcript: &str) -> Result<Self, Vec<ScriptError>> {
        Ok(Self::new(Behaviour::Script(Script::parse(transcript)?)))
    }
}
