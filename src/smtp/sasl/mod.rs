//! SASL's arithmetic (RFC 4422) for SMTP AUTH (RFC 4954): messages in, messages out, nothing sent.

use std::fmt;

/// The mechanisms that mailrun speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    ScramSha256Plus,
    ScramSha1Plus,
    ScramSha256,
    ScramSha1,
    CramMd5,
    Plain,
    Login,
    OauthBearer,
    Xoauth2,
    External,
    Anonymous,
}

impl Mechanism {
    /// By its registered name, without regard to case. DIGEST-MD5 and NTLM are errors that say that they are
    /// left out on purpose.
    pub fn parse(name: &str) -> Result<Self, UnknownMechanism> {
        let _ = name;
        todo!()
    }

    pub fn name(self) -> &'static str {
        todo!()
    }

    /// Whether the credentials can be read from the wire.
    pub fn is_plaintext(self) -> bool {
        matches!(self, Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMechanism {
    pub name: String,
    /// Why it is not spoken, where that is on purpose; else the names that are known.
    pub why: String,
}

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

/// Picks the strongest that both sides have. `tls`: whether a channel binding is there; `encrypted`: whether
/// plain text mechanisms may be used; `client_certificate`: whether EXTERNAL makes sense.
pub struct Choice<'a> {
    pub offered: &'a [String],
    pub has_password: bool,
    pub has_token: bool,
    pub channel_binding: bool,
    pub client_certificate: bool,
}

impl Choice<'_> {
    pub fn strongest(&self) -> Option<Mechanism> {
        todo!()
    }
}

/// A message for the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Before base64.
    pub bytes: Vec<u8>,
    /// Whether it is made of the password or token, and so hidden.
    pub secret: bool,
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
    /// User or password has characters that SASLprep forbids (RFC 4013).
    Unpreparable(&'static str),
}

/// One exchange. `start` once; then for each challenge `respond`; at the server's success `finish`.
pub trait Exchange {
    /// The client's first message where the mechanism has one; `None` where the server speaks first.
    fn start(&mut self) -> Result<Option<Response>, SaslError>;
    /// Answers a decoded challenge.
    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError>;
    /// At a 235: whether the exchange may end here. `data` is the decoded additional data, where there is some (see
    /// [`additional_data`]); only SCRAM looks at it.
    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), SaslError>;
}

/// Begins an exchange. `nonce` is the client's for SCRAM: printable, without comma.
pub fn exchange(mechanism: Mechanism, credentials: Credentials, nonce: &str) -> Box<dyn Exchange> {
    let _ = (mechanism, credentials, nonce);
    todo!()
}

/// What a server may have put behind the code of its 235 as base64 (RFC 5802 allows it, RFC 4954 has no place for it).
pub fn additional_data(reply: &super::reply::Reply) -> Option<Vec<u8>> {
    let _ = reply;
    todo!()
}
