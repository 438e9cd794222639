//! What a TLS handshake needs, read before there is a connection.

use crate::session::TlsVersion;

/// What a handshake needs. Certificates and keys are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// For SNI and verification.
    pub server_name: String,
    pub verify: bool,
    pub ca: Vec<u8>,
    pub system_roots: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    pub client_cert: Option<(Vec<u8>, Vec<u8>)>,
    pub alpn: Vec<String>,
}

/// What a file of `[tls]` is to hold, as PEM.
#[derive(Clone, Copy, Debug)]
pub enum TlsFile<'f> {
    Trusted(&'f [u8]),
    Client { certificate: &'f [u8], key: &'f [u8] },
}

/// Says what is wrong with it.
pub type CheckTlsFile = fn(TlsFile<'_>) -> Result<(), String>;
