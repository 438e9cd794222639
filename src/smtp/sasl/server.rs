//! The server's side of the mechanisms, for the embedded server: what a client's messages say, and whether they are right.

use super::scram::{ScramKeys, hash_of, prepare};
use super::{Mechanism, cram};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What PLAIN carries (RFC 4616 §2).
#[derive(Clone, PartialEq, Eq)]
pub struct Plain {
    pub authzid: String,
    pub user: String,
    pub password: String,
}

/// `None` where it has not three parts, or no UTF-8.
pub fn plain(message: &[u8]) -> Option<Plain> {
    let mut parts = std::str::from_utf8(message).ok()?.split('\0').map(str::to_owned);
    let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() { None } else { Some(Plain { authzid, user, password }) }
}

/// The user that CRAM-MD5's answer names, and whether its digest was made with `password`.
pub fn cram_md5(answer: &[u8], challenge: &[u8], password: &str) -> Option<(String, bool)> {
    let (user, digest) = std::str::from_utf8(answer).ok()?.rsplit_once(' ')?;
    Some((user.to_owned(), digest.eq_ignore_ascii_case(&cram::digest(password, challenge))))
}

/// SCRAM's server for one exchange with a password that is known. Errors are the words of RFC 5802 §7's
/// `server-error-value`, to be sent as `e=…`.
pub struct ScramServer {
    mechanism: Mechanism,
    password: String,
    salt: Vec<u8>,
    iterations: u32,
    nonce: String,
    /// `tls-server-end-point` of the connection.
    channel_binding: Option<Vec<u8>>,
    user: String,
    gs2: String,
    first_bare: String,
    server_first: String,
}

impl ScramServer {
    /// `nonce` is the server's part; `None` where `mechanism` is not SCRAM.
    pub fn new(
        mechanism: Mechanism,
        password: &str,
        salt: &[u8],
        iterations: u32,
        nonce: &str,
        channel_binding: Option<Vec<u8>>,
    ) -> Option<Self> {
        hash_of(mechanism)?;
        Some(Self {
            mechanism,
            password: password.to_owned(),
            salt: salt.to_vec(),
            iterations,
            nonce: nonce.to_owned(),
            channel_binding,
            user: String::new(),
            gs2: String::new(),
            first_bare: String::new(),
            server_first: String::new(),
        })
    }

    /// The user that the client named; empty before its first message.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Answers the client's first message.
    pub fn first(&mut self, message: &[u8]) -> Result<Vec<u8>, &'static str> {
        let text = std::str::from_utf8(message).map_err(|_| "invalid-encoding")?;
        let mut parts = text.splitn(3, ',');
        let (flag, authzid, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(flag), Some(authzid), Some(bare)) = (flag, authzid, bare) else { return Err("invalid-encoding") };
        match (flag, self.mechanism.is_plus()) {
            ("p=tls-server-end-point", true) | ("n" | "y", false) => {}
            (flag, true) if flag.starts_with("p=") => return Err("unsupported-channel-binding-type"),
            _ => return Err("channel-bindings-dont-match"),
        }
        if bare.starts_with("m=") {
            return Err("extensions-not-supported");
        }
        let mut attributes = bare.split(',');
        let user = attributes.next().and_then(|a| a.strip_prefix("n=")).ok_or("invalid-encoding")?;
        let client_nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or("invalid-encoding")?;
        self.user = user.replace("=2C", ",").replace("=3D", "=");
        self.gs2 = format!("{flag},{authzid},");
        self.first_bare = bare.to_owned();
        let (salt, iterations) = (STANDARD.encode(&self.salt), self.iterations);
        self.server_first = format!("r={client_nonce}{},s={salt},i={iterations}", self.nonce);
        Ok(self.server_first.clone().into_bytes())
    }

    /// Checks the client's last message and answers it.
    pub fn last(&mut self, message: &[u8]) -> Result<Vec<u8>, &'static str> {
        let text = std::str::from_utf8(message).map_err(|_| "invalid-encoding")?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or("invalid-encoding")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or("invalid-encoding")?;
        let nonce = attributes.next().ok_or("invalid-encoding")?;
        if self.server_first.split(',').next() != Some(nonce) {
            return Err("other-error");
        }
        let mut expected = self.gs2.clone().into_bytes();
        if self.mechanism.is_plus() {
            expected.extend(self.channel_binding.iter().flatten());
        }
        if binding != STANDARD.encode(expected) {
            return Err("channel-bindings-dont-match");
        }
        let hash = hash_of(self.mechanism).ok_or("other-error")?;
        let password = prepare(&self.password, "").map_err(|_| "invalid-username-encoding")?;
        let keys = ScramKeys::derive(hash, &password, &self.salt, self.iterations);
        let auth_message = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        if proof != STANDARD.encode(keys.client_proof(&auth_message)) {
            return Err("invalid-proof");
        }
        Ok(format!("v={}", STANDARD.encode(keys.server_signature(&auth_message))).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Credentials, SaslExchange, start_exchange};
    use super::*;

    fn credentials() -> Credentials {
        Credentials { user: "u,=x".into(), password: "pencil".into(), ..Credentials::default() }
    }

    /// Plays the exchange to its end.
    fn play(
        mechanism: Mechanism,
        client: Credentials,
        server_binding: Option<Vec<u8>>,
        password: &str,
    ) -> Result<(), String> {
        let mut server =
            ScramServer::new(mechanism, password, b"salt", 4096, "server", server_binding).expect("a SCRAM");
        let mut client: Box<dyn SaslExchange> = start_exchange(mechanism, client, "client");
        let first = client.start().map_err(|e| e.to_string())?.expect("SCRAM speaks first");
        let challenge = server.first(&first.bytes)?;
        assert_eq!(server.user(), "u,=x");
        let last = client.respond(&challenge).map_err(|e| e.to_string())?;
        let verifier = server.last(&last.bytes)?;
        client.respond(&verifier).map_err(|e| e.to_string())?;
        client.finish(None).map_err(|e| e.to_string())
    }

    #[test]
    fn client_and_server_understand_each_other() {
        let bound = Credentials { channel_binding: Some(b"cb".to_vec()), plus_offered: true, ..credentials() };
        for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256] {
            assert_eq!(play(mechanism, credentials(), None, "pencil"), Ok(()));
            assert_eq!(play(mechanism, credentials(), None, "rubber"), Err("invalid-proof".into()));
        }
        for mechanism in [Mechanism::ScramSha1Plus, Mechanism::ScramSha256Plus] {
            assert_eq!(play(mechanism, bound.clone(), Some(b"cb".to_vec()), "pencil"), Ok(()));
            let other = play(mechanism, bound.clone(), Some(b"other".to_vec()), "pencil");
            assert_eq!(other, Err("channel-bindings-dont-match".into()), "someone is in the middle");
        }
    }

    #[test]
    fn broken_messages_are_refused_in_the_words_of_the_rfc() {
        let table: &[(&[u8], &str)] = &[
            (b"\xff", "invalid-encoding"),
            (b"", "invalid-encoding"),
            (b"n,,r=x", "invalid-encoding"),
            (b"n,,m=1,n=u,r=x", "extensions-not-supported"),
            (b"p=tls-server-end-point,,n=u,r=x", "channel-bindings-dont-match"),
        ];
        for (message, error) in table {
            let mut server = ScramServer::new(Mechanism::ScramSha1, "p", b"s", 4096, "n", None).expect("a SCRAM");
            assert_eq!(server.first(message), Err(*error), "{}", String::from_utf8_lossy(message));
            assert!(server.last(message).is_err());
        }
        assert!(ScramServer::new(Mechanism::Plain, "p", b"s", 4096, "n", None).is_none());
    }

    #[test]
    fn plain_has_three_parts() {
        let found = plain(b"z\0u\0p").map(|p| [p.authzid, p.user, p.password]);
        assert_eq!(found, Some(["z".to_owned(), "u".to_owned(), "p".to_owned()]));
        for message in [&b"u\0p"[..], b"a\0b\0c\0d", b"\xff\0u\0p", b""] {
            assert!(plain(message).is_none());
        }
    }

    #[test]
    fn cram_md5_is_checked() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = b"tim b913a602c7eda7a495b4e6e7334d3890";
        assert_eq!(cram_md5(answer, challenge, "tanstaaftanstaaf"), Some(("tim".into(), true)), "RFC 2195 §2");
        assert_eq!(cram_md5(answer, challenge, "wrong"), Some(("tim".into(), false)));
        assert_eq!(cram_md5(b"tim", challenge, ""), None);
    }
}
