//! The names `reply`, `ehlo`, `tls` and `session` in expressions.

use super::scope::TimeValue;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::Reply;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Enumerator, Object, Value};
use std::sync::Arc;
use std::time::Duration;

/// `reply`.
#[derive(Clone, Debug)]
pub struct ReplyFacts {
    pub reply: Reply,
    /// From the last byte of the command to the last byte of the reply.
    pub elapsed: Duration,
}

/// `ehlo`. The default before EHLO, and after a refused EHLO.
pub type EhloFacts = Capabilities;

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`. `None` if it is unknown.
    pub version: Option<String>,
    /// `TLS_AES_256_GCM_SHA384`, IANA's name; OpenSSL's name if the session lists `ciphers`, which are such names.
    pub cipher: Option<String>,
    pub alpn: Option<String>,
    pub peer: Option<PeerFacts>,
    /// The certificates that the server sent, its own first. Empty if nobody asked for them.
    pub chain: Vec<PeerFacts>,
    /// The earliest end of the certificates of the chain that was verified, or of `chain` without verification. `None`
    /// if nobody asked for it.
    pub valid_until: Option<Timestamp>,
    pub verified: bool,
    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub server_end_point: Option<Vec<u8>>,
}

impl TlsFacts {
    /// The earliest end of the server's certificates, as far as they are known.
    pub fn certificates_end(&self) -> Option<Timestamp> {
        self.valid_until.or(self.peer.as_ref().map(|peer| peer.not_after))
    }
}

/// The server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// RFC 4514 style: `CN=mx.example.com`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses.
    pub sans: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Lower-case hex of the DER's SHA-256.
    pub sha256: String,
}

/// `session`.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    pub name: String,
    /// The URL as it was given.
    pub server: String,
    pub elapsed: Duration,
    /// Bytes, before TLS.
    pub sent: u64,
    pub received: u64,
}

// Each value is made when an expression asks for it.

fn text(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes))
}

impl Object for ReplyFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "code" => Value::from(self.reply.code.get()),
            "enhanced" => match self.reply.enhanced() {
                Some(code) => Value::from(format!("{}.{}.{}", code.class, code.subject, code.detail)),
                None => Value::from(()),
            },
            "text" => Value::from(self.reply.text()),
            "lines" => self.reply.lines.iter().map(|line| text(line)).collect(),
            "elapsed" => Value::from(self.elapsed.as_secs_f64()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(REPLY_ATTRIBUTES)
    }
}

impl Object for EhloFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" => Value::from(self.name.as_deref()),
            "text" => Value::from(self.greeting.as_str()),
            "capabilities" => Value::from_object(CapabilityMap(self.clone())),
            "auth" => Value::from(self.auth()),
            "size" => Value::from(self.size()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(EHLO_ATTRIBUTES)
    }
}

/// `ehlo.capabilities`. Keywords are compared ignoring case (RFC 5321 §2.4).
#[derive(Debug)]
struct CapabilityMap(Arc<EhloFacts>);

impl Object for CapabilityMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let parameters = self.0.keywords.get(&key.as_str()?.to_ascii_uppercase())?;
        Some(Value::from(parameters.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keywords.keys().map(|keyword| Value::from(keyword.as_str())).collect())
    }
}

/// `tls`. `days_left` is counted from `now`.
pub(super) fn tls_value(facts: Arc<TlsFacts>, now: Timestamp) -> Value {
    Value::from_object(TlsValue { facts, now })
}

#[derive(Debug)]
struct TlsValue {
    facts: Arc<TlsFacts>,
    now: Timestamp,
}

impl Object for TlsValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "version" => Value::from(self.facts.version.as_deref()),
            "cipher" => Value::from(self.facts.cipher.as_deref()),
            "peer" if self.facts.peer.is_some() => {
                Value::from_object(PeerValue { facts: self.facts.peer.clone()?, now: self.now })
            }
            "peer" => Value::from(()),
            "chain" => {
                let now = self.now;
                self.facts.chain.iter().map(|peer| Value::from_object(PeerValue { facts: peer.clone(), now })).collect()
            }
            "days_left" => Value::from(self.facts.valid_until.map(|end| days_until(end, self.now))),
            "verified" => Value::from(self.facts.verified),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(TLS_ATTRIBUTES)
    }
}

/// `tls.peer`, or an entry of `tls.chain`.
#[derive(Debug)]
struct PeerValue {
    facts: PeerFacts,
    now: Timestamp,
}

/// The days from `now` until `end`, rounded down: a certificate that has just expired has -1.
pub fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(86_400)
}

impl Object for PeerValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let peer = &self.facts;
        Some(match key.as_str()? {
            "subject" => Value::from(peer.subject.as_str()),
            "issuer" => Value::from(peer.issuer.as_str()),
            "sans" => Value::from(peer.sans.clone()),
            "not_before" => Value::from_object(TimeValue::new(peer.not_before, &TimeZone::UTC)),
            "not_after" => Value::from_object(TimeValue::new(peer.not_after, &TimeZone::UTC)),
            "days_left" => Value::from(days_until(peer.not_after, self.now)),
            "sha256" => Value::from(peer.sha256.as_str()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(PEER_ATTRIBUTES)
    }
}

impl Object for SessionFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "elapsed" => Value::from(self.elapsed.as_secs_f64()),
            "name" => Value::from(self.name.as_str()),
            "server" => Value::from(self.server.as_str()),
            "sent" => Value::from(self.sent),
            "received" => Value::from(self.received),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(SESSION_ATTRIBUTES)
    }
}

const REPLY_ATTRIBUTES: &[&str] = &["code", "enhanced", "text", "lines", "elapsed"];
const EHLO_ATTRIBUTES: &[&str] = &["name", "text", "capabilities", "auth", "size"];
const TLS_ATTRIBUTES: &[&str] = &["version", "cipher", "peer", "chain", "days_left", "verified"];
const PEER_ATTRIBUTES: &[&str] = &["subject", "issuer", "sans", "not_before", "not_after", "days_left", "sha256"];
const SESSION_ATTRIBUTES: &[&str] = &["elapsed", "name", "server", "sent", "received"];

/// The attributes of the fact at `path`. `None` if there is no such fact, or its attributes vary.
pub(super) fn known_attributes(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        ["reply"] => Some(REPLY_ATTRIBUTES),
        ["ehlo"] => Some(EHLO_ATTRIBUTES),
        ["tls"] => Some(TLS_ATTRIBUTES),
        ["tls", "peer"] => Some(PEER_ATTRIBUTES),
        ["session"] => Some(SESSION_ATTRIBUTES),
        _ => None,
    }
}
