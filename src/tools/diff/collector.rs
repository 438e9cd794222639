//! Makes an [`ObservedDialogue`] of lines in the order of the wire, or of the events of a run.

use super::dialogue::{ObservedConnection, ObservedDialogue, ObservedExchange, ServerAnswer};
use crate::event::{Cause, Event, Fact, Observer, Verdict};
use crate::smtp::lines::LineEnd;
use crate::smtp::reply::ReplyParser;
use crate::transcript::{LineBody, unescape};
use std::collections::VecDeque;

const GREETING: &str = "(greeting)";
const CONTENT: &str = "(content)";
const UNASKED: &str = "(unasked)";
const END: &str = "(end of the connection)";
const HANDSHAKE: &str = "(TLS handshake)";
/// Stands for a line of a SASL exchange, which may hold credentials.
const SASL_RESPONSE: &str = "(answer to 334)";

/// Pairs each reply with the oldest command that has none (RFC 2920 §3.1).
#[derive(Default)]
pub struct DialogueCollector {
    dialogue: ObservedDialogue,
    open: Vec<CollectedConnection>,
}

/// A connection whose lines are being read.
struct CollectedConnection {
    name: String,
    /// Its index in the dialogue.
    index: usize,
    parser: ReplyParser,
    /// The exchanges without an answer, by index.
    pending: VecDeque<usize>,
    content: ContentState,
    last_code: u16,
    place: String,
}

/// Whether the client's lines are content, and up to where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentState {
    Outside,
    /// Up to the dot.
    UntilDot,
    /// The octets of BDAT that are left.
    Octets(u64),
}

impl DialogueCollector {
    /// The dialogue so far.
    pub fn finish(self) -> ObservedDialogue {
        self.dialogue
    }

    /// A connection was opened.
    pub fn connected(&mut self, name: &str) {
        self.open.retain(|open| open.name != name);
        let index = self.dialogue.connections.len();
        self.dialogue.connections.push(ObservedConnection { name: name.to_owned(), exchanges: Vec::new() });
        self.open.push(CollectedConnection {
            name: name.to_owned(),
            index,
            parser: ReplyParser::default(),
            pending: VecDeque::new(),
            content: ContentState::Outside,
            last_code: 0,
            place: String::new(),
        });
    }

    /// Sets the place of the lines that follow on a connection.
    pub fn set_place(&mut self, name: &str, place: &str) {
        place.clone_into(&mut self.connection(name).place);
    }

    /// The client sent a line, in the transcript's notation.
    pub fn sent(&mut self, name: &str, text: &str) {
        let open = self.connection(name);
        match open.content {
            ContentState::Octets(left) => return open.content_sent(left, wire_length(text)),
            ContentState::UntilDot if text != "." => return,
            ContentState::UntilDot => {
                open.content = ContentState::Outside;
                return self.push(name, CONTENT, None);
            }
            ContentState::Outside => {}
        }
        let sasl = open.last_code == 334 && open.pending.is_empty();
        let command = if sasl { SASL_RESPONSE } else { text };
        self.push(name, command, None);
        let mut words = text.split_ascii_whitespace();
        if words.next().is_some_and(|verb| verb.eq_ignore_ascii_case("BDAT"))
            && let Some(octets) = words.next().and_then(|size| size.parse().ok()).filter(|octets| *octets > 0)
        {
            self.connection(name).content = ContentState::Octets(octets);
        }
    }

    /// The client sent content of this many octets.
    pub fn content_sent(&mut self, name: &str, octets: u64) {
        let open = self.connection(name);
        if let ContentState::Octets(left) = open.content {
            open.content_sent(left, octets);
        }
    }

    /// The server sent a line, in the transcript's notation.
    pub fn received(&mut self, name: &str, text: &str) {
        let open = self.connection(name);
        if matches!(open.content, ContentState::Octets(_)) {
            open.content = ContentState::Outside;
        }
        let body = unescape(text).unwrap_or_else(|_| LineBody::plain(text.as_bytes(), LineEnd::CrLf));
        let line = body.pieces.join(&b"[secret]"[..]);
        match open.parser.line(&line) {
            Ok(None) => {}
            Ok(Some(reply)) => {
                open.last_code = reply.code.get();
                self.answer(name, ServerAnswer::Reply(reply));
            }
            Err(_) => {
                open.parser = ReplyParser::default();
                open.last_code = 0;
                self.answer(name, ServerAnswer::NotSmtp(text.to_owned()));
            }
        }
    }

    /// A TLS handshake was done, or failed.
    pub fn handshake(&mut self, name: &str, answer: ServerAnswer) {
        self.push(name, HANDSHAKE, Some(answer));
    }

    /// The server ended the connection.
    pub fn ended(&mut self, name: &str, answer: ServerAnswer) {
        let open = self.connection(name);
        let (index, last_code) = (open.index, open.last_code);
        let pending = std::mem::take(&mut open.pending);
        if pending.is_empty() {
            let exchanges = &self.dialogue.connections[index].exchanges;
            match exchanges.last() {
                None => self.push(name, GREETING, Some(answer)),
                // RFC 5321 §3.8, §4.1.1.10: the server announced it.
                Some(last) if last.verb() == "QUIT" || matches!(last_code, 221 | 421) => {}
                Some(_) => self.push(name, END, Some(answer)),
            }
            return;
        }
        for exchange in pending {
            self.dialogue.connections[index].exchanges[exchange].answers.push(answer.clone());
        }
    }

    fn answer(&mut self, name: &str, answer: ServerAnswer) {
        let open = self.connection(name);
        let go_ahead = open.last_code == 354;
        let (index, next) = (open.index, open.pending.pop_front());
        if go_ahead {
            self.begin_content(name);
        }
        let exchanges = &mut self.dialogue.connections[index].exchanges;
        match (next, exchanges.last_mut()) {
            (Some(exchange), _) => exchanges[exchange].answers.push(answer),
            (None, None) => self.push(name, GREETING, Some(answer)),
            // RFC 2033 §4.2: a reply for each recipient.
            (None, Some(last)) if last.command == CONTENT || last.verb() == "BDAT" => last.answers.push(answer),
            (None, Some(_)) => self.push(name, UNASKED, Some(answer)),
        }
    }

    /// The server wants content. Lines that the client did not wait for with are content, not commands, up to the dot.
    fn begin_content(&mut self, name: &str) {
        let open = self.connection(name);
        let index = open.index;
        let pending = std::mem::take(&mut open.pending);
        let exchanges = &mut self.dialogue.connections[index].exchanges;
        let dot = pending.iter().position(|number| exchanges[*number].command == ".");
        let lines = dot.unwrap_or(pending.len());
        // What has no answer yet is at the end.
        if let Some(first) = pending.front() {
            exchanges.drain(*first..*first + lines);
        }
        let left: VecDeque<usize> = pending.iter().skip(lines).map(|number| number - lines).collect();
        if let (Some(_), Some(content)) = (dot, left.front()) {
            CONTENT.clone_into(&mut exchanges[*content].command);
        }
        let open = self.connection(name);
        open.pending = left;
        if dot.is_none() {
            open.content = ContentState::UntilDot;
        }
    }

    /// Adds an exchange; without an answer it waits for one.
    fn push(&mut self, name: &str, command: &str, answer: Option<ServerAnswer>) {
        let open = self.connection(name);
        let (place, index) = (open.place.clone(), open.index);
        let exchanges = &mut self.dialogue.connections[index].exchanges;
        let number = exchanges.len();
        let waits = answer.is_none();
        exchanges.push(ObservedExchange { command: command.to_owned(), place, answers: answer.into_iter().collect() });
        if waits {
            self.connection(name).pending.push_back(number);
        }
    }

    /// The connection of this name; one that was not announced is opened.
    fn connection(&mut self, name: &str) -> &mut CollectedConnection {
        let found = self.open.iter().position(|open| open.name == name);
        let at = found.unwrap_or_else(|| {
            self.connected(name);
            self.open.len() - 1
        });
        &mut self.open[at]
    }
}

impl CollectedConnection {
    fn content_sent(&mut self, left: u64, octets: u64) {
        self.content = match left.saturating_sub(octets) {
            0 => ContentState::Outside,
            left => ContentState::Octets(left),
        };
    }
}

/// The length of a line on the wire in octets. Of a secret it is unknown, and not counted.
fn wire_length(text: &str) -> u64 {
    let Ok(body) = unescape(text) else { return text.len() as u64 + 2 };
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    (body.pieces.iter().map(Vec::len).sum::<usize>() + end) as u64
}

impl Observer for DialogueCollector {
    fn observe(&mut self, event: &Event<'_>) {
        let name = event.connection;
        let mut text = String::new();
        match &event.fact {
            Fact::Connected { .. } => self.connected(name),
            Fact::StepStarted { step } => {
                let place = &step.place;
                if !place.file.is_empty() && self.open.iter().any(|open| open.name == name) {
                    self.set_place(name, &format!("{}:{}", place.file, place.line));
                }
            }
            Fact::LineSent(line) => {
                line.notation(&mut text);
                self.sent(name, &text);
            }
            Fact::Content(block) => self.content_sent(name, block.wire_length() as u64),
            Fact::LineReceived(line) => {
                line.notation(&mut text);
                self.received(name, &text);
            }
            Fact::TlsStarted { .. } => self.handshake(name, ServerAnswer::TlsStarted),
            Fact::ClosedByServer => self.ended(name, ServerAnswer::Closed),
            Fact::ResetByServer => self.ended(name, ServerAnswer::Reset),
            Fact::StepFinished { verdict: Verdict::Failed(failure) | Verdict::Error(failure), .. } => {
                if let Cause::Certificate { .. } | Cause::TlsFailed { .. } | Cause::TlsRefused { .. } = &failure.cause {
                    self.handshake(name, ServerAnswer::TlsFailed(failure.cause.to_string()));
                }
            }
            _ => {}
        }
    }
}
