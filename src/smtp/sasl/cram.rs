//! CRAM-MD5 (RFC 2195): user, space, and the challenge's HMAC-MD5 under the password in hexadecimal.

use super::exchange::{Credentials, Response, SaslError, SaslExchange};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use std::fmt::Write;

/// The client's side of CRAM-MD5.
pub struct CramMd5 {
    credentials: Option<Credentials>,
}

impl CramMd5 {
    /// For user and password of `credentials`.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials: Some(credentials) }
    }
}

/// The digest of RFC 2195 §2, in lower case.
pub fn digest(password: &str, challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(challenge);
    let mut hex = String::with_capacity(32);
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex
}

impl SaslExchange for CramMd5 {
    fn start(&mut self) -> Result<Option<Response>, SaslError> {
        Ok(None)
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        let Credentials { user, password, .. } = self.credentials.take().ok_or(SaslError::UnexpectedChallenge)?;
        Ok(Response::secret(format!("{user} {}", digest(&password, challenge))))
    }

    fn finish(&mut self, _data: Option<&[u8]>) -> Result<(), SaslError> {
        if self.credentials.is_none() { Ok(()) } else { Err(SaslError::EarlySuccess) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_2195_comes_out() {
        let tim = Credentials { user: "tim".into(), password: "tanstaaftanstaaf".into(), ..Credentials::default() };
        let mut exchange = CramMd5::new(tim);
        assert!(matches!(exchange.start(), Ok(None)));
        assert_eq!(exchange.finish(None), Err(SaslError::EarlySuccess));
        let response = exchange.respond(b"<1896.697170952@postoffice.reston.mci.net>").expect("the one answer");
        assert_eq!(String::from_utf8_lossy(&response.bytes), "tim b913a602c7eda7a495b4e6e7334d3890");
        assert!(response.secret);
        assert_eq!(exchange.respond(b"<another>").err(), Some(SaslError::UnexpectedChallenge));
        assert_eq!(exchange.finish(None), Ok(()));
    }
}
