//! Reads a recorded dialogue in the order in which swaks speaks.

use super::error::ExportError;
use super::recorded_dialogue::{RecordedDialogue, WireAction, WireEvent};
use super::secret_pieces::{SecretPiece, plain_bytes};
use super::shell_words::comment;
use crate::exec::{CloseMode, TlsOptions};
use base64::Engine;

/// The name of the format.
const FORMAT: &str = "swaks";
const HELP: &str = "--as sh and --as openssl can express more";

/// Reads the actions in order; what does not follow swaks' order is an error at its step.
pub struct DialogueReader<'d> {
    pub dialogue: &'d RecordedDialogue,
    at: usize,
}

impl<'d> DialogueReader<'d> {
    pub fn new(dialogue: &'d RecordedDialogue) -> Self {
        Self { dialogue, at: 0 }
    }

    fn peek(&self) -> Option<&'d WireEvent> {
        self.dialogue.actions.get(self.at)
    }

    /// The error at the current action.
    pub fn cannot(&self, why: &str) -> ExportError {
        match self.peek().or(self.dialogue.actions.last()) {
            Some(event) => self.dialogue.cannot_express(event, FORMAT, why, HELP),
            None => ExportError::new(crate::session::Place::default(), why, HELP),
        }
    }

    pub fn unexpected(&self, expected: &str) -> ExportError {
        let what = match self.peek().map(|event| &event.action) {
            None => "the session ends".to_owned(),
            Some(WireAction::Send(pieces)) => match plain_bytes(pieces) {
                Some(bytes) if bytes.iter().filter(|byte| **byte == b'\n').count() > 1 => {
                    "it sends several lines in one write".to_owned()
                }
                Some(bytes) => {
                    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
                    format!("it sends \"{}\"", comment(&String::from_utf8_lossy(line)))
                }
                None => "it sends a secret".to_owned(),
            },
            Some(WireAction::Reply(_)) => "it awaits a reply".to_owned(),
            Some(WireAction::Pause(_)) => "it pauses".to_owned(),
            Some(WireAction::Silence(_)) => "it awaits silence".to_owned(),
            Some(WireAction::AwaitLine) => "it awaits a line that is not SMTP".to_owned(),
            Some(WireAction::AwaitClose(_)) => "it awaits the end of the connection".to_owned(),
            Some(WireAction::Close(_)) => "it closes the connection".to_owned(),
            Some(WireAction::Connect { .. }) => "it opens another connection".to_owned(),
            Some(WireAction::StartTls(_)) => "it starts TLS".to_owned(),
            Some(WireAction::EndTls) => "it ends TLS".to_owned(),
            Some(WireAction::LacksStarttls) => "it goes on without STARTTLS".to_owned(),
        };
        self.cannot(&format!("{what} where swaks has {expected}"))
    }

    pub fn next(&mut self, wanted: fn(&WireAction) -> bool, expected: &str) -> Result<&'d WireAction, ExportError> {
        match self.peek() {
            Some(event) if wanted(&event.action) => {
                self.at += 1;
                Ok(&event.action)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The line that is sent next, without its end; `None` if it has a secret.
    pub fn peek_line(&self) -> Option<String> {
        match self.peek().map(|event| &event.action) {
            Some(WireAction::Send(pieces)) => {
                let bytes = plain_bytes(pieces)?;
                let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                Some(String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(line)).into_owned())
            }
            _ => Some(String::new()),
        }
    }

    /// One write of exactly this line.
    pub fn line(&mut self, line: &str) -> Result<(), ExportError> {
        let is_line = match self.peek().map(|event| &event.action) {
            Some(WireAction::Send(pieces)) => {
                plain_bytes(pieces).is_some_and(|bytes| bytes == format!("{line}\r\n").as_bytes())
            }
            _ => false,
        };
        if !is_line {
            return Err(self.unexpected(line));
        }
        self.at += 1;
        Ok(())
    }

    /// `MAIL FROM:<` or `RCPT TO:<`, and the address after it.
    pub fn address(&mut self, command: &str) -> Result<String, ExportError> {
        let line = self.peek_line().unwrap_or_default();
        let address = line.strip_prefix(command).and_then(|rest| rest.strip_suffix('>')).map(str::to_owned);
        let Some(address) = address.filter(|address| !address.contains('>')) else {
            return Err(self.unexpected(&format!("{command}…> without parameters")));
        };
        self.line(&line)?;
        Ok(address)
    }

    /// A reply that swaks goes on after.
    pub fn reply(&mut self, code: &str) -> Result<(), ExportError> {
        match self.peek().map(|event| &event.action) {
            Some(WireAction::Reply(reply)) if reply.accepts(code) => {
                self.at += 1;
                if matches!(self.peek().map(|event| &event.action), Some(WireAction::LacksStarttls)) {
                    self.at += 1;
                }
                Ok(())
            }
            Some(WireAction::Reply(_)) => Err(self.cannot(&format!("swaks goes on after {code} only"))),
            _ => Err(self.unexpected(&format!("a reply with {code}"))),
        }
    }

    /// A reply after which QUIT may follow, whatever its code.
    pub fn any_reply(&mut self) -> Result<(), ExportError> {
        self.next(|action| matches!(action, WireAction::Reply(_)), "a reply").map(drop)
    }

    /// The reply before the current action must be one that swaks goes on after.
    pub fn check_success(&mut self) -> Result<(), ExportError> {
        self.at -= 1;
        self.reply("250")
    }

    pub fn take_tls(&mut self) -> Option<TlsOptions> {
        match self.peek().map(|event| &event.action) {
            Some(WireAction::StartTls(options)) => {
                self.at += 1;
                Some((**options).clone())
            }
            _ => None,
        }
    }

    /// AUTH: the mechanism, and what was said in base64.
    pub fn auth(&mut self) -> Result<(String, Vec<Vec<SecretPiece>>), ExportError> {
        let mut parts = Vec::new();
        let WireAction::Send(first) = self.next(|action| matches!(action, WireAction::Send(_)), "AUTH")? else {
            return Err(self.unexpected("AUTH"));
        };
        let line = first.iter().find_map(|piece| match piece {
            SecretPiece::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        let line = line.unwrap_or_default();
        let mut words = line.trim_end().split(' ');
        let (Some("AUTH"), Some(mechanism)) = (words.next(), words.next()) else { return Err(self.unexpected("AUTH")) };
        if words.next().is_some_and(|word| !word.is_empty()) {
            return Err(self.cannot("its credentials are no secret, and swaks would send its own"));
        }
        parts.extend(encoded(first));
        while matches!(self.peek().map(|event| &event.action), Some(WireAction::Reply(reply)) if reply.accepts("334")) {
            self.reply("334")?;
            let WireAction::Send(pieces) =
                self.next(|action| matches!(action, WireAction::Send(_)), "an answer to 334")?
            else {
                return Err(self.unexpected("an answer to 334"));
            };
            parts.extend(encoded(pieces));
        }
        self.reply("235")?;
        Ok((mechanism.to_owned(), parts))
    }

    /// The content up to its dot, in as many writes as there are.
    pub fn content(&mut self) -> Result<Vec<u8>, ExportError> {
        let mut content = Vec::new();
        while let Some(WireAction::Send(pieces)) = self.peek().map(|event| &event.action) {
            content.extend(plain_bytes(pieces).ok_or_else(|| self.cannot("its content has a secret"))?);
            self.at += 1;
        }
        if content == b".\r\n" {
            self.at -= 1;
            return Err(self.cannot("swaks sends a message of its own in place of empty content"));
        }
        match content.ends_with(b"\r\n.\r\n") {
            true => Ok(content),
            false => Err(self.unexpected("content that ends with a dot")),
        }
    }

    /// QUIT, its reply, and the end.
    pub fn quit(&mut self) -> Result<(), ExportError> {
        self.line("QUIT")?;
        self.reply("221")?;
        while let Some(WireAction::Close(CloseMode::Fin) | WireAction::AwaitClose(_)) =
            self.peek().map(|event| &event.action)
        {
            self.at += 1;
        }
        if self.peek().is_some() { Err(self.unexpected("the end")) } else { Ok(()) }
    }
}

/// What a line says in base64: a secret, or plain text.
fn encoded(pieces: &[SecretPiece]) -> Option<Vec<SecretPiece>> {
    let inner = pieces.iter().find_map(|piece| match piece {
        SecretPiece::Base64(inner) => Some(inner.clone()),
        _ => None,
    });
    inner.or_else(|| {
        let line = plain_bytes(pieces)?;
        let text = line.trim_ascii();
        let decoded = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        (!text.starts_with(b"AUTH")).then(|| vec![SecretPiece::Bytes(decoded)])
    })
}
