//! The dialogue that is typed: sends lines, content and octets, and reads the replies.

use super::dialogue_state::{DialogueState, ExpectedInput};
use super::link::ShellLink;
use super::recording::{RecordedAction, RecordedReply};
use crate::exec::ConnectError;
use crate::smtp::content::ContentEncoder;
use crate::smtp::transaction::bdat_octets;

/// What a line made of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLine {
    Continue,
    /// Nothing can be sent any more: there is no connection.
    Disconnected,
}

/// The dialogue over a connection.
pub struct TypedDialogue {
    pub link: ShellLink,
    pub state: DialogueState,
    /// What was typed of the content.
    content: Vec<u8>,
}

impl TypedDialogue {
    /// Connects and reads the greeting. The error is why that failed.
    pub fn connect(mut link: ShellLink) -> Result<Self, ConnectError> {
        link.connect()?;
        let mut dialogue = Self { link, state: DialogueState::default(), content: Vec::new() };
        dialogue.read_reply(RecordedAction::Wait);
        Ok(dialogue)
    }

    /// Opens another connection, and reads the greeting.
    pub fn reconnect(&mut self) -> Result<(), ConnectError> {
        self.link.connect()?;
        self.link.record(RecordedAction::Connect, RecordedReply::None);
        self.state.note_connected();
        self.read_reply(RecordedAction::Wait);
        Ok(())
    }

    /// After a lost connection no content is awaited any more.
    pub fn abandon_content(&mut self) {
        self.state.input = ExpectedInput::Command;
        self.content.clear();
    }

    /// Sends a command, or an answer to a 334, with CRLF.
    pub fn send_line(&mut self, line: &[u8]) -> AfterLine {
        self.send_line_hidden(line, None)
    }

    /// Sends a line that is a secret as a whole.
    pub fn send_secret(&mut self, line: &[u8]) -> AfterLine {
        self.send_line_hidden(line, Some(0))
    }

    /// From `hidden` on the line is a secret; `None`: the dialogue decides.
    fn send_line_hidden(&mut self, line: &[u8], hidden: Option<usize>) -> AfterLine {
        let open = self.link.open_line().to_vec();
        let secret = hidden.or(self.state.secret_in(line, &open));
        self.state.note_line(line, &open);
        let bytes = [line, b"\r\n"].concat();
        if !self.link.send(&bytes, secret) {
            return AfterLine::Disconnected;
        }
        // What is open may be the beginning of the line, or octets that have no end.
        let whole = [&open, line].concat();
        let octets = bdat_octets(&whole).or_else(|| bdat_octets(line));
        if let Some(octets) = octets.filter(|octets| *octets > 0) {
            self.state.input = ExpectedInput::Octets(octets);
            self.content = bytes;
            return AfterLine::Continue;
        }
        let is_starttls = |line: &[u8]| line.trim_ascii().eq_ignore_ascii_case(b"STARTTLS");
        let is_alone = open.is_empty() && is_starttls(line);
        let action = match is_alone {
            true => RecordedAction::Starttls,
            false => RecordedAction::Line { text: line.to_vec(), secret },
        };
        let code = self.read_reply(action);
        if (is_starttls(line) || is_starttls(&whole)) && code == Some(220) && self.link.start_tls() && !is_alone {
            self.link.record(RecordedAction::Tls, RecordedReply::None);
        }
        AfterLine::Continue
    }

    /// Sends bytes as they are. No reply is awaited.
    pub fn send_raw(&mut self, bytes: Vec<u8>) -> AfterLine {
        let open = self.link.open_line().to_vec();
        let secret = self.state.secret_in(&bytes, &open);
        self.state.note_raw(&bytes, &open);
        if !self.link.send(&bytes, secret) {
            return AfterLine::Disconnected;
        }
        let action = match secret {
            Some(_) => RecordedAction::RawSecret { ended: bytes.ends_with(b"\r\n") },
            None => RecordedAction::Raw(bytes),
        };
        self.link.record(action, RecordedReply::None);
        AfterLine::Continue
    }

    /// Reads the reply, which says what comes next. Gives its code, if one came.
    fn read_reply(&mut self, action: RecordedAction) -> Option<u16> {
        let reply = match self.link.read_reply() {
            Ok(reply) => RecordedReply::Code(reply.code.get()),
            Err(why) => why.into(),
        };
        self.link.record(action, reply);
        self.state.note_reply(reply.code());
        reply.code()
    }

    /// The next reply. One that was shown already is not awaited again.
    pub fn wait(&mut self) {
        match self.link.take_unasked_reply() {
            Some(code) => {
                self.link.say(&format!("the reply was shown already: {code:03}"));
                self.state.note_reply(Some(code));
            }
            None => drop(self.read_reply(RecordedAction::Wait)),
        }
    }

    /// A line of content. A lone dot ends it; other dots at its beginning are stuffed.
    pub fn content_line(&mut self, line: &[u8]) -> AfterLine {
        // `:raw` may have sent the beginning of the line.
        let open = self.link.open_line();
        let (is_whole, is_last) = (open.is_empty(), [open, line].concat() == b".");
        let stuffing: &[u8] = if is_whole && !is_last && line.starts_with(b".") { b"." } else { b"" };
        let bytes = [stuffing, line, b"\r\n"].concat();
        if !self.link.send(&bytes, None) {
            return AfterLine::Disconnected;
        }
        if !is_whole {
            match is_last {
                true => drop(self.read_reply(RecordedAction::Raw(bytes))),
                false => self.link.record(RecordedAction::Raw(bytes), RecordedReply::None),
            }
        } else if is_last {
            let content = std::mem::take(&mut self.content);
            self.read_reply(RecordedAction::Content(content));
        } else {
            self.content.extend_from_slice(line);
            self.content.extend_from_slice(b"\r\n");
        }
        AfterLine::Continue
    }

    /// A line of the octets of BDAT, of which `left` are to come.
    pub fn octets_line(&mut self, line: &[u8], left: u64) -> AfterLine {
        let mut bytes = [line, b"\r\n"].concat();
        // The last line may have no end.
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if !self.link.send(&bytes, None) {
            return AfterLine::Disconnected;
        }
        self.content.extend_from_slice(&bytes);
        self.state.input = ExpectedInput::Octets(left.saturating_sub(bytes.len() as u64));
        if self.state.input == ExpectedInput::Octets(0) {
            self.link.end_octets();
            let content = std::mem::take(&mut self.content);
            self.read_reply(RecordedAction::Raw(content));
        }
        AfterLine::Continue
    }

    /// DATA, and the file as content.
    pub fn body(&mut self, path: &str) -> AfterLine {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) => {
                self.link.say(&format!("cannot read {path}: {error}"));
                return AfterLine::Continue;
            }
        };
        if self.send_line(b"DATA") == AfterLine::Disconnected {
            return AfterLine::Disconnected;
        }
        if self.state.input == ExpectedInput::Content {
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
