//! The sink: the server's side of SMTP (RFC 5321) and LMTP (RFC 2033), without I/O. It accepts any mail.

mod arguments;
mod auth;
mod client_session;
mod commands;
mod content;
mod envelope;
#[cfg(test)]
mod tests;

use super::config::SinkOptions;
use super::dialogue::{ClientEnd, Dialogue, ServerAction, TlsHandshake};
use super::proxy;
use super::rules::CONNECT;
use crate::smtp::content::ContentDecoder;
use client_session::ClientSession;
pub(super) use envelope::{Envelope, MailWriter};
use std::collections::VecDeque;

/// The longest command line. RFC 5321 §4.5.3.1.4 requires 512 octets and more for each extension, RFC 4954 §4 12,288.
const MAX_LINE: usize = 12_288;
/// The largest message.
const MAX_SIZE: u64 = 1 << 30;
/// RFC 5321 §4.5.3.1.8 requires 100.
const MAX_RECIPIENTS: usize = 10_000;

/// How the next bytes are interpreted.
enum InputPhase {
    /// The connection's first bytes: a PROXY header or a command.
    First,
    Command,
    /// A SASL response.
    Auth(auth::ServerExchange),
    Data(ContentDecoder),
    Bdat {
        left: u64,
        last: bool,
        /// The reply after the octets, if they are refused.
        refusal: Option<String>,
    },
    /// The rest of a line that is too long.
    Skip,
}

/// The connection of one client.
pub(super) struct Sink<'a> {
    options: &'a SinkOptions,
    writer: Option<Box<dyn MailWriter + 'a>>,
    input: Vec<u8>,
    /// How many bytes of `input` are consumed.
    used: usize,
    phase: InputPhase,
    session: ClientSession,
    secrets: auth::AuthSecrets,
    /// How often each rule matched.
    rule_counts: Vec<u32>,
    /// The reply of a rule that replaces the next one.
    reply_override: Option<Vec<u8>>,
    out: Vec<u8>,
    actions: VecDeque<ServerAction>,
    greeted: bool,
    closing: bool,
    /// Unstuffed content that is not stored yet.
    content: Vec<u8>,
    /// Why the current mail cannot be stored.
    storage_error: Option<String>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(options: &'a SinkOptions, writer: Option<Box<dyn MailWriter + 'a>>, nonce: String) -> Self {
        let password = options.password.as_ref().map(|password| password.reveal().to_owned());
        Self {
            options,
            writer,
            input: Vec::new(),
            used: 0,
            phase: InputPhase::First,
            session: ClientSession::default(),
            secrets: auth::AuthSecrets { password, nonce, channel_binding: None },
            rule_counts: Vec::new(),
            reply_override: None,
            out: Vec::new(),
            actions: VecDeque::new(),
            greeted: false,
            closing: false,
            content: Vec::new(),
            storage_error: None,
        }
    }

    /// Appends a reply. Its lines are separated by `\n`, and each includes its code.
    fn reply(&mut self, text: &str) {
        if let Some(instead) = self.reply_override.take() {
            self.out.extend_from_slice(&instead);
            return;
        }
        for line in text.split('\n') {
            self.out.extend_from_slice(line.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            let bytes = std::mem::take(&mut self.out);
            self.actions.push_back(ServerAction::Write { bytes, pace: None });
        }
    }

    fn close(&mut self) {
        self.closing = true;
    }

    /// Applies the matching rule, if any. Returns whether the command takes effect.
    fn apply_rule(&mut self, verb: &str, argument: &str) -> bool {
        let Some(rule) = self.options.rules.find(&mut self.rule_counts, verb, argument) else { return true };
        if let Some(delay) = rule.delay {
            self.flush();
            self.actions.push_back(ServerAction::Wait(delay));
        }
        if rule.close {
            self.closing = true;
        }
        if rule.permits_command() {
            self.reply_override = Some(rule.reply.clone());
            return true;
        }
        self.out.extend_from_slice(&rule.reply);
        false
    }

    fn greet(&mut self) {
        self.greeted = true;
        if self.apply_rule(CONNECT, "") {
            self.reply("220 localhost ESMTP mailrun sink");
        }
    }

    /// Processes the input as far as possible.
    fn process(&mut self) {
        while !self.closing && self.actions.back() != Some(&ServerAction::START_TLS) {
            let before = (self.used, std::mem::discriminant(&self.phase));
            self.advance();
            if before == (self.used, std::mem::discriminant(&self.phase)) {
                break;
            }
        }
        self.input.drain(..self.used);
        self.used = 0;
    }

    fn advance(&mut self) {
        match std::mem::replace(&mut self.phase, InputPhase::Command) {
            InputPhase::First => self.read_proxy_header(),
            InputPhase::Command => self.read_command(),
            InputPhase::Auth(exchange) => self.auth_line(exchange),
            InputPhase::Data(decoder) => self.receive_data(decoder),
            InputPhase::Bdat { left, last, refusal } => self.receive_bdat(left, last, refusal),
            InputPhase::Skip => self.skip(),
        }
    }

    fn read_proxy_header(&mut self) {
        match proxy::detect(&self.input) {
            proxy::ProxyHeader::Complete { length, source } => {
                self.used += length;
                self.session.proxied_for = Some(source);
            }
            proxy::ProxyHeader::Incomplete => self.phase = InputPhase::First,
            proxy::ProxyHeader::Absent => {}
        }
    }

    /// Takes a line from the input, without its CRLF. An invalid line is answered here.
    fn take_line(&mut self) -> Option<String> {
        let rest = self.input.get(self.used..).unwrap_or_default();
        let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
            if rest.len() > MAX_LINE {
                self.phase = InputPhase::Skip;
            }
            return None;
        };
        let line = rest[..at].to_vec();
        self.used += at + 1;
        let wrong = match line.strip_suffix(b"\r") {
            _ if line.len() > MAX_LINE => "500 5.5.6 line too long",
            // RFC 5321 §2.3.8: only CRLF ends a line.
            None => "500 5.5.2 a line ends in CRLF, this one in a bare LF",
            Some(line) => match std::str::from_utf8(line) {
                Ok(line) if !line.contains('\0') => return Some(line.to_owned()),
                Ok(_) => "500 5.5.2 a line holds no NUL",
                Err(_) => "500 5.5.2 a line is UTF-8",
            },
        };
        self.reply(wrong);
        None
    }

    fn skip(&mut self) {
        let rest = self.input.get(self.used..).unwrap_or_default();
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                self.used += at + 1;
                self.reply("500 5.5.6 line too long");
            }
            None => {
                self.used = self.input.len();
                self.phase = InputPhase::Skip;
            }
        }
    }

    fn read_command(&mut self) {
        if let Some(line) = self.take_line() {
            self.command(&line);
        }
    }

    fn auth_line(&mut self, mut exchange: auth::ServerExchange) {
        let before = self.used;
        let Some(line) = self.take_line() else {
            // An invalid line ends the exchange; an incomplete one does not.
            if self.used == before && !matches!(self.phase, InputPhase::Skip) {
                self.phase = InputPhase::Auth(exchange);
            }
            return;
        };
        if line == "*" {
            // RFC 4954 §4.
            return self.reply("501 5.7.0 authentication cancelled");
        }
        match decode(&line) {
            Some(response) => {
                let step = exchange.respond(&response);
                self.auth_step(exchange, step);
            }
            None => self.reply("501 5.5.2 not base64"),
        }
    }

    fn auth_step(&mut self, exchange: auth::ServerExchange, step: auth::AuthStep) {
        match step {
            auth::AuthStep::Challenge(challenge) => {
                self.reply(&format!("334 {}", encode(&challenge)));
                self.phase = InputPhase::Auth(exchange);
            }
            auth::AuthStep::Done(who) => {
                self.session.authenticated = Some(who);
                self.reply("235 2.7.0 accepted");
            }
            auth::AuthStep::Wrong => self.reply("535 5.7.8 authentication credentials invalid"),
            auth::AuthStep::Malformed(why) => self.reply(&format!("501 5.5.2 {why}")),
        }
    }

    fn starttls(&mut self) {
        self.reply("220 2.0.0 go ahead");
        self.flush();
        // RFC 3207 §4.2: what was sent unencrypted is forgotten, and what was pipelined after STARTTLS is dropped.
        self.used = self.input.len();
        self.actions.push_back(ServerAction::START_TLS);
    }
}

/// Decodes base64 of an AUTH exchange. `=` is the empty initial response (RFC 4954 §4).
fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl Dialogue for Sink<'_> {
    fn next_action(&mut self) -> ServerAction {
        if !self.greeted {
            self.greet();
        }
        if self.actions.is_empty() {
            self.process();
            if self.actions.back() != Some(&ServerAction::START_TLS) {
                self.flush();
            }
        }
        match self.actions.pop_front() {
            Some(turn) => turn,
            None if self.closing => ServerAction::Close,
            None => ServerAction::Read,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    fn tls_started(&mut self, tls: TlsHandshake) {
        if !matches!(self.phase, InputPhase::First) {
            self.phase = InputPhase::Command;
        }
        self.session.tls_started(tls.version);
        self.secrets.channel_binding = tls.server_end_point;
    }

    fn client_ended(&mut self, how: ClientEnd) {
        if let Some(writer) = &mut self.writer {
            writer.abandon();
        }
        match how {
            ClientEnd::Closed => {}
            // RFC 5321 §4.5.3.2.7, §3.8.
            ClientEnd::Idle => self.out.extend_from_slice(b"421 4.4.2 nothing came for too long\r\n"),
            ClientEnd::Stopped => self.out.extend_from_slice(b"421 4.3.2 shutting down\r\n"),
        }
        self.phase = InputPhase::Command;
        self.closing = true;
    }
}
