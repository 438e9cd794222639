//! A command line of swaks, which sends one message over one connection.

use super::error::ExportError;
use super::recorded_dialogue::{RecordedDialogue, WireAction};
use super::secret_pieces::SecretPiece;
use super::shell_words::{comment, printf_arguments, quote};
use super::swaks_order::DialogueReader;
use crate::exec::{Server, ServerAddress, TlsOptions};
use crate::session::Scheme;
use std::fmt::Write;

/// Writes the command line.
pub fn write(dialogue: &RecordedDialogue) -> Result<String, ExportError> {
    let mut reader = DialogueReader::new(dialogue);
    let mut options = Vec::new();
    let Some(server) = dialogue.server() else {
        return Err(ExportError::new(crate::session::Place::default(), "the session makes no connection", ""));
    };
    options.extend(server_options(server, &mut reader)?);
    reader.reply("220")?;
    let stage = Stages { lmtp: server.is_lmtp(), ..Stages::default() }.read(&mut reader, &mut options)?;
    let content = stage.content;
    if let Some(quit_after) = stage.quit_after {
        options.push(format!("--quit-after {quit_after}"));
    }
    let mut text = format!(
        "#!/bin/sh\n# The dialogue of {}, as `mailrun export --as swaks` writes it. Needs swaks.\n",
        comment(&dialogue.name)
    );
    for variable in &dialogue.variables {
        let _ = writeln!(text, ": \"${{{variable}:?set it to the secret}}\"");
        let _ = writeln!(text, "case ${variable} in -*) echo '{variable}: {HYPHEN}' >&2; exit 64 ;; esac");
    }
    let input = match content {
        Some(content) => {
            options.push("--no-data-fixup --data -".to_owned());
            // swaks ends the last line, that of the dot, by itself.
            let content = content.strip_suffix(b"\r\n").unwrap_or(&content).to_vec();
            format!("printf -- {} |\n", printf_arguments(&[SecretPiece::Bytes(content)]))
        }
        None => String::new(),
    };
    let _ = writeln!(text, "{input}swaks {}", options.join(" \\\n  "));
    Ok(text)
}

fn server_options(server: &Server, reader: &mut DialogueReader<'_>) -> Result<Vec<String>, ExportError> {
    reader.next(|action| matches!(action, WireAction::Connect { .. }), "a connection")?;
    let mut options = vec![match &server.address {
        ServerAddress::Tcp { host, port } => format!("--server {} --port {port}", quote(host)),
        ServerAddress::Unix(path) => format!("--socket {}", quote(&path.to_string_lossy())),
    }];
    if let Some(tls) = reader.take_tls() {
        let tls = tls_options(&tls, reader)?;
        options.push(format!("--tls-on-connect{tls}"));
    } else if server.scheme == Scheme::Smtps {
        return Err(reader.unexpected("TLS"));
    }
    Ok(options)
}

/// The options of swaks for TLS beside those that start it.
fn tls_options(tls: &TlsOptions, reader: &DialogueReader<'_>) -> Result<String, ExportError> {
    let has_limits = tls.limits != crate::exec::TlsLimits::default() || !tls.alpn.is_empty();
    if tls.client_cert.is_some() || has_limits || (tls.verify && !tls.ca.is_empty()) {
        return Err(reader.cannot("it has settings of [tls] that swaks is not given"));
    }
    Ok(if tls.verify { " --tls-verify".to_owned() } else { String::new() })
}

/// What of a dialogue follows the greeting.
#[derive(Default)]
struct Stages {
    lmtp: bool,
    /// The last stage, if QUIT follows before the content.
    quit_after: Option<&'static str>,
    content: Option<Vec<u8>>,
}

impl Stages {
    /// Reads it in swaks' order: EHLO, STARTTLS, EHLO, AUTH, MAIL, RCPT, DATA, QUIT.
    fn read(mut self, reader: &mut DialogueReader<'_>, options: &mut Vec<String>) -> Result<Self, ExportError> {
        if self.quits(reader, "CONNECT")? {
            return Ok(self);
        }
        let name = self.hello(reader, options)?;
        if self.quits(reader, "FIRST-HELO")? {
            return Ok(self);
        }
        if reader.peek_line().as_deref() == Some("STARTTLS") {
            reader.line("STARTTLS")?;
            reader.reply("220")?;
            let tls = reader.take_tls().ok_or_else(|| reader.unexpected("the TLS handshake"))?;
            let start = if reader.dialogue.optional_tls { "--tls-optional" } else { "--tls" };
            options.push(format!("{start}{}", tls_options(&tls, reader)?));
            let again = self.hello(reader, &mut Vec::new())?;
            if again != name {
                return Err(reader.cannot("it says another name after STARTTLS"));
            }
        }
        if self.quits(reader, "HELO")? {
            return Ok(self);
        }
        if reader.peek_line().is_none_or(|line| line.starts_with("AUTH ")) {
            options.push(auth_options(reader)?);
            if self.quits(reader, "AUTH")? {
                return Ok(self);
            }
        }
        let from = reader.address("MAIL FROM:<")?;
        options.push(option(reader, "--from", if from.is_empty() { "<>" } else { &from })?);
        if let Some(stage) = self.ends_refused(reader, "MAIL")? {
            return Ok(stage);
        }
        let mut to = Vec::new();
        while reader.peek_line().is_some_and(|line| line.starts_with("RCPT ")) || to.is_empty() {
            let address = reader.address("RCPT TO:<")?;
            if address.contains(',') {
                return Err(reader.cannot("swaks takes the comma in the address for the end of one"));
            }
            to.push(address);
            reader.any_reply()?;
        }
        options.push(option(reader, "--to", &to.join(","))?);
        if self.quits(reader, "RCPT")? {
            return Ok(self);
        }
        reader.check_success()?;
        reader.line("DATA")?;
        reader.reply("354")?;
        self.content = Some(reader.content()?);
        let replies = if self.lmtp { to.len() } else { 1 };
        for _ in 0..replies {
            reader.reply("250")?;
        }
        reader.quit()?;
        Ok(self)
    }

    fn hello(&self, reader: &mut DialogueReader<'_>, options: &mut Vec<String>) -> Result<String, ExportError> {
        let line = reader.peek_line().unwrap_or_default();
        let (verb, name) = line.split_once(' ').unwrap_or((&line, ""));
        let protocol = match (verb, self.lmtp) {
            ("EHLO", false) => None,
            ("LHLO", true) => Some("--protocol LMTP"),
            ("HELO", false) => Some("--protocol SMTP"),
            _ => return Err(reader.unexpected("EHLO")),
        };
        if name.is_empty() {
            return Err(reader.cannot("swaks puts a name of its own after EHLO"));
        }
        reader.line(&line)?;
        reader.reply("250")?;
        options.push(option(reader, "--ehlo", name)?);
        options.extend(protocol.map(str::to_owned));
        Ok(name.to_owned())
    }

    /// Whether QUIT follows, after this stage.
    fn quits(&mut self, reader: &mut DialogueReader<'_>, stage: &'static str) -> Result<bool, ExportError> {
        if reader.peek_line().as_deref() != Some("QUIT") {
            return Ok(false);
        }
        reader.quit()?;
        self.quit_after = Some(stage);
        Ok(true)
    }

    /// After MAIL: its reply, and QUIT if that follows.
    fn ends_refused(
        &mut self,
        reader: &mut DialogueReader<'_>,
        stage: &'static str,
    ) -> Result<Option<Self>, ExportError> {
        reader.any_reply()?;
        if self.quits(reader, stage)? {
            return Ok(Some(std::mem::take(self)));
        }
        reader.check_success().map(|()| None)
    }
}

fn auth_options(reader: &mut DialogueReader<'_>) -> Result<String, ExportError> {
    let (mechanism, mut parts) = reader.auth()?;
    let mut credentials = Vec::new();
    match mechanism.as_str() {
        // swaks sends it with the command (RFC 4954 §4).
        "PLAIN" if parts.len() == 1 => {
            let fields = split_at_nul(&parts.remove(0));
            match fields.as_slice() {
                [authzid, user, password] if authzid.is_empty() => credentials.extend([user.clone(), password.clone()]),
                _ => return Err(reader.cannot("swaks sends no authorization identity")),
            }
        }
        "LOGIN" if parts.len() == 2 => credentials.append(&mut parts),
        _ => return Err(reader.cannot("swaks is given PLAIN and LOGIN only, PLAIN in one line and LOGIN in three")),
    }
    let looks_like_option = |pieces: &Vec<SecretPiece>| matches!(pieces.first(), Some(SecretPiece::Bytes(bytes)) if bytes.starts_with(b"-"));
    if credentials.iter().any(looks_like_option) {
        return Err(reader.cannot(HYPHEN));
    }
    let words: Vec<String> = credentials.iter().map(|pieces| word(pieces)).collect();
    let [user, password] = words.as_slice() else { return Err(reader.cannot("its credentials are incomplete")) };
    Ok(format!("--auth {mechanism} --auth-user {user} --auth-password {password}"))
}

const HYPHEN: &str = "swaks takes a value that begins with a hyphen for an option";

/// An option with a value.
fn option(reader: &DialogueReader<'_>, name: &str, value: &str) -> Result<String, ExportError> {
    if value.starts_with('-') {
        return Err(reader.cannot(HYPHEN));
    }
    Ok(format!("{name} {}", quote(value)))
}

/// A word of the shell with the values of variables.
fn word(pieces: &[SecretPiece]) -> String {
    let parts = pieces.iter().map(|piece| match piece {
        SecretPiece::Bytes(bytes) => quote(&String::from_utf8_lossy(bytes)),
        SecretPiece::Variable(name) => format!("\"${name}\""),
        SecretPiece::Base64(_) => format!("\"$(printf -- {})\"", printf_arguments(std::slice::from_ref(piece))),
    });
    let word: String = parts.collect();
    if word.is_empty() { "''".to_owned() } else { word }
}

fn split_at_nul(pieces: &[SecretPiece]) -> Vec<Vec<SecretPiece>> {
    let mut fields = vec![Vec::new()];
    for piece in pieces {
        let SecretPiece::Bytes(bytes) = piece else {
            if let Some(last) = fields.last_mut() {
                last.push(piece.clone());
            }
            continue;
        };
        for (index, part) in bytes.split(|byte| *byte == 0).enumerate() {
            if index > 0 {
                fields.push(Vec::new());
            }
            if let Some(last) = fields.last_mut().filter(|_| !part.is_empty()) {
                last.push(SecretPiece::Bytes(part.to_vec()));
            }
        }
    }
    fields
}
