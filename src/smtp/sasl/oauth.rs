//! OAUTHBEARER (RFC 7628) and its predecessor XOAUTH2, as Google and Microsoft document it: a token, and before a
//! refusal a JSON object that the client must answer.

use super::exchange::{Credentials, Response, SaslError, SaslExchange};
use super::mechanism::Mechanism;
use super::scram::saslname;

/// The client's side of OAUTHBEARER and XOAUTH2.
pub struct Oauth {
    mechanism: Mechanism,
    credentials: Credentials,
    /// The server's objection to the token.
    error: Option<String>,
}

impl Oauth {
    /// `mechanism` is OAUTHBEARER or XOAUTH2.
    pub fn new(mechanism: Mechanism, credentials: Credentials) -> Self {
        Self { mechanism, credentials, error: None }
    }

    /// `user={user}^Aauth=Bearer {token}^A^A`.
    fn xoauth2(&self) -> String {
        format!("user={}\x01auth=Bearer {}\x01\x01", self.credentials.user, self.credentials.token)
    }

    /// ```abnf
    /// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
    /// ```
    ///
    /// RFC 7628 §3.1; the authorization identity is the user if no other is given.
    fn oauthbearer(&self) -> String {
        let Credentials { user, authzid, host, port, token, .. } = &self.credentials;
        let identity = if authzid.is_empty() { user } else { authzid };
        let mut message = String::from("n,");
        if !identity.is_empty() {
            message += &format!("a={}", saslname(identity));
        }
        message += ",\x01";
        if !host.is_empty() {
            message += &format!("host={host}\x01");
        }
        if *port != 0 {
            message += &format!("port={port}\x01");
        }
        message + &format!("auth=Bearer {token}\x01\x01")
    }
}

impl SaslExchange for Oauth {
    fn start(&mut self) -> Result<Option<Response>, SaslError> {
        let Credentials { user, authzid, token, .. } = &self.credentials;
        if [user, authzid, token].iter().any(|part| part.contains(['\x01', '\0'])) {
            return Err(SaslError::InvalidCredential("neither user nor token may have a NUL or a Control-A"));
        }
        let message = if self.mechanism == Mechanism::Xoauth2 { self.xoauth2() } else { self.oauthbearer() };
        Ok(Some(Response::secret(message)))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        // Only an error may come here (RFC 7628 §3.2.2), and only once.
        if self.error.is_some() || challenge.trim_ascii().first() != Some(&b'{') {
            return Err(SaslError::UnexpectedChallenge);
        }
        self.error = Some(String::from_utf8_lossy(challenge).into_owned());
        // RFC 7628 §3.2.3: a single kvsep. XOAUTH2 expects an empty response.
        let answer: &[u8] = if self.mechanism == Mechanism::Xoauth2 { b"" } else { b"\x01" };
        Ok(Response::public(answer))
    }

    fn refusal(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn finish(&mut self, _data: Option<&[u8]>) -> Result<(), SaslError> {
        match &self.error {
            None => Ok(()),
            Some(error) => Err(SaslError::BadChallenge(format!("the server reports success after an error: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const ERROR: &[u8] = br#"{"status":"invalid_token","schemes":"bearer"}"#;

    fn initial(mechanism: Mechanism, credentials: Credentials) -> String {
        let response = Oauth::new(mechanism, credentials).start().ok().flatten().expect("there is a first message");
        assert!(response.secret);
        STANDARD.encode(response.bytes)
    }

    #[test]
    fn the_documented_messages_come_out() {
        let google = Credentials {
            user: "someuser@example.com".into(),
            token: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg".into(),
            ..Credentials::default()
        };
        assert_eq!(
            initial(Mechanism::Xoauth2, google),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
            "Google's example"
        );
        let rfc = Credentials {
            user: "user@example.com".into(),
            token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".into(),
            host: "server.example.com".into(),
            port: 143,
            ..Credentials::default()
        };
        assert_eq!(
            initial(Mechanism::OauthBearer, rfc),
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
            "RFC 7628 §4.1"
        );
        let bare = Credentials { token: "t".into(), ..Credentials::default() };
        assert_eq!(initial(Mechanism::OauthBearer, bare), STANDARD.encode("n,,\x01auth=Bearer t\x01\x01"));
    }

    #[test]
    fn an_error_is_answered_once() {
        for (mechanism, answer) in [(Mechanism::Xoauth2, &b""[..]), (Mechanism::OauthBearer, b"\x01")] {
            let mut exchange = Oauth::new(mechanism, Credentials::default());
            assert_eq!(exchange.finish(None), Ok(()), "success without a word");
            assert_eq!(exchange.respond(ERROR).map(|r| r.bytes), Ok(answer.to_vec()));
            assert_eq!(exchange.respond(ERROR).err(), Some(SaslError::UnexpectedChallenge));
            assert!(exchange.finish(None).is_err(), "success after an error");
        }
    }

    #[test]
    fn another_challenge_is_out_of_place() {
        for challenge in [&b""[..], b"Username:"] {
            let mut exchange = Oauth::new(Mechanism::Xoauth2, Credentials::default());
            assert_eq!(exchange.respond(challenge).err(), Some(SaslError::UnexpectedChallenge));
        }
    }
}
