//! The dialogue that is typed: what each line means where it stands.

use super::colon_commands::{COMMANDS, HELP};
use super::error_words::connect_words;
use super::link::{NoReply, ShellLink};
use super::login::log_in;
use super::recording::RecordedAction;
use super::shell_input::ShellInput;
use super::typed_line::{is_auth, is_secret_answer, raw_bytes, raw_secret_from, secret_from};
use crate::exec::ConnectError;
use crate::session::closest_name;
use crate::smtp::content::ContentEncoder;
use crate::smtp::transaction::bdat_octets;
use crate::tools::import::is_command;
use crate::transcript::escape_unprintable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// Where the dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DialogueState {
    Command,
    /// After a 334: the line is a secret.
    Response,
    /// After a 354.
    Content,
    /// After BDAT: this many octets are to come.
    Octets(u64),
}

/// Whether AUTH goes on, as far as it matters for what is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthExchange {
    None,
    /// AUTH was sent, and is not refused yet.
    Running,
    /// The server refused. What was prepared as answers may still come, as lines that are no commands.
    Refused,
    /// `:auth` was not tried. What was prepared as answers is not sent.
    NotTried,
}

/// What a line made of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLine {
    Continue,
    /// Nothing can be sent any more: there is no connection.
    Disconnected,
}

/// Runs a session file, for `:run`.
pub type SessionCommand<'a> = &'a dyn Fn(&str) -> io::Result<()>;

/// The dialogue that is typed.
pub struct Shell<'a> {
    link: ShellLink,
    state: DialogueState,
    exchange: AuthExchange,
    content: Vec<u8>,
    run: SessionCommand<'a>,
}

impl<'a> Shell<'a> {
    /// Connects and reads the greeting. The error is why that failed.
    pub fn connect(mut link: ShellLink, run: SessionCommand<'a>) -> Result<Self, ConnectError> {
        link.connect()?;
        let mut shell =
            Self { link, state: DialogueState::Command, exchange: AuthExchange::None, content: Vec::new(), run };
        shell.read_reply(RecordedAction::Wait);
        Ok(shell)
    }

    /// The prompt for the next line.
    pub fn prompt(&self) -> &'static str {
        match self.state {
            DialogueState::Command => "> ",
            DialogueState::Response => "334> ",
            DialogueState::Content | DialogueState::Octets(_) => "| ",
        }
    }

    /// Whether the next line answers a 334: it is a secret, whatever it is.
    pub fn awaits_secret(&self) -> bool {
        self.state == DialogueState::Response
    }

    /// Whether AUTH was sent, so that a line that is no command is a secret.
    pub fn is_after_auth(&self) -> bool {
        self.exchange != AuthExchange::None
    }

    /// Whether the next line is content.
    pub fn is_in_content(&self) -> bool {
        matches!(self.state, DialogueState::Content | DialogueState::Octets(_))
    }

    /// Whether the history may keep the next line: it is no content, and no secret.
    pub fn keeps(&self, line: &str) -> bool {
        let raw = line.strip_prefix(":raw ").and_then(raw_bytes).unwrap_or_default();
        let is_open = self.secret_from(line).is_none() && self.raw_secret_from(&raw).is_none();
        self.state == DialogueState::Command && is_open && !line.starts_with(":b64")
    }

    pub fn link(&mut self) -> &mut ShellLink {
        &mut self.link
    }

    /// Performs a line. A command asks `input` for what it needs besides.
    pub fn line(&mut self, line: &str, input: &mut dyn ShellInput) -> AfterLine {
        // What has come already may be the reply that is waited for.
        if line != ":wait" {
            self.link.show_unasked();
        }
        match self.state {
            DialogueState::Content => return self.content_line(line.as_bytes()),
            DialogueState::Octets(left) => return self.octets_line(line.as_bytes(), left),
            DialogueState::Command | DialogueState::Response => {}
        }
        if let Some(sent) = line.strip_prefix("::") {
            let secret = self.awaits_secret().then_some(0);
            return self.send_line(&format!(":{sent}"), secret);
        }
        if let Some(command) = line.strip_prefix(':') {
            let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
            return self.colon(name, argument.trim(), input);
        }
        if self.is_answer_to_nothing(line) {
            return AfterLine::Continue;
        }
        let secret = self.secret_from(line);
        self.send_line(line, secret)
    }

    /// Whether a line was prepared for `:auth`, which was not tried. It would be sent as a command, readable by all.
    fn is_answer_to_nothing(&mut self, line: &str) -> bool {
        let is_answer = self.exchange == AuthExchange::NotTried && !is_command(line.trim_start().as_bytes());
        if is_answer {
            self.link.say("not sent: it is no command, and :auth was not tried");
        }
        is_answer
    }

    /// Where the secret of a line begins, if it has one. `*` gives up AUTH (RFC 4954 §4), and is no secret.
    fn secret_from(&self, line: &str) -> Option<usize> {
        let is_answer = self.state == DialogueState::Response && line != "*";
        let comes_late = self.is_after_auth()
            && is_secret_answer(line)
            && !line.starts_with(':')
            && !is_command(line.trim_start().as_bytes());
        if is_answer || comes_late { Some(0) } else { secret_from(line) }
    }

    /// Where the first secret of the bytes of `:raw` begins, if they have one.
    fn raw_secret_from(&self, bytes: &[u8]) -> Option<usize> {
        let text = String::from_utf8_lossy(bytes);
        let is_answer = self.state == DialogueState::Response && text.trim_end() != "*";
        let secret = if is_answer { Some(0) } else { raw_secret_from(&text, self.is_after_auth()) };
        // Bytes and text may differ in length.
        secret.map(|at| if str::from_utf8(bytes).is_ok() { at } else { 0 })
    }

    /// Performs a line that is no UTF-8: content, octets, or a command with exactly these bytes.
    pub fn line_of_bytes(&mut self, line: &[u8]) -> AfterLine {
        self.link.show_unasked();
        match self.state {
            DialogueState::Content => self.content_line(line),
            DialogueState::Octets(left) => self.octets_line(line, left),
            DialogueState::Command | DialogueState::Response => {
                let text = String::from_utf8_lossy(line);
                if self.is_answer_to_nothing(&text) {
                    return AfterLine::Continue;
                }
                // Bytes and text differ in length: all of the line is hidden.
                let secret = self.secret_from(&text).map(|_| 0);
                self.note_command(&text);
                if !self.link.send(&[line, b"\r\n"].concat(), secret) {
                    return AfterLine::Disconnected;
                }
                self.read_reply(RecordedAction::Line { text: line.to_vec(), secret });
                AfterLine::Continue
            }
        }
    }

    /// After a lost connection no content is awaited any more.
    pub fn abandon_content(&mut self) {
        self.state = DialogueState::Command;
        self.content.clear();
    }

    /// A command begins AUTH, or ends what belongs to one.
    fn note_command(&mut self, line: &str) {
        if self.state == DialogueState::Command && is_command(line.trim_start().as_bytes()) {
            self.exchange = if is_auth(line) { AuthExchange::Running } else { AuthExchange::None };
        }
    }

    fn send_line(&mut self, line: &str, secret: Option<usize>) -> AfterLine {
        let bytes = format!("{line}\r\n");
        self.note_command(line);
        if !self.link.send(bytes.as_bytes(), secret) {
            return AfterLine::Disconnected;
        }
        let is_starttls = line.trim().eq_ignore_ascii_case("STARTTLS");
        if let Some(octets) = bdat_octets(line.as_bytes()).filter(|octets| *octets > 0) {
            self.state = DialogueState::Octets(octets);
            self.content = bytes.into_bytes();
            return AfterLine::Continue;
        }
        let action = match is_starttls {
            true => RecordedAction::Starttls,
            false => RecordedAction::Line { text: line.as_bytes().to_vec(), secret },
        };
        let code = self.read_reply(action);
        if is_starttls && code == Some(220) {
            self.link.start_tls();
        }
        AfterLine::Continue
    }

    /// Reads the reply, which says what comes next. Gives its code; 0 if the connection ended instead, `None` if nothing came.
    fn read_reply(&mut self, action: RecordedAction) -> Option<u16> {
        let code = match self.link.read_reply() {
            Ok(reply) => Some(reply.code.get()),
            Err(NoReply::Closed) => Some(0),
            Err(NoReply::Nothing) => None,
        };
        self.link.record(action, code);
        self.note_reply(code);
        code
    }

    /// The next reply. One that was shown already is not awaited again.
    fn wait(&mut self) {
        match self.link.take_unasked_reply() {
            Some(code) => {
                self.link.say(&format!("the reply was shown already: {code:03}"));
                self.note_reply(Some(code));
            }
            None => {
                self.read_reply(RecordedAction::Wait);
            }
        }
    }

    /// A reply says what comes next.
    fn note_reply(&mut self, code: Option<u16>) {
        self.exchange = match (self.exchange, code) {
            (AuthExchange::NotTried, _) => AuthExchange::NotTried,
            (AuthExchange::None, _) | (AuthExchange::Running, Some(200..=299)) => AuthExchange::None,
            (AuthExchange::Running, Some(300..=399)) => AuthExchange::Running,
            _ => AuthExchange::Refused,
        };
        self.state = match code {
            Some(334) => DialogueState::Response,
            Some(354) => DialogueState::Content,
            _ => DialogueState::Command,
        };
    }

    fn content_line(&mut self, line: &[u8]) -> AfterLine {
        let (bytes, last) = match line {
            b"." => (b".\r\n".to_vec(), true),
            line if line.starts_with(b".") => ([b".", line, b"\r\n"].concat(), false),
            line => ([line, b"\r\n"].concat(), false),
        };
        if !self.link.send(&bytes, None) {
            return AfterLine::Disconnected;
        }
        if last {
            let content = std::mem::take(&mut self.content);
            self.read_reply(RecordedAction::Content(content));
        } else {
            self.content.extend_from_slice(line);
            self.content.extend_from_slice(b"\r\n");
        }
        AfterLine::Continue
    }

    fn octets_line(&mut self, line: &[u8], left: u64) -> AfterLine {
        let mut bytes = [line, b"\r\n"].concat();
        // The last line may have no end.
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if !self.link.send(&bytes, None) {
            return AfterLine::Disconnected;
        }
        self.content.extend_from_slice(&bytes);
        self.state = DialogueState::Octets(left.saturating_sub(bytes.len() as u64));
        if self.state == DialogueState::Octets(0) {
            let content = std::mem::take(&mut self.content);
            self.read_reply(RecordedAction::Raw(content));
        }
        AfterLine::Continue
    }

    fn colon(&mut self, name: &str, argument: &str, input: &mut dyn ShellInput) -> AfterLine {
        match name {
            "auth" if self.awaits_secret() => self.link.say("the server waits for an answer to its 334; * gives up"),
            "auth" => match log_in(&mut self.link, argument, input) {
                Ok(true) => {}
                Ok(false) => self.exchange = AuthExchange::NotTried,
                Err(error) => self.link.say(&format!("cannot log in: {error}")),
            },
            "help" => self.link.say(HELP.trim_end()),
            "b64" => return self.send_line(&STANDARD.encode(argument), Some(0)),
            "unb64" => match STANDARD.decode(argument) {
                Ok(bytes) => self.link.say(&escape_unprintable(&bytes)),
                Err(_) => self.link.say("this is not base64"),
            },
            "wait" => self.wait(),
            "raw" => match raw_bytes(argument) {
                Some(bytes) => {
                    let secret = self.raw_secret_from(&bytes);
                    String::from_utf8_lossy(&bytes).lines().for_each(|line| self.note_command(line));
                    if !self.link.send(&bytes, secret) {
                        return AfterLine::Disconnected;
                    }
                    let action = match secret {
                        Some(_) => RecordedAction::RawSecret { ended: bytes.ends_with(b"\r\n") },
                        None => RecordedAction::Raw(bytes),
                    };
                    self.link.record(action, None);
                }
                None => self.link.say(":raw takes bytes; \\r, \\n, \\t, \\\\ and \\xNN are its escapes"),
            },
            "body" => return self.body(argument),
            "expect" => self.link.expect(argument),
            "close" => self.link.close(argument == "reset"),
            "connect" => match self.link.connect() {
                Ok(()) => {
                    self.link.record(RecordedAction::Connect, None);
                    self.read_reply(RecordedAction::Wait);
                }
                Err(error) => self.link.say(&connect_words(&error)),
            },
            "tls" => {
                if self.link.start_tls() {
                    self.link.record(RecordedAction::Tls, None);
                }
            }
            "hex" => self.link.log().set_hex(argument != "off"),
            "transcript" => self.link.log().log_to(argument),
            "save" => {
                let (clean, path) = match argument.strip_prefix("--clean ") {
                    Some(path) => (true, path.trim()),
                    None => (false, argument),
                };
                let text = self.link.session_file(clean);
                self.link.save(path, &text);
            }
            "run" => {
                if let Err(error) = (self.run)(argument) {
                    self.link.say(&format!("cannot run {argument}: {error}"));
                }
            }
            other => {
                let known = closest_name(&format!(":{other}"), COMMANDS.into_iter());
                let hint = known
                    .map_or_else(|| ":help lists the commands".to_owned(), |known| format!("did you mean {known}?"));
                self.link.say(&format!("unknown command :{other}; {hint}"));
            }
        }
        AfterLine::Continue
    }

    /// DATA, and the file as content.
    fn body(&mut self, path: &str) -> AfterLine {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) => {
                self.link.say(&format!("cannot read {path}: {error}"));
                return AfterLine::Continue;
            }
        };
        if self.send_line("DATA", None) == AfterLine::Disconnected {
            return AfterLine::Disconnected;
        }
        if self.state == DialogueState::Content {
            let (mut bytes, mut encoder) = (Vec::new(), ContentEncoder::new(true));
            encoder.push(&content, &mut bytes);
            encoder.finish(&mut bytes);
            if !self.link.send(&bytes, None) {
                return AfterLine::Disconnected;
            }
            // What was sent, without stuffing and the dot.
            let (mut sent, mut encoder) = (Vec::new(), ContentEncoder::new(false));
            encoder.push(&content, &mut sent);
            encoder.finish(&mut sent);
            sent.truncate(sent.len().saturating_sub(b".\r\n".len()));
            self.read_reply(RecordedAction::Content(sent));
        }
        AfterLine::Continue
    }
}
