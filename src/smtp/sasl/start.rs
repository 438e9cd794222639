//! The mechanism that a name stands for.

use super::exchange::{Credentials, SaslExchange};
use super::mechanism::Mechanism;
use super::{cram, fixed, oauth, scram};

/// Begins an exchange. `nonce` is the client's nonce for SCRAM: printable, without comma.
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
