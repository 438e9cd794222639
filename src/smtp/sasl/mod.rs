//! SASL (RFC 4422) for SMTP AUTH (RFC 4954): challenges in, responses out; nothing is sent here.

mod cram;
mod exchange;
mod fixed;
mod mechanism;
mod oauth;
mod scram;

pub use exchange::{Credentials, Response, SaslError, SaslExchange};
pub use mechanism::{Mechanism, MechanismChoice, UnknownMechanism};

use super::reply::{EnhancedCode, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

/// Additional data in base64 after the code of a 235. RFC 5802 §5 allows a last message with the outcome; RFC 4954 has
/// no place for it, but some servers send it.
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
