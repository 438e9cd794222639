//! Mechanisms whose messages are known from the start: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), EXTERNAL
//! (RFC 4422 appendix A), ANONYMOUS (RFC 4505).

use super::exchange::{Credentials, Response, SaslError, SaslExchange};
use std::collections::VecDeque;

/// Messages that do not depend on the server's challenges.
pub struct FixedResponses {
    initial: Result<Option<Response>, SaslError>,
    answers: VecDeque<Response>,
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2).
pub fn plain(credentials: &Credentials) -> FixedResponses {
    let parts = [&credentials.authzid, &credentials.user, &credentials.password];
    let initial = if parts.iter().any(|part| part.contains('\0')) {
        Err(SaslError::InvalidCredential("PLAIN cannot carry a NUL in authzid, user or password"))
    } else {
        Ok(Some(Response::secret(parts.map(String::as_str).join("\0"))))
    };
    FixedResponses { initial, answers: VecDeque::new() }
}

/// Sends the user, then the password, whatever the challenges are: their texts were never standardised.
pub fn login(credentials: Credentials) -> FixedResponses {
    let answers = [Response::public(credentials.user), Response::secret(credentials.password)];
    FixedResponses { initial: Ok(None), answers: answers.into() }
}

/// The authorization identity, which may be empty: the certificate tells who the client is. A user without an authzid
/// is sent as the identity, as swaks and msmtp do: the mechanism has no other use for it.
pub fn external(credentials: Credentials) -> FixedResponses {
    let identity = if credentials.authzid.is_empty() { credentials.user } else { credentials.authzid };
    FixedResponses { initial: Ok(Some(Response::public(identity))), answers: VecDeque::new() }
}

/// Trace information, which may be empty (RFC 4505 §2).
pub fn anonymous(credentials: Credentials) -> FixedResponses {
    FixedResponses { initial: Ok(Some(Response::public(credentials.user))), answers: VecDeque::new() }
}

impl SaslExchange for FixedResponses {
    fn start(&mut self) -> Result<Option<Response>, SaslError> {
        self.initial.clone()
    }

    fn respond(&mut self, _challenge: &[u8]) -> Result<Response, SaslError> {
        self.answers.pop_front().ok_or(SaslError::UnexpectedChallenge)
    }

    fn finish(&mut self, _data: Option<&[u8]>) -> Result<(), SaslError> {
        if self.answers.is_empty() { Ok(()) } else { Err(SaslError::EarlySuccess) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tim() -> Credentials {
        Credentials { user: "tim".into(), password: "tanstaaftanstaaf".into(), ..Credentials::default() }
    }

    fn initial(exchange: &mut FixedResponses) -> Option<(String, bool)> {
        let response = exchange.start().expect("nothing in the way")?;
        Some((String::from_utf8(response.bytes).expect("made of text"), response.secret))
    }

    #[test]
    fn plain_says_all_in_one_message() {
        assert_eq!(initial(&mut plain(&tim())), Some(("\0tim\0tanstaaftanstaaf".into(), true)), "RFC 4616 §4");
        let ursel = Credentials { user: "Kurt".into(), password: "xipj3plmq".into(), authzid: "Ursel".into(), ..tim() };
        assert_eq!(initial(&mut plain(&ursel)), Some(("Ursel\0Kurt\0xipj3plmq".into(), true)), "RFC 4616 §4");
        let mut exchange = plain(&tim());
        assert_eq!(exchange.respond(b"").err(), Some(SaslError::UnexpectedChallenge), "credentials are sent once");
        assert_eq!(exchange.finish(None), Ok(()));
        let nul = Credentials { user: "a\0b".into(), ..tim() };
        assert!(matches!(plain(&nul).start(), Err(SaslError::InvalidCredential(_))), "a NUL would move the password");
    }

    #[test]
    fn login_answers_whatever_is_asked() {
        let mut exchange = login(tim());
        assert_eq!(initial(&mut exchange), None);
        assert_eq!(exchange.finish(None), Err(SaslError::EarlySuccess));
        for (challenge, answer, secret) in [("Benutzer?", "tim", false), ("", "tanstaaftanstaaf", true)] {
            let response = exchange.respond(challenge.as_bytes()).expect("there is an answer left");
            assert_eq!((response.bytes.as_slice(), response.secret), (answer.as_bytes(), secret));
        }
        assert_eq!(exchange.finish(None), Ok(()));
        assert_eq!(exchange.respond(b"again?").err(), Some(SaslError::UnexpectedChallenge));
    }

    #[test]
    fn login_is_not_over_after_the_user() {
        let mut exchange = login(tim());
        assert!(exchange.respond(b"Username:").is_ok());
        assert_eq!(exchange.finish(None), Err(SaslError::EarlySuccess));
    }

    #[test]
    fn external_and_anonymous_may_be_empty() {
        let someone = Credentials { authzid: "u@example.com".into(), ..tim() };
        assert_eq!(initial(&mut external(Credentials::default())), Some((String::new(), false)));
        assert_eq!(initial(&mut external(tim())), Some(("tim".into(), false)));
        assert_eq!(initial(&mut external(someone)), Some(("u@example.com".into(), false)));
        assert_eq!(initial(&mut anonymous(tim())), Some(("tim".into(), false)));
        assert_eq!(initial(&mut anonymous(Credentials::default())), Some((String::new(), false)));
    }
}
