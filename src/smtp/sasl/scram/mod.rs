//! SCRAM (RFC 5802, RFC 7677), with and without channel binding (`tls-server-end-point`, RFC 5929 §4).

mod keys;
#[cfg(test)]
mod tests;

pub use keys::{ScramHash, ScramKeys};

use super::exchange::{Credentials, Response, SaslError, SaslExchange};
use super::mechanism::Mechanism;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::RangeInclusive;

/// Fewer iterations are too weak (RFC 7677 §4), more only waste time.
const ITERATIONS: RangeInclusive<u32> = 4096..=1_000_000;

/// The hash function of a SCRAM mechanism; `None` for others.
pub fn hash_of(mechanism: Mechanism) -> Option<ScramHash> {
    match mechanism {
        Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => Some(ScramHash::Sha1),
        Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(ScramHash::Sha256),
        _ => None,
    }
}

/// Escapes a name in a GS2 header: `=` and `,` become `=3D` and `=2C` (RFC 5802 §5.1).
pub fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The client's side of SCRAM.
pub struct Scram {
    hash: ScramHash,
    plus: bool,
    credentials: Credentials,
    nonce: String,
    state: State,
}

enum State {
    Start,
    /// The first message was sent: the GS2 header, and what follows it.
    First {
        gs2: String,
        bare: String,
    },
    /// The proof was sent: the signature that the server must return.
    Final {
        signature: Vec<u8>,
    },
    /// The server's signature is correct.
    Proven,
    Failed,
}

impl Scram {
    /// `mechanism` is a SCRAM mechanism.
    pub fn new(mechanism: Mechanism, credentials: Credentials, nonce: &str) -> Self {
        let hash = hash_of(mechanism).unwrap_or(ScramHash::Sha256);
        Self { hash, plus: mechanism.is_plus(), credentials, nonce: nonce.to_owned(), state: State::Start }
    }

    /// ```abnf
    /// gs2-header = gs2-cbind-flag "," [ authzid ] ","
    /// gs2-cbind-flag = ("p=" cb-name) / "n" / "y"
    /// ```
    fn gs2_header(&self) -> Result<String, SaslError> {
        let flag = match (self.plus, &self.credentials.channel_binding) {
            (true, Some(_)) => "p=tls-server-end-point",
            (true, None) => {
                return Err(SaslError::InvalidCredential("a -PLUS mechanism needs a TLS channel to bind to"));
            }
            // RFC 5802 §6: y means "I support it, but you did not offer it"; a server that did offer it detects an
            // attack.
            (false, Some(_)) if !self.credentials.plus_offered => "y",
            (false, _) => "n",
        };
        let mut header = format!("{flag},");
        if !self.credentials.authzid.is_empty() {
            header += "a=";
            header +=
                &saslname(&prepare(&self.credentials.authzid, "the authzid has a character that SASLprep forbids")?);
        }
        Ok(header + ",")
    }

    /// `client-final-message = channel-binding "," nonce "," proof`.
    fn last_message(&self, gs2: &str, bare: &str, challenge: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SaslError> {
        let server = ServerFirst::parse(challenge)?;
        if server.nonce.len() <= self.nonce.len() || !server.nonce.starts_with(&self.nonce) {
            return Err(SaslError::Refused("the server's nonce does not continue the client's".to_owned()));
        }
        if !ITERATIONS.contains(&server.iterations) {
            return Err(SaslError::Refused(format!(
                "the server asks for {} iterations; 4,096 to 1,000,000 are taken",
                server.iterations
            )));
        }
        let mut binding = gs2.as_bytes().to_vec();
        if self.plus {
            binding.extend(self.credentials.channel_binding.iter().flatten());
        }
        let without_proof = format!("c={},r={}", STANDARD.encode(binding), server.nonce);
        let auth_message = format!("{bare},{},{without_proof}", server.text);
        let password = prepare(&self.credentials.password, "the password has a character that SASLprep forbids")?;
        let keys = ScramKeys::derive(self.hash, &password, &server.salt, server.iterations);
        let proof = STANDARD.encode(keys.client_proof(&auth_message));
        Ok((format!("{without_proof},p={proof}").into_bytes(), keys.server_signature(&auth_message)))
    }
}

/// SASLprep (RFC 4013).
pub fn prepare(text: &str, why: &'static str) -> Result<String, SaslError> {
    stringprep::saslprep(text).map(|prepared| prepared.into_owned()).map_err(|_| SaslError::InvalidCredential(why))
}

/// `server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]`.
struct ServerFirst<'a> {
    text: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn parse(challenge: &'a [u8]) -> Result<Self, SaslError> {
        let bad = |what: &str| SaslError::BadChallenge(format!("the server's first message has no {what}"));
        let text = text_of(challenge)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(server_error(error));
        }
        if text.starts_with("m=") {
            // RFC 5802 §5.1: an unknown extension must end the exchange.
            return Err(SaslError::Refused("the server requires an unknown extension".to_owned()));
        }
        let mut attributes = text.split(',');
        let mut next = |name: &str| attributes.next().and_then(|a| a.strip_prefix(name));
        let nonce = next("r=").ok_or_else(|| bad("nonce (r=)"))?;
        let salt = next("s=").and_then(|s| STANDARD.decode(s).ok()).filter(|s| !s.is_empty());
        let salt = salt.ok_or_else(|| bad("salt in base64 (s=)"))?;
        let count = next("i=").filter(|i| !i.is_empty() && i.bytes().all(|b| b.is_ascii_digit()));
        // A number that does not fit a u32 is too large anyway.
        let iterations = count.ok_or_else(|| bad("iteration count (i=)"))?.parse().unwrap_or(u32::MAX);
        Ok(Self { text, nonce, salt, iterations })
    }
}

fn text_of(message: &[u8]) -> Result<&str, SaslError> {
    std::str::from_utf8(message).map_err(|_| SaslError::BadChallenge("the server's message is not UTF-8".to_owned()))
}

fn server_error(value: &str) -> SaslError {
    SaslError::Refused(format!("the server says {}", value.split(',').next().unwrap_or_default()))
}

/// `server-final-message = (server-error / verifier) ["," extensions]`.
fn check_verifier(message: &[u8], signature: &[u8]) -> Result<(), SaslError> {
    let text = text_of(message)?;
    if let Some(error) = text.strip_prefix("e=") {
        return Err(server_error(error));
    }
    let verifier = text.strip_prefix("v=").and_then(|v| v.split(',').next());
    let verifier =
        verifier.ok_or_else(|| SaslError::BadChallenge("the server's last message has no verifier (v=)".to_owned()))?;
    match STANDARD.decode(verifier) {
        Ok(verifier) if verifier == signature => Ok(()),
        _ => Err(SaslError::BadSignature),
    }
}

impl SaslExchange for Scram {
    /// `client-first-message = gs2-header [reserved-mext ","] username "," nonce ["," extensions]`.
    fn start(&mut self) -> Result<Option<Response>, SaslError> {
        if self.nonce.is_empty() || !self.nonce.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
            return Err(SaslError::InvalidCredential("a nonce is printable ASCII without comma"));
        }
        let gs2 = self.gs2_header()?;
        let user = prepare(&self.credentials.user, "the user has a character that SASLprep forbids")?;
        let bare = format!("n={},r={}", saslname(&user), self.nonce);
        let message = format!("{gs2}{bare}");
        self.state = State::First { gs2, bare };
        Ok(Some(Response::public(message)))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::First { gs2, bare } => {
                let (message, signature) = self.last_message(&gs2, &bare, challenge)?;
                self.state = State::Final { signature };
                Ok(Response::secret(message))
            }
            State::Final { signature } => {
                check_verifier(challenge, &signature)?;
                self.state = State::Proven;
                // RFC 4954 has no data in a 235, so the last message came as a challenge, and the response to it is
                // empty.
                Ok(Response::public(""))
            }
            State::Start | State::Proven | State::Failed => Err(SaslError::UnexpectedChallenge),
        }
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), SaslError> {
        match (std::mem::replace(&mut self.state, State::Failed), data) {
            (State::Proven, _) => Ok(()),
            (State::Final { signature }, Some(data)) => match check_verifier(data, &signature) {
                // Words that happen to be base64 are not a message and prove nothing.
                Err(SaslError::BadChallenge(_)) => Err(SaslError::BadSignature),
                checked => checked,
            },
            (State::Final { .. }, None) | (State::Failed, _) => Err(SaslError::BadSignature),
            (State::Start | State::First { .. }, _) => Err(SaslError::EarlySuccess),
        }
    }
}
