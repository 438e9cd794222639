//! `[tls]`.

use super::{SourcePath, Span, Template};

/// `[tls]`.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where `[tls]` stands, if the file has it.
    pub span: Option<Span>,
    pub ca: Option<SourcePath>,
    pub system_roots: bool,
    pub verify: bool,
    pub server_name: Option<Template>,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    /// OpenSSL's cipher list, for TLS 1.2 and below, and its place.
    pub ciphers: Option<(String, Span)>,
    /// OpenSSL's security level, 0 to 5.
    pub security_level: Option<u8>,
    pub client_cert: Option<SourcePath>,
    pub client_key: Option<SourcePath>,
    pub alpn: Vec<String>,
    /// For the implied steps. If it is `None`, the server's address decides.
    pub starttls: Option<StarttlsPolicy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarttlsPolicy {
    Required,
    Opportunistic,
    Never,
}

impl TlsSettings {
    /// Whether a version below 1.2 is offered and OpenSSL's security level is not given: it is lowered to 0 then, since
    /// at a higher level these versions cannot be spoken.
    pub fn lowers_security_level(&self) -> bool {
        self.security_level.is_none() && self.oldest_version() < TlsVersion::Tls12
    }

    /// The oldest version that is offered: 1.2 by default (RFC 8996), or less if the newest is older.
    pub fn oldest_version(&self) -> TlsVersion {
        let least = self.min_version.unwrap_or(TlsVersion::Tls12);
        self.max_version.map_or(least, |newest| least.min(newest))
    }
}
