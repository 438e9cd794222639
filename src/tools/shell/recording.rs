//! What was said at the prompt, as a session file that runs the same.

use crate::smtp::sasl::Mechanism;
use crate::tools::import::steps::{hexadecimal, quoted, template_literal};
use std::fmt::Write;

/// What was done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedAction {
    /// The greeting, or a reply that was waited for.
    Wait,
    /// A line; `secret` is the index in it from which it is hidden.
    Line {
        text: Vec<u8>,
        secret: Option<usize>,
    },
    /// Content up to its dot, dots unstuffed.
    Content(Vec<u8>),
    Raw(Vec<u8>),
    /// Bytes that are a secret; `ended`: with CRLF.
    RawSecret {
        ended: bool,
    },
    Login(RecordedLogin),
    Starttls,
    Tls,
    Close {
        reset: bool,
    },
    Connect,
}

/// The value that is asked for without echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    Password,
    Token,
}

/// `:auth`, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLogin {
    pub mechanism: Mechanism,
    pub user: String,
    pub secret: Option<SecretKind>,
    /// Without TLS.
    pub in_plain_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    pub action: RecordedAction,
    /// The code of the reply; `None` if none was read, 0 if the server closed instead.
    pub code: Option<u16>,
}

/// Writes the session file. `clean` leaves out what got a 5xx.
pub fn session_file(server: &str, verify: bool, steps: &[RecordedStep], clean: bool) -> String {
    let mut secrets = 0;
    let mut body = String::new();
    for step in steps {
        if clean && step.code.is_some_and(|code| (500..600).contains(&code)) {
            continue;
        }
        let action = match &step.action {
            RecordedAction::Wait => String::new(),
            RecordedAction::Line { text, secret: None } => match std::str::from_utf8(text) {
                // `send` takes none of these.
                Ok(text) if !text.contains(['\0', '\r', '\n']) => format!("send = {}\n", template(text)),
                _ => format!("raw = {}\n", hexadecimal(&[text, &b"\r\n"[..]].concat())),
            },
            RecordedAction::Line { text, secret: Some(at) } => {
                secrets += 1;
                let before = String::from_utf8_lossy(text.get(..*at).unwrap_or_default()).into_owned();
                format!("send = {}\n", quoted(&format!("{}{{{{ secret_{secrets} }}}}", template_literal(&before))))
            }
            // `body` makes CRLF of a bare CR.
            RecordedAction::Content(content) => {
                match std::str::from_utf8(content).map(|text| text.replace("\r\n", "\n")) {
                    Ok(text) if !text.contains('\r') => format!("body = {}\n", template(&text)),
                    _ => {
                        let mut stuffed = Vec::new();
                        for line in content.split_inclusive(|byte| *byte == b'\n') {
                            stuffed.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
                            stuffed.extend_from_slice(line);
                        }
                        stuffed.extend_from_slice(b".\r\n");
                        format!("raw = {}\n", hexadecimal(&stuffed))
                    }
                }
            }
            RecordedAction::Raw(bytes) => format!("raw = {}\n", hexadecimal(bytes)),
            RecordedAction::RawSecret { ended } => {
                secrets += 1;
                format!("raw = \"{{{{ secret_{secrets} }}}}{}\"\n", if *ended { "\\r\\n" } else { "" })
            }
            RecordedAction::Login(login) => {
                let mut keys = format!("mechanism = \"{}\"", login.mechanism);
                if !login.user.is_empty() {
                    let _ = write!(keys, ", user = {}", template(&login.user)); // writing to a String cannot fail
                }
                if let Some(kind) = login.secret {
                    secrets += 1;
                    let key = if kind == SecretKind::Password { "password" } else { "token" };
                    let _ = write!(keys, ", {key} = \"{{{{ secret_{secrets} }}}}\""); // the same
                }
                if login.in_plain_text {
                    keys.push_str(", allow_plaintext = true");
                }
                format!("auth = {{ {keys} }}\n")
            }
            RecordedAction::Starttls => "starttls = true\n".to_owned(),
            RecordedAction::Tls => "tls = true\n".to_owned(),
            RecordedAction::Close { reset: false } => "close = true\n".to_owned(),
            RecordedAction::Close { reset: true } => "close = \"reset\"\n".to_owned(),
            RecordedAction::Connect => "connect = true\n".to_owned(),
        };
        let expect = match (&step.action, step.code) {
            (RecordedAction::Tls | RecordedAction::Close { .. } | RecordedAction::Connect, _) | (_, None) => {
                String::new()
            }
            (_, Some(0)) => "expect = \"close\"\n".to_owned(),
            (_, Some(code)) if code < 100 => format!("expect = \"{code:03}\"\n"),
            (_, Some(code)) => format!("expect = {code}\n"),
        };
        let _ = write!(body, "\n[[step]]\n{action}{expect}"); // writing to a String cannot fail
    }
    let mut head = format!("server = {}\n", template(server));
    if secrets > 0 {
        head.push_str("\n[secrets]\n");
        for number in 1..=secrets {
            let _ = writeln!(head, "secret_{number} = {{ env = \"SMTP_SECRET_{number}\" }}");
        }
    }
    if !verify {
        head.push_str("\n[tls]\nverify = false\n");
    }
    head + &body
}

/// A TOML string whose template renders to `text`.
fn template(text: &str) -> String {
    quoted(&template_literal(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: RecordedAction, code: u16) -> RecordedStep {
        RecordedStep { action, code: Some(code) }
    }

    fn line(text: &str) -> RecordedAction {
        RecordedAction::Line { text: text.into(), secret: None }
    }

    #[test]
    fn a_dialogue_becomes_steps_with_the_replies_that_came() {
        let steps = [
            step(RecordedAction::Wait, 220),
            step(line("NOOP {{ \"x\" }} \\"), 250),
            step(RecordedAction::Line { text: b"AUTH PLAIN AGEAYg==".to_vec(), secret: Some(11) }, 235),
            step(line("VRFY x"), 550),
            step(RecordedAction::Content(b"Subject: x\r\n\r\n.dot\r\n".to_vec()), 250),
            RecordedStep { action: RecordedAction::Raw(b"NO\n".to_vec()), code: None },
            step(
                RecordedAction::Login(RecordedLogin {
                    mechanism: Mechanism::Plain,
                    user: "a\"b".to_owned(),
                    secret: Some(SecretKind::Password),
                    in_plain_text: true,
                }),
                235,
            ),
        ];
        let text = session_file("smtp://x", false, &steps, false);
        assert_eq!(
            text,
            "server = \"smtp://x\"\n\n[secrets]\nsecret_1 = { env = \"SMTP_SECRET_1\" }\nsecret_2 = { env = \"SMTP_SECRET_2\" }\n\n[tls]\nverify = false\n\
             \n[[step]]\nexpect = 220\n\n[[step]]\nsend = \"NOOP {{ '{{' }} \\\"x\\\" }} \\\\\"\nexpect = 250\n\
             \n[[step]]\nsend = \"AUTH PLAIN {{ secret_1 }}\"\nexpect = 235\n\n[[step]]\nsend = \"VRFY x\"\nexpect = 550\n\
             \n[[step]]\nbody = \"Subject: x\\n\\n.dot\\n\"\nexpect = 250\n\n[[step]]\nraw = { hex = \"4e 4f 0a\" }\n\
             \n[[step]]\nauth = { mechanism = \"PLAIN\", user = \"a\\\"b\", password = \"{{ secret_2 }}\", allow_plaintext = true }\n\
             expect = 235\n"
        );
        assert!(!session_file("smtp://x", true, &steps, true).contains("VRFY"), "clean leaves out what got a 5xx");
    }

    #[test]
    fn a_bare_cr_is_saved_as_it_was_sent() {
        let steps = [step(line("NOOP a\rb"), 250), step(RecordedAction::Content(b"a\rb\r\n".to_vec()), 250)];
        let text = session_file("smtp://x", true, &steps, false);
        assert!(text.contains("raw = { hex = \"4e 4f 4f 50 20 61 0d 62 0d 0a\" }\nexpect = 250"), "{text}");
        assert!(text.contains("raw = { hex = \"61 0d 62 0d 0a 2e 0d 0a\" }\nexpect = 250"), "{text}");
    }
}
