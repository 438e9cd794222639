//! SASL's arithmetic (RFC 4422) for SMTP AUTH (RFC 4954): messages in, messages out, nothing sent.

mod cram;
mod fixed;
mod mechanism;
mod oauth;
mod scram;
pub mod server;
mod words;

pub use mechanism::{Mechanism, MechanismChoice, UnknownMechanism};
pub use words::{SaslField, describe};

use super::reply::{EnhancedCode, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Who logs in. Text is UTF-8; SCRAM applies SASLprep (RFC 4013) to it.
#[derive(Clone, Default)]
pub struct Credentials {
    pub user: String,
    pub password: String,
    pub token: String,
    pub authzid: String,
    /// For OAUTHBEARER (RFC 7628 §3.1).
    pub host: String,
    pub port: u16,
    /// `tls-server-end-point` of the connection (RFC 5929 §4), for the -PLUS mechanisms.
    pub channel_binding: Option<Vec<u8>>,
    /// Whether the server offered a -PLUS mechanism, for the `gs2-cbind-flag` (RFC 5802 §6).
    pub plus_offered: bool,
}

/// A message for the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Before base64.
    pub bytes: Vec<u8>,
    /// Whether it is made of the password or token, and so hidden.
    pub secret: bool,
}

impl Response {
    fn public(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: false }
    }

    fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: true }
    }
}

/// Why an exchange cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslError {
    /// A challenge behind the mechanism's last message.
    UnexpectedChallenge,
    /// Success before the mechanism's last message.
    EarlySuccess,
    /// What the server sent is not a message of the mechanism.
    BadChallenge(String),
    /// The server does not know the password (RFC 5802 §5): nothing that it says is to be trusted.
    BadSignature,
    /// A nonce, iteration count or error of the server's that ends the exchange (RFC 5802 §5.1).
    Refused(String),
    /// A credential that the mechanism cannot carry: characters that SASLprep forbids (RFC 4013), a NUL in PLAIN,
    /// a channel binding that is not there.
    InvalidCredential(&'static str),
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedChallenge => f.write_str("the server asks for more after the mechanism's last message"),
            Self::EarlySuccess => f.write_str("the server says success before the mechanism's last message"),
            Self::BadChallenge(why) | Self::Refused(why) => f.write_str(why),
            Self::BadSignature => {
                f.write_str("the server's signature is wrong or missing: it did not prove that it knows the password")
            }
            Self::InvalidCredential(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SaslError {}

/// One exchange. `start` once; then for each challenge `respond`; at the server's success `finish`.
///
/// Where the client's first message waits for an empty challenge (`initial_response = false`), it is the caller who
/// holds it back, and who finds a success before it early.
pub trait SaslExchange {
    /// The client's first message where the mechanism has one; `None` where the server speaks first.
    fn start(&mut self) -> Result<Option<Response>, SaslError>;
    /// Answers a decoded challenge.
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError>;
    /// At a 235: whether the exchange may end here. `data` is the decoded additional data, where there is some (see
    /// [`additional_data`]); only SCRAM looks at it.
    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), SaslError>;
    /// What the server said against the credentials before it refused them (RFC 7628 §3.2.2).
    fn refusal(&self) -> Option<&str> {
        None
    }
}

/// Begins an exchange. `nonce` is the client's for SCRAM: printable, without comma.
pub fn start_exchange(mechanism: Mechanism, credentials: Credentials, nonce: &str) -> Box<dyn SaslExchange> {
    match mechanism {
        Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1 => {
            Box::new(scram::Scram::new(mechanism, credentials, nonce))
        }
        Mechanism::CramMd5 => Box::new(cram::CramMd5::new(credentials)),
        Mechanism::OauthBearer | Mechanism::Xoauth2 => Box::new(oauth::Oauth::new(mechanism, credentials)),
        Mechanism::Plain => Box::new(fixed::plain(&credentials)),
        Mechanism::Login => Box::new(fixed::login(credentials)),
        Mechanism::External => Box::new(fixed::external(credentials)),
        Mechanism::Anonymous => Box::new(fixed::anonymous(credentials)),
    }
}

/// What a server may have put behind the code of its 235 as base64: RFC 5802 §5 allows a last message beside the
/// outcome, RFC 4954 has no place for it, some servers send it all the same.
pub fn additional_data(reply: &Reply) -> Option<Vec<u8>> {
    let [line] = reply.lines.as_slice() else { return None };
    let text = std::str::from_utf8(line).ok()?.trim();
    let text = match text.split_once(' ') {
        Some((code, rest)) if EnhancedCode::parse(code).is_some() => rest.trim_start(),
        _ => text,
    };
    STANDARD.decode(text).ok().filter(|data| !data.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::ReplyParser;

    #[test]
    fn additional_data_is_one_word_of_base64() {
        let table: &[(&str, Option<&[u8]>)] = &[
            ("235 dj1hYmM=", Some(b"v=abc")),
            ("235 2.7.0 dj1hYmM=", Some(b"v=abc")),
            ("235 2.7.0 Authentication successful", None),
            ("235", None),
            ("235 2.7.0", None),
        ];
        for (line, data) in table {
            let reply = ReplyParser::default().line(line.as_bytes()).ok().flatten().expect("one line is a reply");
            assert_eq!(additional_data(&reply).as_deref(), *data, "{line}");
        }
    }
}
