//! What was said at the prompt, as a session file that runs the same.

use crate::smtp::sasl::Mechanism;
use crate::tools::import::steps::{hexadecimal, quoted, template_literal};
use crate::transcript::Redactor;
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

/// What came in answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedReply {
    /// Nothing was read.
    None,
    /// The code of a reply.
    Code(u16),
    /// The server closed instead.
    Closed,
    /// A line that is not SMTP.
    Malformed,
}

impl RecordedReply {
    /// The code of the reply, if there is one.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Code(code) => Some(code),
            Self::None | Self::Closed | Self::Malformed => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    pub action: RecordedAction,
    pub reply: RecordedReply,
}

/// The secrets of a session file, which come from the environment.
struct SavedSecrets<'a> {
    /// Finds secrets that were typed where none is expected.
    redactor: &'a Redactor,
    count: usize,
}

impl SavedSecrets<'_> {
    /// An expression for the next secret.
    fn expression(&mut self) -> String {
        self.count += 1;
        format!("{{{{ secret_{} }}}}", self.count)
    }

    /// A TOML string whose template renders to `text`.
    fn template(&mut self, text: &str) -> String {
        let (mut template, mut rest) = (String::new(), 0);
        for hidden in self.redactor.find(text.as_bytes()) {
            let Some(open) = text.get(rest..hidden.start).filter(|open| !open.ends_with('{')) else {
                return quoted(&self.expression());
            };
            template = template + &template_literal(open) + &self.expression();
            rest = hidden.end;
        }
        match text.get(rest..) {
            Some(open) => quoted(&(template + &template_literal(open))),
            None => quoted(&self.expression()),
        }
    }

    /// The key for bytes that are sent as they are.
    fn raw(&mut self, bytes: &[u8]) -> String {
        if self.redactor.find(bytes).is_empty() {
            // Of other characters a reader does not see which bytes they are.
            let is_readable = |c: char| c.is_ascii() && (!c.is_control() || "\r\n\t".contains(c));
            let text = str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_readable));
            let value = text.map_or_else(|| hexadecimal(bytes), |text| quoted(&template_literal(text)));
            return format!("raw = {value}\n");
        }
        self.secret_raw(bytes.ends_with(b"\r\n"))
    }

    fn secret_raw(&mut self, ended: bool) -> String {
        format!("raw = \"{}{}\"\n", self.expression(), if ended { "\\r\\n" } else { "" })
    }
}

/// Writes the session file. `clean` leaves out what got a 5xx. What `redactor` finds is a secret of the file.
pub fn session_file(server: &str, verify: bool, steps: &[RecordedStep], clean: bool, redactor: &Redactor) -> String {
    let mut secrets = SavedSecrets { redactor, count: 0 };
    let mut body = String::new();
    for step in steps {
        // A step that waits for a reply that did not come would have no key.
        let is_answered = step.reply != RecordedReply::None;
        let is_empty = step.action == RecordedAction::Wait && !is_answered;
        if is_empty || clean && step.reply.code().is_some_and(|code| (500..600).contains(&code)) {
            continue;
        }
        let action = match &step.action {
            RecordedAction::Wait => String::new(),
            RecordedAction::Line { text, secret: None } => match std::str::from_utf8(text) {
                // `send` takes none of these, and needs a reply.
                Ok(text) if is_answered && !text.contains(['\0', '\r', '\n']) => {
                    format!("send = {}\n", secrets.template(text))
                }
                _ => secrets.raw(&[text, &b"\r\n"[..]].concat()),
            },
            RecordedAction::Line { text, secret: Some(at) } => {
                let before = String::from_utf8_lossy(text.get(..*at).unwrap_or_default()).into_owned();
                let line = template_literal(&before) + &secrets.expression();
                match is_answered {
                    true => format!("send = {}\n", quoted(&line)),
                    false => format!("raw = {}\n", quoted(&(line + "\r\n"))),
                }
            }
            // `body` makes CRLF of a bare CR, and needs a reply.
            RecordedAction::Content(content) => {
                match std::str::from_utf8(content).map(|text| text.replace("\r\n", "\n")) {
                    Ok(text) if is_answered && !text.contains('\r') => {
                        format!("body = {}\n", secrets.template(&text))
                    }
                    _ => {
                        let mut stuffed = Vec::new();
                        for line in content.split_inclusive(|byte| *byte == b'\n') {
                            stuffed.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
                            stuffed.extend_from_slice(line);
                        }
                        stuffed.extend_from_slice(b".\r\n");
                        secrets.raw(&stuffed)
                    }
                }
            }
            RecordedAction::Raw(bytes) => secrets.raw(bytes),
            RecordedAction::RawSecret { ended } => secrets.secret_raw(*ended),
            RecordedAction::Login(login) => {
                let mut keys = format!("mechanism = \"{}\"", login.mechanism);
                if !login.user.is_empty() {
                    let _ = write!(keys, ", user = {}", secrets.template(&login.user)); // writing to a String cannot fail
                }
                if let Some(kind) = login.secret {
                    let key = if kind == SecretKind::Password { "password" } else { "token" };
                    let _ = write!(keys, ", {key} = \"{}\"", secrets.expression()); // the same
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
        let expect = match (&step.action, step.reply) {
            (RecordedAction::Tls | RecordedAction::Close { .. } | RecordedAction::Connect, _)
            | (_, RecordedReply::None) => String::new(),
            (_, RecordedReply::Closed) => "expect = \"close\"\n".to_owned(),
            (_, RecordedReply::Malformed) => "expect = \"malformed\"\n".to_owned(),
            (_, RecordedReply::Code(code)) if code < 100 => format!("expect = \"{code:03}\"\n"),
            (_, RecordedReply::Code(code)) => format!("expect = {code}\n"),
        };
        let _ = write!(body, "\n[[step]]\n{action}{expect}"); // writing to a String cannot fail
    }
    let mut head = format!("server = {}\n", quoted(&template_literal(server)));
    if secrets.count > 0 {
        head.push_str("\n[secrets]\n");
        for number in 1..=secrets.count {
            let _ = writeln!(head, "secret_{number} = {{ env = \"SMTP_SECRET_{number}\" }}");
        }
    }
    if !verify {
        head.push_str("\n[tls]\nverify = false\n");
    }
    head + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: RecordedAction, code: u16) -> RecordedStep {
        RecordedStep { action, reply: RecordedReply::Code(code) }
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
            RecordedStep { action: RecordedAction::Raw(b"NO\n".to_vec()), reply: RecordedReply::None },
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
        let text = session_file("smtp://x", false, &steps, false, &Redactor::default());
        assert_eq!(
            text,
            "server = \"smtp://x\"\n\n[secrets]\nsecret_1 = { env = \"SMTP_SECRET_1\" }\nsecret_2 = { env = \"SMTP_SECRET_2\" }\n\n[tls]\nverify = false\n\
             \n[[step]]\nexpect = 220\n\n[[step]]\nsend = \"NOOP {{ '{{' }} \\\"x\\\" }} \\\\\"\nexpect = 250\n\
             \n[[step]]\nsend = \"AUTH PLAIN {{ secret_1 }}\"\nexpect = 235\n\n[[step]]\nsend = \"VRFY x\"\nexpect = 550\n\
             \n[[step]]\nbody = \"Subject: x\\n\\n.dot\\n\"\nexpect = 250\n\n[[step]]\nraw = \"NO\\n\"\n\
             \n[[step]]\nauth = { mechanism = \"PLAIN\", user = \"a\\\"b\", password = \"{{ secret_2 }}\", allow_plaintext = true }\n\
             expect = 235\n"
        );
        assert!(
            !session_file("smtp://x", true, &steps, true, &Redactor::default()).contains("VRFY"),
            "clean leaves out what got a 5xx"
        );
    }

    #[test]
    fn a_bare_cr_is_saved_as_it_was_sent() {
        let steps = [step(line("NOOP a\rb"), 250), step(RecordedAction::Content(b"a\rb\r\n".to_vec()), 250)];
        let text = session_file("smtp://x", true, &steps, false, &Redactor::default());
        assert!(text.contains("raw = \"NOOP a\\rb\\r\\n\"\nexpect = 250"), "{text}");
        assert!(text.contains("raw = \"a\\rb\\r\\n.\\r\\n\"\nexpect = 250"), "{text}");
    }

    #[test]
    fn raw_bytes_that_can_be_read_are_a_string() {
        for (bytes, expected) in [
            (&b"a\r\n.\n\t{{ x\r\n"[..], r#"raw = "a\r\n.\n\t{{ '{{' }} x\r\n""#),
            ("ä".as_bytes(), r#"raw = { hex = "c3 a4" }"#),
            ("\u{202e}x".as_bytes(), r#"raw = { hex = "e2 80 ae 78" }"#),
            (b"a\0\r\n", r#"raw = { hex = "61 00 0d 0a" }"#),
            (b"\xff", r#"raw = { hex = "ff" }"#),
        ] {
            let steps = [RecordedStep { action: RecordedAction::Raw(bytes.to_vec()), reply: RecordedReply::None }];
            let text = session_file("smtp://x", true, &steps, false, &Redactor::default());
            assert!(text.ends_with(&format!("\n[[step]]\n{expected}\n")), "{expected}: {text}");
        }
    }

    #[test]
    fn a_secret_that_is_typed_again_is_a_secret_of_the_file() {
        let mut redactor = Redactor::default();
        redactor.add("hunter2-Zaphod");
        let steps = [
            step(line("NOOP {{ hunter2-Zaphod x"), 250),
            step(line("NOOP {hunter2-Zaphod"), 250),
            step(RecordedAction::Content(b"a\r\nhunter2-Zaphod\r\n".to_vec()), 250),
            step(RecordedAction::Raw(b"NOOP hunter2-Zaphod\r\n".to_vec()), 250),
            step(line("NOOP hunter2\r-Zaphod hunter2-Zaphod"), 250),
        ];
        let text = session_file("smtp://x", true, &steps, false, &redactor);
        for action in [
            "send = \"NOOP {{ '{{' }} {{ secret_1 }} x\"\n",
            "send = \"{{ secret_2 }}\"\n",
            "body = \"a\\n{{ secret_3 }}\\n\"\n",
            "raw = \"{{ secret_4 }}\\r\\n\"\n",
            "raw = \"{{ secret_5 }}\\r\\n\"\n",
            "secret_5 = { env = \"SMTP_SECRET_5\" }\n",
        ] {
            assert!(text.contains(action), "{action} in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_reply_that_did_not_come_is_not_awaited() {
        let secret = RecordedAction::Line { text: b"AUTH PLAIN x".to_vec(), secret: Some(11) };
        let actions = [RecordedAction::Wait, line("N"), secret, RecordedAction::Content(b".".to_vec())];
        let steps = actions.map(|action| RecordedStep { action, reply: RecordedReply::None });
        let text = session_file("smtp://x", true, &steps, false, &Redactor::default());
        let steps: Vec<&str> = text.split("\n[[step]]\n").skip(1).collect();
        let expected = ["raw = \"N\\r\\n\"\n", "raw = \"AUTH PLAIN {{ secret_1 }}\\r\\n\"\n", "raw = \"...\\r\\n\"\n"];
        assert_eq!(steps, expected);
    }
}
