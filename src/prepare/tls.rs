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
    pub limits: TlsLimits,
    pub client_cert: Option<(Vec<u8>, Vec<u8>)>,
    pub alpn: Vec<String>,
    /// Whether the certificate chain is asked for, a handshake is expected to fail, or TLS ends before the connection.
    pub details: bool,
}

/// What this side accepts of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsLimits {
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    /// OpenSSL's cipher list, for TLS 1.2 and below.
    pub ciphers: Option<String>,
    /// OpenSSL's security level. The settings of the session lower it for versions below 1.2.
    pub security_level: Option<u8>,
}

impl TlsOptions {
    /// Whether native-tls can neither do nor tell what is asked for, so that OpenSSL is used directly.
    pub fn needs_openssl(&self) -> bool {
        let is_old = |version: Option<TlsVersion>| version.is_some_and(|version| version < TlsVersion::Tls12);
        self.details
            || self.limits.ciphers.is_some()
            || self.limits.security_level.is_some()
            || is_old(self.limits.min_version)
            || is_old(self.limits.max_version)
    }
}

/// What a session's `[tls]` gives to TLS, as far as it can be wrong.
#[derive(Clone, Copy, Debug)]
pub enum TlsInput<'f> {
    /// Certificates to trust, as PEM.
    Trusted(&'f [u8]),
    /// PEM.
    Client { certificate: &'f [u8], key: &'f [u8] },
    /// OpenSSL's cipher list.
    Ciphers(&'f str),
}

/// Says what is wrong with it.
pub type CheckTlsInput = fn(TlsInput<'_>) -> Result<(), String>;
