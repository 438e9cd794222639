//! Which command a reply answers, from the lines of a connection.

use crate::event::RedactedLine;
use crate::session::ReplyFacts;
use crate::tools::reply_pairing::{ClientLineKind, ReceivedLine, ReplyPairing};
use std::time::Duration;

/// A command and its reply.
#[derive(Clone, Debug)]
pub struct AnsweredCommand {
    /// The verb in upper case. `DATA` for content, `None` for the greeting.
    pub command: Option<String>,
    /// `None` if there was no reply.
    pub reply: Option<ReplyFacts>,
}

/// The lines of one connection.
#[derive(Default)]
pub struct CommandLog {
    /// Each line that awaits a reply, with its verb.
    pairing: ReplyPairing<String>,
    last_answered: Option<String>,
    /// When the last line was sent.
    sent_at: Duration,
}

impl CommandLog {
    /// The code of the last reply; 0 before.
    pub fn last_code(&self) -> u16 {
        self.pairing.last_code()
    }

    /// The first command that has no reply yet.
    pub fn unanswered(&self) -> Option<String> {
        self.pairing.waiting().next().map(|(kind, verb)| command_name(kind, verb))
    }

    /// A line was sent.
    pub fn sent(&mut self, line: &RedactedLine<'_>, at: Duration) {
        self.sent_at = at;
        let text = text_of(line);
        self.pairing.sent(&text, line.wire_length() as u64, || {
            let mut words = text.split([' ', ':']).filter(|word| !word.is_empty());
            words.next().unwrap_or_default().to_ascii_uppercase()
        });
    }

    /// Content was sent.
    pub fn content_sent(&mut self, length: usize) {
        self.pairing.octets_sent(length as u64);
    }

    /// A line was received; gives what it answers if it is the last one of a reply.
    pub fn received(&mut self, line: &RedactedLine<'_>, at: Duration) -> Option<AnsweredCommand> {
        let (reply, answered) = match self.pairing.received(text_of(line).as_bytes()) {
            ReceivedLine::Partial | ReceivedLine::NotSmtp(None) => return None,
            ReceivedLine::Reply(reply, answered) => (Some(reply), answered),
            ReceivedLine::NotSmtp(answered) => (None, answered),
        };
        // Over LMTP content has several replies.
        let command = answered.map(|(kind, verb)| command_name(kind, &verb)).or_else(|| self.last_answered.take());
        self.last_answered.clone_from(&command);
        let elapsed = at.saturating_sub(self.sent_at);
        Some(AnsweredCommand { command, reply: reply.map(|reply| ReplyFacts { reply, elapsed }) })
    }
}

/// The verb of what is answered.
fn command_name(kind: ClientLineKind, verb: &str) -> String {
    match kind {
        ClientLineKind::Command => verb,
        ClientLineKind::SaslResponse => "AUTH",
        ClientLineKind::Content => "DATA",
    }
    .to_owned()
}

/// A line as transcripts show it, without the mark of its end.
fn text_of(line: &RedactedLine<'_>) -> String {
    let mut text = String::new();
    line.notation(&mut text);
    let length = text.strip_suffix("\\n").or_else(|| text.strip_suffix("\\c")).unwrap_or(&text).len();
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::lines::split_lines;

    /// Feeds a transcript; gives the command and the code of each reply.
    fn answers(transcript: &str) -> Vec<(String, u16)> {
        let mut log = CommandLog::default();
        let mut found = Vec::new();
        for line in transcript.lines() {
            let (side, text) = line.split_at(3);
            let wire = format!("{text}\r\n");
            for line in split_lines(wire.as_bytes()) {
                let line = RedactedLine::new(line, &[]);
                if side == "C: " {
                    log.sent(&line, Duration::ZERO);
                } else if let Some(answered) = log.received(&line, Duration::ZERO) {
                    let code = answered.reply.map_or(0, |facts| facts.reply.code.get());
                    found.push((answered.command.unwrap_or_default(), code));
                }
            }
        }
        found
    }

    #[test]
    fn each_reply_answers_its_command() {
        let table = [
            ("S: 220-a\nS: 220 b\nC: EHLO x\nS: 250 a\n", vec![("", 220), ("EHLO", 250)], "a reply of two lines"),
            (
                "S: 220 a\nC: MAIL FROM:<a>\nC: rcpt to:<b>\nC: DATA\nS: 250 a\nS: 550 b\nS: 354 c\nC: RCPT x\nC: .\nS: 554 d\n",
                vec![("", 220), ("MAIL", 250), ("RCPT", 550), ("DATA", 354), ("DATA", 554)],
                "a group, and content that looks like a command",
            ),
            (
                "C: DATA\nC: Subject: x\nC: .\nC: QUIT\nS: 354 a\nS: 250 b\nS: 221 c\n",
                vec![("DATA", 354), ("DATA", 250), ("QUIT", 221)],
                "content before the 354",
            ),
            (
                "C: AUTH LOGIN\nS: 334 a\nC: dXNlcg==\nS: 334 b\nC: QUIT\nS: 535 c\nC: QUIT\nS: 221 d\n",
                vec![("AUTH", 334), ("AUTH", 334), ("AUTH", 535), ("QUIT", 221)],
                "a SASL exchange",
            ),
            (
                "C: BDAT 6\nC: QUIT\nS: 250 a\nC: BDAT 0 LAST\nS: 250 b\n",
                vec![("BDAT", 250), ("BDAT", 250)],
                "octets that look like a command",
            ),
            (
                "C: DATA\nS: 354 a\nC: .\nS: 250 b\nS: 550 c\nC: QUIT\nS: 221 d\n",
                vec![("DATA", 354), ("DATA", 250), ("DATA", 550), ("QUIT", 221)],
                "a reply for each recipient (LMTP)",
            ),
            ("S: what\nS: 220 a\n", vec![("", 220)], "a line that is no reply"),
        ];
        for (transcript, expected, why) in table {
            let expected: Vec<_> = expected.into_iter().map(|(verb, code)| (verb.to_owned(), code)).collect();
            assert_eq!(answers(transcript), expected, "{why}");
        }
    }
}
