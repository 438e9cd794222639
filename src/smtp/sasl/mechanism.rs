//! The mechanisms: their names, and the choice of the strongest.

use std::fmt;

/// The mechanisms that mailrun supports.
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
    /// All of them, the strongest first.
    pub const ALL: [Self; 11] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::CramMd5,
        Self::Plain,
        Self::Login,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::External,
        Self::Anonymous,
    ];

    /// Parses a registered name, without regard to case. DIGEST-MD5 and NTLM are errors that explain why they are not
    /// supported.
    pub fn parse(name: &str) -> Result<Self, UnknownMechanism> {
        if let Some(mechanism) = Self::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name)) {
            return Ok(mechanism);
        }
        let (is_intentional, why) = match name.to_ascii_uppercase().as_str() {
            "DIGEST-MD5" => (true, "RFC 6331 moved it to historic; SCRAM took its place".to_owned()),
            "NTLM" | "GSS-SPNEGO" => (true, "it is weak, proprietary and withdrawn by its maker".to_owned()),
            _ => (false, format!("supported are {}", Self::ALL.map(Self::name).join(", "))),
        };
        Err(UnknownMechanism { name: name.to_owned(), is_intentional, why })
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// Whether the credentials can be read from the wire.
    pub fn is_plaintext(self) -> bool {
        matches!(self, Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2)
    }

    /// Whether it binds the exchange to the TLS channel (RFC 5802 §6).
    pub fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not the name of a supported mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMechanism {
    pub name: String,
    /// The mechanism is known, and not supported on purpose.
    pub is_intentional: bool,
    /// Why it is not supported, if that is intentional; else the names that are.
    pub why: String,
}

impl fmt::Display for UnknownMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_intentional { "not supported on purpose" } else { "unknown" };
        write!(f, "the mechanism \"{}\" is {what}: {}", self.name, self.why)
    }
}

impl std::error::Error for UnknownMechanism {}

/// Chooses the strongest mechanism that both sides support: with a password SCRAM down to LOGIN; with a token
/// OAUTHBEARER, XOAUTH2; then EXTERNAL, if there is a client certificate. ANONYMOUS must be named.
pub struct MechanismChoice<'a> {
    /// In upper or lower case.
    pub offered: &'a [String],
    pub has_password: bool,
    pub has_token: bool,
    /// Whether TLS provides one, for the -PLUS mechanisms.
    pub channel_binding: bool,
    pub client_certificate: bool,
}

impl MechanismChoice<'_> {
    /// The strongest mechanism that is possible.
    pub fn strongest(&self) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|m| self.has_credentials_for(*m) && self.is_offered(*m))
    }

    fn is_offered(&self, mechanism: Mechanism) -> bool {
        self.offered.iter().any(|name| name.eq_ignore_ascii_case(mechanism.name()))
    }

    fn has_credentials_for(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus => self.has_password && self.channel_binding,
            Mechanism::ScramSha256
            | Mechanism::ScramSha1
            | Mechanism::CramMd5
            | Mechanism::Plain
            | Mechanism::Login => self.has_password,
            Mechanism::OauthBearer | Mechanism::Xoauth2 => self.has_token,
            Mechanism::External => self.client_certificate,
            Mechanism::Anonymous => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_regard_to_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Ok(mechanism));
        }
        let why = |name| Mechanism::parse(name).map_err(|e| e.to_string());
        assert!(why("digest-md5").is_err_and(|e| e.contains("on purpose")));
        assert!(why("NTLM").is_err_and(|e| e.contains("on purpose")));
        assert!(why("PLIAN").is_err_and(|e| e.contains("PLAIN") && e.contains("unknown")));
    }

    #[test]
    fn the_strongest_of_both_sides_is_chosen() {
        const PASSWORD: u8 = 1;
        const TOKEN: u8 = 2;
        const BINDING: u8 = 4;
        const CERTIFICATE: u8 = 8;
        let all = "ANONYMOUS EXTERNAL LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER";
        let table = [
            (all, PASSWORD | BINDING, Some("SCRAM-SHA-256-PLUS"), "inside TLS"),
            (all, PASSWORD, Some("SCRAM-SHA-256"), "no channel to bind to"),
            ("SCRAM-SHA-256 SCRAM-SHA-1-PLUS", PASSWORD | BINDING, Some("SCRAM-SHA-1-PLUS"), "binding before hash"),
            ("PLAIN LOGIN CRAM-MD5", PASSWORD, Some("CRAM-MD5"), "the password stays here"),
            ("LOGIN PLAIN", PASSWORD, Some("PLAIN"), "the server's order does not count"),
            ("login", PASSWORD, Some("LOGIN"), "nor does case"),
            (all, TOKEN, Some("OAUTHBEARER"), "a token in place of a password"),
            ("PLAIN XOAUTH2", TOKEN, Some("XOAUTH2"), "the older form"),
            ("PLAIN", TOKEN, None, "a token is no password"),
            (all, CERTIFICATE, Some("EXTERNAL"), "a certificate and nothing else"),
            (all, PASSWORD | CERTIFICATE, Some("SCRAM-SHA-256"), "a password that is given is meant"),
            (all, 0, None, "ANONYMOUS must be named"),
            ("GSSAPI NTLM", PASSWORD, None, "nothing in common"),
        ];
        for (offered, has, chosen, why) in table {
            let offered: Vec<String> = offered.split(' ').map(str::to_owned).collect();
            let choice = MechanismChoice {
                offered: &offered,
                has_password: has & PASSWORD != 0,
                has_token: has & TOKEN != 0,
                channel_binding: has & BINDING != 0,
                client_certificate: has & CERTIFICATE != 0,
            };
            assert_eq!(choice.strongest().map(Mechanism::name), chosen, "{why}");
        }
    }
}
