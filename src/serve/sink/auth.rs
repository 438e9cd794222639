//! The server's side of SASL (RFC 4954). Any credentials are accepted, except that CRAM-MD5 and SCRAM are checked
//! against the server's one password. It shares no code with the client's side, so that each tests the other.

use super::envelope::AuthIdentity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// RFC 7677 §4.
const ITERATIONS: u32 = 4096;
const SALT: &[u8] = b"mailrun's sink, the salt";

/// The server's next message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthStep {
    /// 334 with this challenge, before base64.
    Challenge(Vec<u8>),
    Done(AuthIdentity),
    /// 535.
    Wrong,
    /// 501, and why.
    Malformed(&'static str),
}

/// The server's secrets for an exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthSecrets {
    pub(super) password: Option<String>,
    /// Random, printable, without comma.
    pub(super) nonce: String,
    /// `tls-server-end-point` (RFC 5929 §4.1); `None` outside TLS.
    pub(super) channel_binding: Option<Vec<u8>>,
}

/// The mechanisms on offer, the strongest first.
pub(super) fn offered(secrets: &AuthSecrets) -> Vec<&'static str> {
    let scram = secrets.password.is_some();
    let plus = scram && secrets.channel_binding.is_some();
    let when = |offer: bool, names: [&'static str; 2]| names.into_iter().filter(move |_| offer);
    when(plus, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
        .chain(when(scram, ["SCRAM-SHA-256", "SCRAM-SHA-1"]))
        .chain(["CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS"])
        .collect()
}

#[derive(Debug)]
enum AuthState {
    /// No response was received yet.
    Begun,
    LoginPassword {
        user: String,
    },
    Cram {
        challenge: String,
    },
    Scram(ScramState),
    /// The server's signature was sent; the client replies with an empty response.
    Signed(AuthIdentity),
}

#[derive(Debug)]
struct ScramState {
    user: String,
    authzid: String,
    /// The required value of `c=`, before base64.
    binding: Vec<u8>,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

/// One SASL exchange, as the server.
#[derive(Debug)]
pub(super) struct ServerExchange {
    mechanism: &'static str,
    secrets: AuthSecrets,
    state: AuthState,
}

impl ServerExchange {
    /// `None` if the mechanism is not offered.
    pub(super) fn new(mechanism: &str, secrets: AuthSecrets) -> Option<Self> {
        let mechanism = offered(&secrets).into_iter().find(|name| name.eq_ignore_ascii_case(mechanism))?;
        Some(Self { mechanism, secrets, state: AuthState::Begun })
    }

    /// Begins the exchange; `initial` is the decoded initial response, if any.
    pub(super) fn start(&mut self, initial: Option<Vec<u8>>) -> AuthStep {
        if self.mechanism == "CRAM-MD5" {
            if initial.is_some() {
                return AuthStep::Malformed("CRAM-MD5 has no initial response");
            }
            let challenge = format!("<{}@localhost>", self.secrets.nonce);
            self.state = AuthState::Cram { challenge: challenge.clone() };
            return AuthStep::Challenge(challenge.into_bytes());
        }
        match (initial, self.mechanism) {
            (Some(response), _) => self.respond(&response),
            (None, "LOGIN") => AuthStep::Challenge(b"Username:".to_vec()),
            (None, _) => AuthStep::Challenge(Vec::new()),
        }
    }

    /// Handles a decoded response.
    pub(super) fn respond(&mut self, response: &[u8]) -> AuthStep {
        let Ok(text) = std::str::from_utf8(response) else { return AuthStep::Malformed("the response is not UTF-8") };
        match std::mem::replace(&mut self.state, AuthState::Begun) {
            AuthState::Begun => self.first(text),
            AuthState::LoginPassword { user } => self.done(user, ""),
            AuthState::Cram { challenge } => self.cram(&challenge, text),
            AuthState::Scram(scram) => self.scram_final(scram, text),
            AuthState::Signed(who) if text.is_empty() => AuthStep::Done(who),
            AuthState::Signed(_) => AuthStep::Malformed("unexpected response after the last message"),
        }
    }

    fn done(&self, user: impl Into<String>, authzid: &str) -> AuthStep {
        let (user, authzid) = (user.into(), authzid.to_owned());
        AuthStep::Done(AuthIdentity { mechanism: self.mechanism.to_owned(), user, authzid })
    }

    fn first(&mut self, text: &str) -> AuthStep {
        match self.mechanism {
            // RFC 4616 §2: [authzid] NUL authcid NUL passwd.
            "PLAIN" => match text.split('\0').collect::<Vec<_>>().as_slice() {
                [_, "", _] => AuthStep::Malformed("PLAIN without a user"),
                [authzid, user, _] => self.done(*user, authzid),
                _ => AuthStep::Malformed("PLAIN is authzid NUL user NUL password"),
            },
            "LOGIN" => {
                self.state = AuthState::LoginPassword { user: text.to_owned() };
                AuthStep::Challenge(b"Password:".to_vec())
            }
            "XOAUTH2" => match text.strip_prefix("user=").and_then(|rest| rest.split_once("\x01auth=Bearer ")) {
                Some((user, rest)) if rest.ends_with("\x01\x01") => self.done(user, ""),
                _ => AuthStep::Malformed("XOAUTH2 is user=… ^A auth=Bearer … ^A ^A"),
            },
            // RFC 7628 §3.1: gs2-header kvsep *kvpair kvsep.
            "OAUTHBEARER" => match (gs2(text), text.contains("\x01auth=Bearer ") && text.ends_with("\x01\x01")) {
                (Some((_, authzid, _)), true) => self.done(authzid.clone(), &authzid),
                _ => AuthStep::Malformed("OAUTHBEARER is a gs2 header ^A auth=Bearer … ^A ^A"),
            },
            "EXTERNAL" => self.done(text, text),
            "ANONYMOUS" => self.done(text, ""),
            _ => self.scram_first(text),
        }
    }

    /// RFC 2195 §2: user, space, the keyed MD5 of the challenge in hex.
    fn cram(&self, challenge: &str, text: &str) -> AuthStep {
        let Some((user, digest)) = text.rsplit_once(' ') else {
            return AuthStep::Malformed("CRAM-MD5 is user, space, digest");
        };
        let right = match &self.secrets.password {
            Some(password) => hex(&keyed::<Hmac<Md5>>(password.as_bytes(), challenge.as_bytes())) == digest,
            None => digest.len() == 32,
        };
        if right { self.done(user, "") } else { AuthStep::Wrong }
    }

    /// RFC 5802 §7: client-first-message.
    fn scram_first(&mut self, text: &str) -> AuthStep {
        let plus = self.mechanism.ends_with("-PLUS");
        let Some((flag, authzid, bare)) = gs2(text) else { return AuthStep::Malformed("no gs2 header") };
        let Some((user, client_nonce)) =
            bare.strip_prefix("n=").and_then(|rest| rest.split_once(",r=")).map(|(user, rest)| {
                (user.replace("=2C", ",").replace("=3D", "="), rest.split(',').next().unwrap_or_default())
            })
        else {
            return AuthStep::Malformed("client-first-message is n=…,r=…");
        };
        let bound = flag.strip_prefix("p=");
        if client_nonce.is_empty() || plus != bound.is_some() || bound.is_some_and(|b| b != "tls-server-end-point") {
            return AuthStep::Malformed("nonce or channel binding do not fit the mechanism");
        }
        // Flag y: the client thinks that no -PLUS mechanism is offered; if one is, somebody removed it on the way (RFC
        // 5802 §6).
        if flag == "y" && self.secrets.channel_binding.is_some() {
            return AuthStep::Wrong;
        }
        let mut binding = text.as_bytes()[..text.len() - bare.len()].to_vec();
        if plus {
            binding.extend_from_slice(self.secrets.channel_binding.as_deref().unwrap_or_default());
        }
        let nonce = format!("{client_nonce}{}", self.secrets.nonce);
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(SALT));
        let challenge = server_first.clone().into_bytes();
        let client_first_bare = bare.to_owned();
        self.state = AuthState::Scram(ScramState { user, authzid, binding, client_first_bare, server_first, nonce });
        AuthStep::Challenge(challenge)
    }

    /// RFC 5802 §3: the client's proof, and the server's signature.
    fn scram_final(&mut self, scram: ScramState, text: &str) -> AuthStep {
        let Some((without_proof, proof)) = text.rsplit_once(",p=") else { return AuthStep::Malformed("no proof") };
        let Ok(proof) = STANDARD.decode(proof) else { return AuthStep::Malformed("the proof is not base64") };
        let mut parts = without_proof.split(',');
        let bound = parts.next().and_then(|part| part.strip_prefix("c=")).and_then(|part| STANDARD.decode(part).ok());
        let nonce = parts.next().and_then(|part| part.strip_prefix("r="));
        if bound.as_ref() != Some(&scram.binding) || nonce != Some(&scram.nonce) {
            return AuthStep::Wrong;
        }
        let message = format!("{},{},{without_proof}", scram.client_first_bare, scram.server_first);
        let password = self.secrets.password.as_deref().unwrap_or_default();
        // RFC 5802 §2.2: SASLprep is applied to the password; one that it forbids is used unchanged.
        let prepared = stringprep::saslprep(password).unwrap_or(password.into());
        let password = prepared.as_bytes();
        let signature = if self.mechanism.starts_with("SCRAM-SHA-256") {
            let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, SALT, ITERATIONS);
            sign(&salted, message.as_bytes(), &proof, keyed::<Hmac<Sha256>>, |key| Sha256::digest(key).to_vec())
        } else {
            let salted = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, SALT, ITERATIONS);
            sign(&salted, message.as_bytes(), &proof, keyed::<Hmac<Sha1>>, |key| Sha1::digest(key).to_vec())
        };
        let Some(signature) = signature else { return AuthStep::Wrong };
        let AuthStep::Done(who) = self.done(scram.user, &scram.authzid) else { return AuthStep::Wrong };
        self.state = AuthState::Signed(who);
        AuthStep::Challenge(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}

/// Parses `flag "," ["a=" authzid] ","` (RFC 5801 §4): flag, authzid, and what follows.
fn gs2(text: &str) -> Option<(&str, String, &str)> {
    let (flag, rest) = text.split_once(',')?;
    let (authzid, rest) = rest.split_once(',')?;
    if !(flag == "n" || flag == "y" || flag.starts_with("p=")) {
        return None;
    }
    let authzid = if authzid.is_empty() { "" } else { authzid.strip_prefix("a=")? };
    Some((flag, authzid.replace("=2C", ",").replace("=3D", "="), rest))
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Checks a proof and returns the server's signature (RFC 5802 §3). `None`: the proof is wrong.
fn sign(
    salted_password: &[u8],
    message: &[u8],
    proof: &[u8],
    keyed: fn(&[u8], &[u8]) -> Vec<u8>,
    digest: fn(&[u8]) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let stored_key = digest(&keyed(salted_password, b"Client Key"));
    let signature = keyed(&stored_key, message);
    let client_key: Vec<u8> = signature.iter().zip(proof).map(|(a, b)| a ^ b).collect();
    let right = proof.len() == signature.len() && digest(&client_key) == stored_key;
    right.then(|| keyed(&keyed(salted_password, b"Server Key"), message))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
