//! What is typed: lines for the server, and colon commands for the shell.

use super::colon_commands::{COMMANDS, HELP};
use super::dialogue_state::{DialogueState, ExpectedInput};
use super::error_words::connect_words;
use super::link::ShellLink;
use super::login::log_in;
use super::recording::{RecordedAction, RecordedReply};
use super::shell_input::ShellInput;
use super::typed_dialogue::{AfterLine, TypedDialogue};
use super::typed_line::raw_bytes;
use crate::exec::ConnectError;
use crate::session::closest_name;
use crate::transcript::escape_unprintable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// Runs a session file, for `:run`.
pub type SessionCommand<'a> = &'a dyn Fn(&str) -> io::Result<()>;

/// A shell: performs the lines that it is given.
pub struct Shell<'a> {
    dialogue: TypedDialogue,
    run: SessionCommand<'a>,
}

impl<'a> Shell<'a> {
    /// Connects and reads the greeting. The error is why that failed.
    pub fn connect(link: ShellLink, run: SessionCommand<'a>) -> Result<Self, ConnectError> {
        Ok(Self { dialogue: TypedDialogue::connect(link)?, run })
    }

    /// The prompt for the next line.
    pub fn prompt(&self) -> &'static str {
        match self.dialogue.state.input {
            ExpectedInput::Command => "> ",
            ExpectedInput::Response => "334> ",
            ExpectedInput::Content | ExpectedInput::Octets(_) => "| ",
        }
    }

    /// Where the dialogue is.
    pub fn state(&self) -> DialogueState {
        self.dialogue.state
    }

    /// Whether the history may keep the next line: it is no content, and no secret.
    pub fn keeps(&self, line: &str) -> bool {
        self.dialogue.state.keeps(line, self.dialogue.link.open_line())
    }

    pub fn link(&mut self) -> &mut ShellLink {
        &mut self.dialogue.link
    }

    /// After a lost connection no content is awaited any more.
    pub fn abandon_content(&mut self) {
        self.dialogue.abandon_content();
    }

    /// Performs a line. A command asks `input` for what it needs besides.
    pub fn line(&mut self, line: &str, input: &mut dyn ShellInput) -> AfterLine {
        let is_command = line.starts_with(':') && !line.starts_with("::");
        if !is_command || self.dialogue.state.is_in_content() {
            let is_escaped = line.starts_with("::") && !self.dialogue.state.is_in_content();
            return self.line_of_bytes(if is_escaped { &line.as_bytes()[1..] } else { line.as_bytes() });
        }
        // What has come already may be the reply that is waited for.
        if line != ":wait" {
            self.dialogue.link.show_unasked();
        }
        let (name, argument) = line[1..].split_once(' ').unwrap_or((&line[1..], ""));
        self.colon(name, argument, input)
    }

    /// Performs a line that is for the server: content, octets, or a command with exactly these bytes.
    pub fn line_of_bytes(&mut self, line: &[u8]) -> AfterLine {
        self.dialogue.link.show_unasked();
        match self.dialogue.state.input {
            ExpectedInput::Content => self.dialogue.content_line(line),
            ExpectedInput::Octets(left) => self.dialogue.octets_line(line, left),
            ExpectedInput::Command | ExpectedInput::Response if self.dialogue.state.is_answer_to_nothing(line) => {
                self.dialogue.link.say("not sent: it is no command, and :auth was not tried");
                AfterLine::Continue
            }
            ExpectedInput::Command | ExpectedInput::Response => self.dialogue.send_line(line),
        }
    }

    fn colon(&mut self, name: &str, argument: &str, input: &mut dyn ShellInput) -> AfterLine {
        let (dialogue, bytes) = (&mut self.dialogue, argument);
        let argument = argument.trim();
        match name {
            "auth" if dialogue.state.awaits_secret() => {
                dialogue.link.say("the server waits for an answer to its 334; * gives up");
            }
            "auth" => match log_in(&mut dialogue.link, argument, input) {
                Ok(true) => {}
                Ok(false) => dialogue.state.note_auth_not_tried(),
                Err(error) => dialogue.link.say(&format!("cannot log in: {error}")),
            },
            "help" => dialogue.link.say(HELP.trim_end()),
            "b64" => return dialogue.send_secret(STANDARD.encode(argument).as_bytes()),
            "unb64" => match STANDARD.decode(argument) {
                Ok(bytes) => dialogue.link.say(&escape_unprintable(&bytes)),
                Err(_) => dialogue.link.say("this is not base64"),
            },
            "wait" => dialogue.wait(),
            "raw" => match raw_bytes(bytes) {
                Some(bytes) => return dialogue.send_raw(bytes),
                None => dialogue.link.say(":raw takes bytes; \\r, \\n, \\t, \\\\ and \\xNN are its escapes"),
            },
            "body" => return dialogue.body(argument),
            "expect" => dialogue.link.expect(argument),
            "close" => dialogue.link.close(argument == "reset"),
            "connect" => {
                if let Err(error) = dialogue.reconnect() {
                    dialogue.link.say(&connect_words(&error));
                }
            }
            "tls" => {
                if dialogue.link.start_tls() {
                    dialogue.link.record(RecordedAction::Tls, RecordedReply::None);
                }
            }
            "hex" => dialogue.link.log().set_hex(argument != "off"),
            "transcript" => dialogue.link.log().log_to(argument),
            "save" => {
                let (clean, path) = match argument.strip_prefix("--clean ") {
                    Some(path) => (true, path.trim()),
                    None => (false, argument),
                };
                let text = dialogue.link.session_file(clean);
                dialogue.link.save(path, &text);
            }
            "run" => {
                if let Err(error) = (self.run)(argument) {
                    dialogue.link.say(&format!("cannot run {argument}: {error}"));
                }
            }
            other => {
                let known = closest_name(&format!(":{other}"), COMMANDS.into_iter());
                let hint = known
                    .map_or_else(|| ":help lists the commands".to_owned(), |known| format!("did you mean {known}?"));
                dialogue.link.say(&format!("unknown command :{other}; {hint}"));
            }
        }
        AfterLine::Continue
    }
}
