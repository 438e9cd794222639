//! What a probe found.

use crate::event::{CertificateProblem, Failure, Status};
use crate::session::{PeerFacts, TlsFacts, TlsVersion, days_until};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::{Reply, ReplyCode};
use crate::transcript::{escape_unprintable, unescape};
use jiff::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

/// What a probe found. All text is escaped.
pub struct ProbeReport {
    /// The URL that was connected to.
    pub server: String,
    pub address: Option<String>,
    /// What the server's name resolved to, the address of the probe included.
    pub resolved: Vec<IpAddr>,
    /// When the probe began.
    pub at: Timestamp,
    pub status: Status,
    /// Why the probe could not go on, if it could not.
    pub failure: Option<Failure>,
    /// What may help then, a sentence.
    pub help: Option<String>,
    pub greeting: Option<ProbeReply>,
    /// The reply to EHLO (LHLO, HELO) before TLS.
    pub hello: Option<ProbeReply>,
    /// The reply to EHLO, if it was refused.
    pub refused_hello: Option<ProbeReply>,
    pub hello_in_tls: Option<ProbeReply>,
    pub starttls: StarttlsState,
    /// What the server sent between its reply to STARTTLS and the handshake.
    pub injected: Option<String>,
    /// The newest version first. Empty without TLS.
    pub versions: Vec<VersionTrial>,
    pub tls: Option<TlsView>,
    pub vrfy: Option<ProbeReply>,
    pub expn: Option<ProbeReply>,
    /// What took how long, in the order in which it happened.
    pub times: Vec<(&'static str, Duration)>,
    pub warnings: Vec<ProbeWarning>,
}

/// What is remarkable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeWarning {
    /// A word for programs.
    pub kind: &'static str,
    /// What it is, a sentence without a full stop.
    pub text: String,
    /// Why it matters.
    pub why: String,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReply {
    pub code: u16,
    /// The text of each line, without the code.
    pub lines: Vec<String>,
}

impl ProbeReply {
    /// `250 2.0.0 ok`: the code and the first line.
    pub fn first_line(&self) -> String {
        let text = self.lines.first().map(String::as_str).unwrap_or_default();
        format!("{:03} {text}", self.code).trim_end().to_owned()
    }

    /// What the reply to EHLO offers, as it came: nothing of it is escaped. A reply to HELO has one line, and offers nothing.
    pub fn capabilities(&self) -> Capabilities {
        match ReplyCode::new(self.code) {
            Some(code) if code.class() == 2 => {
                Capabilities::parse(&Reply { code, lines: self.lines.iter().map(|line| unescaped(line)).collect() })
            }
            _ => Capabilities::default(),
        }
    }

    /// The mechanisms that the reply to EHLO offers, escaped.
    pub fn mechanisms(&self) -> Vec<String> {
        self.capabilities().auth().iter().map(|mechanism| shown(mechanism)).collect()
    }

    /// Whether the server did what it was asked (RFC 5321 §4.2.1).
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }
}

/// What became of STARTTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StarttlsState {
    /// The probe did not come to it.
    Unknown,
    /// `smtps://`: TLS from the first byte.
    Implicit,
    NotOffered,
    /// It is offered, and this is the reply to it.
    Refused(ProbeReply),
    /// It was accepted, and the handshake of a usual client failed.
    Failed(String),
    Used,
}

/// Whether the server accepts a version of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionTrial {
    pub version: TlsVersion,
    pub outcome: TrialOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialOutcome {
    Accepted {
        cipher: Option<String>,
    },
    /// The server refused it: why.
    NotAccepted(String),
    /// Something else failed, or this side refused: what.
    NotTried(String),
}

impl TrialOutcome {
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// `1.3`.
pub fn version_number(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls10 => "1.0",
        TlsVersion::Tls11 => "1.1",
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
    }
}

/// A connection inside TLS: that of a usual client, or else of the newest version that the server accepts.
#[derive(Clone, Debug)]
pub struct TlsView {
    pub version: Option<String>,
    pub cipher: Option<String>,
    pub trust: CertificateTrust,
    /// What the server sent, its own certificate first.
    pub chain: Vec<ChainCertificate>,
    /// The fewest days that a certificate of the chain has left: of the verified one, if it was verified.
    pub days_left: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateTrust {
    Verified,
    /// It is not to be trusted: why.
    NotTrusted(CertificateProblem, String),
    /// Why it was not verified.
    NotVerified(String),
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainCertificate {
    pub subject: String,
    pub issuer: String,
    pub names: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub days_left: i64,
    /// In lower-case hexadecimal.
    pub sha256: String,
}

impl ChainCertificate {
    fn new(peer: &PeerFacts, now: Timestamp) -> Self {
        Self {
            subject: shown(&peer.subject),
            issuer: shown(&peer.issuer),
            names: peer.sans.iter().map(|name| shown(name)).collect(),
            not_before: peer.not_before,
            not_after: peer.not_after,
            days_left: days_until(peer.not_after, now),
            sha256: peer.sha256.clone(),
        }
    }
}

impl TlsView {
    pub fn new(facts: &TlsFacts, trust: CertificateTrust, now: Timestamp) -> Self {
        Self {
            version: facts.version.as_deref().map(shown),
            cipher: facts.cipher.as_deref().map(shown),
            trust,
            chain: facts.chain.iter().map(|peer| ChainCertificate::new(peer, now)).collect(),
            days_left: facts.certificates_end().map(|end| days_until(end, now)),
        }
    }
}

/// The bytes of a line of a reply.
fn unescaped(line: &str) -> Vec<u8> {
    let body = unescape(line).ok();
    body.as_ref().and_then(|body| body.bytes()).map_or_else(|| line.as_bytes().to_vec(), <[u8]>::to_vec)
}

pub(super) fn shown(text: &str) -> String {
    escape_unprintable(text.as_bytes())
}
