//! Pairs replies with the commands that they answer (RFC 2920 §3.1).

use crate::smtp::reply::{Reply, ReplyParser};
use crate::smtp::transaction::bdat_octets;
use std::collections::VecDeque;

/// What a line of the client is, if it awaits a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientLineKind {
    Command,
    /// A line of a SASL exchange (RFC 4954 §4), which may hold credentials.
    SaslResponse,
    /// The dot at the end of the content.
    Content,
}

/// The lines of one connection. `T` is what is known of a line that awaits a reply.
pub struct ReplyPairing<T> {
    waiting: VecDeque<WaitingLine<T>>,
    content: ContentState,
    /// The code of the last reply, 0 before.
    last_code: u16,
    parser: ReplyParser,
}

struct WaitingLine<T> {
    kind: ClientLineKind,
    /// A lone dot, which ends content if a 354 comes first.
    is_dot: bool,
    known: T,
}

/// Whether the client's lines are content, and up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentState {
    Outside,
    /// Up to the dot.
    UntilDot,
    /// The octets of BDAT that are left.
    Octets(u64),
}

/// What a line of the server is.
#[derive(Debug)]
pub enum ReceivedLine<T> {
    /// More lines of the reply follow.
    Partial,
    /// The last line of a reply, and what it answers.
    Reply(Reply, Option<(ClientLineKind, T)>),
    /// It is not SMTP. It stands for a reply.
    NotSmtp(Option<(ClientLineKind, T)>),
}

impl<T> Default for ReplyPairing<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), content: ContentState::Outside, last_code: 0, parser: ReplyParser::default() }
    }
}

impl<T> ReplyPairing<T> {
    /// The code of the last reply; 0 before.
    pub fn last_code(&self) -> u16 {
        self.last_code
    }

    /// What awaits a reply, in order.
    pub fn waiting(&self) -> impl Iterator<Item = (ClientLineKind, &T)> {
        self.waiting.iter().map(|line| (line.kind, &line.known))
    }

    /// Takes what awaits a reply, since none will come.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = (ClientLineKind, T)> {
        std::mem::take(&mut self.waiting).into_iter().map(|line| (line.kind, line.known))
    }

    /// The client sent a line of `octets`, its end included. `known` is called if it awaits a reply.
    pub fn sent(&mut self, line: &str, octets: u64, known: impl FnOnce() -> T) {
        let kind = match self.content {
            ContentState::Octets(_) => return self.octets_sent(octets),
            ContentState::UntilDot if line != "." => return,
            ContentState::UntilDot => ClientLineKind::Content,
            ContentState::Outside if self.last_code == 334 && self.waiting.is_empty() => ClientLineKind::SaslResponse,
            ContentState::Outside => ClientLineKind::Command,
        };
        self.content = match bdat_octets(line.as_bytes()).filter(|octets| *octets > 0) {
            Some(octets) if kind == ClientLineKind::Command => ContentState::Octets(octets),
            _ => ContentState::Outside,
        };
        self.waiting.push_back(WaitingLine { kind, is_dot: line == ".", known: known() });
    }

    /// The client sent octets of content.
    pub fn octets_sent(&mut self, octets: u64) {
        if let ContentState::Octets(left) = self.content {
            self.content = match left.saturating_sub(octets) {
                0 => ContentState::Outside,
                left => ContentState::Octets(left),
            };
        }
    }

    /// The server sent a line.
    pub fn received(&mut self, line: &[u8]) -> ReceivedLine<T> {
        let reply = match self.parser.line(line) {
            Ok(None) => return ReceivedLine::Partial,
            Ok(Some(reply)) => Some(reply),
            Err(_) => {
                self.parser = ReplyParser::default();
                None
            }
        };
        self.last_code = reply.as_ref().map_or(0, |reply| reply.code.get());
        let answered = self.waiting.pop_front().map(|line| (line.kind, line.known));
        if self.last_code == 354 && answered.is_some() {
            self.begin_content();
        } else if matches!(self.content, ContentState::Octets(_)) && self.waiting.is_empty() {
            // BDAT was answered before its last octet.
            self.content = ContentState::Outside;
        }
        match reply {
            Some(reply) => ReceivedLine::Reply(reply, answered),
            None => ReceivedLine::NotSmtp(answered),
        }
    }

    /// The server wants content. Lines that the client did not wait for with are content, not commands, up to the dot.
    fn begin_content(&mut self) {
        match self.waiting.iter().position(|line| line.is_dot) {
            Some(dot) => {
                self.waiting.drain(..dot);
                if let Some(end) = self.waiting.front_mut() {
                    end.kind = ClientLineKind::Content;
                }
            }
            None => {
                self.waiting.clear();
                self.content = ContentState::UntilDot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a transcript; gives what each reply answers, with its code.
    fn answers(transcript: &str) -> Vec<String> {
        let mut pairing = ReplyPairing::default();
        let mut found = Vec::new();
        for line in transcript.lines() {
            let (side, text) = line.split_at(3);
            if side == "C: " {
                pairing.sent(text, text.len() as u64 + 2, || text.to_owned());
                continue;
            }
            let (code, answered) = match pairing.received(text.as_bytes()) {
                ReceivedLine::Partial => continue,
                ReceivedLine::Reply(reply, answered) => (reply.code.get(), answered),
                ReceivedLine::NotSmtp(answered) => (0, answered),
            };
            let answered = answered.map_or("-".to_owned(), |(kind, text)| match kind {
                ClientLineKind::Command => text,
                kind => format!("{kind:?}"),
            });
            found.push(format!("{code} {answered}"));
        }
        found
    }

    #[test]
    fn each_reply_answers_the_oldest_line_that_awaits_one() {
        let table: [(&str, &[&str], &str); 10] = [
            ("S: 220-a\nS: 220 b\nC: EHLO x\nS: 250 a\n", &["220 -", "250 EHLO x"], "a reply of two lines"),
            (
                "C: MAIL a\nC: RCPT b\nC: DATA\nS: 250 a\nS: 550 b\nS: 354 c\nC: RCPT x\nC: .\nS: 554 d\n",
                &["250 MAIL a", "550 RCPT b", "354 DATA", "554 Content"],
                "a group, and content that looks like a command",
            ),
            (
                "C: DATA\nC: Subject: x\nC: .\nC: QUIT\nS: 354 a\nS: 250 b\nS: 221 c\n",
                &["354 DATA", "250 Content", "221 QUIT"],
                "content before the 354",
            ),
            (
                "C: DATA\nC: x\nC: .\nS: 503 a\nS: 500 b\nS: 500 c\n",
                &["503 DATA", "500 x", "500 ."],
                "content that is taken for commands",
            ),
            (
                "C: AUTH LOGIN\nS: 334 a\nC: dXNlcg==\nS: 334 b\nC: QUIT\nS: 535 c\nC: QUIT\nS: 221 d\n",
                &["334 AUTH LOGIN", "334 SaslResponse", "535 SaslResponse", "221 QUIT"],
                "a SASL exchange",
            ),
            (
                "C: BDAT 6\nC: QUIT\nS: 250 a\nC: BDAT 0 LAST\nS: 250 b\n",
                &["250 BDAT 6", "250 BDAT 0 LAST"],
                "octets that look like a command",
            ),
            (
                "C: NOOP\nC: BDAT 12\nC: QUIT\nS: 250 a\nC: RSET\nS: 250 b\n",
                &["250 NOOP", "250 BDAT 12"],
                "a reply to another command between octets",
            ),
            ("C: BDAT 12\nC: QUIT\nS: 552 a\nC: RSET\nS: 250 b\n", &["552 BDAT 12", "250 RSET"], "an early reply"),
            ("C: NOOP\nS: what\nC: RSET\nS: 250 a\n", &["0 NOOP", "250 RSET"], "a line that is no reply"),
            (
                "C: DATA\nS: 354 a\nC: .\nS: 250 b\nS: 550 c\n",
                &["354 DATA", "250 Content", "550 -"],
                "one reply too many",
            ),
        ];
        for (transcript, expected, why) in table {
            assert_eq!(answers(transcript), expected, "{why}");
        }
    }
}
