//! What expressions can see of a running session: `reply`, `ehlo`, `tls`, `session`.

use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use std::time::Duration;

/// `reply`.
#[derive(Clone, Debug)]
pub struct ReplyFacts {
    pub reply: Reply,
    /// From the command's last byte to the reply's last.
    pub elapsed: Duration,
}

/// `ehlo`; the default before EHLO and where it was refused.
pub type EhloFacts = Capabilities;

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`; `None` where it could not be told.
    pub version: Option<String>,
    /// `TLS_AES_256_GCM_SHA384`, IANA's name.
    pub cipher: Option<String>,
    pub alpn: Option<String>,
    pub peer: Option<PeerFacts>,
    pub verified: bool,
    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub server_end_point: Option<Vec<u8>>,
}

/// The server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// RFC 4514 style: `CN=mx.example.com`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses.
    pub sans: Vec<String>,
    pub not_before: jiff::Timestamp,
    pub not_after: jiff::Timestamp,
    /// Lower-case hex of the DER's SHA-256.
    pub sha256: String,
}

/// `session`.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    pub name: String,
    /// The URL, as it was given.
    pub server: String,
    pub elapsed: Duration,
    /// Bytes, before TLS.
    pub sent: u64,
    pub received: u64,
}
