//! Where a typed dialogue is: what the next line is, and which of its bytes are a secret.

use super::typed_line::{first_secret, has_auth, is_auth, is_line_end, masked_line, raw_bytes, without_line_end};
use crate::tools::import::is_command;

/// What the next line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpectedInput {
    #[default]
    Command,
    /// After a 334: the line is a secret.
    Response,
    /// After a 354.
    Content,
    /// After BDAT: this many octets are to come.
    Octets(u64),
}

/// Whether AUTH goes on, as far as it matters for what is a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AuthExchange {
    #[default]
    None,
    /// AUTH was sent, and is not refused yet.
    Running,
    /// The server refused. What was prepared as answers may still come, as lines that are no commands.
    Refused,
    /// `:auth` was not tried. What was prepared as answers is not sent.
    NotTried,
}

/// The DATA commands that were sent with `:raw` since the last line that was typed. What follows one is its content, up to a lone
/// dot. After that a 354 asks for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RawData {
    /// How many have no 354 yet.
    unanswered: usize,
    /// The content of the last one was sent up to its dot.
    is_ended: bool,
    /// How many lines that ask for a reply have none yet.
    awaited: usize,
}

/// The state of a dialogue. `open`, where a function takes it, is what was sent since the last end of a line: the next bytes
/// go on with that line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialogueState {
    pub input: ExpectedInput,
    exchange: AuthExchange,
    raw_data: RawData,
}

impl DialogueState {
    /// Whether the next line answers a 334: it is a secret, whatever it is.
    pub fn awaits_secret(self) -> bool {
        self.input == ExpectedInput::Response
    }

    /// Whether AUTH was sent, so that a line that is no command is a secret.
    pub fn is_after_auth(self) -> bool {
        self.exchange != AuthExchange::None
    }

    /// Whether the next line is content.
    pub fn is_in_content(self) -> bool {
        matches!(self.input, ExpectedInput::Content | ExpectedInput::Octets(_))
    }

    /// Whether a line was prepared for `:auth`, which was not tried. It would be sent as a command, readable by all.
    pub fn is_answer_to_nothing(self, line: &[u8]) -> bool {
        self.exchange == AuthExchange::NotTried && !is_command(line.trim_ascii_start())
    }

    /// Where the first secret of bytes begins that are sent next, if they have one. `*` gives up AUTH (RFC 4954 §4), and is no
    /// secret.
    pub fn secret_in(self, bytes: &[u8], open: &[u8]) -> Option<usize> {
        let is_answer = self.awaits_secret() && bytes.trim_ascii_end() != b"*";
        if is_answer { Some(0) } else { first_secret(open, bytes, self.is_after_auth()) }
    }

    /// Whether the history may keep a line that is typed next: it is no content, and no secret.
    pub fn keeps(self, line: &str, open: &[u8]) -> bool {
        let raw = line.strip_prefix(":raw ").map(|text| raw_bytes(text).unwrap_or_else(|| text.as_bytes().to_vec()));
        let has_secret = match &raw {
            Some(bytes) => self.secret_in(bytes, open).is_some(),
            None => masked_line(line, open, self.is_after_auth()).is_some(),
        };
        self.input == ExpectedInput::Command && !has_secret && !line.starts_with(":b64")
    }

    /// Bytes are sent as commands. One of them begins AUTH, or ends what belongs to one.
    fn note_sent(&mut self, bytes: &[u8], open: &[u8]) {
        if self.input != ExpectedInput::Command {
            return;
        }
        let whole = [open, bytes].concat();
        for line in whole.split(is_line_end).filter(|line| is_command(line.trim_ascii_start())) {
            self.exchange = if is_auth(line) { AuthExchange::Running } else { AuthExchange::None };
        }
        // What is open may be octets, which begin no command.
        if !open.is_empty() && has_auth(bytes) {
            self.exchange = AuthExchange::Running;
        }
    }

    /// Bytes are sent with `:raw`. What follows DATA is content.
    pub fn note_raw(&mut self, bytes: &[u8], open: &[u8]) {
        self.note_sent(bytes, open);
        for line in [open, bytes].concat().split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let is_in_content = self.raw_data.unanswered > 0 && !self.raw_data.is_ended;
            let ends_content = is_in_content && without_line_end(line) == b".";
            if !is_in_content && line.trim_ascii().eq_ignore_ascii_case(b"DATA") {
                self.raw_data.unanswered += 1;
                self.raw_data.is_ended = false;
            }
            self.raw_data.is_ended |= ends_content;
            self.raw_data.awaited += usize::from(!is_in_content || ends_content);
        }
    }

    /// A line is typed: a 354 that answers it asks for content.
    pub fn note_line(&mut self, line: &[u8], open: &[u8]) {
        self.note_sent(line, open);
        self.raw_data = RawData::default();
    }

    /// A connection was opened, on which nothing was sent yet.
    pub fn note_connected(&mut self) {
        self.raw_data = RawData::default();
    }

    /// `:auth` was not tried.
    pub fn note_auth_not_tried(&mut self) {
        self.exchange = AuthExchange::NotTried;
    }

    /// A reply came with this code (`None`: none came), and says what comes next.
    pub fn note_reply(&mut self, code: Option<u16>) {
        self.exchange = match (self.exchange, code) {
            (AuthExchange::NotTried, _) => AuthExchange::NotTried,
            (AuthExchange::None, _) | (AuthExchange::Running, Some(200..=299)) => AuthExchange::None,
            (AuthExchange::Running, Some(300..=399)) => AuthExchange::Running,
            _ => AuthExchange::Refused,
        };
        if code.is_some() {
            self.raw_data.awaited = self.raw_data.awaited.saturating_sub(1);
        }
        if self.raw_data.awaited == 0 && code != Some(354) {
            // Everything is answered: a DATA that has no 354 was refused.
            self.raw_data = RawData::default();
        }
        self.input = match code {
            Some(334) => ExpectedInput::Response,
            Some(354) if self.is_content_sent() => ExpectedInput::Command,
            Some(354) => ExpectedInput::Content,
            _ => ExpectedInput::Command,
        };
    }

    /// A 354 came: whether its content was sent before it.
    fn is_content_sent(&mut self) -> bool {
        let RawData { unanswered, is_ended, .. } = self.raw_data;
        self.raw_data.unanswered = unanswered.saturating_sub(1);
        unanswered > 1 || unanswered == 1 && is_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state after these raw bytes were sent one after the other, the line that is open then, and where each had a secret.
    fn after(sent: &[&str]) -> (DialogueState, Vec<u8>, Vec<Option<usize>>) {
        let (mut state, mut open) = (DialogueState::default(), Vec::new());
        let mut secrets = Vec::new();
        for bytes in sent.iter().map(|text| text.as_bytes()) {
            secrets.push(state.secret_in(bytes, &open));
            state.note_sent(bytes, &open);
            open.extend_from_slice(bytes);
            let line = open.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            open.drain(..line);
        }
        (state, open, secrets)
    }

    #[test]
    fn a_secret_is_found_however_its_command_is_cut() {
        let text = "NOOP\r\nAUTH PLAIN AGEA\r\nQUIT\r\n";
        let secret = text.find("AGEA").expect("it is there")..text.find("\r\nQUIT").expect("it is there");
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let (.., found) = after(&pieces);
                let mut start = 0;
                for (piece, found) in pieces.iter().zip(found) {
                    let end = start + piece.len();
                    let (from, has_part) = (secret.start.max(start), secret.start.max(start) < secret.end.min(end));
                    let is_hidden = found.is_some_and(|at| start + at <= from);
                    assert!(is_hidden || !has_part, "{pieces:?}: {piece:?} has a part of it");
                    assert!(found.is_none() || end > secret.start, "{pieces:?}: {piece:?} comes before it");
                    start = end;
                }
            }
        }
    }

    #[test]
    fn answers_to_an_auth_in_pieces_are_secrets() {
        for (sent, open, next, at, why) in [
            (&["AU", "TH LOGIN\r\n"][..], "", "dXNl", Some(0), "an answer"),
            (&["AU", "TH LOGIN\r\n", "dX"], "dX", "Nlcg==\r\n", Some(0), "the rest of an answer"),
            (
                &["AU", "TH LOGIN\r\n", "dX"],
                "dX",
                "NOOP\r\n",
                Some(0),
                "the rest of an answer that looks like a command",
            ),
            (&["AU", "TH LOGIN\r\n", "*\r\n"], "", "NOOP\r\n", None, "a command"),
            (&["BDAT 3\r\nabc"], "abc", "AUTH PLAIN x\r\n", Some(11), "after octets"),
            (&["BDAT 3\r\nabc", "AUTH LOGIN\r\n"], "", "dXNl\r\n", Some(0), "an answer to AUTH after octets"),
            (&["NOOP AUTH PLA"], "NOOP AUTH PLA", "IN x\r\n", None, "an argument"),
            (&["NOOP\rAU"], "NOOP\rAU", "TH PLAIN x\r\n", Some(9), "after a bare CR"),
            (&["NOOP\rAU", "TH LOGIN\r"], "NOOP\rAUTH LOGIN\r", "dXNl\r", Some(0), "an answer after a bare CR"),
            (&["NOOP\rAU", "TH LOGIN\r\n"], "", "dXNl\r\n", Some(0), "an answer to AUTH after a bare CR"),
        ] {
            let (state, left, _) = after(sent);
            assert_eq!(String::from_utf8_lossy(&left), open, "{why}");
            assert_eq!(state.secret_in(next.as_bytes(), &left), at, "{why}");
        }
    }

    #[test]
    fn a_354_asks_for_content_unless_it_was_sent_with_raw() {
        for (raw, typed, input, why) in [
            (&["DATA\r\n"][..], None, ExpectedInput::Content, "DATA alone"),
            (&["NOOP\r\nDATA\r\n"], None, ExpectedInput::Content, "DATA at the end of a group"),
            (&["DATA\r\n", "x\n.\n\r\n.\r\n"], None, ExpectedInput::Command, "content in other bytes"),
            (&["DA", "TA\r\nx\r\n.\r\n"], None, ExpectedInput::Command, "content in the same bytes"),
            (&["DATA\r\n", ".\r\n"], Some("DATA"), ExpectedInput::Content, "a line that is typed"),
            (&["NOOP\r\n", "XDATA\r\n"], None, ExpectedInput::Content, "another command"),
            (&["NOOP\r\nDATA\r\n", "x\r\n"], None, ExpectedInput::Content, "the beginning of content"),
            (&["NOOP\r\nDATA\r\n", "x\r\n .\r\n..\r\n"], None, ExpectedInput::Content, "content with other dots"),
            (&["NOOP\r\nDATA\r\n", "DATA\r\n"], None, ExpectedInput::Content, "content that looks like DATA"),
            (&["DATA\r\n", "x\n.\nDATA\r\nx\r\n.\r\n"], None, ExpectedInput::Command, "smuggled content"),
        ] {
            let mut state = DialogueState::default();
            let mut open = Vec::new();
            for bytes in raw {
                state.note_raw(bytes.as_bytes(), &open);
                open = if bytes.ends_with('\n') { Vec::new() } else { bytes.as_bytes().to_vec() };
            }
            typed.iter().for_each(|line| state.note_line(line.as_bytes(), b""));
            state.note_reply(Some(250));
            state.note_reply(Some(354));
            assert_eq!(state.input, input, "{why}");
            let smuggled = state.raw_data.unanswered;
            state.note_reply(Some(354));
            let expected = if smuggled > 0 { ExpectedInput::Command } else { ExpectedInput::Content };
            assert_eq!(state.input, expected, "{why}: a second 354");
        }
    }

    #[test]
    fn a_refused_data_says_nothing_about_a_later_354() {
        for (raw, codes) in [
            (&["DATA\r\n"][..], &[503][..]),
            (&["DATA\r\n", "x\r\n.\r\n"], &[503, 500, 500]),
            (&["MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"], &[250, 550, 503]),
        ] {
            let mut state = DialogueState::default();
            raw.iter().for_each(|bytes| state.note_raw(bytes.as_bytes(), b""));
            codes.iter().for_each(|code| state.note_reply(Some(*code)));
            state.note_raw(b"RCPT TO:<c@x.example>\r\nDATA\r\n", b"");
            state.note_reply(Some(250));
            state.note_reply(Some(354));
            assert_eq!(state.input, ExpectedInput::Content, "{raw:?}");
        }
    }

    #[test]
    fn the_history_keeps_no_secret() {
        let running = after(&["AUTH LOGIN\r\n"]).0;
        let response = DialogueState { input: ExpectedInput::Response, ..running };
        let plain = DialogueState::default();
        for (state, open, line, kept) in [
            (plain, "", "NOOP", true),
            (plain, "", "AUTH PLAIN x", false),
            (plain, "AU", "TH PLAIN x", false),
            (plain, "AU", ":raw TH PLAIN x", false),
            (plain, "AU", ":raw TH PLAIN\\r\\n", true),
            (plain, "", ":raw A\\x55TH PLAIN x", false),
            (plain, "", ":raw AUTH PLAIN \\q", false),
            (plain, "", ":b64 x", false),
            (plain, "", ":b64", false),
            (running, "", "dXNl", false),
            (running, "", "NOOP", true),
            (running, "", ":wait", true),
            (response, "", "NOOP", false),
        ] {
            assert_eq!(state.keeps(line, open.as_bytes()), kept, "{open:?} {line:?}");
        }
    }
}
