//! The sessions that a probe runs.

use crate::session::{Scheme, TlsVersion};

/// The names of the steps.
pub mod step {
    pub const GREETING: &str = "greeting";
    pub const HELLO: &str = "hello";
    /// HELO, after EHLO was refused.
    pub const HELO: &str = "helo";
    /// STARTTLS and the handshake. With `smtps://` what fails in the handshake is put here, too.
    pub const HANDSHAKE: &str = "handshake";
    pub const HELLO_IN_TLS: &str = "hello in TLS";
    pub const VRFY: &str = "VRFY";
    pub const EXPN: &str = "EXPN";
    pub const QUIT: &str = "quit";
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePurpose {
    /// The dialogue of a usual client.
    Dialogue,
    /// Whether the server accepts this version of TLS.
    Version(TlsVersion),
    /// VRFY and EXPN; inside TLS if the server lets us.
    Commands { tls: bool },
}

/// The text of a session. `named`: the client's name is the variable `client_name`. `hurried`: the greeting must come within
/// five seconds, since the port is one for TLS from the first byte.
pub fn script(purpose: ProbePurpose, scheme: Scheme, named: bool, hurried: bool) -> String {
    // The target of the run replaces it. With `--mx` the scheme and the port of the target count only if there is one.
    let mut out = "server = \"smtp://localhost\"\n".to_owned();
    if named {
        out.push_str("client_name = \"{{ client_name }}\"\n");
    }
    let mut add = |name: &str, keys: &str| out.push_str(&format!("[[step]]\nname = \"{name}\"\n{keys}\n"));
    let hello = if scheme == Scheme::Lmtp { "lhlo = true" } else { "ehlo = true" };
    let is_trial = matches!(purpose, ProbePurpose::Version(_));
    // A handshake that succeeds fails the step, and the session goes on.
    let trial = "expect = \"handshake-failure\"\non_fail = \"continue\"";
    if scheme == Scheme::Smtps {
        if is_trial {
            // The greeting ends the wait for a refusal.
            add(step::HANDSHAKE, &format!("tls = true\ntimeout = \"100ms\"\n{trial}"));
            add(step::GREETING, "expect = \"2xx\"\nif = \"tls is not none\"");
            add(step::HELLO_IN_TLS, &format!("{hello}\nif = \"tls is not none\"\nexpect = \"2xx\""));
        } else {
            // The handshake comes before the greeting by itself.
            add(step::GREETING, "expect = \"2xx\"");
            add(step::HELLO_IN_TLS, &format!("{hello}\nexpect = \"2xx\""));
        }
    } else {
        add(step::GREETING, if hurried { "expect = \"2xx\"\ntimeout = \"5s\"" } else { "expect = \"2xx\"" });
        if scheme == Scheme::Lmtp {
            add(step::HELLO, &format!("{hello}\nexpect = \"2xx\""));
        } else {
            add(step::HELLO, &format!("{hello}\nexpect = [\"2xx\", \"5xx\"]"));
            add(step::HELO, "helo = true\nif = \"reply.code >= 500\"\nexpect = \"2xx\"");
        }
        match purpose {
            ProbePurpose::Commands { tls: false } => {}
            ProbePurpose::Version(_) => {
                add(step::HANDSHAKE, &format!("starttls = true\ninject_check = false\n{trial}"));
            }
            ProbePurpose::Dialogue | ProbePurpose::Commands { tls: true } => {
                let offered = "if = \"'STARTTLS' in ehlo.capabilities\"";
                add(step::HANDSHAKE, &format!("starttls = true\ninject_check = false\n{offered}"));
            }
        }
        add(step::HELLO_IN_TLS, &format!("{hello}\nif = \"tls is not none\"\nexpect = \"2xx\""));
    }
    if matches!(purpose, ProbePurpose::Commands { .. }) {
        add(step::VRFY, "send = \"VRFY postmaster\"\nexpect = \"any\"");
        add(step::EXPN, "send = \"EXPN postmaster\"\nexpect = \"any\"");
    }
    add(step::QUIT, "quit = true");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::session::{SourceError, SourceFile, Sources};
    use std::path::Path;

    struct NoFiles;

    impl Sources for NoFiles {
        fn open(&self, _: &Path) -> Result<SourceFile, SourceError> {
            Err(SourceError::Unreadable("there are no files".to_owned()))
        }
    }

    #[test]
    fn every_script_is_a_session_without_warnings() {
        let purposes = [
            ProbePurpose::Dialogue,
            ProbePurpose::Version(TlsVersion::Tls10),
            ProbePurpose::Commands { tls: false },
            ProbePurpose::Commands { tls: true },
        ];
        for purpose in purposes {
            for scheme in [Scheme::Smtp, Scheme::Smtps, Scheme::Lmtp] {
                for named in [false, true] {
                    let text = script(purpose, scheme, named, named);
                    let known: &[String] = if named { &["client_name".to_owned()] } else { &[] };
                    let session =
                        load("probe", &text, &NoFiles, known).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
                    assert!(session.warnings.is_empty(), "{:?}\n{text}", session.warnings);
                    let versions = matches!(purpose, ProbePurpose::Version(_));
                    assert_eq!(session.needs_tls_details(), versions, "{text}");
                }
            }
        }
    }

    #[test]
    fn no_probe_sends_mail_or_credentials() {
        for purpose in [ProbePurpose::Dialogue, ProbePurpose::Commands { tls: true }] {
            let text = script(purpose, Scheme::Smtp, true, false);
            for verb in ["MAIL", "RCPT", "DATA", "AUTH", "auth", "message"] {
                assert!(!text.contains(verb), "{text}");
            }
        }
    }
}
