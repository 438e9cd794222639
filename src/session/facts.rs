//! What expressions can see of a running session: `reply`, `ehlo`, `tls`, `session`.

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
    pub not_before: Timestamp,
    pub not_after: Timestamp,
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

// How expressions see them. Values are made when they are asked for.

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
        Enumerator::Str(&["code", "enhanced", "text", "lines", "elapsed"])
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
        Enumerator::Str(&["name", "text", "capabilities", "auth", "size"])
    }
}

/// `ehlo.capabilities`: asked for without regard to case (RFC 5321 §2.4).
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

/// `tls`; `now` is what `days_left` counts from.
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
            "peer" if self.facts.peer.is_some() => Value::from_object(PeerValue(self.clone())),
            "peer" => Value::from(()),
            "verified" => Value::from(self.facts.verified),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["version", "cipher", "peer", "verified"])
    }
}

/// `tls.peer`.
#[derive(Debug)]
struct PeerValue(Arc<TlsValue>);

impl Object for PeerValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let peer = self.0.facts.peer.as_ref()?;
        Some(match key.as_str()? {
            "subject" => Value::from(peer.subject.as_str()),
            "issuer" => Value::from(peer.issuer.as_str()),
            "sans" => Value::from(peer.sans.clone()),
            "not_before" => Value::from_object(TimeValue::new(peer.not_before, &TimeZone::UTC)),
            "not_after" => Value::from_object(TimeValue::new(peer.not_after, &TimeZone::UTC)),
            // Whole days: an expired certificate has -1 from its first second on.
            "days_left" => Value::from(peer.not_after.duration_since(self.0.now).as_secs().div_euclid(86_400)),
            "sha256" => Value::from(peer.sha256.as_str()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["subject", "issuer", "sans", "not_before", "not_after", "days_left", "sha256"])
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
        Enumerator::Str(&["elapsed", "name", "server", "sent", "received"])
    }
}

/// The attributes of a fact, or of what it holds; `None` where `path` is neither, or they vary.
pub(super) fn known_attributes(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        ["reply"] => Some(&["code", "enhanced", "text", "lines", "elapsed"]),
        ["ehlo"] => Some(&["name", "text", "capabilities", "auth", "size"]),
        ["tls"] => Some(&["version", "cipher", "peer", "verified"]),
        ["tls", "peer"] => Some(&["subject", "issuer", "sans", "not_before", "not_after", "days_left", "sha256"]),
        ["session"] => Some(&["elapsed", "name", "server", "sent", "received"]),
        _ => None,
    }
}
