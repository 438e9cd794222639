//! What every mechanism has in common: credentials in, messages out, and an end that may be an error.

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
    /// Whether it contains the password or token, or is computed from it: then it is hidden.
    pub secret: bool,
}

impl Response {
    /// A response without secrets.
    pub(super) fn public(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: false }
    }

    /// A response that must be hidden.
    pub(super) fn secret(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), secret: true }
    }
}

/// Why an exchange cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslError {
    /// A challenge after the mechanism's last message.
    UnexpectedChallenge,
    /// Success before the mechanism's last message.
    EarlySuccess,
    /// What the server sent is not a message of the mechanism.
    BadChallenge(String),
    /// The server did not prove that it knows the password (RFC 5802 §5): nothing that it says can be trusted.
    BadSignature,
    /// The server's nonce, iteration count or error ends the exchange (RFC 5802 §5.1).
    Refused(String),
    /// A credential that the mechanism cannot carry: characters that SASLprep forbids (RFC 4013), a NUL in PLAIN, a
    /// channel binding that is missing.
    InvalidCredential(&'static str),
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedChallenge => f.write_str("the server asks for more after the mechanism's last message"),
            Self::EarlySuccess => f.write_str("the server reports success before the mechanism's last message"),
            Self::BadChallenge(why) | Self::Refused(why) => f.write_str(why),
            Self::BadSignature => {
                f.write_str("the server's signature is wrong or missing: it did not prove that it knows the password")
            }
            Self::InvalidCredential(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SaslError {}

/// The client's side of one exchange: call `start` once, `respond` for each challenge, and `finish` at the server's
/// success.
///
/// If the first message waits for an empty challenge (`initial_response = false`), the caller holds it back, and treats a
/// success before it as [`SaslError::EarlySuccess`].
pub trait SaslExchange {
    /// The client's first message; `None` if the mechanism begins with a challenge.
    fn start(&mut self) -> Result<Option<Response>, SaslError>;
    /// Answers a decoded challenge.
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError>;
    /// Whether the exchange may end here, with a 235. `data` is the decoded additional data of the reply, if any (see
    /// RFC 5802 §5); only SCRAM uses it.
    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), SaslError>;
    /// What the server objected to in the credentials, before its final refusal (RFC 7628 §3.2.2).
    fn refusal(&self) -> Option<&str> {
        None
    }
}
